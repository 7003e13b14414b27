"""Denied commands."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the table of denied commands."""
    op.create_table(
        "refusals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("hour", ops_tables.UtcTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("last_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
    )
    op.create_index(op.f("ix_refusals_last_at"), "refusals", ["last_at"], unique=False)
    op.create_index("uq_refusals_hour", "refusals", ["actor", "action", "hour"], unique=True)
