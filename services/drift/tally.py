"""On how many of the past days did each column move? The rate at which the test really fires, day by day.

Every day is compared in the bins, and against the baseline, of the version that served it, so the answer holds over any
number of releases. One firing day counts here though a verdict wants two of three windows: this is the worst case.
What psi0 promised on the baseline's own days is `Level.achieved`; this is what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.core.window import DAY, TimeWindow, floor_to
from services.drift.gather import Gatherer, baseline_for
from services.drift.grid import grid
from services.drift.measure import Against, Subject, is_restless, level_of
from services.profiles.baseline import Role
from services.profiles.ports import BaselineStore, ProfileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One column over many days: days judged, the days on which the test fired, days with too few rows to say.

    `achieved` is the rate on held-out days of the newest baseline; `restless` says that it is so high that firing
    warns and never fails.
    """

    column: str
    role: Role
    days: int
    fired: tuple[datetime, ...]
    unsure: int
    psi0: float
    achieved: float | None
    restless: bool

    @property
    def rate(self) -> float:
        """The share of the days on which the test fired."""
        return len(self.fired) / self.days if self.days else 0.0

    @property
    def failed(self) -> int:
        """Days that count as failed: none where firing says little."""
        return 0 if self.restless else len(self.fired)


def tally(
    baselines: BaselineStore, profiles: ProfileStore, model: str, window: TimeWindow, against: Against, *,
    environment: str,
) -> list[Tally]:
    """Return one tally per column over the whole days of a window, the most restless last, else by rate.

    Days on which nothing was served, or a version without a baseline, are left out.
    """
    found: dict[str, Tally] = {}
    for version, span in _spans(profiles, model, window, environment):
        baseline = baseline_for(baselines, model, version)
        if baseline is None:
            continue
        of = Gatherer(profiles=profiles, baseline=baseline, subject=Subject(
            model=model, environment=environment, version=version))
        # By days whatever the length: a version may have served for an afternoon.
        seen = grid(of, span, against, hourly_up_to=timedelta(0))
        for column in seen.columns:
            cells = seen.of(column)
            level = level_of(baseline.usual_of(column), against)
            old = found.get(column) or Tally(
                column=column, role=baseline.roles.get(column, Role.FEATURE), days=0, fired=(), unsure=0,
                psi0=level.psi0, achieved=level.achieved, restless=False)
            found[column] = replace(
                old, days=old.days + len(cells), unsure=old.unsure + sum(cell.unsure for cell in cells),
                fired=(*old.fired, *(cell.bucket.start for cell in cells if cell.effect.fires)),
                psi0=level.psi0, achieved=level.achieved, restless=is_restless(level))
    return sorted(found.values(), key=lambda t: (t.restless, -t.rate, t.column))


def failed_share(tallies: Sequence[Tally]) -> tuple[int, int]:
    """Return (failed, judged) days of the columns whose firing means something, all columns together."""
    quiet = [t for t in tallies if not t.restless]
    return sum(t.failed for t in quiet), sum(t.days for t in quiet)


def _spans(
    profiles: ProfileStore, model: str, window: TimeWindow, environment: str
) -> list[tuple[str, TimeWindow]]:
    """Return the runs of whole days that one version served most rows of, oldest first."""
    first, last = floor_to(window.start, DAY), floor_to(window.end, DAY)
    spans: list[tuple[str, TimeWindow]] = []
    for day in TimeWindow(first if first == window.start else first + DAY, last).buckets(DAY):
        rows = {v: n for (e, v), n in profiles.places(model, day).items() if e == environment}
        if not rows:
            continue
        version = max(rows, key=lambda v: (rows[v], v))
        if spans and spans[-1][0] == version and spans[-1][1].end == day.start:
            spans[-1] = (version, TimeWindow(spans[-1][1].start, day.end))
        else:
            spans.append((version, day))
    return spans
