"""Baselines, the counts of every bucket, and the ledger of log files.

One row of `profiles` holds the counts of all columns, so that a page over 30 days reads tens of rows.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from services.adapters.ops_tables import METADATA, Json, UtcTime

baselines = Table(
    "baselines",
    METADATA,
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("edges", String(16), nullable=False),
    Column("source", String(400), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("body", Text, nullable=False),  # Baseline.to_json(); empty where there is none, and `message` says why
    Column("message", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

profiles = Table(
    "profiles",
    METADATA,
    Column("model", String(200), primary_key=True),
    Column("edges", String(16), primary_key=True),
    Column("grain", String(8), primary_key=True),  # hour, day, month
    Column("bucket", UtcTime, primary_key=True),
    Column("environment", String(80), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("variant", String(40), primary_key=True),
    Column("slice", String(200), primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # Profile.pack(): readable with the baseline's bins only
    Index("ix_profiles_page", "model", "edges", "slice", "grain", "environment", "bucket"),
)

profile_spans = Table(
    "profile_spans",
    METADATA,
    # From when on the rows of every version are counted in these bins; absent: never counted.
    Column("model", String(200), primary_key=True),
    Column("edges", String(16), primary_key=True),
    Column("since", UtcTime, nullable=False),
)

log_files = Table(
    "log_files",
    METADATA,
    Column("log", String(200), primary_key=True),  # such as predictions:flight-delay
    Column("path", String(700), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("mtime_us", UtcTime, nullable=False),
    # new: read but its hours are not counted yet; ok; quarantined: cannot be read; gone: was deleted, not recounted yet
    Column("state", String(12), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("min_ts", UtcTime),
    Column("max_ts", UtcTime),
    Column("detail", Json, nullable=False),  # rows per version, rows without a time, columns
    Column("seen_at", UtcTime, nullable=False),
)
