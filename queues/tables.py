"""The table of the floor's decisions: one row for each fact of a call, as the journal had it.

``fact`` is a JSON object of the fact's fields without those at their default; ``kind`` is the
name of its type (``queues.events``). Whoever calls is not in it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

decisions = Table(
    "decisions",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("call", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fact", Text, nullable=False),
    Index(None, "call", "seq"),
)
