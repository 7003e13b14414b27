"""How big each registered version is, as read from the logged model."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table of sizes."""
    op.create_table(
        "model_sizes",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("params", sa.Float(), nullable=True),
        sa.Column("bytes", sa.Float(), nullable=True),
        sa.Column("operations", sa.Float(), nullable=True),
        sa.Column("architecture", sa.String(length=200), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("read_at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_sizes")),
    )
