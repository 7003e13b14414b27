"""Tables that belong to the house: commands seen, audit chain, lease, heartbeat, as-of times, roles, jobs."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from services.adapters.ops_tables import METADATA, Json, UtcTime

commands = Table(
    "commands",
    METADATA,
    # The key is minted when a form is drawn; a repeated click finds its row and gets the stored outcome.
    Column("op_id", String(80), primary_key=True),
    Column("actor", String(200), nullable=False),
    Column("command", String(80), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("outcome", Json, nullable=False),
    Column("at", UtcTime, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False, index=True),
    Column("actor", String(200), nullable=False, index=True),
    Column("label", String(200), nullable=False),
    Column("method", String(20), nullable=False),
    Column("action", String(80), nullable=False),
    Column("subject", String(200), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("evidence", String(64), nullable=False),
    Column("detail", Json, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

leases = Table(
    "leases",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("holder", String(120), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

sources = Table(
    "sources",
    METADATA,
    # One row per thing we read from, and per monitor step: when it last worked, and what is wrong now.
    Column("name", String(120), primary_key=True),
    Column("as_of", UtcTime),
    Column("tried_at", UtcTime, nullable=False),
    Column("ok", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("took_s", Float, nullable=False),
    Column("cursor", Json),
)

roles = Table(
    "roles",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("issuer", String(200), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("model", String(200), nullable=False),
    Column("environment", String(80), nullable=False),
    Column("granted_by", String(200), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("uq_roles_grant", "issuer", "subject", "role", "model", "environment", unique=True),
)

jobs = Table(
    "jobs",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("kind", String(60), nullable=False),
    Column("args", Json, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("state", String(20), nullable=False, index=True),  # queued, running, done, failed, expired
    Column("progress", Float, nullable=False),
    Column("doing", Text, nullable=False),
    Column("result", Json),
    Column("error", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("expires_at", UtcTime, nullable=False),
)
