"""Alembic's environment: the one place besides main that sees every package's tables."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import context
from sqlalchemy.engine import Connection

import queues.figures.tables
import recordings.tables
import tickets.tables
from config.store import open_database

METADATA = [tickets.tables.metadata, recordings.tables.metadata, queues.figures.tables.metadata]


def run(connection: Connection) -> None:
    """Migrate over this connection, inside its transaction."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_by_address(address: str) -> None:
    """Migrate the database that ``-x database=...`` names."""
    engine = open_database(address, Path("data"))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(
        run_by_address(context.get_x_argument(as_dictionary=True).get("database", "sqlite"))
    )
