"""Read what a version scored when it was trained, from the mirror of MLflow."""

from collections.abc import Mapping
from math import isfinite

from services.adapters.registry_table import RegistryTable
from services.adapters.run_table import RunTable
from services.quality.metric import BETTER

_PREFIXES = ("", "test_", "val_", "validation_", "eval_")


class MirroredScores:
    """Metrics of the run behind a registered version, under the names that quality uses."""

    def __init__(self, registry: RegistryTable, runs: RunTable) -> None:
        """Use the given mirrors."""
        self._registry, self._runs = registry, runs

    def of(self, model: str, version: str) -> Mapping[str, float]:
        """Return metric to value; a prefix such as `test_` is taken off, the plain name speaks first."""
        registered = self._registry.version(model, version)
        if registered is None or not registered.run_id:
            return {}
        logged = {value.key.lower(): value.number for value in self._runs.values(registered.run_id, kind="metric")}
        found = {}
        for name in BETTER:
            values = [v for p in _PREFIXES if (v := logged.get(p + name)) is not None and isfinite(v)]
            if values:
                found[name] = values[0]
        return found
