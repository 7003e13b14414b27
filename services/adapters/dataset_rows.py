"""Count a data set's Parquet files into a baseline's bins, part by part, where they lie."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters import profile_engine
from services.adapters.profile_engine import connect
from services.adapters.profile_sql import identifier, parquet
from services.adapters.signal_rows import fault
from services.checks.ports import Part
from services.checks.schema import ColumnSchema
from services.core.audit import digest
from services.errors import SourceMalformed, SourceUnavailable
from services.predictions.schema import LABEL_COLUMNS, PREDICTION_COLUMNS
from services.profiles.baseline import LABEL, PREDICTION, SCORE
from services.profiles.profile import Layout, Profile
from services.settings.sections import Dataset


class DatasetRows:
    """One data set of the settings."""

    def __init__(self, name: str, path: Path, settings: Dataset) -> None:
        """Read below `path`: a file, a folder, or a glob."""
        self.name, self.model, self.role = name, settings.model, settings.role
        self._path, self._settings = path, settings

    def parts(self) -> list[Part]:
        """Return the partitions, oldest first; none where nothing was written yet.

        Raises:
            SourceUnavailable: the folder cannot be listed.
            SourceMalformed: its path is no path or pattern, or a file's name is no text.
        """
        try:
            files = [f for f in self._files() if not f.name.startswith(".")]
            for file in files:
                str(file).encode()  # a name that is no text could be neither remembered nor read
            groups: dict[str, list[Path]] = {}
            for file in files:
                prefix = f"{self._settings.partition}="
                folder = next((p for p in file.parts if self._settings.partition and p.startswith(prefix)), "")
                groups.setdefault(folder, []).append(file)
            return [Part(name=name, files=tuple(sorted(found)),
                         written=datetime.fromtimestamp(max(f.stat().st_mtime for f in found), UTC))
                    for name, found in sorted(groups.items())]
        except OSError as error:
            raise SourceUnavailable(f"data set {self.name} cannot be listed: {error.strerror}. Check {self._setting} "
                                    "and its permissions") from error
        except ValueError as error:
            raise SourceMalformed(f"data set {self.name} cannot be listed: {profile_engine.first_line(error)}. Check "
                                  f"{self._setting} and the files' names") from error

    def stamp(self, parts: Sequence[Part]) -> str:
        """Return a digest that changes whenever a file of the parts does.

        Raises:
            SourceUnavailable: a file went away since the parts were listed.
        """
        try:
            found = [(file, file.stat()) for part in parts for file in part.files]
        except OSError as error:
            raise SourceUnavailable(f"data set {self.name}: {error.filename} is gone again: {error.strerror}. The next "
                                    "pass lists it anew") from error
        return digest([[str(file), facts.st_size, facts.st_mtime_ns] for file, facts in found])

    @property
    def own(self) -> Collection[str]:
        """Columns that it may have beside what a model reads."""
        return {*PREDICTION_COLUMNS, *LABEL_COLUMNS, self._settings.label, self._settings.partition}

    def kinds(self, parts: Sequence[Part]) -> dict[str, str]:
        """Return column to type of the newest part."""
        with connect() as connection:
            return profile_engine.columns_of(connection, self._relation(parts[-1:]), f"data set {self.name}")

    def rows(self, part: Part) -> int:
        """Return how many rows a part has, from the files' footers.

        Raises:
            SourceMalformed: a file is not Parquet.
        """
        try:
            return sum(pq.read_metadata(file).num_rows for file in part.files)
        except (pa.ArrowException, OSError) as error:
            line = profile_engine.first_line(error)
            raise SourceMalformed(f"data set {self.name}: {part.name or 'a file'} cannot be read: {line}. Write it "
                                  "again, or take it away") from error

    def profile(self, parts: Sequence[Part], layout: Layout) -> Profile:
        """Return how the rows of some parts fall into the bins; a column that they lack is missing in every row."""
        theirs = {PREDICTION: "", SCORE: "", LABEL: self._settings.label}
        held = {column: theirs.get(column, column) for column in layout.columns if theirs.get(column, column)}
        files = [file for part in parts for file in part.files]
        return profile_engine.count_files(files, layout, held, name=f"data set {self.name}")

    def offending(self, part: Part, column: ColumnSchema, check: str) -> int:
        """Return how many rows of a part fail a check of a column; none where the part lacks the column.

        Raises:
            SourceMalformed: a file is not Parquet.
        """
        name = identifier(column.name)
        with connect() as connection:
            relation = self._relation([part])
            if column.name not in profile_engine.columns_of(connection, relation, f"data set {self.name}"):
                return 0
            values = f"(SELECT CAST({name} AS VARCHAR) AS v, TRY_CAST({name} AS DOUBLE) AS x FROM {relation})"
            found = connection.execute(f"SELECT count(*) FROM {values} WHERE {fault(column, check)}").fetchone()
        return int(found[0]) if found else 0

    @property
    def _setting(self) -> str:
        """What says where it is."""
        return f"datasets.{self.name}.path"

    def _files(self) -> list[Path]:
        if self._path.is_dir():
            return sorted(self._path.rglob("*.parquet"))
        if self._path.is_file():
            return [self._path]
        anchor = Path(self._path.anchor)
        return sorted(anchor.glob(str(self._path.relative_to(anchor))))

    @staticmethod
    def _relation(parts: Sequence[Part]) -> str:
        return parquet(str(file) for part in parts for file in part.files)
