"""Let profiles be kept by the month beside the hour and the day: the grain's name needs more letters."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Widen the column; SQLite holds a text of any length already."""
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("profiles", "grain", existing_type=sa.String(4), type_=sa.String(8), existing_nullable=False)
