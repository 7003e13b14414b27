"""Turn a month's numbers into decisions: what to raise, lower, move or look into, each with its evidence.

Every line names the pool or the pipeline, the number it rests on, and the action; nothing is advised without one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.quota.report_words import hours
from services.quota.watch import amount

_FULL: Final = 0.9
_IDLE: Final = 0.5
_GROWTH: Final = 1.25
_WASTE: Final = 0.1
_HEADROOM: Final = 1.15
_LIKELY: Final = 0.5
_MOVABLE: Final = ("training", "data", "validation", "experiment")  # may run at another hour; serving may not
_MATTERS: Final = 0.1  # of the limit: moving less changes nothing


def decisions(pools: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return what a manager has to decide about a month's pools, most pressing first."""
    found: list[tuple[int, dict[str, str]]] = []
    for pool in pools:
        name = pool["pool"]
        ahead = pool["forecast"] or {}
        if pool["limit"] and (pool["peak"] >= _FULL * pool["limit"] or (ahead.get("p30") or 0) >= _LIKELY):
            found.append((0, _full(pool, ahead.get("p30"))))
        found += [(1, line) for line in _requests(pool)]
        if pool["used_hours"] and pool["wasted_hours"] > _WASTE * pool["used_hours"]:
            worst = max(pool["waste"], key=lambda w: w["unit_hours"])
            found.append((2, {
                "what": f"look into runs that were {worst['cause']} in {name}",
                "why": f"{hours(pool['wasted_hours'])} {pool['unit_hours']} wasted "
                       f"({100 * pool['wasted_hours'] / pool['used_hours']:.0f}% of use), {worst['cause']} "
                       f"{hours(worst['unit_hours'])}"}))
        found += [(3, {"what": f"ask {r['team'] or 'its owner'} why {r['pipeline']} grew in {name}",
                       "why": f"{hours(r['used_hours'])} {pool['unit_hours']}, "
                              f"{hours(r['before_hours'])} the month before"})
                  for r in pool["by_pipeline"]
                  if r["before_hours"] and r["used_hours"] > _GROWTH * r["before_hours"]
                  and r["used_hours"] > 0.1 * pool["used_hours"]][:2]
    return [line for _, line in sorted(found, key=lambda pair: pair[0])][:6]


def _full(pool: Mapping[str, Any], p30: float | None) -> dict[str, str]:
    """Return what to do about a pool that was or will be full: raise it, or move or cap its largest movable pipeline.

    Where it was full once and is not likely to be again, the pipeline comes first: a limit is not raised for one night.
    """
    name, limit, unit = pool["pool"], pool["limit"], pool["unit"]
    more = max(1, math.ceil(pool["peak"] * _HEADROOM - limit))
    lift = f"raise {name} by {amount(more, unit)}"
    top = max((r for r in pool["by_pipeline"] if r["kind"] in _MOVABLE and r["peak"]), key=lambda r: r["peak"],
              default=None)
    why = f"peak {pool['peak']:.3g} of {amount(limit, unit)}"
    why += f", {100 * p30:.0f}% likely full within 30 days" if p30 is not None else ""
    if top is None or top["peak"] < _MATTERS * limit:
        return {"what": lift, "why": why}
    mine = f"{top['pipeline']} (peak {amount(round(top['peak'], 2), unit)})"
    if p30 is not None and p30 < _LIKELY:
        return {"what": f"cap {mine} in {name}, or {lift}", "why": why}
    return {"what": f"{lift}, or move {mine} to its quiet hours", "why": why}


def _requests(pool: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return requests that could be lowered: less than half used, with what the peak would need."""
    found = []
    for row in pool["by_pipeline"]:
        asked = row["requested_hours"]
        if not asked or not pool["hours"] or row["used_hours"] >= _IDLE * asked:
            continue
        held, need = asked / pool["hours"], math.ceil((row["peak"] or 0.0) * _HEADROOM)
        if need < held:
            found.append((held - need, {
                "what": f"lower the request of {row['pipeline']} in {pool['pool']} from {held:.3g} to "
                        f"{amount(need, pool['unit'])}",
                "why": f"it used {100 * row['used_hours'] / asked:.0f}% of what it held, peak {row['peak']:.3g}"}))
    return [line for _, line in sorted(found, key=lambda pair: -pair[0])][:2]
