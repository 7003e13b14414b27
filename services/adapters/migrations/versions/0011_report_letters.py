"""Letters that carry files: the monthly quota report is sent as PDF and workbook."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add what a letter carries; letters that were queued before carry nothing."""
    op.add_column("notifications", sa.Column("attachment", sa.String(length=80), nullable=False, server_default=""))
