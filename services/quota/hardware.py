"""Advise on hardware per pipeline: cheaper? faster? how big is the model? what suits its architecture?

A team's own runs come first; where it never ran on a hardware, public ratios stand in and are labelled as such. A
hardware without a price is no answer to "cheaper", and one whose memory is too small is none at all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Final

from services.quota.estimate import PastRun
from services.quota.prices import Price, price_at
from services.quota.suits import ModelSize, Served, said, serves_on, trains_on

# Minutes of one public fine-tuning benchmark on eight devices, unofficial: how fast one device is beside another.
CATALOGUE: Final[Mapping[str, float]] = {"H100": 26.9, "H200": 22.7, "MI300X": 27.5, "B200": 9.5}
CATALOGUE_SOURCE: Final = "MLPerf Training, llama2_70b_lora, 8 devices, median of unofficial results, 2025"
MEMORY_SHARE: Final = 0.9
_ENOUGH: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One hardware for one pipeline: hours and cost per run, feasible or not, and how that is known."""

    hardware: str
    hours: float
    cost: float | None
    feasible: bool
    source: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The four answers for one pipeline, each one sentence, with the options they rest on.

    What suits is answered twice, because a model may be trained on one hardware and served from another.
    """

    pipeline: str
    cheaper: str
    faster: str
    size: str
    trains_on: str
    serves_on: str
    options: tuple[Option, ...]


def advise(
    pipeline: str, runs: Sequence[PastRun], prices: Sequence[Price], size: ModelSize, *, day: date,
    peak_gib: float | None = None, served: Served | None = None,
) -> Advice:
    """Return the four answers for one pipeline.

    Args:
        pipeline: its name.
        runs: its finished runs; `held` is in devices.
        prices: the dated table.
        size: of its newest model.
        day: on which prices hold.
        peak_gib: the most device memory a run used; None where it was not measured.
        served: how its model answers now; None where nothing serves it.
    """
    groups: dict[str, list[PastRun]] = defaultdict(list)
    for run in runs:
        if run.pipeline == pipeline and run.hours > 0:
            groups[run.hardware or "hardware that its runs do not name"].append(run)
    options = _options(groups, prices, day, peak_gib)
    current = max(groups, key=lambda name: len(groups[name]), default="")
    now = next((o for o in options if o.hardware == current), None)
    return Advice(
        pipeline=pipeline, cheaper=_cheaper(options, now), faster=_faster(options, now), size=said(size),
        trains_on=trains_on(size), serves_on=serves_on(size, served),
        options=tuple(sorted(options, key=lambda o: (not o.feasible, o.cost is None, o.cost or 0))),
    )


def _options(
    groups: Mapping[str, Sequence[PastRun]], prices: Sequence[Price], day: date, peak_gib: float | None,
) -> list[Option]:
    def option(name: str, hours: float, held: float, source: str, count: int) -> Option:
        price = price_at(prices, name, day)
        fits = peak_gib is None or price is None or price.memory_gib is None or (
            peak_gib < MEMORY_SHARE * price.memory_gib)
        return Option(hardware=name, hours=hours, cost=hours * held * price.per_hour if price else None, feasible=fits,
                      source=source, runs=count)

    found = [option(name, median(r.hours for r in own), median(r.held for r in own),
                    f"{len(own)} run{'s' if len(own) > 1 else ''} of its own", len(own))
             for name, own in groups.items()]
    base = next((name for name in groups if name in CATALOGUE and len(groups[name]) >= _ENOUGH), None)
    if base:
        # Own history first: a catalogue ratio only fills in where the pipeline never ran.
        hours, held = median(r.hours for r in groups[base]), median(r.held for r in groups[base])
        found += [option(name, hours * minutes / CATALOGUE[base], held, f"ratio of {CATALOGUE_SOURCE}", 0)
                  for name, minutes in CATALOGUE.items() if name not in groups]
    return found


def _cheaper(options: Sequence[Option], now: Option | None) -> str:
    if now is None:
        return "Not known: it has no finished run."
    if now.cost is None:
        return f"Not known: {now.hardware} has no price in [[prices]]."
    better = [o for o in options if o.feasible and o.cost is not None and o.cost < 0.95 * now.cost]
    if not better:
        return f"No: {now.hardware} at {money(now.cost)} a run is the cheapest that is known."
    best = min(better, key=lambda o: o.cost or 0.0)
    saved = 100 * (1 - (best.cost or 0.0) / now.cost)
    return (f"Yes: {best.hardware} at {money(best.cost or 0.0)} a run instead of {money(now.cost)} "
            f"({saved:.0f}% less), by {best.source}.")


def _faster(options: Sequence[Option], now: Option | None) -> str:
    if now is None:
        return "Not known: it has no finished run."
    better = [o for o in options if o.feasible and o.hours < 0.95 * now.hours]
    if not better:
        return f"Nothing faster than {now.hardware} ({taken(now.hours)} a run) is known."
    best = min(better, key=lambda o: o.hours)
    return f"Yes: {best.hardware} takes {taken(best.hours)} instead of {taken(now.hours)}, by {best.source}."


def taken(hours: float) -> str:
    """Return how long a run takes as people read it: hours, else minutes or seconds."""
    if hours >= 0.1:
        return f"{hours:.2g} h"
    return f"{60 * hours:.2g} min" if hours >= 1 / 60 else f"{3600 * hours:.2g} s"


def spent(unit_hours: float, name: str) -> str:
    """Return unit-hours as people read them, such as `3.4 core-hours`, else `12 core-seconds`."""
    if unit_hours >= 0.01 or not unit_hours:
        return f"{unit_hours:,.0f} {name}" if unit_hours >= 1000 else f"{unit_hours:.3g} {name}"
    return f"{3600 * unit_hours:.2g} {name.replace('hours', 'seconds')}"


def money(amount: float) -> str:
    """Return an amount of money; below a hundredth with two digits that count, so that little is not nothing."""
    if amount >= 0.01 or not amount:
        return f"{amount:.2f}"
    return f"{amount:.2g}" if amount >= 0.0001 else "below 0.0001"
