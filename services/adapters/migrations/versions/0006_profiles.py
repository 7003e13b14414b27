"""First schema: profiles."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables of profiles."""
    op.create_table(
        "baselines",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("edges", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=400), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_baselines")),
    )
    op.create_table(
        "log_files",
        sa.Column("log", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(length=700), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mtime_us", ops_tables.UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("min_ts", ops_tables.UtcTime(), nullable=True),
        sa.Column("max_ts", ops_tables.UtcTime(), nullable=True),
        sa.Column("detail", ops_tables.Json(), nullable=False),
        sa.Column("seen_at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("log", "path", name=op.f("pk_log_files")),
    )
    op.create_index(op.f("ix_log_files_state"), "log_files", ["state"], unique=False)
    op.create_table(
        "profile_spans",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("edges", sa.String(length=16), nullable=False),
        sa.Column("since", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "edges", name=op.f("pk_profile_spans")),
    )
    op.create_table(
        "profiles",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("edges", sa.String(length=16), nullable=False),
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("bucket", ops_tables.UtcTime(), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("variant", sa.String(length=40), nullable=False),
        sa.Column("slice", sa.String(length=200), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model", "edges", "grain", "bucket", "environment", "version", "variant", "slice", name=op.f("pk_profiles")
        ),
    )
    op.create_index(
        "ix_profiles_page", "profiles", ["model", "edges", "slice", "grain", "environment", "bucket"], unique=False
    )
