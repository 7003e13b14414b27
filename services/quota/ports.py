"""What quota needs from the world: places that know the use, runs that request, a store for both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.core.measurement import Measurement
from services.core.window import TimeWindow
from services.quota.pool import Limit, Pool, Sample
from services.quota.rollup import PoolRoll


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one active run has asked for. `amounts` is per resource (cpu, ram, gpu, tpu) in the pool's unit."""

    pipeline: str
    pool: str  # as the run names it; empty where it does not
    amounts: Mapping[str, float]
    kind: str = ""
    team: str = ""
    environment: str = ""
    waiting: bool = False  # submitted and not started


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A pool at one moment: totals only."""

    ts: datetime
    used: float
    requested: float | None
    pending: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What one pipeline took of a pool over a window, in unit-hours."""

    pipeline: str
    kind: str
    team: str
    environment: str
    used_hours: float
    requested_hours: float | None
    used_max: float


class UsageSource(Protocol):
    """A place that knows what pipelines use."""

    @property
    def name(self) -> str:
        """The name under which its as-of time is kept."""
        ...

    @property
    def pools(self) -> frozenset[str]:
        """The pools whose use it measures, as far as is known yet."""
        ...

    @property
    def limits(self) -> Sequence[Limit]:
        """The dated limits that the last call of `sample` found."""
        ...

    @property
    def faults(self) -> Sequence[str]:
        """What the last call of `sample` refused, one line per row or file, named; the rest counts."""
        ...

    def sample(self, *, now: datetime) -> Sequence[Sample]:
        """Return what is new since the last call.

        Raises:
            SourceUnavailable: it does not answer.
            SourceMalformed: it answered with something impossible; the row is named.
        """
        ...


class Requests(Protocol):
    """The runs that hold or wait for resources."""

    def active(self) -> Sequence[Request]:
        """Return every active run that requests anything."""
        ...


class QuotaHistory(Protocol):
    """Limits, the newest samples and roll-ups, for pages, plans and reports."""

    def limits(self, pool: str) -> tuple[Limit, ...]:
        """Return a pool's dated limits, oldest first."""
        ...

    def latest(self, pool: str, *, within: timedelta, now: datetime) -> Sequence[Sample]:
        """Return the samples of the newest moment not older than `within`; none where there is none."""
        ...

    def history(self, pool: str, window: TimeWindow, *, grain: str) -> Sequence[PoolRoll]:
        """Return a pool's roll-ups by `hour` or `day` that begin in the window, oldest first."""
        ...

    def totals(self, pool: str, window: TimeWindow, *, grain: str) -> Sequence[Total]:
        """Return what each pipeline took of a pool over the window, most first."""
        ...

    def stacked(
        self, pool: str, window: TimeWindow, *, grain: str, pipelines: Sequence[str],
    ) -> Mapping[str, Mapping[datetime, float]]:
        """Return per named pipeline its unit-hours in each bucket where it used any."""
        ...


class QuotaStore(QuotaHistory, Protocol):
    """Samples and limits, for the step."""

    def write(self, samples: Iterable[Sample], *, roll_up: bool = True) -> int:
        """Store samples, replacing those of the same pool, pipeline and moment; return how many."""
        ...

    def write_limits(self, limits: Iterable[Limit]) -> int:
        """Store dated limits."""
        ...

    def ticks(self, pool: str, window: TimeWindow) -> Sequence[Tick]:
        """Return a pool's totals at every sampled moment of the window, oldest first."""
        ...

    def recent(self, pool: str, window: TimeWindow) -> Mapping[str, Sequence[tuple[datetime, float]]]:
        """Return per pipeline its use at every sampled moment of a short window, oldest first, zero where absent."""
        ...

    def hours(self, pool: str, window: TimeWindow) -> dict[str, list[float]]:
        """Return per pipeline its mean use in every sampled hour of the window, zero where it was absent."""
        ...


class MeasurementStore(Protocol):
    """Where measurements go."""

    def save(self, found: Iterable[Measurement]) -> None:
        """Store measurements."""
        ...

    def newest(self, *, subject: str, name: str) -> Sequence[tuple[Measurement, datetime]]:
        """Return the newest measurement of each question, with since when its verdict has held."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wasted:
    """Unit-hours that bought nothing, or more than usual: killed, failed, hung, and the surplus of slow runs."""

    cause: str
    pool: str
    pipeline: str
    team: str
    unit_hours: float
    runs: int


class RunHistory(Protocol):
    """What ended runs cost."""

    def wasted(self, window: TimeWindow, *, pools: Sequence[Pool], now: datetime) -> Sequence[Wasted]:
        """Return what was wasted by runs that started in the window, per cause, pool and pipeline."""
        ...
