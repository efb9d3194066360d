"""What an engine's start does without waiting for stores, and the rehearsal in the spare."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from config.store import HEAD, SchemaTooNewError, open_database, schema_version
from main import engine_process
from main.engine_process import migrate_or_go_on, rehearse, turning
from router.pulse import own_pulse


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_database("sqlite", tmp_path)
    yield engine
    await engine.dispose()


def of_a_newer_version(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "offhook.sqlite3")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")


async def test_a_start_brings_the_schema_up_to_date(database: AsyncEngine) -> None:
    await migrate_or_go_on(database, first=True)
    assert await schema_version(database) == HEAD


async def test_a_newer_schema_ends_the_first_engine_only(
    database: AsyncEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    of_a_newer_version(tmp_path)
    with pytest.raises(SchemaTooNewError):
        await migrate_or_go_on(database, first=True)
    assert not caplog.records
    await migrate_or_go_on(database, first=False)
    assert "SchemaTooNewError" in caplog.text


async def test_a_migration_that_takes_long_is_not_waited_for(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def locked(_: AsyncEngine) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(engine_process, "migrate", locked)
    monkeypatch.setattr(engine_process, "MIGRATION_S", 0.0)
    await migrate_or_go_on(database, first=True)
    assert "TimeoutError" in caplog.text


async def test_a_loop_that_turns_is_progress() -> None:
    pulse = own_pulse({})
    async with turning(pulse):
        assert pulse.count == 0
        await asyncio.sleep(0)
        assert pulse.count == 1
    assert not pulse.works
    pulse.close()


def test_a_rehearsal_reads_the_configuration_and_connects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "offhook.yaml"
    monkeypatch.setattr(sys, "argv", ["engine", "--config", str(path)])
    path.write_text(
        f"data_dir: {tmp_path}\nstore: {{database: 'postgresql://127.0.0.1:1/x', "
        "state: 'redis://127.0.0.1:1/0'}\n"
    )
    assert rehearse() == ""
    path.write_text("data_dir: [nonsense]\n")
    assert f"{path.name}" in rehearse()


LOADED = """\
import os
import main.engine_process
print(len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")))
"""


def test_what_is_loaded_starts_no_thread_and_opens_nothing() -> None:
    """Engines are forks: a thread would be missing in them, a descriptor would be shared."""
    said = subprocess.run(
        [sys.executable, "-c", LOADED], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    ).stdout
    assert said.split() == [b"1", b"4"], "one thread; standard streams and the folder just listed"
