"""Count what a version answered, from the log, and answer the same again with another, in a limited process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow.parquet as pq

from services.adapters.canary_log import CanaryLog
from services.adapters.candidate import Limits, score_apart
from services.core.window import TimeWindow
from services.releases.blast import Blast, differing
from services.settings import Settings

MOST: Final = 20_000  # requests that are answered again; of more, these are drawn and the number is scaled
_SERVED: Final = "interlock_served"
_LIMITS: Final = Limits()
Tell = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """Measures what a version did to those whom it answered."""

    settings: Settings
    log: Callable[[str], CanaryLog]  # model -> its log
    limits: Limits = _LIMITS
    most: int = MOST

    def measure(
        self, model: str, environment: str, *, version: str, against: str, window: TimeWindow,
        tell: Tell = lambda _done, _doing: None,
    ) -> Blast:
        """Return what `version` answered in a window, and how many of that `against` would answer otherwise.

        Raises:
            SourceUnavailable: the log cannot be read.
        """
        setting = self.settings.models[model]
        tell(0.1, f"counting what v{version} answered")
        with TemporaryDirectory(prefix="interlock-blast-") as folder:
            file = Path(folder) / "answered.parquet"
            answered, first, last = self.log(model).answered(
                window, environment=environment, version=version, most=self.most, to=file, served=_SERVED)
            found = Blast(version=version, against=against, answered=answered, first=first, last=last)
            if not answered or not against:
                return found
            tell(0.4, f"answering the same requests with v{against}")
            again = score_apart({
                "model": model, "version": against, "task": setting.task, "tracking_uri": self.settings.tracking_uri,
                "registry_uri": self.settings.tracking.registry_uri, "data": str(file), "label": "", "slices": [],
                "rows": self.most,
            }, self.limits)
            served = pq.read_table(file, columns=[_SERVED])[_SERVED].to_numpy(zero_copy_only=False)
        if again.problem:
            return Blast(version=version, against=against, answered=answered, problem=again.problem,
                         first=found.first, last=found.last)
        tell(1.0, "compared")
        return Blast(version=version, against=against, answered=answered, compared=len(again.prediction),
                     differ=differing(setting.task, served, again.prediction.tolist()), first=found.first,
                     last=found.last)
