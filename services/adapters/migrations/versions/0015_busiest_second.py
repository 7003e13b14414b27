"""Keep how many requests arrived in an hour's busiest second and minute: what serving must be sized for."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add both counts; hours that were counted before have none."""
    op.add_column("traffic_hours", sa.Column("busiest_second", sa.Integer(), nullable=True))
    op.add_column("traffic_hours", sa.Column("busiest_minute", sa.Integer(), nullable=True))
