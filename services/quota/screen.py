"""Answer a manager's four questions from a month's report: who, how much, until when, what it cost for nothing.

A report may hold many pools; the first screen speaks of the one that presses most, and a line per pool follows. What to
do is decided in advice.py.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.core.measurement import Verdict
from services.quota.history import UNATTRIBUTED
from services.quota.report_words import causes, change, hours, month_name
from services.quota.words import until_words

_NEAR: Final = 0.9
_LIKELY: Final = 0.5
_NO_DATE: Final = "9999"

Pool = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question of the first screen, its answer, and what stands under it."""

    question: str
    value: str
    note: str
    state: Verdict | None = None


def seen(body: Mapping[str, Any]) -> list[Pool]:
    """Return the pools that have samples in the month, the one that presses most first."""
    return sorted((p for p in body["pools"] if p["chart"]["lines"]), key=pressure, reverse=True)


def pressure(pool: Pool) -> tuple[float, float, float]:
    """Return how much a pool presses: likely full soon, then near its limit at its peak, then used on average."""
    ahead = pool["forecast"] or {}
    return ahead.get("p30") or 0.0, pool["peak"] / pool["limit"] if pool["limit"] else 0.0, pool["share"] or 0.0


def state(pool: Pool) -> Verdict:
    """Return a pool's state over the month; without a forecast a calm month is unsure, not fine."""
    ahead = (pool["forecast"] or {}).get("p30")
    if pool["limit"] and pool["peak"] >= pool["limit"]:
        return Verdict.FAIL
    if (pool["limit"] and pool["peak"] >= _NEAR * pool["limit"]) or (ahead or 0.0) >= _LIKELY:
        return Verdict.WARN
    return Verdict.PASS if ahead is not None else Verdict.INCONCLUSIVE


def answers(body: Mapping[str, Any]) -> list[Answer]:
    """Return the first screen's answers; the report holds at least one pool with samples."""
    pools = seen(body)
    first = pools[0]
    return [_who(first), _how_much(first, body["compared_to"]), _until(pools), _wasted(pools), _cost(pools)]


def rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per pool, the one that presses most first."""
    found = []
    for pool in seen(body):
        top = _top(pool)
        when, _ = until_words(pool["forecast"])
        found.append({
            "state": str(state(pool)), "pool": pool["pool"], "share": pool["share"],
            "used": f"{hours(pool['used_hours'])} of {pool['limit_hours']:,.0f} {pool['unit_hours']}",
            "change": change(pool["used_hours"], pool["before_hours"]),
            "peak": f"{pool['peak']:,.3g} of {pool['limit']:,.4g} {pool['unit']}",
            "most": f"{top['team']} {100 * top['used_hours'] / pool['used_hours']:.0f}%" if top else "",
            "wasted": f"{hours(pool['wasted_hours'])} {pool['unit_hours']}",
            "cost": f"{pool['cost']:,.2f} {pool['currency']}" if pool["cost"] is not None else "no price",
            "until": when,
        })
    return found


def teams(pool: Pool, *, most: int = 10) -> list[dict[str, Any]]:
    """Return a pool's unit-hours by team for a chart: the largest by name, the others as one, unattributed last."""
    named = [t for t in pool["by_team"] if t["team"] != UNATTRIBUTED]
    shown = named if len(named) <= most else named[: most - 1]
    rest = named[len(shown):]
    found = [{"team": t["team"], "used_hours": t["used_hours"]} for t in shown]
    if rest:
        found.append({"team": f"{len(rest)} other teams", "used_hours": sum(t["used_hours"] for t in rest)})
    return found + [{"team": t["team"], "used_hours": t["used_hours"]} for t in pool["by_team"]
                    if t["team"] == UNATTRIBUTED and t["used_hours"]]


def _top(pool: Pool) -> Mapping[str, Any] | None:
    """Return the team that used most; what nobody answers for is no team."""
    named = [t for t in pool["by_team"] if t["team"] != UNATTRIBUTED and t["used_hours"]]
    return max(named, key=lambda t: float(t["used_hours"]), default=None) if pool["used_hours"] else None


def _who(pool: Pool) -> Answer:
    top = _top(pool)
    if top is None:
        return Answer(question="who", value="nobody named", note=f"all use of {pool['pool']} is unattributed")
    most = max((r for r in pool["by_pipeline"] if (r["team"] or "no team named") == top["team"]),
               key=lambda r: float(r["used_hours"]))
    return Answer(question="who", value=top["team"],
                  note=f"{100 * top['used_hours'] / pool['used_hours']:.0f}% of {pool['pool']}, "
                       f"most by {most['pipeline']}")


def _how_much(pool: Pool, compared_to: str) -> Answer:
    used = f"{hours(pool['used_hours'])} of {pool['limit_hours']:,.0f} {pool['unit_hours']}"
    grown = change(pool["used_hours"], pool["before_hours"])
    value = f"{100 * pool['share']:.0f}% of {pool['pool']}" if pool["share"] is not None else used
    note = used + (f", {grown} on {month_name(compared_to)}" if grown else "")
    return Answer(question="how much", value=value, note=note, state=state(pool))


def _until(pools: Sequence[Pool]) -> Answer:
    """Return the first date on which any pool is full, and of which."""
    known = [p for p in pools if (p["forecast"] or {}).get("p30") is not None]
    if not known:
        when, note = until_words(None)
        return Answer(question="until", value=when, note=note, state=Verdict.INCONCLUSIVE)
    first = min(known, key=lambda p: (p["forecast"]["likely"] or p["forecast"]["earliest"] or _NO_DATE,
                                      -p["forecast"]["p30"]))
    when, note = until_words(first["forecast"])
    return Answer(question="until", value=when, note=f"{first['pool']}: {note}")


def _wasted(pools: Sequence[Pool]) -> Answer:
    worst = max(pools, key=lambda p: p["wasted_hours"] / p["used_hours"] if p["used_hours"] else 0.0)
    share = worst["wasted_hours"] / worst["used_hours"] if worst["used_hours"] else 0.0
    words = f"{100 * share:.0f}% of {worst['pool']}" if share >= 0.01 else f"below 1% of {worst['pool']}"
    return Answer(question="wasted", value=f"{hours(worst['wasted_hours'])} {worst['unit_hours']}",
                  note=f"{words}: {causes(worst)}" if worst["wasted_hours"] else "nothing that its runs tell of")


def _cost(pools: Sequence[Pool]) -> Answer:
    totals: dict[str, float] = defaultdict(float)
    for pool in pools:
        if pool["cost"] is not None:
            totals[pool["currency"]] += pool["cost"]
    if not totals:
        return Answer(question="cost", value="no price", note="add dated [[prices]] to the settings")
    without = [p["pool"] for p in pools if p["cost"] is None]
    parts = ", ".join(f"{p['pool']} {p['cost']:,.2f}" for p in pools if p["cost"] is not None)
    return Answer(question="cost", value=" + ".join(f"{v:,.2f} {c}" for c, v in sorted(totals.items())),
                  note=f"{parts}; no price for {', '.join(without)}" if without else parts)
