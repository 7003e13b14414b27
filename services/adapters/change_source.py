"""Find what was changed about a thing: traffic moved, decisions, new versions and runs, and pools that ran out."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import or_, select

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables import alerts, house, mirror
from services.adapters.ops_tables.releases import served
from services.alerts.ports import Change
from services.core.measurement import Pipeline
from services.core.window import TimeWindow
from services.releases.machine import Do

# What people say about incidents, and a release's papers, change nothing about the model: its traffic does, and that
# is read from what was served.
_NOT_CHANGES: Final = (
    "acknowledge", "silence", "resolve", "mark useful or noise", "resend", "drill", "notice drift", "issue report",
    "sign report", "send report", "correct failure",
    *(str(do) for do in Do if do not in (Do.PROMOTE, Do.ROLL_BACK, Do.BREAK_GLASS)),
)


class ChangeTable:
    """The port `services.alerts.ports.ChangeSource` on the ops store."""

    def __init__(self, db: OpsDb) -> None:
        """Use the given store."""
        self._db = db

    def changes(self, subject: str, window: TimeWindow) -> list[Change]:
        """Return what was decided, registered or trained about a subject, or about the whole house, oldest first."""
        with self._db.read() as connection:
            decided = connection.execute(
                select(house.audit.c.at, house.audit.c.action, house.audit.c.subject, house.audit.c.label,
                       house.audit.c.detail)
                .where(house.audit.c.at >= window.start, house.audit.c.at < window.end,
                       house.audit.c.action.not_in(_NOT_CHANGES), house.audit.c.action.not_like("denied:%"),
                       house.audit.c.action.not_like("run %"))
                .limit(500)
            ).all()
            registered = connection.execute(
                select(mirror.model_versions.c.created_at, mirror.model_versions.c.version)
                .where(mirror.model_versions.c.model == subject, _within(mirror.model_versions.c.created_at, window))
            ).all()
            ran = connection.execute(
                select(mirror.runs.c.ended_at, mirror.runs.c.effective, mirror.runs.c.run_id, mirror.runs.c.pipeline)
                .where(or_(mirror.runs.c.pipeline == subject, mirror.runs.c.pipeline.startswith(f"{subject}-")),
                       _within(mirror.runs.c.ended_at, window)).limit(100)
            ).all()
            pools = connection.execute(
                select(alerts.incidents.c.id, alerts.incidents.c.opened_at, alerts.incidents.c.title)
                # Not the thing's own: no incident is a suspect in its own case.
                .where(alerts.incidents.c.pipeline == str(Pipeline.QUOTA), alerts.incidents.c.subject != subject,
                       _within(alerts.incidents.c.opened_at, window))
                .limit(50)
            ).all()
            splits = connection.execute(
                select(served.c.at, served.c.environment, served.c.weights)
                .where(served.c.model == subject, served.c.at < window.end)
                .order_by(served.c.at.desc(), served.c.id.desc()).limit(200)
            ).all()
        found = [c for row in decided if (c := _decision(row, subject))]
        found += [Change(at=r.created_at, kind="registered", text=f"version {r.version} of {subject} was registered",
                         link="releases") for r in registered]
        found += [Change(at=r.ended_at, kind="run", text=f"a run of {r.pipeline} ended: {r.effective}",
                         link=f"training?run={r.run_id}") for r in ran]
        # A pool runs out for everybody who shares it, whatever the incident is about.
        found += [Change(at=p.opened_at, kind="quota", text=f"quota: {p.title}", link=f"incidents?incident={p.id}")
                  for p in pools]
        found += [c for c in _moves(list(reversed(splits))) if window.start <= c.at]
        return sorted(found, key=lambda c: c.at)


def _moves(splits: Sequence[Any]) -> Iterator[Change]:
    """Yield each version that took more of the traffic than it had before, as it was read back."""
    before: dict[str, dict[str, float]] = {}
    for split in splits:
        had = before.get(split.environment, {})
        for version, weight in split.weights.items():
            if weight > had.get(version, 0.0):
                yield Change(at=split.at, kind="traffic", link="releases",
                             text=f"version {version} took {weight:g}% of {split.environment}")
        before[split.environment] = split.weights


def _decision(row: Any, subject: str) -> Change | None:
    """Return a change for a decision about this model, or about no model in particular."""
    model = row.detail.get("model") if isinstance(row.detail, dict) else None
    if row.subject.startswith("schema:"):
        model = row.subject.removeprefix("schema:").rpartition("/")[0]
    if model not in (None, subject):
        return None
    version = row.detail.get("version")
    what = f"{subject} version {version}" if model and version else row.subject
    return Change(at=row.at, kind="decision", text=f"{row.label} did {row.action} on {what}", link="audit")


def _within(column: Any, window: TimeWindow) -> Any:
    return (column >= window.start) & (column < window.end)
