"""Ask MLflow through its own client: stores that are no server, and servers that a plain question does not reach.

Importing that client takes seconds, so it is made in mlflow_runs.py when the first question needs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.adapters.mlflow_rest import PAGE
from services.adapters.registry_table import RegisteredVersion
from services.training.inputs import read_input
from services.training.run import RawRun
from services.training.tags import clean, from_ms


class ClientPages:
    """Pages of runs, experiments, models and versions; each with the token of the next one, empty after the last."""

    def __init__(self, client: Any) -> None:
        """Ask through the given `MlflowClient`."""
        self._client = client

    def experiments(self, token: str) -> tuple[Mapping[str, str], str]:
        """Return the names of experiments by id, deleted ones included."""
        from mlflow.entities import ViewType

        page = self._client.search_experiments(view_type=ViewType.ALL, max_results=PAGE, page_token=token or None)
        return {e.experiment_id: clean(e.name) for e in page}, page.token or ""

    def runs(
        self, text: str, *, names: Mapping[str, str], order_by: Sequence[str], deleted: bool, token: str
    ) -> tuple[Sequence[RawRun], str]:
        """Return the runs of the named experiments that match MLflow's filter `text`."""
        from mlflow.entities import ViewType

        page = self._client.search_runs(
            list(names), filter_string=text, run_view_type=ViewType.ALL if deleted else ViewType.ACTIVE_ONLY,
            max_results=PAGE, order_by=list(order_by), page_token=token or None)
        return [_run(run, names) for run in page], page.token or ""

    def models(self, token: str) -> tuple[Sequence[tuple[str, Mapping[str, str]]], str]:
        """Return registered models, each with its aliases and the version that each points at."""
        page = self._client.search_registered_models(max_results=PAGE, page_token=token or None)
        return [(m.name, {alias: str(version) for alias, version in m.aliases.items()}) for m in page], page.token or ""

    def versions(self, token: str) -> tuple[Sequence[RegisteredVersion], str]:
        """Return versions of every registered model."""
        page = self._client.search_model_versions(max_results=PAGE, page_token=token or None)
        return [_version(found) for found in page], page.token or ""


def _run(run: Any, names: Mapping[str, str]) -> RawRun:
    info = run.info
    # The public dict of metrics drops time and step, and those tell whether training advances.
    metrics = getattr(run.data, "_metric_objs", None) or []
    return RawRun(
        run_id=info.run_id, experiment_id=info.experiment_id,
        experiment=names.get(info.experiment_id, f"experiment {info.experiment_id}"), status=str(info.status),
        start_ms=info.start_time, end_ms=info.end_time, name=info.run_name or "", user=info.user_id or "",
        artifact_uri=info.artifact_uri or "", deleted=info.lifecycle_stage == "deleted",
        params=dict(run.data.params), tags=dict(run.data.tags),
        metrics=tuple((m.key, float(m.value), int(m.timestamp), int(m.step)) for m in metrics),
        inputs=tuple(
            read_input(i.dataset.name, i.dataset.digest, source_type=i.dataset.source_type or "",
                       source=i.dataset.source or "", profile=i.dataset.profile or "",
                       tags={t.key: t.value for t in i.tags})
            for i in (run.inputs.dataset_inputs if run.inputs else ())),
    )


def _version(found: Any) -> RegisteredVersion:
    created = from_ms(found.creation_timestamp)
    return RegisteredVersion(
        model=found.name, version=str(found.version), run_id=found.run_id or "", created_at=created,
        status=str(found.status or ""), source=clean(found.source), description=clean(found.description),
        tags={key: clean(value) for key, value in (found.tags or {}).items()},
    )
