"""Say when a pool will be full, as a probability and a range of dates, or say that it cannot be said.

Daily peaks are what run into a limit; their means hide it. A damped trend on the peaks of the last weeks (exponential
smoothing in state-space form, with a weekly season once four weeks are there) is simulated forward; the probability is
the share of simulated paths that touch the limit. How often that came true is measured by `backtest`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, TimeWindow
from services.quota.pool import Pool
from services.quota.watch import amount

MIN_DAYS: Final = 14
HORIZON: Final = 90
_FIT_DAYS: Final = 120
_SEASON_FROM: Final = 28
_PATHS: Final = 1_000
_MISSING_AT_MOST: Final = 0.2
LIKELY: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAhead:
    """The peak of one day to come: 10%, 50% and 90% of the simulated paths lie below these."""

    at: date
    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a pool reaches its limit. A date is None where fewer paths than 10% (earliest) or 50% (likely) reach it."""

    days: int
    p7: float
    p30: float
    earliest: date | None
    likely: date | None
    ahead: tuple[DayAhead, ...]  # 30 days


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How past forecasts fared: of `origins` past days, how often "full within 7 days, yes or no" was right.

    `base_right` is what always saying the commoner answer would have scored: a hit rate means nothing beside it.
    """

    origins: int
    right: int
    said: int
    came: int
    both: int
    base_right: int

    @property
    def hit_rate(self) -> float | None:
        """The share of right answers; None where nothing could be tried."""
        return self.right / self.origins if self.origins else None


def why_not(peaks: Sequence[tuple[date, float]]) -> str:
    """Return why there is no forecast, or an empty text; `peaks` is per day, oldest first."""
    if len(peaks) < MIN_DAYS:
        return f"{len(peaks)} daily peaks: a forecast needs {MIN_DAYS}"
    span = (peaks[-1][0] - peaks[0][0]).days + 1
    if (span - len(peaks)) / span > _MISSING_AT_MOST:
        return f"{span - len(peaks)} of {span} days have no sample: a forecast needs four in five"
    return ""


def forecast(peaks: Sequence[tuple[date, float]], *, limit: float, seed: int = 20_26) -> Forecast | None:
    """Return when the pool reaches `limit`, or None where `why_not` says why not.

    Args:
        peaks: the highest use of each day in the pool's unit, oldest first; at most 120 days are used.
        limit: what the pool offers from now on.
        seed: of the simulation, so that the same question has the same answer.
    """
    if why_not(peaks):
        return None
    used = peaks[-_FIT_DAYS:]
    paths = _paths(_filled(used), seed=seed)
    last = used[-1][0]
    touched = paths >= limit
    first = touched.argmax(axis=0) + 1
    reached = touched.any(axis=0)
    count = paths.shape[1]
    days = sorted(int(d) for d, yes in zip(first, reached, strict=True) if yes)

    def day_of(share: float) -> date | None:
        place = int(share * count)
        return last + timedelta(days=days[place]) if len(days) > place else None

    import numpy as np

    low, mid, high = np.quantile(paths[:30], (0.1, 0.5, 0.9), axis=1)
    return Forecast(
        days=len(peaks), p7=sum(d <= 7 for d in days) / count, p30=sum(d <= 30 for d in days) / count,
        earliest=day_of(0.1), likely=day_of(LIKELY),
        ahead=tuple(DayAhead(at=last + timedelta(days=i + 1), low=max(0.0, float(low[i])), mid=max(0.0, float(mid[i])),
                             high=max(0.0, float(high[i]))) for i in range(30)),
    )


def backtest(peaks: Sequence[tuple[date, float]], *, limit: float, origins: int = 12) -> Record:
    """Return how the forecast would have fared on this pool's past: it sees only what was known on each past day."""
    last = len(peaks) - 7
    places = list(range(MIN_DAYS, last + 1))
    step = max(1, len(places) // origins)
    right = said = came = both = 0
    chosen = places[::-1][::step][:origins]
    for place in chosen:
        found = forecast(peaks[:place], limit=limit)
        if found is None:
            continue
        yes, did = found.p7 >= LIKELY, any(value >= limit for _, value in peaks[place : place + 7])
        right, said, came, both = right + (yes == did), said + yes, came + did, both + (yes and did)
    return Record(origins=len(chosen), right=right, said=said, came=came, both=both,
                  base_right=max(came, len(chosen) - came))


def measure(
    pool: Pool, peaks: Sequence[tuple[date, float]], *, limit: float, now: datetime, record: Record | None = None,
) -> Measurement:
    """Return `pool_forecast`: it warns when the pool is likelier than not to be full within 7 days."""
    window = TimeWindow.last(DAY * max(1, len(peaks)), now=now)
    found = forecast(peaks, limit=limit)
    if found is None:
        return Measurement(name="pool_forecast", pipeline=Pipeline.QUOTA, subject=pool.name, window=window, at=now,
                           verdict=Verdict.INCONCLUSIVE, why=Why.TOO_FEW, n=len(peaks),
                           reason=f"no forecast for {pool.name}: {why_not(peaks)}", detail={"day": f"{now:%Y-%m-%d}"})
    return Measurement(
        name="pool_forecast", pipeline=Pipeline.QUOTA, subject=pool.name, window=window, at=now,
        verdict=Verdict.WARN if found.p7 >= LIKELY else Verdict.PASS, reason=sentence(pool, found, limit, record),
        value=100 * found.p30, unit="%", n=len(peaks),
        detail={
            "day": f"{now:%Y-%m-%d}", "p7": found.p7, "p30": found.p30, "limit": limit,
            "earliest": found.earliest.isoformat() if found.earliest else None,
            "likely": found.likely.isoformat() if found.likely else None,
            "hit_rate": record.hit_rate if record else None,
            "ahead": [[d.at.isoformat(), round(d.low, 4), round(d.mid, 4), round(d.high, 4)] for d in found.ahead],
        },
    )


def sentence(pool: Pool, found: Forecast, limit: float, record: Record | None = None) -> str:
    """Return the forecast in words, with its own hit rate beside it."""
    if found.likely:
        when = f"likely reaches its {amount(limit, pool.unit)} on {found.likely:%d %b}"
        when += f" (earliest {found.earliest:%d %b})" if found.earliest and found.earliest < found.likely else ""
    elif found.earliest:
        when = f"may reach its {amount(limit, pool.unit)} from {found.earliest:%d %b} on, likelier not"
    else:
        when = f"does not reach its {amount(limit, pool.unit)} within {HORIZON} days"
    rate = (f"; on its past {record.right} of {record.origins} such forecasts were right "
            f"({record.base_right} by always saying the commoner answer)" if record and record.origins else "")
    return f"{pool.name} {when}: {100 * found.p7:.0f}% within 7 days, {100 * found.p30:.0f}% within 30{rate}"


def _filled(peaks: Sequence[tuple[date, float]]) -> Any:
    """Return one value per day, missing days drawn straight between their neighbours."""
    import numpy as np

    start = peaks[0][0]
    days = [(day - start).days for day, _ in peaks]
    return np.interp(np.arange(days[-1] + 1), days, [value for _, value in peaks])


def _paths(values: Any, *, seed: int) -> Any:
    """Return simulated paths of the coming 90 days, an array of days by paths."""
    import numpy as np

    if float(np.ptp(values)) < 1e-9:
        return np.full((HORIZON, _PATHS), values[-1])
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # 2 s to import, and only the monitor needs it

    season = {"seasonal": "add", "seasonal_periods": 7} if len(values) >= _SEASON_FROM else {}
    with warnings.catch_warnings():
        # A fit that stops early is still a fit; the backtest says how good these are.
        warnings.simplefilter("ignore")
        fitted = ETSModel(values, error="add", trend="add", damped_trend=True, **season).fit(disp=False, maxiter=200)
        return np.asarray(fitted.simulate(HORIZON, anchor="end", repetitions=_PATHS,
                                          rng=np.random.default_rng(seed)))
