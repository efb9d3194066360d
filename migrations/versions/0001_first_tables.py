"""Call records, tickets, comments, recordings, readers' positions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False, server_default="") for name in names]


def _number(name: str, kind: type[sa.Integer | sa.Double] = sa.Integer) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=False, server_default="0")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "call_records",
        sa.Column("call", sa.Text, nullable=False),
        *_text("caller", "caller_name", "dialled", "trunk", "sip_call_id", "queue", "agent"),
        sa.Column("arrived_at", sa.Double, nullable=False),
        *[
            sa.Column(name, sa.Double)
            for name in ("picked_up_at", "queued_at", "connected_at", "ended_at")
        ],
        _number("waited_s", sa.Double),
        _number("talked_s", sa.Double),
        *_text("outcome", "cause", "language", "callback_number", "notes"),
        _number("offers"),
        _number("transfers"),
        _number("packets_lost"),
        _number("jitter_ms", sa.Double),
        *_text("recording", "recording_sha256"),
        _number("recording_s", sa.Double),
        _number("recording_bytes", sa.BigInteger),
        *_text("no_recording", "disposition", "disposition_by", "disposition_note"),
        sa.Column("disposed_at", sa.Double),
        sa.PrimaryKeyConstraint("call", name="pk_call_records"),
    )
    op.create_index("ix_call_records_caller_arrived_at", "call_records", ["caller", "arrived_at"])
    op.create_index("ix_call_records_arrived_at", "call_records", ["arrived_at"])
    op.create_table(
        "tickets",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("call", sa.Text, nullable=False),
        *_text("title", "status", "outcome", "caller", "queue", "agent"),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("closed_at", sa.Double),
        *_text("closed_by"),
        sa.Column("repeat_of", sa.Integer),
        _number("repeat_count"),
        sa.PrimaryKeyConstraint("number", name="pk_tickets"),
        sa.ForeignKeyConstraint(["call"], ["call_records.call"], name="fk_tickets_call"),
        sa.UniqueConstraint("call", name="uq_tickets_call"),
    )
    op.create_index("ix_tickets_caller_number", "tickets", ["caller", "number"])
    op.create_index("ix_tickets_status_number", "tickets", ["status", "number"])
    op.create_index("ix_tickets_queue_number", "tickets", ["queue", "number"])
    op.create_table(
        "ticket_comments",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        *_text("by", "text"),
        sa.PrimaryKeyConstraint("seq", name="pk_ticket_comments"),
        sa.ForeignKeyConstraint(["call"], ["call_records.call"], name="fk_ticket_comments_call"),
    )
    op.create_index("ix_ticket_comments_call", "ticket_comments", ["call"])
    op.create_table(
        "reader_positions",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        _number("tickets"),
        sa.PrimaryKeyConstraint("name", name="pk_reader_positions"),
    )
    op.create_table(
        "recordings",
        sa.Column("id", sa.Text, nullable=False),
        *_text("call", "path", "sha256"),
        _number("duration_s", sa.Double),
        _number("size_bytes", sa.BigInteger),
        *_text("error"),
        sa.Column("finished_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_call", "recordings", ["call"])
    op.create_index("ix_recordings_finished_at", "recordings", ["finished_at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("recordings", "reader_positions", "ticket_comments", "tickets", "call_records"):
        op.drop_table(table)
