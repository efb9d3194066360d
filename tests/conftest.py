"""For all tests: databases, and how hypothesis looks for counterexamples."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import Phase, settings
from sqlalchemy.ext.asyncio import AsyncEngine

from config.store import migrate, open_database
from tests.postgres import running_postgres

_numbers = itertools.count(1)

# The same examples in every run, and a failure is told as it was found: making it smaller may
# take minutes. `pytest --hypothesis-profile=shrink` finds the same one and makes it smaller;
# `--hypothesis-profile=explore` looks at other examples, and at many more where the test sets
# no number of its own. No deadlines: how long an example takes is the machine's affair.
settings.register_profile(
    "steady",
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.register_profile(
    "shrink",
    settings.get_profile("steady"),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
settings.register_profile(
    "explore",
    settings.get_profile("shrink"),
    max_examples=2000,
    derandomize=False,
)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a real server, started once a run: ``postgresql://postgres@127.0.0.1:port``."""
    with running_postgres() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database: the same test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/offhook.sqlite3"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"offhook_{next(_numbers)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def database(database_address: str, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The same, opened and with all tables."""
    engine = open_database(database_address, tmp_path)
    await migrate(engine)
    yield engine
    await engine.dispose()
