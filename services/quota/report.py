"""Build the manager's month: who used what, what was wasted, what it cost, when it ends, what to decide.

The result is plain JSON, so that an issued report stands for ever as it was signed; the page, PDF, XLSX, CSV and HTML
are all drawn from it and from nothing else, which is why their totals are equal. Issuing is in actions.py.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from services.core.measurement import Measurement
from services.core.window import TimeWindow
from services.errors import Refused
from services.quota.advice import decisions
from services.quota.history import UNATTRIBUTED, Bar, History, Lines, history
from services.quota.pool import Pool
from services.quota.ports import QuotaHistory, RunHistory, Total, Wasted
from services.quota.prices import Price, doubts, price_at

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CAUSES: Final = ("killed", "failed", "hung", "slower")
# Rounded once, here: every row that a person adds up by hand gives the total that is printed.
_DIGITS: Final = 2
_TIES: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a report is built from."""

    pools: Sequence[Pool]
    store: QuotaHistory
    runs: RunHistory
    prices: Sequence[Price]
    forecasts: Mapping[str, Measurement]
    doubted: Sequence[str] = ()  # what is held in two pools at once, a sentence each


def month_window(month: str) -> TimeWindow:
    """Return the UTC month that a text such as `2026-10` names.

    Raises:
        Refused: the text names no month.
    """
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(f"{month!r} is not a month: write for example 2026-10") from None
    return TimeWindow(start, (start + timedelta(days=32)).replace(day=1))


def build(month: str, given: Inputs, *, now: datetime) -> dict[str, Any]:
    """Return the report of a month as plain JSON.

    Raises:
        Refused: the month has not begun.
    """
    window = month_window(month)
    if window.start > now:
        raise Refused(f"{month} has not begun: choose a month up to {now:%Y-%m}")
    seen = TimeWindow(window.start, min(window.end, now))
    before = month_window(f"{window.start - timedelta(days=1):%Y-%m}")
    # The same part of the month before, so that a running month is not held against a whole one.
    compared = TimeWindow(before.start, min(before.end, before.start + seen.length))
    wasted = given.runs.wasted(seen, pools=given.pools, now=now)
    pools = [
        _pool(pool, history(given.store, pool, seen), history(given.store, pool, compared),
              [w for w in wasted if w.pool == pool.name], given)
        for pool in given.pools
    ]
    return {
        "month": month, "from": seen.start.isoformat(), "to": seen.end.isoformat(), "complete": window.end <= now,
        "built_at": now.isoformat(), "compared_to": f"{before.start:%Y-%m}", "pools": pools,
        "decisions": decisions(pools), "flags": [flag for pool in pools for flag in pool["flags"]]
        + [*given.doubted, *doubts(given.prices)],
    }


def _pool(
    pool: Pool, found: History, earlier: History, wasted: Sequence[Wasted], given: Inputs,
) -> dict[str, Any]:
    price = price_at(given.prices, pool.model or pool.name, found.window.start.date())
    rows: list[dict[str, Any]] = _rows(found.totals, found.unattributed_hours)
    before = {_key(row): row["used_hours"] for row in _rows(earlier.totals, earlier.unattributed_hours)}
    for row in rows:
        row["before_hours"] = before.get(_key(row), 0.0)
        row["cost"] = round(row["used_hours"] * price.per_hour, 2) if price else None
    total = round(sum(row["used_hours"] for row in rows), _DIGITS)
    waste: list[dict[str, Any]] = []
    for cause in CAUSES:
        own = [w for w in wasted if w.cause == cause]
        waste.append({"cause": cause, "unit_hours": round(sum(w.unit_hours for w in own), _DIGITS),
                      "runs": sum(w.runs for w in own)})
    ahead = given.forecasts.get(pool.name)
    return {
        "pool": pool.name, "resource": pool.resource, "model": pool.model, "unit": pool.unit,
        "unit_hours": pool.unit_hours, "limit_hours": found.limit_hours, "used_hours": total,
        "before_hours": round(sum(before.values()), _DIGITS),
        "share": total / found.limit_hours if found.limit_hours else None,
        "peak": max((line.used_max for line in found.lines), default=0.0),
        "limit": found.lines[-1].limit if found.lines else pool.limit,
        "requested_hours": found.requested_hours, "hours": found.hours, "missing_hours": found.missing_hours,
        "by_pipeline": rows, "by_team": _by_team(rows), "waste": waste,
        "wasted_hours": round(sum(w["unit_hours"] for w in waste), _DIGITS),
        "waste_by_pipeline": [
            {"pipeline": w.pipeline, "team": w.team, "cause": w.cause, "unit_hours": round(w.unit_hours, _DIGITS),
             "runs": w.runs}
            for w in sorted(wasted, key=lambda w: -w.unit_hours)
        ][:20],
        "cost": round(sum(float(row["cost"] or 0.0) for row in rows), 2) if price else None,
        "currency": price.currency if price else "",
        "price": {"per_hour": price.per_hour, "since": price.since.isoformat()} if price else None,
        "forecast": {"what": ahead.reason, **{k: ahead.detail.get(k) for k in
                     ("p7", "p30", "earliest", "likely", "hit_rate", "ahead")}} if ahead else None,
        "origins": list(found.origins), "flags": _flags(pool, found, total),
        "chart": {
            "grain": found.grain, "pipelines": list(found.pipelines),
            "bars": [[b.at.isoformat(), b.pipeline, round(b.used, 6)] for b in found.bars],
            "lines": [[x.at.isoformat(), x.limit, x.requested, x.used, x.used_max, x.origin] for x in found.lines],
        },
    }


