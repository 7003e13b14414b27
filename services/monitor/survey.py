"""Look at what targets and registry really show, now and then, and notice what somebody else changed.

A target that merely forgot (a restart) is told again; one that obeys a newer order, or an alias that was moved, is
*drifted* and waits for a person to adopt or revert.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.core.audit import AuditEntry
from services.errors import OpsError
from services.monitor.beside import Beside
from services.monitor.loads import PatientTarget
from services.releases.operations import CHAMPION, alias_name
from services.releases.ports import Book, Registry, ReleaseStore, Targets
from services.releases.reconcile import same_split, split_text
from services.releases.release import Place, Sync
from services.releases.standing import noticed, observed
from services.releases.target import DeploymentTarget, Loading, Observation

_log = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=5)
ALIASES_EVERY: Final = timedelta(seconds=30)


class Survey:
    """Compares every place with what it shows."""

    def __init__(
        self, *, store: ReleaseStore, registry: Registry, targets: Targets, beside: Beside,
        renew: Sequence[Callable[[], object]] = (),
        written: Callable[[str, str, str], Mapping[str, str]] = lambda *_: {},
    ) -> None:
        """Look at the given targets and registry.

        Args:
            store: what should be served.
            registry: the model registry.
            targets: where releases are deployed.
            beside: asks the registry beside the work of the outbox.
            renew: hold back the dead-man timer of each target that has one.
            written: returns the tags that we last wrote to a model's version for an environment.
        """
        self._store = store
        self._registry = registry
        self._targets = targets
        self._beside = beside
        self._renew = renew
        self._written = written
        self._looked: dict[tuple[str, str, str], datetime] = {}
        # Tags are read less often than targets: what was found stands until they are read again.
        self._tags: dict[tuple[str, str, int], str] = {}

    def look(self, *, fence: int, now: datetime) -> int:
        """Look at every place whose turn has come; return how many were told again what to do."""
        told = 0
        if self._renew and self._turn_of(("", "", "renew"), EVERY, now):
            for renew in self._renew:
                _quietly(renew)
        for place in self._store.places():
            # While operations are under way the difference is our own doing.
            if place.sync is Sync.APPLYING or not place.weights or not self._turn(place, "target", EVERY, now):
                continue
            try:
                told += self._one(place, fence=fence, now=now)
            except OpsError as error:
                _log.info("%s in %s cannot be looked at: %s", place.model, place.environment, error)
                self._store_place(place, replace(place, sync=_unless_drifted(place), message=str(error)), fence, now)
        return told

    def _one(self, place: Place, *, fence: int, now: datetime) -> int:
        target = PatientTarget(self._targets(place.model, place.environment), self._beside, "survey")
        alias = place.alias
        # Where the alias is the traffic it must be read first: telling again would hide who moved it.
        if not target.supports_split or self._turn(place, "alias", ALIASES_EVERY, now):
            answer = self._alias(place)
            if answer is None and not target.supports_split:
                return 0
            alias = place.alias if answer is None else answer
        seen = target.observe(place.model, place.environment)
        told = 0
        forgot = seen.generation <= place.generation and not (
            seen.generation == place.generation and same_split(place.weights, seen.weights)
        )
        if forgot and (target.supports_split or alias == place.champion):
            seen = _tell_again(target, place)
            told = 1
        after = observed(replace(place, alias=alias), seen, now)
        said = _difference(after, seen) or self._tags.get((place.model, place.environment, place.generation), "")
        self._store_place(place, replace(after, sync=Sync.DRIFTED if said else Sync.SYNCED, message=said), fence, now)
        return told

    def _alias(self, place: Place) -> str | None:
        """Return where the champion's alias points, or None where the registry takes its time: the next look asks.

        The champion's tags are read on the way. What was read about another generation is read anew.
        """
        try:
            alias, said = self._beside.ask(
                ("alias", place.environment, place.model), f"survey:{place.generation}", partial(self._ask, place),
                doing=f"the registry was asked for {place.model} and has not answered yet")
        except Loading:
            self._looked.pop((place.model, place.environment, "alias"), None)
            return None
        self._tags = {key: found for key, found in self._tags.items() if key[:2] != (place.model, place.environment)}
        self._tags[place.model, place.environment, place.generation] = said
        return alias

    def _ask(self, place: Place) -> tuple[str, str]:
        alias = self._registry.alias(place.model, alias_name(CHAMPION, place.environment))
        ours = self._written(place.model, place.environment, place.champion)
        found = self._registry.tags(place.model, place.champion) if ours else {}
        wrong = [f"tag {name} of version {place.champion} is {found.get(name) or 'gone'}, we wrote {value}"
                 for name, value in sorted(ours.items()) if found.get(name, "") != value]
        return alias, "; ".join(wrong) + (": somebody changed it" if wrong else "")

    def _store_place(self, before: Place, after: Place, fence: int, now: datetime) -> None:
        def work(book: Book) -> tuple[None, list[AuditEntry]]:
            current = book.place(before.model, before.environment)
            if current.generation != before.generation or current.sync is Sync.APPLYING:
                return None, []  # a decision was made meanwhile: what was seen is about the time before it
            book.set_place(after)
            fresh = after.sync is Sync.DRIFTED and after.message != before.message
            subject = f"place:{before.model}/{before.environment}"
            return None, [noticed(subject, before.model, before.environment, after.message, now)] if fresh else []

        self._store.system(work, fence=fence)

    def _turn(self, place: Place, what: str, every: timedelta, now: datetime) -> bool:
        return self._turn_of((place.model, place.environment, what), every, now)

    def _turn_of(self, key: tuple[str, str, str], every: timedelta, now: datetime) -> bool:
        last = self._looked.get(key)
        if last is not None and last <= now < last + every:
            return False
        self._looked[key] = now
        return True


def _quietly(renew: Callable[[], object]) -> None:
    try:
        renew()
    except OpsError as error:
        # The target's own timer takes the canary away when nobody renews: nothing else needs doing.
        _log.info("lease not renewed: %s", error)


def _tell_again(target: DeploymentTarget, place: Place) -> Observation:
    loaded = target.observe(place.model, place.environment).loaded
    for version, share in place.weights.items():
        if share and not loaded.get(version):
            target.load(place.model, place.environment, version)
    target.set_weights(place.model, place.environment, place.weights, generation=place.generation)
    return target.observe(place.model, place.environment)


def _difference(place: Place, seen: Observation) -> str:
    if seen.generation > place.generation:
        return (f"the target obeys generation {seen.generation}, ours is {place.generation}: somebody else set "
                f"{split_text(seen.weights)}")
    if not same_split(place.weights, seen.weights):
        return f"the target serves {split_text(seen.weights)}, wanted is {split_text(place.weights)}"
    # A place that was served before anything was released to it may have no alias yet: nobody moved one.
    if place.alias != place.champion and (place.alias or place.generation):
        return (f"alias {alias_name(CHAMPION, place.environment)} points to version {place.alias or 'none'}, the "
                f"champion is {place.champion}")
    return ""


def _unless_drifted(place: Place) -> Sync:
    return Sync.DRIFTED if place.sync is Sync.DRIFTED else Sync.UNKNOWN
