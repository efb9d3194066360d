"""Migrations and the tables in the code tell the same; the database's address is well kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import queues.figures.tables
import recordings.tables
import tickets.tables
from config import store


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory(str(store.MIGRATIONS)).get_current_head() == store.HEAD


async def test_migrated_schema_is_the_code_s(database: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        all_tables = [
            tickets.tables.metadata,
            recordings.tables.metadata,
            queues.figures.tables.metadata,
        ]
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, all_tables))

    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_again_is_cheap(database: AsyncEngine) -> None:
    start = time.perf_counter()
    await store.migrate(database)
    assert time.perf_counter() - start < 0.3
    assert await store.schema_version(database) == store.HEAD


async def test_newer_schema_is_left_alone(database: AsyncEngine) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(store.SchemaTooNewError, match="9999"):
        await store.migrate(database)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("sqlite", "sqlite+aiosqlite:///d/offhook.sqlite3"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgresql://a:geheim@h:5/n", "postgresql+asyncpg://a:***@h:5/n"),
        ("postgresql://a@h/n?sslmode=require", "postgresql+asyncpg://a@h/n?ssl=require"),
    ],
)
def test_address_in_log_has_no_password(address: str, url: str) -> None:
    assert store.describe(address, Path("d")) == url


@pytest.mark.parametrize("address", ["", "mysql://h/n", "geheim", "sqlite://"])
def test_wrong_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(store.DatabaseAddressError) as caught:
        store.database_url(address, Path("d"))
    assert "geheim" not in str(caught.value)