def _rows(totals: Sequence[Total], unattributed: float) -> list[dict[str, Any]]:
    """Return one row per pipeline, most first, unattributed last: they add up to the pool."""
    rows = [{"pipeline": t.pipeline, "kind": t.kind, "team": t.team, "environment": t.environment,
             "used_hours": round(t.used_hours, _DIGITS), "requested_hours": t.requested_hours, "peak": t.used_max}
            for t in totals]
    return [*rows, {"pipeline": UNATTRIBUTED, "kind": "", "team": UNATTRIBUTED, "environment": "",
                    "used_hours": round(max(0.0, unattributed), _DIGITS), "requested_hours": None, "peak": None}]


def _key(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["pipeline"], row["kind"], row["team"], row["environment"]


def _by_team(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    teams: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"used_hours": 0.0, "before_hours": 0.0, "cost": None})
    for row in rows:
        team = teams[row["team"] or "no team named"]
        team["used_hours"] += row["used_hours"]
        team["before_hours"] += row["before_hours"]
        if row["cost"] is not None:
            team["cost"] = (team["cost"] or 0.0) + row["cost"]
    for team in teams.values():
        team.update({key: round(value, _DIGITS) for key, value in team.items() if value is not None})
    return sorted(({"team": name, **team} for name, team in teams.items()),
                  key=lambda t: (t["team"] == UNATTRIBUTED, -t["used_hours"]))


def _flags(pool: Pool, found: History, total: float) -> list[str]:
    flags = []
    if not found.lines:
        flags.append(f"{pool.name}: no sample in this month")
    elif found.missing_hours >= 1:
        flags.append(f"{pool.name}: {found.missing_hours:.0f} hours have no sample; totals are of the others")
    if abs(total - found.used_hours) > _TIES * max(1.0, total):
        flags.append(f"{pool.name}: pipelines add up to {total:.1f} and the pool to {found.used_hours:.1f} "
                     f"{pool.unit_hours}: samples of one moment came in twice")
    lowered = next((x for x in found.lines if x.limit < x.used_max), None)
    if lowered:
        flags.append(f"{pool.name}: use was above its limit of {lowered.limit:g} {pool.unit} "
                     f"first on {lowered.at:%d %b}")
    over = next((x for x in found.lines if x.requested is not None and x.requested > x.limit), None)
    if over and over.requested:
        flags.append(f"{pool.name}: {over.requested:,.4g} {pool.unit} were requested of {over.limit:g} first on "
                     f"{over.at:%d %b}: requests overcommit the pool")
    if "simulated" in found.origins or "mixed" in found.origins:
        flags.append(f"{pool.name}: some of these samples are simulated")
    return flags


def chart_of(pool: Mapping[str, Any]) -> History:
    """Return the history that a report's chart was drawn from, for the same chart code."""
    chart, when = pool["chart"], datetime.fromisoformat
    lines = tuple(Lines(at=when(at), limit=limit, requested=requested, used=used, used_max=peak, origin=origin)
                  for at, limit, requested, used, peak, origin in chart["lines"])
    start, end = (lines[0].at, lines[-1].at) if lines else (EPOCH, EPOCH)
    return History(
        pool=Pool(name=pool["pool"], resource=pool["resource"], limit=pool["limit"], unit=pool["unit"]),
        window=TimeWindow(start, end), grain=chart["grain"], pipelines=tuple(chart["pipelines"]),
        bars=tuple(Bar(at=when(at), pipeline=name, used=used) for at, name, used in chart["bars"]), lines=lines,
        totals=(), used_hours=pool["used_hours"], unattributed_hours=0.0, requested_hours=pool["requested_hours"],
        limit_hours=pool["limit_hours"], hours=pool["hours"], missing_hours=pool["missing_hours"],
    )


def last_month(now: datetime) -> str:
    """Return the month before the one that `now` lies in."""
    first = date(now.year, now.month, 1)
    return f"{first - timedelta(days=1):%Y-%m}"
