"""First schema: signals."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the tables of signals."""
    op.create_table(
        "check_samples",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("column_name", sa.String(length=200), nullable=False),
        sa.Column("window_start", ops_tables.UtcTime(), nullable=False),
        sa.Column("window_end", ops_tables.UtcTime(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("rows", ops_tables.Json(), nullable=False),
        sa.PrimaryKeyConstraint("model", "environment", "name", "column_name", name=op.f("pk_check_samples")),
    )
    op.create_table(
        "gate_results",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("champion", sa.String(length=40), nullable=False),
        sa.Column("artefact", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("gates", ops_tables.Json(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_results")),
    )
    op.create_index("ix_gate_results_model", "gate_results", ["model", "version", "at"], unique=False)
    op.create_table(
        "schemas",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", ops_tables.Json(), nullable=False),
        sa.Column("by_actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "revision", name=op.f("pk_schemas")),
    )
    op.create_table(
        "score_days",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("day", ops_tables.UtcTime(), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("variant", sa.String(length=40), nullable=False),
        sa.Column("slice", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "day", "environment", "version", "variant", "slice", name=op.f("pk_score_days")
        ),
    )
    op.create_table(
        "traffic_hours",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("hour", ops_tables.UtcTime(), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("variant", sa.String(length=40), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("timeouts", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("first_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("last_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("errors", ops_tables.Json(), nullable=False),
        sa.Column("latency", ops_tables.Json(), nullable=False),
        sa.PrimaryKeyConstraint("model", "hour", "environment", "version", "variant", name=op.f("pk_traffic_hours")),
    )
