"""Estimate what a new pipeline needs from the most similar runs that ended, by name; or say that there are too few.

Hours are scaled by rows and epochs, and by hardware with a power law measured over 2,900 public training results:
time falls with the number of accelerators to the power of 0.67, so doubling them saves 37% of the time and costs 26%
more accelerator-hours. The estimate is refined as the pipeline's own prototypes run: its own runs come first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.errors import Refused

NEIGHBOURS: Final = 10
ENOUGH: Final = 3
HEADROOM: Final = 1.15
SCALING: Final = 0.67
EXPERIMENTS: Final = 0.2
KINDS: Final = ("training", "data", "validation")
TRAITS: Final = ("model_type", "framework", "hardware")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """What one finished run was and took; empty or None where it does not say."""

    run_id: str
    pipeline: str
    kind: str
    hours: float
    held: float  # of the pool, while it ran
    rows: float | None = None
    params: float | None = None
    epochs: float | None = None
    framework: str = ""
    model_type: str = ""
    hardware: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The pipeline to come, as far as it is known."""

    pipeline: str = ""
    kind: str = "training"
    rows: float | None = None
    params: float | None = None
    epochs: float | None = None
    framework: str = ""
    model_type: str = ""
    hardware: str = ""
    devices: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One similar run: how far away it is and what it would have taken at the new size."""

    run: PastRun
    distance: float
    scaled_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Unit-hours per run at P50 and P90, what to request, and the runs they rest on; no numbers where `why_not`."""

    why_not: str
    neighbours: tuple[Neighbour, ...]
    hours_p50: float = 0.0
    hours_p90: float = 0.0
    unit_hours_p50: float = 0.0
    unit_hours_p90: float = 0.0
    request: float = 0.0
    own: int = 0
    with_overhead: float = 0.0  # unit-hours at P90, with failed runs and experiments on top


def checked(wanted: Wanted) -> Wanted:
    """Return what is wanted unchanged where it can be.

    Raises:
        Refused: a kind that runs never have, or a number that is not above zero.
    """
    if wanted.kind not in KINDS:
        raise Refused(f"{wanted.kind} is no kind of pipeline that runs: choose one of {', '.join(KINDS)}")
    for name in ("rows", "params", "epochs", "devices"):
        value = getattr(wanted, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise Refused(f"{name} = {value:g} is impossible: give a number above zero, or leave it out")
    return wanted


def strangers(wanted: Wanted, past: Sequence[PastRun]) -> list[str]:
    """Return one sentence per name that no finished run of the kind has: it then tells none of them apart."""
    found = []
    for name in TRAITS:
        asked = getattr(wanted, name)
        known = sorted({getattr(run, name) for run in past if run.kind == wanted.kind} - {""})
        if asked and asked not in known:
            found.append(f"no finished {wanted.kind} run has {name.replace('_', ' ')} {asked}: "
                         f"{'they have ' + ', '.join(known) if known else 'they do not say theirs'}")
    return found


def estimate(wanted: Wanted, past: Sequence[PastRun], *, wasted_share: float = 0.0) -> Estimate:
    """Return what a new pipeline needs per run.

    Args:
        wanted: what is known of it.
        past: finished runs; those of the same kind count.
        wasted_share: which share of all hours is lost to failed and killed runs; the new one will lose it too.
    """
    near = sorted((Neighbour(run=run, distance=distance(wanted, run), scaled_hours=scaled(wanted, run))
                   for run in past if run.kind == wanted.kind and run.hours > 0), key=lambda n: n.distance)
    own = [n for n in near if wanted.pipeline and n.run.pipeline == wanted.pipeline]
    # Prototypes of the pipeline itself know more than any other run, as soon as there are enough.
    chosen = (own if len(own) >= ENOUGH else near)[:NEIGHBOURS]
    if len(chosen) < ENOUGH:
        return Estimate(why_not=f"not enough similar projects: {len(chosen)} finished {wanted.kind} runs, 3 needed",
                        neighbours=tuple(chosen))
    hours = sorted(n.scaled_hours for n in chosen)
    devices = wanted.devices or quantile(sorted(n.run.held for n in chosen), 0.5)
    units = sorted(n.scaled_hours * (wanted.devices or n.run.held) for n in chosen)
    peak = wanted.devices or quantile(sorted(n.run.held for n in chosen), 0.95)
    kept = max(0.05, 1 - min(max(wasted_share, 0.0), 0.95))
    p90 = quantile(units, 0.9)
    return Estimate(
        why_not="", neighbours=tuple(chosen), own=len(own), hours_p50=quantile(hours, 0.5),
        hours_p90=quantile(hours, 0.9), unit_hours_p50=quantile(units, 0.5), unit_hours_p90=p90,
        # Without a declared number of devices the request is what similar runs held, with headroom, in whole units.
        request=devices if wanted.devices else float(math.ceil(peak * HEADROOM - 1e-9)),
        with_overhead=p90 / kept * (1 + EXPERIMENTS),
    )


def distance(wanted: Wanted, run: PastRun) -> float:
    """Return how unlike two runs are: a step per differing name, and the difference of the logarithms of sizes."""
    steps = sum(1.0 for name in TRAITS if (mine := getattr(wanted, name)) and mine != getattr(run, name))
    for mine, its in ((wanted.rows, run.rows), (wanted.params, run.params)):
        if mine and its:
            steps += abs(math.log10(mine / its))
        elif mine:
            steps += 1.0
    return steps - (0.5 if wanted.pipeline and wanted.pipeline == run.pipeline else 0.0)


def scaled(wanted: Wanted, run: PastRun) -> float:
    """Return the hours a run would have taken with the rows, epochs and devices of the new one."""
    hours = run.hours
    for mine, its in ((wanted.rows, run.rows), (wanted.epochs, run.epochs)):
        if mine and its:
            hours *= mine / its
    if wanted.devices and run.held:
        hours *= (wanted.devices / run.held) ** -SCALING
    return hours


def doubled(found: Estimate) -> tuple[float, float]:
    """Return hours and unit-hours at P50 on twice the devices."""
    return found.hours_p50 * 2**-SCALING, found.unit_hours_p50 * 2 ** (1 - SCALING)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, interpolated."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
