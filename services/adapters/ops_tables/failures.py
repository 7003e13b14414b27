"""What people decided about failures: corrections, each of which is a rule from then on."""

from sqlalchemy import Boolean, Column, String, Table, Text

from services.adapters.ops_tables import METADATA, UtcTime

failure_corrections = Table(
    "failure_corrections",
    METADATA,
    Column("line", Text, primary_key=True),  # the general form of a log line: services/training/correct.py
    Column("class", String(40), nullable=False),
    Column("owner", String(20), nullable=False),
    Column("retryable", Boolean, nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)
