"""Signals of serving, data and validation: hours of traffic, days of quality, schemas, gate results, failing rows."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from services.adapters.ops_tables import METADATA, Json, UtcTime

traffic_hours = Table(
    "traffic_hours",
    METADATA,
    Column("model", String(200), primary_key=True),
    Column("hour", UtcTime, primary_key=True),
    Column("environment", String(80), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("variant", String(40), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("timeouts", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("first_at", UtcTime),
    Column("last_at", UtcTime),  # of an answer; a failed request is not a delivered prediction
    Column("errors", Json, nullable=False),
    Column("latency", Json, nullable=False),  # log-spaced bin -> predictions (services/serving/latency.py)
    Column("busiest_second", Integer),  # of the environment, all versions together; null where it was not counted
    Column("busiest_minute", Integer),
)

score_days = Table(
    "score_days",
    METADATA,
    Column("model", String(200), primary_key=True),
    Column("day", UtcTime, primary_key=True),
    Column("environment", String(80), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("variant", String(40), primary_key=True),
    Column("slice", String(200), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # ScoreDay.pack()
)

schemas = Table(
    "schemas",
    METADATA,
    # Every revision stays: an old verdict can be explained by the schema that it was judged by.
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("body", Json, nullable=False),
    Column("by_actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

check_samples = Table(
    "check_samples",
    METADATA,
    # A bounded handful of failing rows per question, replaced at each look; columns named sensitive are left out.
    Column("model", String(200), primary_key=True),
    Column("environment", String(80), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("column_name", String(200), primary_key=True),
    Column("window_start", UtcTime, nullable=False),
    Column("window_end", UtcTime, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("rows", Json, nullable=False),
)

gate_results = Table(
    "gate_results",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("champion", String(40), nullable=False),
    Column("artefact", String(64), nullable=False),  # digest of what was judged: another artefact, another result
    Column("verdict", String(12), nullable=False),
    Column("gates", Json, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_gate_results_model", "model", "version", "at"),
)
