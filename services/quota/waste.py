"""Find what is held for nothing: idle requests, quota that is stuck, and a budget that burns too fast."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, HOUR, TimeWindow, parse_span, span_text
from services.quota.attribution import Standing
from services.quota.pool import Pool
from services.quota.ports import Tick
from services.quota.watch import amount

IDLE_SHARE: Final = 0.5
IDLE_FOR: Final = timedelta(minutes=30)
_MATTERS: Final = 0.1  # of the limit
# Burn rates of a budget: rate, long and short window, verdict (Site Reliability Workbook, chapter 5).
BURNS: Final = (
    (14.4, HOUR, timedelta(minutes=5), Verdict.FAIL),
    (6.0, 6 * HOUR, timedelta(minutes=30), Verdict.FAIL),
    (1.0, 3 * DAY, 6 * HOUR, Verdict.WARN),
)


def idle(held: Standing, ticks: Sequence[Tick], *, now: datetime) -> Measurement:
    """Return `idle`: it warns when less than half of what was requested was used for 30 minutes on end."""
    window = TimeWindow.last(IDLE_FOR, now=now)
    recent = [t for t in ticks if t.ts > now - IDLE_FOR and t.requested]
    unit = held.pool.unit
    if not held.requested:
        # Said, and not left out: what was idle an hour ago must not stand as the newest word.
        return Measurement(name="idle", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now,
                           verdict=Verdict.PASS, n=0, reason=f"nothing is requested of {held.pool.name}")
    watched = recent[-1].ts - recent[0].ts if recent else timedelta(0)
    if len(recent) < 2 or watched < IDLE_FOR / 2:
        return Measurement(name="idle", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now,
                           verdict=Verdict.INCONCLUSIVE, why=Why.TOO_FEW, n=len(recent),
                           reason=f"requests of {held.pool.name} were watched for {span_text(watched)} of the last "
                                  f"{span_text(IDLE_FOR)}: {span_text(IDLE_FOR / 2)} needed to call them idle")
    share = max(t.used / (t.requested or 1.0) for t in recent)
    spare = max(held.shares, key=lambda s: (s.requested or 0.0) - s.used, default=None)
    wide = held.held_idle > _MATTERS * held.limit
    bad = share < IDLE_SHARE and wide
    most = (f"; most by {spare.pipeline}, {amount(round(spare.used, 2), unit)} of {amount(spare.requested, unit)}"
            if spare and spare.requested and bad else "")
    return Measurement(
        name="idle", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now, n=len(recent),
        verdict=Verdict.WARN if bad else Verdict.PASS, value=100 * share, unit="%",
        reason=f"{held.pool.name} uses at most {100 * share:.0f}% of what is requested, "
               f"{amount(round(held.held_idle, 2), unit)} idle{most}")


def stuck(held: Standing, ticks: Sequence[Tick], *, now: datetime) -> Measurement:
    """Return `stuck_quota`: work waits while quota is free, or while a full quota lies idle."""
    window = TimeWindow.last(IDLE_FOR, now=now)
    recent = [t for t in ticks if t.ts > now - IDLE_FOR]
    unit = held.pool.unit
    waits = held.pending > 0 and all((t.pending or 0) > 0 for t in recent)
    free = waits and held.unallocated >= held.pending
    full = waits and not free and held.held_idle >= max(held.pending, _MATTERS * held.limit)
    if free:
        reason = (f"{amount(held.pending, unit)} wait while {amount(held.unallocated, unit)} of {held.pool.name} are "
                  "neither requested nor used: look at the scheduler's node selectors and fragmentation")
    elif full:
        reason = (f"{amount(held.pending, unit)} wait while {amount(held.held_idle, unit)} of {held.pool.name} are "
                  "requested and idle: lower those requests")
    else:
        reason = f"nothing waits for {held.pool.name} that could run"
    return Measurement(name="stuck_quota", pipeline=Pipeline.QUOTA, subject=held.pool.name, window=window, at=now,
                       verdict=Verdict.WARN if free or full else Verdict.PASS, reason=reason, value=held.pending,
                       unit=unit, n=len(recent))


def experiments(held: Standing, *, budgeted: float, now: datetime) -> Measurement:
    """Return `experiments_share`: what experiments hold against what was set aside for them; throttle these first."""
    own = [s for s in held.shares if s.kind == "experiment"]
    share = sum(s.used for s in own) / held.limit
    verdict = Verdict.WARN if share > budgeted else Verdict.PASS
    said = f"experiments hold {100 * share:.0f}% of {held.pool.name}, {100 * budgeted:.0f}% are set aside"
    if verdict is Verdict.WARN:
        said += f": throttle {', '.join(s.pipeline for s in own[:3])} first"
    return Measurement(
        name="experiments_share", pipeline=Pipeline.QUOTA, subject=held.pool.name, at=now, verdict=verdict,
        window=TimeWindow.last(HOUR, now=now), value=100 * share, unit="%", n=len(own),
        reason=said if own else f"no experiment uses {held.pool.name}")


def period(pool: Pool, now: datetime) -> TimeWindow:
    """Return the budget period that holds `now`: a calendar month, or whole multiples of a span since 1970."""
    if pool.period in ("", "month"):
        start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return TimeWindow(start, (start + timedelta(days=32)).replace(day=1))
    length = parse_span(pool.period)
    epoch = now.replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    start = epoch + length * ((now - epoch) // length)
    return TimeWindow(start, start + length)


def burn(
    pool: Pool, ticks: Sequence[Tick], *, used_hours: float, budget: float, now: datetime,
) -> Measurement:
    """Return `budget_burn` of a budget pool: how many times faster than even it is being spent.

    Args:
        pool: a pool of kind budget.
        ticks: its totals over the last 3 days, oldest first.
        used_hours: unit-hours spent in this period.
        budget: unit-hours of a whole period.
        now: when it is asked.
    """
    whole = period(pool, now)
    even = budget / (whole.length / HOUR)
    rates = {span: _mean(ticks, now - span) / even for _, long, short, _ in BURNS for span in (long, short)}
    verdict, alarm = Verdict.PASS, ""
    for limit, long, short, bad in BURNS:
        if rates[long] > limit and rates[short] > limit and used_hours > 0.02 * budget:
            verdict, alarm = bad, f", over {limit:g} for {span_text(long)} and still"
            break
    done = (now - whole.start) / whole.length
    pace = used_hours / budget / done if done > 0 else 0.0
    if used_hours >= budget:
        verdict, alarm = Verdict.FAIL, ", the budget is spent"
    return Measurement(
        name="budget_burn", pipeline=Pipeline.QUOTA, subject=pool.name, window=TimeWindow(whole.start, now), at=now,
        verdict=verdict, value=pace, unit="x", n=len(ticks),
        reason=f"{pool.name} has spent {used_hours:,.0f} of {budget:,.0f} {pool.unit_hours} "
               f"({100 * used_hours / budget:.0f}%) in {100 * done:.0f}% of its period: "
               f"{pace:.2g} times even pace{alarm}",
        detail={"used_hours": used_hours, "budget": budget, "period_start": whole.start.isoformat(),
                "period_end": whole.end.isoformat()})


def _mean(ticks: Sequence[Tick], since: datetime) -> float:
    used = [t.used for t in ticks if t.ts > since]
    return sum(used) / len(used) if used else 0.0
