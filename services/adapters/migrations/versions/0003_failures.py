"""First schema: failures."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables of failures."""
    op.create_table(
        "failure_corrections",
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("class", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=20), nullable=False),
        sa.Column("retryable", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("line", name=op.f("pk_failure_corrections")),
    )
