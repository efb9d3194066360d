"""A running node for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.store import SQLITE_FILE, migrate, open_database
from engine import stores
from engine.journal_reader import Pace
from tests.api.fakes import Node, start_node


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables, made once."""
    folder = tmp_path_factory.mktemp("schema")

    async def make() -> None:
        database = open_database("sqlite", folder)
        await migrate(database)
        await database.dispose()

    asyncio.run(make())
    return folder / SQLITE_FILE


@pytest.fixture
async def node(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Node]:
    """The engine's records follow at once, without the half second that they gather."""
    monkeypatch.setattr(stores, "RECORDS_PACE", Pace())
    made = await start_node(tmp_path, schema)
    yield made
    await made.engine.stop()
