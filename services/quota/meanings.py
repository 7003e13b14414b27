"""What the numbers of the report and of the planner are: in one sentence, by which formula, and from where.

What the measurements of pools are stands with all others, in core/meanings.py.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.core.meanings import Meaning

_SAMPLES: Final = "samples of the pool's sources, by hour and day"
_RUNS: Final = "mirror of MLflow's runs"
_PLAN: Final = "measured P95 per hour of the week, [[pipelines]] for what is scheduled"

_REPORT: Final[dict[str, Meaning]] = {
    "how much": Meaning(
        "unit-hours used of those that the pool offered in the month",
        "sum of used / sum of limit, over the hours that were sampled; an hour without a sample is missing, not zero",
        _SAMPLES),
    "until": Meaning(
        "when the pool will be full",
        "damped trend on daily peaks, simulated 1,000 times: share of paths that touch the limit; its own hit rate",
        _SAMPLES),
    "wasted": Meaning(
        "unit-hours of runs that brought nothing",
        "what killed, failed and hung runs held, and what slower ones held above their usual",
        _RUNS),
    "cost": Meaning(
        "what the month cost",
        "unit-hours times the price that held when the month began",
        "samples, [prices] of the settings"),
}
_PLANNER: Final[dict[str, Meaning]] = {
    "the fullest hour": Meaning(
        "what is free, or short, in the hour of the next two weeks that needs most",
        "limit - P95 of what always runs at that hour of the week - every scheduled run that overlaps it - experiments",
        _PLAN),
    "everything at once": Meaning(
        "the worst case",
        "sum of all peaks, and experiments",
        _PLAN),
    "kept for experiments": Meaning(
        "room for what nobody planned",
        "as measured; 20% of the limit until then",
        _SAMPLES),
    "replicas": Meaning(
        "how many copies of a model answer in time",
        "requests per second times service time, and the spare; wait by Kingman and Sakasegawa, for Poisson arrivals",
        "prediction log, or what was written into the form"),
    "a run takes": Meaning(
        "how long and how much a new pipeline needs",
        "P50 and P90 of the most similar runs, scaled to its size; to request: their P95, and 15%",
        _RUNS),
}

REPORT: Final[Mapping[str, Meaning]] = MappingProxyType(_REPORT)
PLANNER: Final[Mapping[str, Meaning]] = MappingProxyType(_PLANNER)
