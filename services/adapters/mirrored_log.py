"""Read a prediction log that is no folder of Parquet files on this machine: text, foreign formats, object storage.

Every file is turned into one Parquet file of a mirror below the home, once and again when it changes, and the mirror is
read like any other log: profiles, latency, outage and quality never learn where it came from. A file that cannot be
turned is quarantined by its own name. How one file is turned is log_unpack.py; listing goes through fsspec, so `s3://`,
`gs://`, `abfs://` and every other address it knows will do (its options come from its own environment variables).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from services.adapters.log_unpack import PATTERNS, Origin, unpack
from services.adapters.prediction_log import ParquetLog
from services.adapters.profile_engine import first_line
from services.errors import SourceMalformed, SourceUnavailable
from services.predictions.ledger import Changes, FileState, Found, LogFile, changes
from services.profiles.ports import Ask, Counted
from services.settings.sections import Model

_TIMES: Final = ("mtime", "LastModified", "last_modified", "updated", "created")  # as file systems call it


class MirroredLog:
    """The files of one model's predictions, wherever they lie."""

    def __init__(self, model: str, location: str, settings: Model, *, mirror: Path) -> None:
        """Read `location` (a folder or an address), keep Parquet copies below `mirror`."""
        self.model, self._location, self._settings, self._mirror = model, location, settings, mirror
        self._inner = ParquetLog(model, mirror, settings.model_copy(update={"format": "parquet"}))
        self.name = self._inner.name

    def changes(self, known: Mapping[str, LogFile], *, now: datetime | None = None) -> Changes:  # noqa: ARG002
        """Compare the place with what is known; a file whose copy was lost counts as changed.

        Raises:
            SourceUnavailable: the place cannot be listed.
        """
        there = {name: file for name, file in known.items()
                 if file.state is FileState.QUARANTINED or (self._mirror / name).is_file()}
        lost = [file for name, file in known.items() if name not in there]
        found = self._listed()
        names = {file.path for file in found}
        return changes({**there, **{file.path: file for file in lost if file.path not in names}}, found)

    def inspect(self, changes: Changes, *, now: datetime | None = None) -> list[LogFile]:
        """Copy changed files into the mirror and return their facts; a copy without its original goes."""
        facts: list[LogFile] = []
        copied: dict[str, Found] = {}
        for found in changes.look:
            why = self._copy(found)
            if why:
                facts.append(LogFile(path=found.path, size=found.size, mtime=found.mtime,
                                     state=FileState.QUARANTINED, reason=why))
            else:
                copied[found.path] = found
        looked = self._inner.inspect(Changes(look=tuple(copied.values()), gone=changes.gone), now=now)
        for file in changes.gone:
            (self._mirror / file.path).unlink(missing_ok=True)
        return facts + looked

    def count(self, files: Sequence[LogFile], ask: Ask) -> tuple[list[Counted], list[LogFile]]:
        """Count rows of these files, from their copies."""
        return self._inner.count(files, ask)

    def _listed(self) -> list[Found]:
        fs, root = self._open()
        try:
            listed: dict[str, dict[str, Any]] = fs.find(root, detail=True) if fs.exists(root) else {}
        except Exception as error:  # each file system raises errors of its own client
            raise SourceUnavailable(f"log {self._location} of {self.model} cannot be listed: {first_line(error)}. "
                                    f"Check models.{self.model}.log and its access") from error
        found = []
        for path, info in listed.items():
            name = PurePosixPath(path)
            if info.get("type") == "file" and not name.name.startswith((".", "_")) and any(
                    name.match(pattern) for pattern in PATTERNS[self._settings.format]):
                relative = path.removeprefix(root).lstrip("/") or name.name
                found.append(Found(path=f"{relative}.parquet", size=int(info.get("size") or 0), mtime=_time(info)))
        return found

    def _copy(self, found: Found) -> str:
        """Put the Parquet copy of one file in place; return why it cannot be read, or nothing."""
        fs, root = self._open()
        original, target = found.path.removesuffix(".parquet"), self._mirror / found.path
        source = root if root.endswith(f"/{original}") or root == original else f"{root.rstrip('/')}/{original}"
        hidden = target.with_name(f".{target.name}.tmp")
        fetched = target.with_name(f".{target.name}.fetched")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(source, str(fetched))
            unpack(fetched, hidden, self._settings, Origin(model=self.model, name=original, written=found.mtime))
            hidden.rename(target)
        except SourceMalformed as error:
            return str(error)
        except OSError as error:
            raise SourceUnavailable(f"{original} of log {self._location} cannot be copied: {first_line(error)}. Check "
                                    "its access, and free space below home.path") from error
        finally:
            for path in (hidden, fetched):
                path.unlink(missing_ok=True)
        return ""

    def _open(self) -> tuple[Any, str]:
        import fsspec

        scheme = self._location.partition("://")[0] if "://" in self._location else "file"
        try:
            # Listings are not kept: what is new is the whole question.
            fs, root = fsspec.core.url_to_fs(self._location, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise SourceUnavailable(f"log {self._location} of {self.model}: {first_line(error)}. Install "
                                    f"interlock[{scheme}], or name another place in models.{self.model}.log",
                                    retryable=False) from error
        return fs, str(root)


def _time(info: Mapping[str, Any]) -> datetime:
    """Return when a file was written, to the microsecond; 1970 where its file system does not say."""
    value = next((info[key] for key in _TIMES if info.get(key) is not None), 0)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(int(float(value) * 1e6) / 1e6, UTC)
