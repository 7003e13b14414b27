"""Tables of releases: the releases, their signatures, what is still to be done, what should be served, what was."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text, UniqueConstraint, text

from services.adapters.ops_tables import METADATA, Json, UtcTime
from services.releases.release import HOLDING

_HOLDING = text("state IN (" + ", ".join(f"'{state}'" for state in sorted(HOLDING)) + ")")

releases = Table(
    "releases",
    METADATA,
    Column("id", String(20), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("environment", String(80), nullable=False),
    Column("version", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(30), nullable=False, index=True),
    Column("sync", String(20), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("plan", Json, nullable=False),
    Column("proposer", String(200), nullable=False),
    Column("proposer_label", String(200), nullable=False),
    Column("last_editor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("champion", String(40), nullable=False),
    Column("previous", String(40), nullable=False),
    Column("back_to", String(40), nullable=False),
    Column("subject", Json, nullable=False),
    Column("subject_hash", String(64), nullable=False),
    Column("evidence", Json, nullable=False),
    Column("step", Integer, nullable=False),
    Column("pause", String(30), nullable=False),
    Column("note", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("incident", String(200), nullable=False),
    Column("break_glass", Integer, nullable=False),
    Column("review_by", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("step_since", UtcTime),
    Column("deadline_at", UtcTime),
    Column("expires_at", UtcTime),
    Index("ix_releases_place", "model", "environment", "state"),
    # The database itself refuses a second release that owns the traffic of one model in one environment.
    Index("uq_releases_holding", "model", "environment", unique=True, sqlite_where=_HOLDING, postgresql_where=_HOLDING),
)

approvals = Table(
    "release_approvals",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("release_id", String(20), nullable=False, index=True),
    Column("stage", String(20), nullable=False),
    Column("approver", String(200), nullable=False),
    Column("label", String(200), nullable=False),
    Column("subject_hash", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    # What the approver was shown; never rewritten when the evidence is taken again.
    Column("evidence", Json, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("release_id", "stage", "approver", "subject_hash", name="uq_release_approvals_signature"),
)

outbox = Table(
    "outbox",
    METADATA,
    Column("op_id", String(40), primary_key=True),
    Column("release_id", String(20), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("model", String(200), nullable=False),
    Column("environment", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("payload", Json, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    Column("message", Text, nullable=False),
    UniqueConstraint("release_id", "seq", name="uq_outbox_place"),
    Index("ix_outbox_state", "state", "release_id", "seq"),
)

target_state = Table(
    "target_state",
    METADATA,
    Column("model", String(200), primary_key=True),
    Column("environment", String(80), primary_key=True),
    Column("champion", String(40), nullable=False),
    Column("previous", String(40), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("weights", Json, nullable=False),
    Column("release_id", String(20), nullable=False),
    Column("sync", String(20), nullable=False),
    Column("observed", Json, nullable=False),
    Column("observed_generation", Integer, nullable=False),
    Column("observed_at", UtcTime),
    Column("alias", String(40), nullable=False),
    Column("message", Text, nullable=False),
)

# One row per split that was read back from a target: what was serving at any time.
served = Table(
    "served",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("model", String(200), nullable=False),
    Column("environment", String(80), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("weights", Json, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("release_id", String(20), nullable=False),
    Index("ix_served_place", "model", "environment", "at"),
)

# The largest fence under which the outbox was run: a monitor that lost its lease finds a larger one and stops.
outbox_fence = Table(
    "outbox_fence",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("fence", Integer, nullable=False),
)

# Every look of the canary judge, so that a verdict can be replayed from what was counted.
looks = Table(
    "release_looks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("release_id", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("metric", String(40), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("n_champion", Integer, nullable=False),
    Column("n_candidate", Integer, nullable=False),
    Column("value", Float),
    Column("threshold", Float),
    Column("verdict", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Index("ix_release_looks_release", "release_id", "step", "metric", "at"),
)
