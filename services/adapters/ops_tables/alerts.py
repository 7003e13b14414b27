"""Incidents, their history, what is remembered between evaluations, edited rules, and the notification outbox."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from services.adapters.ops_tables import METADATA, Json, UtcTime

incidents = Table(
    "incidents",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("group_key", String(400), nullable=False),
    Column("subject", String(200), nullable=False, index=True),
    Column("environment", String(80), nullable=False),
    Column("pipeline", String(20), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("state", String(20), nullable=False),
    Column("title", Text, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False, index=True),
    Column("members", Json, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("runbook", String(80), nullable=False),
    Column("acknowledged_by", String(200), nullable=False),
    Column("acknowledged_until", UtcTime),
    Column("silenced_until", UtcTime),
    Column("silence_reason", Text, nullable=False),
    Column("resolved_at", UtcTime),
    Column("useful", Integer),
    Column("revision", Integer, nullable=False),
    # One open incident per group, held by the database: two monitors can never open it twice.
    Index("uq_incidents_open", "group_key", unique=True, sqlite_where=text("state <> 'resolved'"),
          postgresql_where=text("state <> 'resolved'")),
)

incident_events = Table(
    "incident_events",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("incident_id", Integer, ForeignKey("incidents.id"), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("kind", String(30), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("by", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("detail", Json, nullable=False),
)

standings = Table(
    "standings",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("phase", String(10), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("bad_since", UtcTime),
    Column("last_bad", UtcTime),
    Column("reason", Text, nullable=False),
)

rule_versions = Table(
    "rule_versions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(120), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("body", Json, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("uq_rule_versions", "name", "version", unique=True),
)

notifications = Table(
    "notifications",
    METADATA,
    # Minted from incident, revision, reason and address: the same message is never queued twice.
    Column("key", String(64), primary_key=True),
    Column("incident_id", Integer, nullable=False, index=True),
    Column("reason", String(30), nullable=False),
    Column("level", Integer, nullable=False),
    Column("address", Text, nullable=False),
    Column("person", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    # What is drawn and sent along, such as report:3; drawn when it is sent, so that no file lies in the store.
    Column("attachment", String(80), nullable=False, server_default=""),
    Column("state", String(10), nullable=False, index=True),  # waiting, sent, failed
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
)

notification_attempts = Table(
    "notification_attempts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, index=True),
    Column("at", UtcTime, nullable=False),
    Column("error", Text, nullable=False),  # empty: it went out
)
