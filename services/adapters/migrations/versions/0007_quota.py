"""First schema: quota."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables of quota."""
    op.create_table(
        "quota_dirty",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", "hour", name=op.f("pk_quota_dirty")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quota_limits",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", ops_tables.UtcTime(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", "since", name=op.f("pk_quota_limits")),
    )
    op.create_table(
        "quota_pool_rollups",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("start", ops_tables.UtcTime(), nullable=False),
        sa.Column("ticks", sa.Integer(), nullable=False),
        sa.Column("hours", sa.Float(), nullable=False),
        sa.Column("used_hours", sa.Float(), nullable=False),
        sa.Column("used_max", sa.Float(), nullable=False),
        sa.Column("used_p95", sa.Float(), nullable=False),
        sa.Column("requested_hours", sa.Float(), nullable=True),
        sa.Column("requested_max", sa.Float(), nullable=True),
        sa.Column("pending_max", sa.Float(), nullable=True),
        sa.Column("attributed_hours", sa.Float(), nullable=False),
        sa.Column("over_ticks", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", "grain", "start", name=op.f("pk_quota_pool_rollups")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quota_pools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_pools")),
        sa.UniqueConstraint("name", name=op.f("uq_quota_pools_name")),
    )
    op.create_table(
        "quota_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("issued_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("issued_by", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", ops_tables.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_reports")),
    )
    op.create_index(op.f("ix_quota_reports_month"), "quota_reports", ["month"], unique=False)
    op.create_table(
        "quota_rollups",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", ops_tables.UtcTime(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("used_hours", sa.Float(), nullable=False),
        sa.Column("used_max", sa.Float(), nullable=False),
        sa.Column("used_p95", sa.Float(), nullable=False),
        sa.Column("requested_hours", sa.Float(), nullable=True),
        sa.Column("requested_max", sa.Float(), nullable=True),
        sa.Column("pending_max", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("pool_id", "grain", "series_id", "start", name=op.f("pk_quota_rollups")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quota_samples",
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ts", ops_tables.UtcTime(), nullable=False),
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("used", sa.Float(), nullable=False),
        sa.Column("requested", sa.Float(), nullable=True),
        sa.Column("pending", sa.Float(), nullable=True),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", "ts", "series_id", name=op.f("pk_quota_samples")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quota_series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("pipeline", sa.String(length=250), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("team", sa.String(length=120), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_series")),
    )
    op.create_index(
        "uq_quota_series_name", "quota_series", ["pool_id", "pipeline", "kind", "team", "environment"], unique=True
    )
    op.create_table(
        "quota_signatures",
        sa.Column("report_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("report_id", "actor", name=op.f("pk_quota_signatures")),
    )
