"""The database: its address, its engine, its schema brought up to date.

A password never needs to stand in the configuration: asyncpg takes it from PGPASSWORD or the
password file (PGPASSFILE, ~/.pgpass). ``describe`` is what may be logged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from config.errors import PeerError

SQLITE_FILE = "offhook.sqlite3"
SQLITE_BUSY_MS = 5_000
POOL = 4  # connections kept; as many again under load, then callers wait
CONNECT_S = 5.0
STATEMENT_S = 30.0

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
HEAD = "0004"  # the newest revision under migrations/versions


class DatabaseAddressError(PeerError):
    """The configured database address is none that we can use."""


def database_url(address: str, data_dir: Path) -> URL:
    """``sqlite`` (a file in data_dir), ``sqlite:///path`` or ``postgresql://..`` as a URL."""
    if address == "sqlite":
        return URL.create("sqlite+aiosqlite", database=str(data_dir / SQLITE_FILE))
    try:
        url = make_url(address)
    except ArgumentError:
        raise DatabaseAddressError(
            "store.database: not an address; write sqlite or postgresql://user@host/name"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return url.set(drivername="sqlite+aiosqlite")
    if backend not in ("postgresql", "postgres"):
        raise DatabaseAddressError(
            f"store.database: {backend} is not supported; write sqlite or postgresql://user@host/name"
        )
    query = dict(url.query)
    if "sslmode" in query:  # libpq's word; asyncpg's is ssl
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


def describe(address: str, data_dir: Path) -> str:
    """The address for a log line: without the password."""
    return database_url(address, data_dir).render_as_string(hide_password=True)


def open_database(address: str, data_dir: Path) -> AsyncEngine:
    """An engine for the address; nothing is connected yet. Close by ``await engine.dispose()``.

    Raises DatabaseAddressError; OSError where data_dir cannot be made.
    """
    url = database_url(address, data_dir)
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(url, pool_size=2, max_overflow=POOL, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        return engine
    return create_async_engine(
        url,
        pool_size=POOL,
        max_overflow=POOL,
        pool_pre_ping=True,
        hide_parameters=True,  # errors are logged, and people's numbers are not
        connect_args={
            "timeout": CONNECT_S,
            "command_timeout": STATEMENT_S,
            "server_settings": {"application_name": "offhook"},
        },
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # NORMAL: the journal is what survives a power cut, a day long; the store catches up from it.
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {SQLITE_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class SchemaTooNewError(PeerError):
    """A newer version of the program has been at this database."""


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema to HEAD. Cheap when it is there: Alembic is imported only when needed.

    Raises SchemaTooNewError; OSError and SQLAlchemy's errors while the database is away.
    """
    version = await schema_version(engine)
    if version == HEAD:
        return
    if version > HEAD:
        raise SchemaTooNewError(
            f"the database's schema is {version}, this program knows up to {HEAD}: "
            "run the newer version, or restore the backup from before it"
        )
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


async def schema_version(engine: AsyncEngine) -> str:
    """The revision that the database is at, "" for an empty one."""
    try:
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT version_num FROM alembic_version"))
            return str(found.scalar() or "")
    except (OperationalError, ProgrammingError) as error:
        if "alembic_version" not in str(error.orig):
            raise
        return ""


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":  # two nodes starting at once: one migrates
        connection.execute(text("SELECT pg_advisory_xact_lock(796844148)"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
