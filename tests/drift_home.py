"""A home with counted profiles: what the Drift page, its command and its report are tested on."""

from datetime import datetime, timedelta
from functools import cache

import numpy as np

from services import bootstrap
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.monitor.steps.drift import DriftStep
from services.profiles.baseline import Baseline, Role
from services.profiles.bins import categorical_bins, numeric_bins
from services.profiles.ports import Counted, Place, Scope
from services.profiles.profile import Layout
from tests.unit.drift.conftest import edges, profile

MODEL = "flight-delay"


def drawn(rng: np.random.Generator, n: int, *, wind: float = 0.0) -> dict[str, object]:
    return {"wind_speed": rng.normal(10 + 5 * wind, 5.0, n), "origin": rng.choice(["EWR", "JFK", "LGA"], n).tolist(),
            "score": np.minimum(1.0, rng.beta(2, 5, n) + 0.08 * wind)}


@cache
def baseline(n: int = 20_000) -> Baseline:
    rng = np.random.default_rng(3)
    values = drawn(rng, n)
    layout = Layout({
        "wind_speed": numeric_bins(edges(values["wind_speed"]), low=-15.0, high=40.0, center=10.0),
        "origin": categorical_bins({"EWR": 1, "JFK": 1, "LGA": 1}, rows=3),
        "score": numeric_bins([i / 40 for i in range(41)], low=0.0, high=1.0, center=0.5),
    })
    roles = {"wind_speed": Role.FEATURE, "origin": Role.FEATURE, "score": Role.PREDICTION}
    part = profile(layout, drawn(rng, n // 3))
    width = len(layout.columns["wind_speed"].labels())
    rising = (None, *(0.1 + 0.03 * i for i in range(width - 3)), None, None)
    return Baseline(layout=layout, profile=profile(layout, values), roles=roles, model=MODEL, version="7",
                    response={"wind_speed": rising},
                    slices={f"origin={o}": part for o in ("EWR", "JFK", "LGA")})


def fill(services: bootstrap.Services, now: datetime, *, days: int = 5, per_hour: int = 45, moved_for: timedelta = DAY,
         wind: float = 1.0, measure: bool = True) -> None:
    """Store a baseline and hours of counts up to now, in which wind_speed moved lately; measure them.

    The same is drawn each time: what a test finds does not hang on which others ran before it.
    """
    base, rng = baseline(), np.random.default_rng(4)
    services.baselines.save(base, now=now)
    end = floor_to(now, HOUR)
    hours = list(TimeWindow(end - days * DAY, end).buckets(HOUR))
    counted = []
    for hour in hours:
        moved = wind if hour.start >= end - moved_for else 0.0
        for slice_, n in (("", per_hour), ("origin=JFK", per_hour // 3)):
            place = Place(model=MODEL, version="7", environment="production", variant="champion", slice=slice_)
            counted.append(Counted(place=place, bucket=hour, profile=profile(base.layout, drawn(rng, n, wind=moved))))
    services.profiles.replace_hours(base.layout, MODEL, hours, counted, scope=Scope.EVERYTHING)
    if measure:
        DriftStep(models={MODEL: ["origin"]}, baselines=services.baselines, profiles=services.profiles,
                  save=services.measurements.save).run(now=now)
