"""The floor's tables. Decisions: one row for each fact of a call, as the journal had it.

``fact`` is a JSON object of the fact's fields without those at their default; ``kind`` is the
name of its type (``queues.events``). Whoever calls is not in it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

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

# Figures: the sums of one queue or agent (``tallies``) in one quarter of an hour that is
# over. ``start`` is unix seconds. Queues named "@anna" are agents' personal ones.


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, Integer, nullable=False, server_default="0") for name in names]


def _seconds(*names: str) -> list[Column[float]]:
    return [Column(name, Double, nullable=False, server_default="0") for name in names]


queue_intervals = Table(
    "queue_intervals",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    *_counts("offered", "answered", "answered_within", "abandoned", "abandoned_within", "short"),
    *_counts("callback_requested", "callback_within", "overflowed", "removed"),
    *_seconds("answer_wait_s", "longest_wait_s"),
    *_counts("handled"),
    *_seconds("talk_s", "hold_s", "wrap_up_s"),
    *_counts("callbacks_placed", "callbacks_missed", "callbacks_connected", "callbacks_abandoned"),
    *_counts("callbacks_gave_up", "callbacks_expired", "callbacks_cancelled"),
    Column("waits", Text, nullable=False),  # JSON list: answered visits by WAIT_BUCKETS_S
    Index(None, "start"),
)

agent_intervals = Table(
    "agent_intervals",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    *_counts("handled"),
    *_seconds("talk_s", "hold_s", "wrap_up_s"),
    *_counts("overruns"),
    *_counts("accepted", "refused", "rung_out", "withdrawn", "unreachable"),  # offers
    *_seconds("in_available_s", "in_offered_s", "in_reserved_s", "in_talking_s"),  # presence
    *_seconds("in_wrap_up_s", "in_on_break_s", "in_own_call_s"),
    Index(None, "start"),
)

agent_breaks = Table(
    "agent_breaks",
    metadata,
    Column("agent", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, primary_key=True),
    *_seconds("seconds"),
    Index(None, "start"),
)

figures_positions = Table(
    "figures_positions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
