"""First schema: measurements."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables of measurements."""
    op.create_table(
        "measurements",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("column_name", sa.String(length=200), nullable=False),
        sa.Column("slice", sa.String(length=200), nullable=False),
        sa.Column("pipeline", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("window_start", ops_tables.UtcTime(), nullable=False),
        sa.Column("window_end", ops_tables.UtcTime(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("detail", ops_tables.Json(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_measurements")),
    )
    op.create_index(
        "ix_measurements_question",
        "measurements",
        ["subject", "name", "environment", "column_name", "window_end"],
        unique=False,
    )
    op.create_index("ix_measurements_window_end", "measurements", ["window_end"], unique=False)
    op.create_table(
        "measurements_now",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("column_name", sa.String(length=200), nullable=False),
        sa.Column("slice", sa.String(length=200), nullable=False),
        sa.Column("since", ops_tables.UtcTime(), nullable=False),
        sa.Column("pipeline", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("window_start", ops_tables.UtcTime(), nullable=False),
        sa.Column("window_end", ops_tables.UtcTime(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("detail", ops_tables.Json(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_measurements_now")),
    )
