"""A baseline: the bins of every column, how the baseline's own rows fell into them, and how much change is usual.

It is made once, at training (services/adapters/profile_engine.py `fit_baseline`), and logged with the run as
`interlock/baseline.json`, so that nobody ever has to compute it again:

    baseline = profile_engine.fit_baseline(training_table, features=[…], prediction=…, score=…, timestamp=…)
    mlflow.log_text(baseline.to_json(), "interlock/baseline.json")
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from services.core.window import TimeWindow
from services.errors import SourceMalformed
from services.profiles.bins import bins_from_json
from services.profiles.profile import Layout, Profile

ARTEFACT: Final = "interlock/baseline.json"
FORMAT: Final = 1
PSI0: Final = 0.02  # the least change worth telling where the baseline itself changes less from day to day

# Names under which a model's answers and the labels are profiled, beside its features.
PREDICTION, SCORE, LABEL = "prediction", "score", "label"


class Role(StrEnum):
    """What a profiled column is to the model."""

    FEATURE = "feature"
    PREDICTION = "prediction"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How much one column changes between ordinary blocks of the baseline, against one kind of comparison.

    `psi0` is the least change (on the PSI scale) that the test may call drift. `achieved` is the share of held-out
    blocks on which the test fires at a psi0 set without them; `blocks` how many there were. None: never calibrated.
    """

    psi0: float = PSI0
    achieved: float | None = None
    blocks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What is usual for one column: its change, the length of window that is fair to it, and its rare values.

    `days` is 7 for a column that no single day can resemble its baseline in, such as the day of the week. `missing`
    and `out_of_range` (unseen values included) are the greatest shares seen in one ordinary day.
    """

    days: int = 1
    training: Level = Level()
    previous: Level = Level()
    seasonal: Level = Level()
    missing: float = 0.0
    out_of_range: float = 0.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `dataclasses.asdict` wrote."""
        levels = {name: Level(**value[name]) for name in ("training", "previous", "seasonal")}
        return cls(**{**value, **levels})


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """What a version was trained on, as counts. `edges` is the id of its bins; equal ids may be compared by counts."""

    layout: Layout
    profile: Profile
    roles: Mapping[str, Role]
    usual: Mapping[str, Usual] = field(default_factory=dict)
    model: str = ""
    version: str = ""
    source: str = ""  # such as a run id or a path
    window: TimeWindow | None = None
    slices: Mapping[str, Profile] = field(default_factory=dict)  # such as origin=JFK; same bins as the whole
    # Feature -> mean score per test bin, None where a bin held no rows: what a change of the feature does to the score.
    response: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    # Columns named sensitive by the settings, not by the baseline: compared like any other, their values never named.
    masked: frozenset[str] = field(default=frozenset(), compare=False)
    # The clock that the model's users live by, from the settings too: it tells which hours of other weeks are the same.
    zone: tzinfo = field(default=UTC, compare=False)

    @property
    def edges(self) -> str:
        """The id of the bins."""
        return self.layout.id

    @property
    def rows(self) -> int:
        """How many rows the baseline holds."""
        return self.profile.rows

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The feature columns, in the order of the layout."""
        return tuple(name for name in self.layout.columns if self.roles.get(name, Role.FEATURE) is Role.FEATURE)

    def usual_of(self, column: str) -> Usual:
        """Return how much a column usually changes; the default where it was never calibrated."""
        return self.usual.get(column, Usual())

    def of_version(self, model: str, version: str, *, source: str = "") -> "Baseline":
        """Return the same baseline as that of a registered version."""
        return replace(self, model=model, version=version, source=source or self.source)

    def to_json(self) -> str:
        """Return the baseline as one JSON document, complete and readable by any version of this format."""
        columns = []
        for name, bins in self.layout.columns.items():
            place, usual = self.layout.places[name], self.usual_of(name)
            columns.append({
                "name": name, "role": str(self.roles.get(name, Role.FEATURE)), "bins": bins.to_json(),
                "counts": self.profile.counts[self.layout.parts[name]].tolist(),
                "corrupt": int(self.profile.corrupt[place]),
                # An empty column has no least and greatest value, and JSON has no infinity.
                "moments": [x if np.isfinite(x) else None for x in self.profile.moments[place].tolist()],
                "usual": asdict(usual),
            })
        window = [self.window.start.isoformat(), self.window.end.isoformat()] if self.window else None
        return json.dumps({"format": FORMAT, "edges": self.edges, "model": self.model, "version": self.version,
                           "source": self.source, "rows": self.rows, "window": window, "columns": columns,
                           "response": {name: list(means) for name, means in self.response.items()},
                           "slices": {name: b64encode(part.pack()).decode() for name, part in self.slices.items()}},
                          ensure_ascii=False, allow_nan=False)


def baseline_from_json(text: str, *, where: str = ARTEFACT) -> Baseline:
    """Return the baseline that `to_json` wrote.

    Raises:
        SourceMalformed: the text is no baseline, or one of a newer format; `where` is named.
    """
    try:
        value = json.loads(text)
        if value["format"] > FORMAT:
            raise SourceMalformed(f"{where} has format {value['format']}, this program reads up to {FORMAT}: "
                                  "upgrade interlock where it is read")
        return _read(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceMalformed(f"{where} is not a baseline ({type(error).__name__}: {error}): log it again with "
                              "Baseline.to_json()") from error


def _read(value: Mapping[str, Any]) -> Baseline:
    columns = value["columns"]
    layout = Layout({c["name"]: bins_from_json(c["bins"]) for c in columns})
    if layout.id != value["edges"]:
        raise ValueError("its bins do not match their digest")
    moments = [[0.0 if x is None and i < 3 else x for i, x in enumerate(c["moments"])] for c in columns]
    profile = Profile(
        layout=layout, rows=int(value["rows"]),
        counts=np.array([n for c in columns for n in c["counts"]], np.int64),
        corrupt=np.array([c["corrupt"] for c in columns], np.int64),
        moments=np.array([[np.inf if x is None and i == 3 else -np.inf if x is None else x for i, x in enumerate(m)]
                          for m in moments], np.float64).reshape(len(columns), 5),
    )
    if len(profile.counts) != layout.size:
        raise ValueError("its counts do not fit its bins")
    window = value["window"]
    return Baseline(
        layout=layout, profile=profile, roles={c["name"]: Role(c["role"]) for c in columns},
        usual={c["name"]: Usual.from_json(c["usual"]) for c in columns}, model=value["model"], version=value["version"],
        source=value["source"],
        window=TimeWindow(datetime.fromisoformat(window[0]), datetime.fromisoformat(window[1])) if window else None,
        response={name: tuple(means) for name, means in value.get("response", {}).items()},
        slices={name: Profile.unpack(layout, b64decode(body)) for name, body in value["slices"].items()},
    )
