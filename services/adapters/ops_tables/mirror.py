"""The typed copy of MLflow: runs with what we conclude about them, their values, registered versions and aliases.

MLflow stays the source; everything here can be dropped and is then read again. What people decided about failures
(corrected classes) is not a copy and stands in failures.py.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from services.adapters.ops_tables import METADATA, Json, UtcTime

runs = Table(
    "runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("experiment_id", String(64), nullable=False),
    # Names come from outside, of any length and with any character: text, never a key.
    Column("experiment", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("status", String(16), nullable=False),  # as MLflow says: RUNNING, SCHEDULED, FINISHED, FAILED, KILLED
    Column("effective", String(24), nullable=False),  # as we conclude: services/training/run.py, Effective
    Column("evidence", Text, nullable=False),
    Column("effective_since", UtcTime),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("duration_s", Float),
    Column("pipeline", String(250), nullable=False),
    Column("kind", String(20), nullable=False),  # data, training, validation, serving, experiment
    Column("attributed", Boolean, nullable=False),  # False: the run carries no ops.pipeline tag
    Column("team", Text, nullable=False),
    Column("environment", String(80), nullable=False),
    Column("pool", Text, nullable=False),
    Column("data_rows", BigInteger),
    Column("hardware", Text, nullable=False),
    Column("git_commit", String(64), nullable=False),
    Column("parent_run_id", String(64), nullable=False),
    Column("attempt", Integer),
    Column("retry_of", String(64), nullable=False),
    Column("req_cpu", Float),
    Column("req_ram_gib", Float),
    Column("req_gpu", Float),
    Column("req_tpu", Float),
    Column("submitted_at", UtcTime),
    Column("scheduled_for", UtcTime),
    Column("sla_s", Float),
    Column("job_ref", Text, nullable=False),
    Column("heartbeat_at", UtcTime),
    Column("last_metric_at", UtcTime),  # newest training metric; system metrics are not progress
    Column("last_system_at", UtcTime),
    Column("last_step", BigInteger),
    Column("last_activity_at", UtcTime),
    Column("fail_class", String(40), nullable=False),
    Column("fail_type", Text, nullable=False),
    Column("fail_message", Text, nullable=False),
    Column("fail_exit_code", Integer),
    Column("fail_evidence", Text, nullable=False),  # artefact path, such as ops/failure.json
    Column("fail_line", Text, nullable=False),  # the log line that the class was read from
    Column("fail_owner", String(20), nullable=False),
    Column("fail_retryable", Boolean),
    Column("fingerprint", String(64), nullable=False),
    # Against finished runs like it: robust z of the log duration, and per cent over their median; advisory.
    Column("slow_z", Float),
    Column("slow_pct", Float),
    Column("artifact_uri", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("digest", String(64), nullable=False),  # of what MLflow said: an unchanged run is not written again
    Column("as_of", UtcTime, nullable=False),
    Index("ix_runs_started_at", "started_at"),
    Index("ix_runs_pipeline", "pipeline", "kind", "started_at"),
    Index("ix_runs_effective", "effective", "started_at"),
    Index("ix_runs_status", "status"),
    Index("ix_runs_ended_at", "ended_at"),
    Index("ix_runs_fingerprint", "fingerprint"),
)

run_values = Table(
    "run_values",
    METADATA,
    Column("run_id", String(64), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("body", Json, nullable=False),  # params, metrics and tags: services/training/values.py
)

run_artifacts = Table(
    "run_artifacts",
    METADATA,
    # Small texts fetched once for runs that ended badly: the failure record and the last log lines.
    Column("run_id", String(64), ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("path", String(250), primary_key=True),
    Column("body", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

model_versions = Table(
    "model_versions",
    METADATA,
    Column("model", String(250), primary_key=True),
    Column("version", String(20), primary_key=True),
    Column("number", Integer, nullable=False),  # the version as a number, for ordering
    Column("run_id", String(64), nullable=False),
    Column("created_at", UtcTime),
    Column("status", String(40), nullable=False),
    Column("source", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", Json, nullable=False),
    Column("as_of", UtcTime, nullable=False),
    Index("ix_model_versions_run_id", "run_id"),
)

model_aliases = Table(
    "model_aliases",
    METADATA,
    Column("model", String(250), primary_key=True),
    Column("alias", String(250), primary_key=True),
    Column("version", String(20), nullable=False),
    Column("since", UtcTime, nullable=False),  # when the mirror first saw the alias on this version
    Column("as_of", UtcTime, nullable=False),
)
