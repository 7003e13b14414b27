"""First schema: alerts."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of alerts."""
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_key", sa.String(length=400), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=80), nullable=False),
        sa.Column("pipeline", sa.String(length=20), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("opened_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("changed_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("members", ops_tables.Json(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("runbook", sa.String(length=80), nullable=False),
        sa.Column("acknowledged_by", sa.String(length=200), nullable=False),
        sa.Column("acknowledged_until", ops_tables.UtcTime(), nullable=True),
        sa.Column("silenced_until", ops_tables.UtcTime(), nullable=True),
        sa.Column("silence_reason", sa.Text(), nullable=False),
        sa.Column("resolved_at", ops_tables.UtcTime(), nullable=True),
        sa.Column("useful", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_changed_at"), "incidents", ["changed_at"], unique=False)
    op.create_index(op.f("ix_incidents_subject"), "incidents", ["subject"], unique=False)
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["group_key"],
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_table(
        "notifications",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("next_at", ops_tables.UtcTime(), nullable=False),
        sa.Column("sent_at", ops_tables.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notifications")),
    )
    op.create_index(op.f("ix_notifications_incident_id"), "notifications", ["incident_id"], unique=False)
    op.create_index(op.f("ix_notifications_state"), "notifications", ["state"], unique=False)
    op.create_table(
        "rule_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", ops_tables.Json(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_versions")),
    )
    op.create_index(op.f("ix_rule_versions_name"), "rule_versions", ["name"], unique=False)
    op.create_index("uq_rule_versions", "rule_versions", ["name", "version"], unique=True)
    op.create_table(
        "standings",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=10), nullable=False),
        sa.Column("since", ops_tables.UtcTime(), nullable=False),
        sa.Column("bad_since", ops_tables.UtcTime(), nullable=True),
        sa.Column("last_bad", ops_tables.UtcTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_standings")),
    )
    op.create_table(
        "incident_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("detail", ops_tables.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_events")),
    )
    op.create_index(op.f("ix_incident_events_incident_id"), "incident_events", ["incident_id"], unique=False)
