"""Quota: pools and their limits by date, the series that use them, samples, and roll-ups by hour and by day."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from services.adapters.ops_tables import METADATA, Json, UtcTime

quota_pools = Table(
    "quota_pools",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
)

quota_limits = Table(
    "quota_limits",
    METADATA,
    # A limit holds from its date until the next one of the same pool.
    Column("pool_id", Integer, primary_key=True, autoincrement=False),
    Column("since", UtcTime, primary_key=True),
    Column("value", Float, nullable=False),
    Column("origin", String(12), nullable=False),
)

quota_series = Table(
    "quota_series",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("pool_id", Integer, nullable=False),
    # An empty pipeline is the pool itself, as its source measured the whole of it.
    Column("pipeline", String(250), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("team", String(120), nullable=False),
    Column("environment", String(80), nullable=False),
    Index("uq_quota_series_name", "pool_id", "pipeline", "kind", "team", "environment", unique=True),
)

quota_samples = Table(
    "quota_samples",
    METADATA,
    # Pool before time: the samples of one moment lie together, and a year of other pools is never read.
    Column("pool_id", Integer, primary_key=True, autoincrement=False),
    Column("ts", UtcTime, primary_key=True),
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("used", Float, nullable=False),
    Column("requested", Float),  # None: the source does not know, which is not zero
    Column("pending", Float),
    Column("origin", String(12), nullable=False),  # real, simulated, imported
    sqlite_with_rowid=False,
)

quota_dirty = Table(
    "quota_dirty",
    METADATA,
    # Hours whose samples changed since their roll-up; written with the samples, so that a kill loses none.
    Column("pool_id", Integer, primary_key=True, autoincrement=False),
    Column("hour", UtcTime, primary_key=True),
    sqlite_with_rowid=False,
)

quota_pool_rollups = Table(
    "quota_pool_rollups",
    METADATA,
    Column("pool_id", Integer, primary_key=True, autoincrement=False),
    Column("grain", String(4), primary_key=True),  # hour, day
    Column("start", UtcTime, primary_key=True),
    Column("ticks", Integer, nullable=False),  # moments sampled
    Column("hours", Float, nullable=False),  # hours with at least one sample: the divisor of every mean
    Column("used_hours", Float, nullable=False),
    Column("used_max", Float, nullable=False),
    Column("used_p95", Float, nullable=False),
    Column("requested_hours", Float),
    Column("requested_max", Float),
    Column("pending_max", Float),
    Column("attributed_hours", Float, nullable=False),
    Column("over_ticks", Integer, nullable=False),  # moments at which pipelines add up to more than the pool
    Column("origin", String(12), nullable=False),
    sqlite_with_rowid=False,
)

quota_rollups = Table(
    "quota_rollups",
    METADATA,
    # Series before time: a chart reads a few series over a long time.
    Column("pool_id", Integer, primary_key=True, autoincrement=False),
    Column("grain", String(4), primary_key=True),
    Column("series_id", Integer, primary_key=True, autoincrement=False),
    Column("start", UtcTime, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("used_hours", Float, nullable=False),
    Column("used_max", Float, nullable=False),
    Column("used_p95", Float, nullable=False),
    Column("requested_hours", Float),
    Column("requested_max", Float),
    Column("pending_max", Float),
    sqlite_with_rowid=False,
)

quota_reports = Table(
    "quota_reports",
    METADATA,
    # Issued once and never changed: what was signed is what stands. A later issue of the month is a report of its own.
    Column("id", Integer, primary_key=True),
    Column("month", String(7), nullable=False, index=True),
    Column("issued_at", UtcTime, nullable=False),
    Column("issued_by", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("body", Json, nullable=False),
)

quota_signatures = Table(
    "quota_signatures",
    METADATA,
    Column("report_id", Integer, primary_key=True, autoincrement=False),
    Column("actor", String(200), primary_key=True),
    Column("label", String(200), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("comment", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # of the body that was signed
)

model_sizes = Table(
    "model_sizes",
    METADATA,
    # Read once per version from the logged model itself; a version's artefact never changes.
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("params", Float),
    Column("bytes", Float),
    Column("operations", Float),  # floating-point operations per prediction
    Column("architecture", String(200), nullable=False),
    Column("problem", Text, nullable=False),  # why it could not be read; empty where it was
    Column("read_at", UtcTime, nullable=False),
)
