"""Fakes of the stores that drift reads, and baselines made of drawn rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.drift.gather import Gatherer
from services.drift.measure import Subject
from services.profiles.baseline import Baseline, Role
from services.profiles.bins import categorical_bins, numeric_bins
from services.profiles.ports import Counted, Place
from services.profiles.profile import Layout, Profile, merged

NOW = datetime.fromisoformat("2026-03-04T15:00:00+00:00")


def edges(values: Any) -> list[float]:
    return [float(x) for x in np.quantile(values, np.linspace(0, 1, 41))]


def profile(layout: Layout, columns: dict[str, Any]) -> Profile:
    """Return the profile of whole columns at once: numbers as arrays, categories as lists."""
    total = Profile.empty(layout)
    counts = total.counts.copy()
    moments = total.moments.copy()
    rows = 0
    for name, values in columns.items():
        bins, part = layout.columns[name], layout.parts[name]
        rows = len(values)
        if bins.kind == "categorical":
            places = [bins.place(v) for v in values]
        else:
            x = np.asarray(values, float)
            inner = 1 + np.searchsorted(bins.uppers, x, side="left")
            places = np.where(np.isnan(x), bins.size - 1, np.where(x < (bins.low or 0.0), 0, inner))
            known = x[np.isfinite(x)] - bins.center
            if len(known):
                moments[layout.places[name]] = [len(known), known.sum(), (known**2).sum(), known.min() + bins.center,
                                                known.max() + bins.center]
        counts[part] = np.bincount(places, minlength=bins.size)
    return Profile(layout=layout, rows=rows, counts=counts, corrupt=total.corrupt, moments=moments)


class Shelf:
    """Profiles by hour, in memory; stands for the store."""

    def __init__(self, layout: Layout, slices: Sequence[str] = ()) -> None:
        self.layout, self.names = layout, list(slices)
        self.items: list[Counted] = []

    def put(self, start: datetime, found: Profile, *, version: str = "1", slice_: str = "") -> None:
        place = Place(model="fares", version=version, environment="production", variant="champion", slice=slice_)
        self.items.append(Counted(place=place, bucket=TimeWindow(start, start + HOUR), profile=found))

    def cover(self, layout: Layout, window: TimeWindow, *, model: str, environment: str, slice_: str = "",
              versions: Sequence[str] = ()) -> list[Counted]:
        return [i for i in self.items if i.bucket.start in window and i.place.slice == slice_
                and (not versions or i.place.version in versions)]

    def read(self, layout: Layout, window: TimeWindow, *, model: str, environment: str, slice_: str = "",
             grain: str, versions: Sequence[str] = (), shadow: bool = False) -> list[Counted]:
        found = self.cover(layout, window, model=model, environment=environment, slice_=slice_, versions=versions)
        if grain == "hour":
            return found
        days: dict[datetime, list[Profile]] = {}
        for item in found:
            days.setdefault(floor_to(item.bucket.start, DAY), []).append(item.profile)
        return [Counted(place=found[0].place, bucket=TimeWindow(d, d + DAY), profile=merged(layout, parts))
                for d, parts in sorted(days.items())]

    def places(self, model: str, window: TimeWindow) -> dict[tuple[str, str], int]:
        rows: dict[tuple[str, str], int] = {}
        for item in self.items:
            if item.bucket.start in window and not item.place.slice:
                key = (item.place.environment, item.place.version)
                rows[key] = rows.get(key, 0) + item.profile.rows
        return rows

    def slices(self, layout: Layout, window: TimeWindow, *, model: str, environment: str) -> list[str]:
        return self.names


def amount_layout(values: Any) -> Layout:
    return Layout({
        "amount": numeric_bins(edges(values), low=float(min(values)), high=float(max(values)), center=0.0),
        "city": categorical_bins({"ams": 50, "ber": 30, "cdg": 20}, rows=100),
    })


def rows(rng: np.random.Generator, n: int, *, mean: float = 0.0, nulls: float = 0.0) -> dict[str, Any]:
    amount = rng.normal(mean, 1.0, n)
    amount[rng.random(n) < nulls] = np.nan
    return {"amount": amount, "city": rng.choice(["ams", "ber", "cdg"], n, p=[0.5, 0.3, 0.2]).tolist()}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def baseline(rng: np.random.Generator) -> Baseline:
    drawn = rows(rng, 20_000)
    layout = amount_layout(drawn["amount"])
    return Baseline(layout=layout, profile=profile(layout, drawn), roles=dict.fromkeys(layout.columns, Role.FEATURE),
                    model="fares", version="1")


def filled(baseline: Baseline, rng: np.random.Generator, *, hours: int, per_hour: int = 42) -> Shelf:
    """Return a shelf of ordinary hours up to NOW."""
    shelf = Shelf(baseline.layout)
    for k in range(hours, 0, -1):
        shelf.put(NOW - timedelta(hours=k), profile(baseline.layout, rows(rng, per_hour)))
    return shelf


def gatherer(baseline: Baseline, shelf: Shelf, slice_: str = "") -> Gatherer:
    return Gatherer(profiles=shelf, baseline=baseline, subject=Subject(
        model="fares", environment="production", version="1", slice=slice_))
