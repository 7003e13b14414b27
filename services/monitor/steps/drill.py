"""Prove once a day that the version before still loads; one place per pass, because loading takes time."""

from collections.abc import Callable, Iterable
from datetime import datetime

from services.core.measurement import Measurement
from services.releases.drill import drill, due
from services.releases.ports import Targets
from services.releases.release import Place


class DrillStep:
    """The rollback drill's part of a pass."""

    name = "drills"

    def __init__(
        self, *, places: Callable[[], Iterable[Place]], last: Callable[[], Iterable[Measurement]], targets: Targets,
        save: Callable[[Iterable[Measurement]], None],
    ) -> None:
        """Drill `places()`; `last()` returns the newest proofs."""
        self._places = places
        self._last = last
        self._targets = targets
        self._save = save

    def run(self, *, now: datetime) -> str:
        """Drill the place whose turn has come."""
        known = {(m.subject, m.environment): m for m in self._last()}
        place = due(self._places(), known, now=now)
        if place is None:
            return "no drill is due"
        found = drill(place, self._targets, now=now)
        self._save([found])
        return f"{place.model} in {place.environment}: {found.reason}"
