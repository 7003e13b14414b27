"""Fit a baseline on a data set's path, for a model that nobody trained through us."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.profile_engine import fit_baseline
from services.drift.gather import EVERY
from services.errors import NotFound, SourceUnavailable
from services.predictions.schema import LABEL_COLUMNS, PREDICTION_COLUMNS
from services.profiles.baseline import Baseline
from services.settings.sections import Model


class DatasetBaselines:
    """One baseline for every version, from Parquet files."""

    def __init__(self, path: Path, settings: Model) -> None:
        """Read the file, the folder or the glob at `path`."""
        self._path, self._settings = path, settings

    def versions(self, model: str) -> list[str]:
        """Return the one version that stands for all."""
        return [EVERY] if model else []

    def load(self, model: str, version: str) -> Baseline:
        """Return the baseline of the data set; its features are the settings', or every column that is no answer."""
        names = self._names()
        columns = self._settings.columns
        own = {*PREDICTION_COLUMNS, *LABEL_COLUMNS, *columns.model_dump().values()}
        features = self._settings.features or [name for name in names if name not in own]
        baseline = fit_baseline(
            str(self._path), features=features, name=f"baseline of {model}, {self._path},",
            prediction=columns.prediction if columns.prediction in names else "",
            score=columns.score if columns.score in names else "",
            timestamp=columns.timestamp if columns.timestamp in names else "",
            slices=[s for s in self._settings.slices if s in names],
        )
        return baseline.of_version(model, version, source=str(self._path))

    def _names(self) -> list[str]:
        if self._path.is_dir():
            files = sorted(self._path.rglob("*.parquet"))
        else:
            anchor = Path(self._path.anchor)
            files = sorted(anchor.glob(str(self._path.relative_to(anchor))))
        if not files:
            raise NotFound(f"the baseline's data set {self._path} is not there: name a Parquet file or folder in "
                           "the model's baseline setting")
        try:
            return list(pq.read_schema(files[0]).names)
        except (pa.ArrowException, OSError) as error:
            raise SourceUnavailable(f"the baseline's data set {files[0]} cannot be read: {error}") from error
