"""Rewrite many small Parquet files of a closed hour as one, so that no kill loses a row or shows one twice for good.

1. The merged file is written under a hidden name, complete and on the disk.
2. A plan beside it names the files it replaces. From here on the change is only ever finished, never undone.
3. The ledger swaps the old files for the new one in one transaction: nothing is counted again.
4. The new file takes its name, the old ones are removed, then the plan.

`recover` does 3 and 4 again for every plan it finds, and forgets merged files without a plan. It runs before the log is
listed, and nothing else reads the log between the two, so no reader of the monitor ever sees both or neither.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.log_ledger import LogLedger
from services.errors import SourceUnavailable
from services.predictions.compaction import Batch, merged
from services.predictions.ledger import LogFile

_PLAN: Final = ".compact-*.json"


class LogCompaction:
    """The files of one log, and the ledger that knows them."""

    def __init__(self, name: str, root: Path, ledger: LogLedger, *, time_column: str) -> None:
        """Compact below `root` what the ledger knows as the log `name`."""
        self.name, self._root, self._ledger, self._time = name, root, ledger, time_column

    def files(self) -> list[LogFile]:
        """Return what is known of the log's files."""
        return list(self._ledger.files(self.name).values())

    def recover(self) -> int:
        """Finish what a killed process had planned, and forget what it had not; return how many plans there were."""
        plans = sorted(self._root.glob(f"date=*/{_PLAN}")) if self._root.is_dir() else []
        for plan in plans:
            self._finish(plan)
        for hidden in self._root.glob("date=*/.compact-*.tmp") if self._root.is_dir() else []:
            hidden.unlink(missing_ok=True)
        return len(plans)

    def compact(self, batch: Batch) -> int:
        """Make one file of a batch; return how many files that saves, 0 where their columns differ.

        Raises:
            SourceUnavailable: the folder cannot be written; every row is still where it was.
        """
        paths = [self._root / file.path for file in batch.files]
        folder, name = self._root / batch.folder, f"hour-{batch.hour:%H}-{uuid4().hex}.parquet"
        hidden = folder / f".compact-{name}.tmp"
        try:
            table = _together(paths)
            if table is None:
                return 0
            if self._time in table.column_names:
                table = table.sort_by(self._time)
            pq.write_table(table, hidden, compression="zstd")
            _sync(hidden)
            stat = hidden.stat()
            plan = folder / f".compact-{name}.json"
            new = merged(batch.files, path=str((folder / name).relative_to(self._root)), size=stat.st_size,
                         mtime=datetime.fromtimestamp(stat.st_mtime_ns // 1000 / 1e6, UTC))
            _write_plan(plan, {"new": new.path, "old": [file.path for file in batch.files]})
            self._ledger.swap(self.name, batch.files, new)
            self._finish(plan)
        except (OSError, pa.ArrowException) as error:
            raise SourceUnavailable(f"files of {folder} cannot be compacted: {error}. Every row stays where it was; "
                                    "free space or mend the folder's permissions") from error
        return len(paths) - 1

    def _finish(self, plan: Path) -> None:
        asked = json.loads(plan.read_text(encoding="utf-8"))
        target = self._root / asked["new"]
        hidden = target.with_name(f".compact-{target.name}.tmp")
        if hidden.exists():
            known = self._ledger.files(self.name)
            old = [known[path] for path in asked["old"] if path in known]
            if asked["new"] not in known and old:
                # Killed between plan and ledger. A name and its place do not change what a file's stat says.
                stat = hidden.stat()
                self._ledger.swap(self.name, old, merged(
                    old, path=asked["new"], size=stat.st_size,
                    mtime=datetime.fromtimestamp(stat.st_mtime_ns // 1000 / 1e6, UTC)))
            hidden.rename(target)
            _sync(target.parent)
        if not target.exists():
            raise SourceUnavailable(f"compaction of {target.parent} lost {target.name}: the old files stay. Remove "
                                    f"{plan} to count them again")
        for path in asked["old"]:
            (self._root / path).unlink(missing_ok=True)
        _sync(target.parent)
        plan.unlink(missing_ok=True)


def _together(paths: Sequence[Path]) -> pa.Table | None:
    """Return all rows, or None where the files do not have the same columns of the same types."""
    # Read one by one: a dataset would cast quietly.
    tables = [pq.read_table(path, partitioning=None) for path in paths]
    plain = [table.replace_schema_metadata(None) for table in tables]
    if any(table.schema != plain[0].schema for table in plain):
        return None
    return pa.concat_tables(plain)


def _write_plan(path: Path, value: dict[str, Any]) -> None:
    hidden = path.with_name(f"{path.name}.tmp")
    hidden.write_text(json.dumps(value), encoding="utf-8")
    _sync(hidden)
    hidden.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
