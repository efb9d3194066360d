"""The outbox of webhooks: what is to be told to other systems, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "webhook_outbox",
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("place", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("status", sa.Integer, nullable=False, server_default="0"),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
        sa.Column("settled_at", sa.Double, nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "seq", "place", name="pk_webhook_outbox"),
    )
    for columns in (
        ["endpoint", "state", "due_at", "seq", "place"],
        ["endpoint", "state", "seq"],
        ["endpoint", "call", "seq"],
    ):
        op.create_index(f"ix_webhook_outbox_{'_'.join(columns)}", "webhook_outbox", columns)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("webhook_outbox")
