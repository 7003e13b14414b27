"""Read use from files: CSV, exported Kubernetes ResourceQuotas, and `sacct` output. Only files that changed are read.

A row that cannot be true is refused with file and line; the other rows count. What a sample means is told in
services/quota/pool.py.
"""

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from services.errors import SourceMalformed, SourceUnavailable
from services.quota.pool import Limit, Pool, Sample

_FAULTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one file says."""

    samples: tuple[Sample, ...]
    limits: tuple[Limit, ...] = ()
    faults: tuple[str, ...] = ()


class UsageFiles:
    """Every file that matches a pattern, read by one of the readers of this package."""

    def __init__(
        self, name: str, pattern: str, read: Callable[[Path, datetime], Reading], pools: Mapping[str, Pool],
    ) -> None:
        """Read the files that match `pattern` with `read`; samples of pools that nobody declared are refused."""
        self._name = name
        self._pattern = pattern
        self._read = read
        self._declared = pools
        self._seen: dict[Path, tuple[int, int]] = {}
        self._pools: set[str] = set()
        self._limits: tuple[Limit, ...] = ()
        self._faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name under which this source's as-of time is kept."""
        return self._name

    @property
    def pools(self) -> frozenset[str]:
        """The pools that the files named so far."""
        return frozenset(self._pools)

    @property
    def limits(self) -> Sequence[Limit]:
        """The limits of the files that were read last."""
        return self._limits

    @property
    def faults(self) -> Sequence[str]:
        """The rows that were refused last, at most 200."""
        return self._faults

    def sample(self, *, now: datetime) -> Sequence[Sample]:
        """Return the samples of the files that are new or changed.

        Raises:
            SourceUnavailable: no file matches.
        """
        files = [Path(name) for name in sorted(glob.glob(self._pattern, recursive=True))]  # noqa: PTH207 -- absolute
        if not files:
            raise SourceUnavailable(f"no file matches {self._pattern}: mend the path in [[usage]], or export the file")
        samples: list[Sample] = []
        limits: list[Limit] = []
        faults: list[str] = []
        for file in files:
            try:
                stat = file.stat()
                if self._seen.get(file) == (stat.st_mtime_ns, stat.st_size):
                    continue
                found = self._read(file, now)
            except (OSError, SourceMalformed) as error:
                faults.append(f"{file.name}: {error}" if isinstance(error, OSError) else str(error))
                continue
            unknown = {s.pool for s in found.samples} - self._declared.keys()
            faults += [f"{file.name}: pool {name} is not declared: add it to [[pools]]" for name in sorted(unknown)]
            samples += [s for s in found.samples if s.pool in self._declared]
            limits += [limit for limit in found.limits if limit.pool in self._declared]
            faults += found.faults
            self._seen[file] = (stat.st_mtime_ns, stat.st_size)
        self._pools |= {s.pool for s in samples}
        self._limits, self._faults = tuple(limits), tuple(faults[:_FAULTS])
        return samples
