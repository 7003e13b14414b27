"""Denied commands: one row per person, action and hour, so that a flood of them grows a number and not the store."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from services.adapters.ops_tables import METADATA, UtcTime

refusals = Table(
    "refusals",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("actor", String(200), nullable=False),
    Column("action", String(80), nullable=False),
    Column("hour", UtcTime, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False, index=True),
    Column("place", String(200), nullable=False),
    Column("words", Text, nullable=False),
    Index("uq_refusals_hour", "actor", "action", "hour", unique=True),
)
