"""The tables of tickets and call records.

Times are unix seconds (double precision), durations seconds. Text that does not apply is
empty, a time that has not come is NULL. ``call_records`` holds a row from the arrival on and
grows with the call; ``tickets`` gets its row at the call's end and holds only what is the
ticket's own, plus the few columns that lists filter by.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMES)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _seconds(name: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default="0")


def _time(name: str) -> Column[float]:
    return Column(name, Double, nullable=True)


call_records = Table(
    "call_records",
    metadata,
    Column("call", Text, primary_key=True),
    _text("caller"),
    _text("caller_name"),
    _text("dialled"),
    _text("trunk"),
    _text("sip_call_id"),
    _text("queue"),
    _text("agent"),
    Column("arrived_at", Double, nullable=False),
    _time("picked_up_at"),
    _time("queued_at"),
    _time("connected_at"),
    _time("ended_at"),
    _seconds("waited_s"),
    _seconds("talked_s"),
    _text("outcome"),
    _text("cause"),
    _text("language"),
    _text("callback_number"),
    _text("notes"),
    _number("offers"),
    _number("transfers"),
    _number("packets_lost"),
    _seconds("jitter_ms"),
    _text("recording"),
    _text("recording_sha256"),
    _seconds("recording_s"),
    Column("recording_bytes", BigInteger, nullable=False, server_default="0"),
    _text("no_recording"),
    _text("disposition"),
    _text("disposition_by"),
    _text("disposition_note"),
    _time("disposed_at"),
    Index(None, "caller", "arrived_at"),
    Index(None, "arrived_at"),
)

tickets = Table(
    "tickets",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("call", Text, ForeignKey("call_records.call"), nullable=False),
    _text("title"),
    _text("status"),
    _text("outcome"),
    _text("caller"),
    _text("queue"),
    _text("agent"),
    Column("opened_at", Double, nullable=False),
    _time("due_at"),
    _time("closed_at"),
    _text("closed_by"),
    Column("repeat_of", Integer, nullable=True),
    _number("repeat_count"),
    UniqueConstraint("call"),
    Index(None, "caller", "number"),
    Index(None, "status", "number"),
    Index(None, "queue", "number"),
)

ticket_comments = Table(
    "ticket_comments",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("call", Text, ForeignKey("call_records.call"), nullable=False),
    Column("at", Double, nullable=False),
    _text("by"),
    _text("text"),
    Index(None, "call"),
)

reader_positions = Table(
    "reader_positions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("tickets", Integer, nullable=False, server_default="0"),
)

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    _number("attempts"),
    _number("status"),
    _text("why"),
    _time("settled_at"),
    Column("body", Text, nullable=False),
    Index(None, "endpoint", "state", "due_at", "seq", "place"),
    Index(None, "endpoint", "state", "seq"),
    Index(None, "endpoint", "call", "seq"),
)
