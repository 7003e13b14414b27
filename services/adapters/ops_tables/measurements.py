"""Measurements: every one ever taken, and the newest of each question."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from services.adapters.ops_tables import METADATA, Json, UtcTime


def _columns() -> list[Column[object]]:
    """Return the columns that the history and the newest share."""
    return [
        Column("pipeline", String(20), nullable=False),
        Column("subject", String(200), nullable=False),
        Column("environment", String(80), nullable=False),
        Column("version", String(40), nullable=False),
        Column("window_start", UtcTime, nullable=False),
        Column("window_end", UtcTime, nullable=False),
        Column("at", UtcTime, nullable=False),
        Column("verdict", String(12), nullable=False),
        Column("why", String(20), nullable=False),
        Column("reason", Text, nullable=False),
        Column("value", Float),
        Column("unit", String(20), nullable=False),
        Column("n", Integer, nullable=False),
        Column("detail", Json, nullable=False),
    ]


measurements = Table(
    "measurements",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("name", String(60), nullable=False),
    Column("column_name", String(200), nullable=False),
    Column("slice", String(200), nullable=False),
    *_columns(),
    # The window is part of the key: measuring the same window again replaces its row, so a pass can be repeated.
    Index("ix_measurements_question", "subject", "name", "environment", "column_name", "window_end"),
    Index("ix_measurements_window_end", "window_end"),
)

measurements_now = Table(
    "measurements_now",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("name", String(60), nullable=False),
    Column("column_name", String(200), nullable=False),
    Column("slice", String(200), nullable=False),
    # When the question's verdict last changed: pages show "since".
    Column("since", UtcTime, nullable=False),
    *_columns(),
)
