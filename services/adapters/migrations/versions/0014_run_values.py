"""Keep what a run said as one text, not as a row for each value."""

import json
from itertools import groupby

import sqlalchemy as sa
from alembic import op

from services.adapters import ops_tables

revision = "0014"
down_revision = "0013"

_RUNS = 1_000
_ROWS = sa.text("SELECT run_id, kind, key, text, number, step, at FROM run_values_by_row "
                "WHERE run_id BETWEEN :first AND :last ORDER BY run_id")


def upgrade() -> None:
    """Gather each run's rows into one."""
    op.rename_table("run_values", "run_values_by_row")
    op.create_table(
        "run_values",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("body", ops_tables.Json(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], ondelete="CASCADE"),
        # The old table's key holds the usual name until that table goes.
        sa.PrimaryKeyConstraint("run_id", name="pk_run_values_body"),
    )
    connection = op.get_bind()
    ids = list(connection.execute(sa.text("SELECT DISTINCT run_id FROM run_values_by_row ORDER BY run_id")).scalars())
    for start in range(0, len(ids), _RUNS):
        some = ids[start : start + _RUNS]
        rows = connection.execute(_ROWS, {"first": some[0], "last": some[-1]}).all()
        connection.execute(sa.text("INSERT INTO run_values (run_id, body) VALUES (:run_id, :body)"), [
            {"run_id": run_id, "body": _body(list(said))} for run_id, said in groupby(rows, key=lambda r: r.run_id)])
    op.drop_table("run_values_by_row")


def _body(rows: list[sa.Row[tuple[object, ...]]]) -> str:
    body: dict[str, dict[str, object]] = {"metric": {}, "param": {}, "tag": {}}
    for row in rows:
        metric = [row.text if row.number is None else row.number, row.step, (row.at or 0) // 1000]
        body.setdefault(row.kind, {})[row.key] = metric if row.kind == "metric" else row.text or ""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
