"""The step that makes one file of the many small ones of a closed hour. Which ones is services/predictions's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from services.monitor.faults import Faults
from services.predictions.compaction import Batch, batches
from services.predictions.ledger import LogFile

MOST: Final = 48  # hours in one pass, so that a log that was never compacted does not hold the pass up


class Compactor(Protocol):
    """One log that can be rewritten."""

    def files(self) -> list[LogFile]:
        """Return what is known of its files."""
        ...

    def recover(self) -> int:
        """Finish what a killed process had begun."""
        ...

    def compact(self, batch: Batch) -> int:
        """Make one file of a batch; return how many files that saves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionStep:
    """Compact every log; stands before the step that lists them, because it finishes what a kill left."""

    logs: Mapping[str, Compactor]  # by model
    name: str = "compaction"

    def run(self, *, now: datetime) -> str:
        """Recover, then compact; a log that cannot be written does not stop the others."""
        hours = saved = 0
        faults = Faults()
        for log in self.logs.values():
            with faults.kept():
                log.recover()
                for batch in batches(log.files(), now=now)[:MOST]:
                    fewer = log.compact(batch)
                    hours, saved = hours + (fewer > 0), saved + fewer
        faults.raise_first()
        return f"{hours} hours compacted, {saved} files fewer" if hours else "nothing to compact"
