"""Writing many rows at once, each new or again, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from config.errors import MisuseError


def insert_for(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, which both databases write the same way."""
    if dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


class Upsert:
    """INSERT .. ON CONFLICT DO UPDATE for rows of one table, compiled once for a dialect."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        key = [column.name for column in table.primary_key]
        names = [column.name for column in table.columns]
        statement = insert_for(dialect, table).values({name: bindparam(name) for name in names})
        changed = {name: statement.excluded[name] for name in names if name not in key}
        if changed:
            statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=key)
        compiled = statement.compile(dialect=dialect)
        order = getattr(compiled, "positiontup", None)
        if not order:
            raise MisuseError(f"no positional parameters in the dialect {dialect.name}")
        self._text = str(compiled)
        self._row: Callable[[object], Any] = attrgetter(*order)

    async def run(self, connection: AsyncConnection, rows: Sequence[object]) -> None:
        """Write the rows: one statement, many parameters."""
        if rows:
            values = [self._row(row) for row in rows]
            await connection.exec_driver_sql(self._text, values)
