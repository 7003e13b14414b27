"""Validate a version: load and score it and its champion in limited processes, judge the gates, keep the report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from services.adapters.gate_table import GateTable
from services.adapters.limited_process import python, run_limited
from services.adapters.measurement_table import MeasurementTable
from services.adapters.mlflow_registry import MlflowRegistry
from services.core.measurement import Measurement
from services.core.window import parse_span
from services.errors import NotFound
from services.settings import Settings
from services.validation.gate import Report
from services.validation.judge import Case, judge
from services.validation.scored import Scored

ROWS: Final = 20_000
Tell = Callable[[float, str], None]
Asked = dict[str, Any]  # what candidate_child.py is asked: which version, on which test set


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one loading and scoring may take. TensorFlow alone reserves several GiB of address space."""

    seconds: float = 180.0
    memory_gib: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """Validates versions of the models in the settings."""

    settings: Settings
    gates: GateTable
    measurements: MeasurementTable
    champion_of: Callable[[str], str]  # the version that is served to production, or nothing
    limits: Limits = Limits()

    def validate(
        self, model: str, version: str, *, now: datetime, tell: Tell = lambda _done, _doing: None,
        scored: Mapping[str, Scored] = MappingProxyType({}),
    ) -> Report:
        """Judge a version on the newest test set of its model, beside the champion; store and return the report.

        `scored` holds, by version, what was loaded and scored already (`score_together`).

        Raises:
            NotFound: the settings have no such model, or the registry no such version.
            SourceUnavailable: the registry does not answer.
        """
        setting = self.settings.models.get(model)
        if setting is None:
            raise NotFound(f"{model} is not a model of the settings: they have {', '.join(self.settings.models)}")
        tell(0.05, "hashing the files")
        registry = MlflowRegistry(self.settings.tracking_uri, self.settings.tracking.registry_uri)
        facts = registry.describe(model, version)
        champion = self.champion_of(model)
        tell(0.2, f"loading and scoring v{version}")
        ours = scored.get(version) or score_apart(self.asked(model, version), self.limits)
        theirs = None
        if champion and champion != version:
            tell(0.6, f"loading and scoring the champion v{champion}")
            theirs = scored.get(champion) or score_apart(self.asked(model, champion), self.limits)
        before = self.gates.latest(model, version)
        case = Case(
            task=setting.task, candidate=ours, champion=ours if champion == version else theirs,
            test_set=self.test_set(model),
            artefact=facts.artefact, recorded=before.artefact if before else "", files=len(facts.manifest),
            timeout_ms=self.settings.gateway.timeout_ms, skew=self._skew(model),
        )
        report = Report(model=model, version=version, champion=champion, artefact=facts.artefact,
                        gates=tuple(judge(case)), at=now)
        self.gates.save(report)
        tell(1.0, report.summary())
        return report

    def _skew(self, model: str) -> list[Measurement]:
        names = ("test_set_skew", "test_set_drift")
        return [m for name in names for m, _ in self.measurements.newest(subject=model, name=name)]

    def test_set(self, model: str) -> str:
        """Return the name of the model's test set; empty where the settings name none."""
        return next((n for n, d in self.settings.datasets.items() if d.role == "test" and d.model == model), "")

    def asked(self, model: str, version: str) -> Asked:
        """Return the request to load a version and to score it on its model's test set."""
        data = self.settings.datasets.get(self.test_set(model))
        return {
            "model": model, "version": version, "task": self.settings.models[model].task,
            "tracking_uri": self.settings.tracking_uri, "registry_uri": self.settings.tracking.registry_uri,
            "data": str(self.settings.resolve(data.path)) if data else "", "label": data.label if data else "",
            "slices": self.settings.models[model].slices, "rows": ROWS,
        }


def score_apart(asked: Asked, limits: Limits) -> Scored:
    """Do a request of candidate_child.py in a process of its own, and return what it found or what ended it."""
    [found] = score_together([asked], limits)
    return found


def score_together(asked: Sequence[Asked], limits: Limits) -> list[Scored]:
    """Do several requests behind one start of the interpreter and its libraries, each in a fork of its own.

    The limit on memory holds for each version, the one on time for all of them together.
    """
    with TemporaryDirectory(prefix="interlock-candidate-") as folder:
        places = [(Path(folder) / f"request-{i}.json", Path(folder) / f"answer-{i}") for i in range(len(asked))]
        for (request, _), one in zip(places, asked, strict=True):
            request.write_text(json.dumps(one), encoding="utf-8")
        ended = run_limited(
            python("services.adapters.candidate_child", *(str(path) for place in places for path in place)),
            seconds=limits.seconds, memory_gib=limits.memory_gib,
            # Threads of numeric libraries reserve address space each, and the monitor shares this machine.
            environ={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
                     "CUDA_VISIBLE_DEVICES": "-1", "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"},
        )
        problem = ended.problem(seconds=limits.seconds, memory_gib=limits.memory_gib)
        return [_read(answer) or Scored(problem=problem or "its process died without a word",
                                        kind=ended.how if problem else "crash") for _, answer in places]


def _read(answer: Path) -> Scored | None:
    """Return what a request found, or None where it never answered."""
    file = answer.with_suffix(".json")
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    arrays: dict[str, Any] = {}
    if (numbers := answer.with_suffix(".npz")).exists():
        with np.load(numbers, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    return Scored(
        prediction=arrays.get("prediction", np.empty(0)), score=arrays.get("score"), labels=arrays.get("labels"),
        slices={n.removeprefix("slice:"): v for n, v in arrays.items() if n.startswith("slice:")},
        load_s=found.get("load_s", 0.0), latencies_ms=tuple(found.get("latencies_ms", ())), peak_mb=found["peak_mb"],
        inputs=found.get("inputs", {}), lacks=tuple(found.get("lacks", ())), problem=found.get("problem", ""),
        kind=found.get("kind", ""),
    )


def patience(text: str) -> Limits:
    """Return limits with another time, written such as `5m`."""
    return Limits(seconds=parse_span(text).total_seconds())
