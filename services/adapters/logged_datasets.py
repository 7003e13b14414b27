"""The data sets that the newest version of each model was trained on, as its run logged them in MLflow.

Which of them can be measured is said in services/training/inputs.py; measuring is as for a data set of the settings.
"""

from collections.abc import Mapping
from pathlib import Path

from services.adapters.dataset_rows import DatasetRows
from services.adapters.registry_table import RegistryTable
from services.adapters.run_table import RunTable
from services.settings.sections import Dataset
from services.training.inputs import measured


class LoggedDatasets:
    """What is read from the mirror in each pass: a new version brings new data sets."""

    def __init__(self, models: Mapping[str, str], registry: RegistryTable, runs: RunTable) -> None:
        """Watch the models; each maps to its label column where the settings tell it and the run does not."""
        self._models, self._registry, self._runs = models, registry, runs

    def __call__(self) -> list[DatasetRows]:
        """Return the data sets that can be measured."""
        newest = {model: versions[0].run_id for model in self._models if (versions := self._registry.versions(model))}
        logged = self._runs.inputs_of(list(newest.values()))
        found = []
        for model, run_id in newest.items():
            for name, given in measured(model, logged.get(run_id, [])).items():
                label = given.label or self._models[model]
                found.append(DatasetRows(name, Path(given.uri), Dataset(path=given.uri, role="train", model=model,
                                                                        label=label)))
        return found
