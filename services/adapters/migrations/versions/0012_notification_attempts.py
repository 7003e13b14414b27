"""Every attempt to send a notification."""

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the table of attempts."""
    op.create_table(
        "notification_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", ops_tables.UtcTime(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_attempts")),
    )
    op.create_index(op.f("ix_notification_attempts_key"), "notification_attempts", ["key"], unique=False)
