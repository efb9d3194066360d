"""Figures of queues and agents by quarter of an hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _counts(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in names]


def _seconds(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double, nullable=False, server_default="0") for name in names]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "queue_intervals",
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        *_counts("offered", "answered", "answered_within", "abandoned", "abandoned_within"),
        *_counts("short", "callback_requested", "callback_within", "overflowed", "removed"),
        *_seconds("answer_wait_s", "longest_wait_s"),
        *_counts("handled"),
        *_seconds("talk_s", "hold_s", "wrap_up_s"),
        *_counts("callbacks_placed", "callbacks_missed", "callbacks_connected"),
        *_counts("callbacks_abandoned", "callbacks_gave_up", "callbacks_expired"),
        *_counts("callbacks_cancelled"),
        sa.Column("waits", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("queue", "start", name="pk_queue_intervals"),
    )
    op.create_index("ix_queue_intervals_start", "queue_intervals", ["start"])
    op.create_table(
        "agent_intervals",
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        *_counts("handled"),
        *_seconds("talk_s", "hold_s", "wrap_up_s"),
        *_counts("overruns"),
        *_counts("accepted", "refused", "rung_out", "withdrawn", "unreachable"),
        *_seconds("in_available_s", "in_offered_s", "in_reserved_s", "in_talking_s"),
        *_seconds("in_wrap_up_s", "in_on_break_s", "in_own_call_s"),
        sa.PrimaryKeyConstraint("agent", "start", name="pk_agent_intervals"),
    )
    op.create_index("ix_agent_intervals_start", "agent_intervals", ["start"])
    op.create_table(
        "agent_breaks",
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
        *_seconds("seconds"),
        sa.PrimaryKeyConstraint("agent", "start", "reason", name="pk_agent_breaks"),
    )
    op.create_index("ix_agent_breaks_start", "agent_breaks", ["start"])
    op.create_table(
        "figures_positions",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_figures_positions"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("figures_positions", "agent_breaks", "agent_intervals", "queue_intervals"):
        op.drop_table(table)
