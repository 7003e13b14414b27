"""Look at every canary and shadow under way, store what was seen, and say how every release stands.

The decision that follows from a ruling is taken by the outbox (services/monitor/decisions.py), within a quarter of a
second; this step only counts and judges.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow
from services.errors import OpsError
from services.releases.canary import Counted, Look, Span
from services.releases.judge import judge
from services.releases.options import standing
from services.releases.progress import Ruling
from services.releases.reconcile import split_text
from services.releases.release import HOLDING, TERMINAL, WAITING, Kind, Pause, Place, Release, State, Sync

_JUDGED: Final = frozenset({State.SHADOW, State.BAKING, State.PAUSED, State.AWAITING_STEP, State.AWAITING_PROMOTE})
# The gateway writes its log within a second; what is younger may still be on its way.
_SETTLED: Final = timedelta(seconds=5)
_RECENT: Final = timedelta(hours=24)


class Log(Protocol):
    """One model's prediction log, counted for releases."""

    def count(
        self, spans: Sequence[Span], *, environment: str, champion: str, candidate: str, limit_ms: float | None,
        now: datetime, shadow: bool = False,
    ) -> Counted:
        """Return everything one look rests on."""
        ...


class Looks(Protocol):
    """Where looks are kept."""

    def save(self, release: Release, ruling: Ruling, found: Sequence[Look], *, now: datetime) -> None:
        """Store a look."""
        ...

    def limit_ms(self, release_id: str) -> float | None:
        """Return the champion's p95 that the first look froze."""
        ...


class CanaryStep:
    """The judge's part of a pass."""

    name = "releases"

    def __init__(
        self, *, releases: Callable[[], Iterable[Release]], places: Callable[[], Iterable[Place]],
        spans: Callable[[Release], Sequence[Span]], logs: Mapping[str, Log], looks: Looks,
        save: Callable[[Iterable[Measurement]], None],
    ) -> None:
        """Judge `releases()` by `logs`; `spans(release)` returns the times in which its split did not change."""
        self._releases = releases
        self._places = places
        self._spans = spans
        self._logs = logs
        self._looks = looks
        self._save = save

    def run(self, *, now: datetime) -> str:
        """Judge every release that takes traffic."""
        judged, failed = 0, []
        found = list(self._releases())
        for release in found:
            if release.state not in _JUDGED or release.model not in self._logs:
                continue
            try:
                judged += self._judge(release, now)
            except OpsError as error:
                failed.append(f"{release.id}: {error}")
        self._save(measurements(found, self._places(), now))
        if failed:
            raise OpsError("; ".join(failed))
        return f"{judged} canaries judged"

    def _judge(self, release: Release, now: datetime) -> int:
        shadow = release.state is State.SHADOW
        spans = [Span(start=release.step_since or release.since, end=None, weight_pct=50)] if shadow else list(
            self._spans(release))
        end = now - _SETTLED
        spans = [span for span in spans if span.start < end]
        if not spans:
            return 0
        counted = self._logs[release.model].count(
            spans, environment=release.environment, champion=release.champion, candidate=release.version,
            limit_ms=self._looks.limit_ms(release.id), now=end, shadow=shadow)
        ruling, looks = judge(counted, needs_labels=release.plan.needs_labels)
        # The step's minimum counts the requests of this step, not of those before.
        here = counted.spans[-1].n_candidate
        self._looks.save(release, Ruling(advice=ruling.advice, reason=ruling.reason, requests=here), looks, now=now)
        return 1


def measurements(releases: Iterable[Release], places: Iterable[Place], now: datetime) -> list[Measurement]:
    """Return how releasing stands everywhere, as measurements that rules and the first screen read."""
    newest: dict[tuple[str, str], Release] = {}
    known = sorted(releases, key=lambda r: (r.created_at, r.id))
    for release in known:
        if release.state not in WAITING or (release.model, release.environment) not in newest:
            newest[release.model, release.environment] = release
    # A place where the glass was ever broken is always looked at: an incident about a late review must be able to end.
    glass = {(r.model, r.environment) for r in known if r.break_glass}
    late = {(r.model, r.environment): r for r in known if r.review_by is not None and r.review_by <= now}
    found = [_attention(r, late.get(place), now) for place, r in newest.items()
             if r.state not in TERMINAL or now - r.since < _RECENT or place in glass]
    found += [_artefact(r, now) for r in newest.values() if r.state in HOLDING]
    return found + [m for place in places if place.observed_at for m in _outside(place, now)]


def _attention(release: Release, late: Release | None, now: datetime) -> Measurement:
    """Return how the newest release stands; `late` is a release there whose review of a broken glass is overdue."""
    verdict = standing(release)
    if release.state is State.ROLLED_BACK and release.kind is Kind.ROLLOUT and now - release.since < _RECENT:
        verdict = Verdict.WARN
    said = f"{release.id} (v{release.version}) is {release.state}" + (f": {release.note}" if release.note else "")
    if late is not None and late.review_by is not None:
        verdict = Verdict.FAIL
        said = (f"{late.id} broke the glass and its review, due {late.review_by.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
                f"is overdue: somebody other than its proposer reviews it; {said}")
    return _measured("release_attention", release, verdict, now, said)


def _artefact(release: Release, now: datetime) -> Measurement:
    changed = release.pause is Pause.SUBJECT_CHANGED
    fine = f"the files of v{release.version} are those that were approved"
    said = f"v{release.version}: {release.note}" if changed else fine
    return _measured("artefact_changed", release, Verdict.FAIL if changed else Verdict.PASS, now, said)


def _measured(name: str, release: Release, verdict: Verdict, now: datetime, reason: str) -> Measurement:
    return Measurement(
        name=name, pipeline=Pipeline.DEPLOYMENT, subject=release.model, environment=release.environment,
        version=release.version, window=TimeWindow(min(release.since, now), now), at=now, verdict=verdict,
        why=Why.LATE if verdict is Verdict.INCONCLUSIVE else Why.NONE, reason=reason,
        value=float(verdict is Verdict.FAIL),
        detail={"release": release.id, "state": str(release.state), "sync": str(release.sync)})


def _outside(place: Place, now: datetime) -> list[Measurement]:
    """Return whether target and alias show what is wanted; what nobody could look at is unsure."""
    moved = bool(place.alias) and place.alias != place.champion
    other = place.sync is Sync.DRIFTED and not moved
    unsure = place.sync is Sync.UNKNOWN
    facts = (
        ("target_drift", other, place.message or f"the target serves {split_text(place.observed)}, as wanted"),
        ("alias_moved", moved, place.message if moved else f"the champion alias points to v{place.champion}"),
    )
    return [
        Measurement(
            name=name, pipeline=Pipeline.DEPLOYMENT, subject=place.model, environment=place.environment,
            version=place.champion, window=TimeWindow(place.observed_at or now, now), at=now,
            verdict=Verdict.FAIL if wrong else Verdict.INCONCLUSIVE if unsure else Verdict.PASS,
            why=Why.LATE if unsure and not wrong else Why.NONE, reason=reason, value=float(wrong))
        for name, wrong, reason in facts
    ]
