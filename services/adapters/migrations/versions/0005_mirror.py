"""First schema: mirror."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables of mirror."""
    op.create_table(
        "model_aliases",
        sa.Column("model", sa.String(length=250), nullable=False),
        sa.Column("alias", sa.String(length=250), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("since", ops_tables.UtcTime(), nullable=False),
        sa.Column("as_of", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_table(
        "model_versions",
        sa.Column("model", sa.String(length=250), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", ops_tables.Json(), nullable=False),
        sa.Column("as_of", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_versions")),
    )
    op.create_index("ix_model_versions_run_id", "model_versions", ["run_id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("experiment_id", sa.String(length=64), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("effective", sa.String(length=24), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("effective_since", ops_tables.UtcTime(), nullable=True),
        sa.Column("started_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("ended_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("pipeline", sa.String(length=250), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("attributed", sa.Boolean(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("data_rows", sa.BigInteger(), nullable=True),
        sa.Column("hardware", sa.Text(), nullable=False),
        sa.Column("git_commit", sa.String(length=64), nullable=False),
        sa.Column("parent_run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("retry_of", sa.String(length=64), nullable=False),
        sa.Column("req_cpu", sa.Float(), nullable=True),
        sa.Column("req_ram_gib", sa.Float(), nullable=True),
        sa.Column("req_gpu", sa.Float(), nullable=True),
        sa.Column("req_tpu", sa.Float(), nullable=True),
        sa.Column("submitted_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("scheduled_for", ops_tables.UtcTime(), nullable=True),
        sa.Column("sla_s", sa.Float(), nullable=True),
        sa.Column("job_ref", sa.Text(), nullable=False),
        sa.Column("heartbeat_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("last_metric_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("last_system_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.Column("last_activity_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("fail_class", sa.String(length=40), nullable=False),
        sa.Column("fail_type", sa.Text(), nullable=False),
        sa.Column("fail_message", sa.Text(), nullable=False),
        sa.Column("fail_exit_code", sa.Integer(), nullable=True),
        sa.Column("fail_evidence", sa.Text(), nullable=False),
        sa.Column("fail_line", sa.Text(), nullable=False),
        sa.Column("fail_owner", sa.String(length=20), nullable=False),
        sa.Column("fail_retryable", sa.Boolean(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("slow_z", sa.Float(), nullable=True),
        sa.Column("slow_pct", sa.Float(), nullable=True),
        sa.Column("artifact_uri", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("as_of", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_effective", "runs", ["effective", "started_at"], unique=False)
    op.create_index("ix_runs_ended_at", "runs", ["ended_at"], unique=False)
    op.create_index("ix_runs_fingerprint", "runs", ["fingerprint"], unique=False)
    op.create_index("ix_runs_pipeline", "runs", ["pipeline", "kind", "started_at"], unique=False)
    op.create_index("ix_runs_started_at", "runs", ["started_at"], unique=False)
    op.create_index("ix_runs_status", "runs", ["status"], unique=False)
    op.create_table(
        "run_artifacts",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=250), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "path", name=op.f("pk_run_artifacts")),
    )
    op.create_table(
        "run_values",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.Column("at", ops_tables.UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "kind", "key", name=op.f("pk_run_values")),
    )
