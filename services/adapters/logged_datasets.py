"""The data sets that the newest version of each model was trained on, as its run logged them in MLflow.

Which of them can be measured is said in services/training/inputs.py; measuring is as for a data set of the settings.
"""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from services.adapters.dataset_rows import DatasetRows
from services.adapters.registry_table import RegistryTable
from services.adapters.run_table import RunTable
from services.errors import SourceMalformed
from services.monitor.steps.datasets import Logged
from services.settings.sections import Dataset
from services.training.inputs import left_out, measured

MOST_FILES: Final = 5_000  # in a folder that a run logged, whatever they are: all are listed in every pass
_DEVICES: Final = ("/dev", "/proc", "/sys")


class LoggedRows(DatasetRows):
    """One data set that a run names. Whoever may log a run wrote its path: no pattern, no pipe, no way round a link."""

    @property
    def _setting(self) -> str:
        return "the path that the run logged"

    def _files(self) -> list[Path]:
        there = Path(os.path.realpath(self._path))
        if there.is_dir() and there.suffix != ".parquet":
            raise SourceMalformed(f"data set {self.name} leads to a folder of another name. Log a folder that ends in "
                                  ".parquet itself")
        if there.is_dir():
            inside = list(islice(there.rglob("*"), MOST_FILES + 1))
            if len(inside) > MOST_FILES:
                raise SourceMalformed(f"data set {self.name} is a folder of more than {MOST_FILES:,} files. Log one of "
                                      "fewer, or name it in a [datasets] section")
            return [f for f in sorted(inside) if f.suffix == ".parquet" and f.is_file() and _on_disk(f)]
        if there.exists() and not (there.is_file() and _on_disk(there)):
            raise SourceMalformed(f"data set {self.name} is a device or a pipe. Log a file or a folder")
        return [there] if there.exists() else []


class LoggedDatasets:
    """What is read from the mirror in each pass: a new version brings new data sets."""

    def __init__(self, models: Mapping[str, str], registry: RegistryTable, runs: RunTable) -> None:
        """Watch the models; each maps to its label column where the settings tell it and the run does not."""
        self._models, self._registry, self._runs = models, registry, runs

    def __call__(self) -> Logged:
        """Return the data sets that can be measured, and how many are left out because a run logged so many."""
        newest = self._registry.newest_runs(self._models)
        logged = self._runs.inputs_of(list(newest.values()))
        found, beyond = [], 0
        for model, run_id in newest.items():
            inputs = logged.get(run_id, [])
            beyond += left_out(model, inputs)
            for name, given in measured(model, inputs).items():
                label = given.label or self._models[model]
                found.append(LoggedRows(name, Path(given.uri), Dataset(path=given.uri, role="train", model=model,
                                                                       label=label)))
        return Logged(datasets=found, left_out=beyond, models=tuple(self._models))


def _on_disk(file: Path) -> bool:
    real = os.path.realpath(file)
    return not any(real.startswith(f"{folder}/") for folder in _DEVICES)
