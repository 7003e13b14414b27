"""Fetch the baseline that was logged with the run of a registered version."""

import json
import tempfile
from pathlib import Path
from typing import Any

from services.adapters.mlflow_settings import patient
from services.adapters.mlflow_words import cause, shown
from services.errors import NotFound, SourceUnavailable
from services.profiles.baseline import ARTEFACT, Baseline, baseline_from_json


class MlflowBaselines:
    """Baselines in an MLflow tracking server. MLflow is imported on first use: it takes seconds."""

    def __init__(self, tracking_uri: str, registry_uri: str = "") -> None:
        """Use the given tracking server, and registry where that is another."""
        patient()
        self._uris = (tracking_uri, registry_uri or tracking_uri)
        self._client: Any = None

    def versions(self, model: str) -> list[str]:
        """Return the registered versions of a model, oldest first; none where it is not registered."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._mlflow().search_model_versions(f"name = '{model}'", max_results=1_000)
        except MlflowException as error:
            raise self._unavailable(error) from error
        return sorted((str(v.version) for v in found), key=lambda v: (len(v), v))

    def load(self, model: str, version: str) -> Baseline:
        """Return the baseline of one version."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._mlflow().get_model_version(model, version).run_id
            if not run or not self._has(run):
                raise NotFound(f"{model} v{version}: its run {run or '(none)'} has no {ARTEFACT}: log one at training, "
                               f"or name a data set in models.{model}.baseline")
            with tempfile.TemporaryDirectory() as folder:
                path = Path(self._mlflow().download_artifacts(run, ARTEFACT, folder))
                text = path.read_text(encoding="utf-8")
        except MlflowException as error:
            raise self._unavailable(error) from error
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise SourceUnavailable(f"{ARTEFACT} of {model} v{version} cannot be downloaded: {cause(error)}. Check the "
                                    "artefact store") from error
        baseline = baseline_from_json(text, where=f"{ARTEFACT} of {model} v{version}")
        return baseline.of_version(model, version, source=f"run {run}")

    def _has(self, run: str) -> bool:
        folder, _, _ = ARTEFACT.rpartition("/")
        return any(item.path == ARTEFACT for item in self._mlflow().list_artifacts(run, folder))

    def _mlflow(self) -> Any:
        if self._client is None:
            from mlflow.tracking import MlflowClient

            self._client = MlflowClient(*self._uris)
        return self._client

    def _unavailable(self, error: Exception) -> SourceUnavailable:
        return SourceUnavailable(f"MLflow at {shown(self._uris[0])} does not answer ({cause(error)}): check that it "
                                 "runs and that tracking.uri is right")
