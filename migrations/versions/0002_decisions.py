"""Why each call was answered by whom: the floor's facts of each call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "decisions",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_decisions"),
    )
    op.create_index("ix_decisions_call_seq", "decisions", ["call", "seq"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("decisions")
