"""Fetch the profiles that a comparison needs, and put them side by side: what the monitor, a page and a command ask.

Which verdict follows is measure.py's; how profiles were counted, services/profiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.core.measurement import Measurement
from services.core.window import DAY, HOUR, WEEK, TimeWindow, floor_to
from services.drift.measure import Against, Pair, Subject, days_of, measure
from services.errors import NotFound, Refused
from services.profiles.baseline import Baseline
from services.profiles.ports import BaselineStore, ProfileStore
from services.profiles.profile import Profile, merged

EVERY: Final = "*"  # the version of a baseline that holds for every version of a model
RECENT: Final = timedelta(days=35)  # an environment that served nothing for so long is not measured
WEEKS: Final = 4
LOOKS: Final = 3  # windows behind one verdict


def baseline_for(store: BaselineStore, model: str, version: str) -> Baseline | None:
    """Return the baseline of a version, or the one that holds for every version."""
    return store.get(model, version) or store.get(model, EVERY)


def serving(profiles: ProfileStore, model: str, *, now: datetime) -> dict[str, str]:
    """Return environment to the version that served most rows in the last day, else most lately."""
    recent = profiles.places(model, TimeWindow(now - RECENT, now + HOUR))
    today = profiles.places(model, TimeWindow(now - DAY, now + HOUR))
    found = {}
    for environment in sorted({environment for environment, _ in recent}):
        of_today = {v: n for (e, v), n in today.items() if e == environment}
        of_late = {v: n for (e, v), n in recent.items() if e == environment}
        rows = of_today or of_late
        found[environment] = max(rows, key=lambda v: (rows[v], v))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """The profiles of one subject in its baseline's bins."""

    profiles: ProfileStore
    baseline: Baseline
    subject: Subject

    def total(self, window: TimeWindow, *, versions: Sequence[str] = ()) -> Profile:
        """Return the sum over a window of whole hours; of every version unless some are named."""
        found = self.profiles.cover(
            self.baseline.layout, window, model=self.subject.model, environment=self.subject.environment,
            slice_=self.subject.slice, versions=versions)
        return merged(self.baseline.layout, (item.profile for item in found))

    def training(self) -> Profile:
        """Return the training baseline: of the slice its own.

        Raises:
            NotFound: the baseline knows no such slice.
        """
        if not self.subject.slice:
            return self.baseline.profile
        if self.subject.slice not in self.baseline.slices:
            known = ", ".join(sorted(self.baseline.slices)[:8]) or "none"
            raise NotFound(f"the baseline of {self.subject.model} v{self.subject.version} has no slice "
                           f"{self.subject.slice}: it has {known}")
        return self.baseline.slices[self.subject.slice]

    def pair(self, window: TimeWindow, against: Against) -> Pair:
        """Return the window beside what it is compared with; a slice's longer windows are whole days in UTC."""
        if self.subject.slice and (window.length > DAY or against is Against.SEASONAL):
            # A slice keeps its hours for a few days only.
            window = TimeWindow(floor_to(window.start, DAY), floor_to(window.end, DAY))
        return replace(self._pair(window, against), gaps=self._gaps(window, against))

    def _pair(self, window: TimeWindow, against: Against) -> Pair:
        if against is Against.TRAINING:
            # A version is compared with what it was trained on: rows that another one served are not its skew.
            return Pair(window=window, ours=self.total(window, versions=(self.subject.version,)),
                        theirs=self.training())
        if against is Against.PREVIOUS:
            return Pair(window=window, ours=self.total(window), theirs=self.total(window.shifted(-window.length)))
        return Pair(window=window, ours=self.total(window), theirs=merged(
            self.baseline.layout, (self.total(week) for week in self.weeks_before(window))))

    def weeks_before(self, window: TimeWindow) -> list[TimeWindow]:
        """Return the same hours of the four weeks before, by the clock of the model's users.

        A slice keeps its hours for a few days only: where the clock was changed in between, its days are other hours.
        """
        zone = self.baseline.zone
        weeks = [window.weeks_before(k, zone) for k in range(1, WEEKS + 1)]
        if not self.subject.slice:
            return weeks
        return [week for k, week in enumerate(weeks, 1) if week == window.shifted(-k * WEEK)]

    def _gaps(self, window: TimeWindow, against: Against) -> int:
        if window.length < WEEK or against is Against.SEASONAL:
            return 0
        start = window.start - window.length if against is Against.PREVIOUS else window.start
        whole = TimeWindow(floor_to(start, DAY) + DAY, floor_to(window.end, DAY))
        found = self.profiles.read(self.baseline.layout, whole, model=self.subject.model, grain="day",
                                   environment=self.subject.environment, slice_=self.subject.slice)
        return whole.length // DAY - len({item.bucket.start for item in found})

    def pairs(self, span: timedelta, against: Against, *, now: datetime) -> list[Pair]:
        """Return the newest window up to the last closed hour and two earlier looks, newest first."""
        return [self.pair(window, against) for window in looks(span, now=now)]

    def measured(self, span: timedelta, against: Against, *, now: datetime) -> list[Measurement]:
        """Return one measurement per column over a window of this length, longer where only that is fair to it."""
        lengths = {days_of(self.baseline.usual_of(c), against) for c in self.baseline.layout.columns}
        pairs = {days: self.pairs(max(span, days * DAY) if days > 1 else span, against, now=now) for days in lengths}
        return measure(self.subject, pairs, self.baseline, against, at=now)

    def weeks_with_rows(self, window: TimeWindow) -> int:
        """Return how many of the four weeks before have rows in the same hours."""
        return sum(self.total(week).rows > 0 for week in self.weeks_before(window))


def looks(span: timedelta, *, now: datetime) -> list[TimeWindow]:
    """Return the windows behind a verdict: the newest, and two that end a quarter of its length earlier each.

    Raises:
        Refused: the length is not a whole number of hours.
    """
    if span < HOUR or span % HOUR:
        raise Refused("a window of profiles is a whole number of hours: write for example 1h, 24h or 7d")
    end, step = floor_to(now, HOUR), max(HOUR, span // 4 // HOUR * HOUR)
    return [TimeWindow(end - span - k * step, end - k * step) for k in range(LOOKS)]


def chosen(
    baselines: BaselineStore, profiles: ProfileStore, model: str, *, environment: str = "", now: datetime,
    slice_: str = "",
) -> Gatherer:
    """Return the gatherer of a model's serving version; production where no environment is named.

    Raises:
        NotFound: nothing was served and counted lately, or the version has no baseline.
    """
    versions = serving(profiles, model, now=now)
    if not versions:
        reasons = [f"v{v}: {why}" if v != EVERY else why for (_, v), why in baselines.known(model).items() if why]
        why = f" ({reasons[-1]})" if reasons else ""
        raise NotFound(f"{model} has no profiles yet{why}: check its log and run interlock monitor --once")
    place = environment or ("production" if "production" in versions else next(iter(versions)))
    if place not in versions:
        raise NotFound(f"{model} served nothing in {place} lately: it served in {', '.join(versions)}")
    baseline = baseline_for(baselines, model, versions[place])
    if baseline is None:
        why = baselines.known(model).get((model, versions[place]), "none was logged")
        raise NotFound(f"{model} v{versions[place]} has no baseline: {why}")
    return Gatherer(profiles=profiles, baseline=baseline, subject=Subject(
        model=model, environment=place, version=versions[place], slice=slice_))
