"""First schema: releases."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0008"
down_revision = "0007"

# The states of this revision; a later one that adds a state recreates the index.
_UNDER_WAY = (
    "state IN ('awaiting promote', 'awaiting step', 'baking', 'deploying', 'needs attention', 'paused', "
    "'promoting', 'rolling back', 'shadow', 'soaking')"
)


def upgrade() -> None:
    """Create the tables of releases."""
    op.create_table(
        "outbox",
        sa.Column("op_id", sa.String(length=40), nullable=False),
        sa.Column("release_id", sa.String(length=20), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("payload", ops_tables.Json(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("done_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("op_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("release_id", "seq", name="uq_outbox_place"),
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "release_id", "seq"], unique=False)
    op.create_table(
        "outbox_fence",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outbox_fence")),
    )
    op.create_table(
        "release_approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.String(length=20), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("approver", sa.String(length=200), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", ops_tables.Json(), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_approvals")),
        sa.UniqueConstraint("release_id", "stage", "approver", "subject_hash", name="uq_release_approvals_signature"),
    )
    op.create_index(op.f("ix_release_approvals_release_id"), "release_approvals", ["release_id"], unique=False)
    op.create_table(
        "release_looks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.String(length=20), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("metric", sa.String(length=40), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("n_champion", sa.Integer(), nullable=False),
        sa.Column("n_candidate", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", ops_tables.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_looks")),
    )
    op.create_index("ix_release_looks_release", "release_looks", ["release_id", "step", "metric", "at"], unique=False)
    op.create_table(
        "releases",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=30), nullable=False),
        sa.Column("sync", sa.String(length=20), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("plan", ops_tables.Json(), nullable=False),
        sa.Column("proposer", sa.String(length=200), nullable=False),
        sa.Column("proposer_label", sa.String(length=200), nullable=False),
        sa.Column("last_editor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("champion", sa.String(length=40), nullable=False),
        sa.Column("previous", sa.String(length=40), nullable=False),
        sa.Column("back_to", sa.String(length=40), nullable=False),
        sa.Column("subject", ops_tables.Json(), nullable=False),
        sa.Column("subject_hash", sa.String(length=64), nullable=False),
        sa.Column("evidence", ops_tables.Json(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("pause", sa.String(length=30), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("incident", sa.String(length=200), nullable=False),
        sa.Column("break_glass", sa.Integer(), nullable=False),
        sa.Column("review_by", ops_tables.UtcTime(), nullable=True),
        sa.Column("created_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("since", ops_tables.UtcTime(), nullable=False),
        sa.Column("step_since", ops_tables.UtcTime(), nullable=True),
        sa.Column("deadline_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("expires_at", ops_tables.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
    )
    op.create_index("ix_releases_place", "releases", ["model", "environment", "state"], unique=False)
    op.create_index(op.f("ix_releases_state"), "releases", ["state"], unique=False)
    op.create_index(
        "uq_releases_holding",
        "releases",
        ["model", "environment"],
        unique=True,
        sqlite_where=sa.text(_UNDER_WAY),
        postgresql_where=sa.text(_UNDER_WAY),
    )
    op.create_table(
        "served",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("weights", ops_tables.Json(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("release_id", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_served")),
    )
    op.create_index("ix_served_place", "served", ["model", "environment", "at"], unique=False)
    op.create_table(
        "target_state",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("champion", sa.String(length=40), nullable=False),
        sa.Column("previous", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("weights", ops_tables.Json(), nullable=False),
        sa.Column("release_id", sa.String(length=20), nullable=False),
        sa.Column("sync", sa.String(length=20), nullable=False),
        sa.Column("observed", ops_tables.Json(), nullable=False),
        sa.Column("observed_generation", sa.Integer(), nullable=False),
        sa.Column("observed_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("alias", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "environment", name=op.f("pk_target_state")),
    )
