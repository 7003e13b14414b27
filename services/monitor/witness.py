"""Take the evidence that approvals are bound to: when a release is proposed, and again for as long as it matters.

What belongs to the evidence is in services/releases/gating.py. A version that must pass other environments first is
proposed there by itself.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.core.audit import AuditEntry
from services.errors import NotFound, OpsError
from services.monitor.beside import Beside
from services.monitor.writing import carry, tell
from services.releases.approvals import policy
from services.releases.desk import Terms
from services.releases.evidence import GLASS, changed_text, subject_hash
from services.releases.gate import refused
from services.releases.gating import Gathered, first_place, gather
from services.releases.machine import Command, Do, apply
from services.releases.passage import Stand, draft, gates, passage
from services.releases.plan import fits
from services.releases.ports import Book, Registry, ReleaseStore, Targets
from services.releases.progress import MONITOR
from services.releases.release import HOLDING, Pause, Place, Release, State
from services.releases.target import Loading
from services.validation.gate import Gate, Report

_log = logging.getLogger(__name__)

RECHECK: Final = timedelta(seconds=30)


class Witness:
    """Takes evidence. Keeps nothing but when it last asked the registry."""

    def __init__(
        self, *, store: ReleaseStore, registry: Registry, targets: Targets, terms: Terms, beside: Beside,
        report: Callable[[str, str], Report | None], advise: Callable[[Release, Report | None], Sequence[Gate]] | None,
    ) -> None:
        """Ask the given registry and targets; the arguments are those of `Decisions`."""
        self._store = store
        self._registry = registry
        self._targets = targets
        self._terms = terms
        self._beside = beside
        self._report = report
        self._advise = advise
        self._asked: dict[str, datetime] = {}

    def gate(self, release: Release, *, fence: int, now: datetime) -> int:
        """Run the gates of a proposed release; while registry or target are down it waits, and says so."""
        if release.plan.through and (held := self._on_the_way(release, fence=fence, now=now)) is not None:
            return held
        if not self._turn(release, now):
            return 0
        try:
            gathered = self._gathered(release, self._known_place(release))
        except Loading:
            return 0
        except NotFound as error:
            command = Command(do=Do.REJECT, actor=MONITOR, reason=str(error), changes={"note": str(error)})
            return carry(self._store, release, command, fence=fence, now=now)
        except OpsError as error:
            return tell(self._store, release, f"gates wait: {error}", fence=fence)
        split, mirror = self._terms.abilities(release.environment)
        said = refused(gathered.gates) or fits(release.plan, supports_split=split, supports_mirror=mirror,
                                               champion=gathered.champion)
        do = Do.REJECT if said else Do.RECORD
        note = said or "gates passed, waits for approval"
        changes = {**_evidence(gathered), "champion": gathered.champion, "previous": gathered.previous,
                   "note": note}
        # First, so that whoever signs as soon as the release waits is compared with a champion that is known.
        self._know_place(release, gathered, fence=fence)
        command = Command(do=do, actor=MONITOR, reason=note, changes=changes)
        taken = carry(self._store, release, command, fence=fence, now=now)
        required = policy(self._terms.approvals, model=release.model, environment=release.environment).start
        if taken and do is Do.RECORD and required == 0:
            recorded = next(r for r in self._store.open() if r.id == release.id)
            command = Command(do=Do.SCHEDULE, actor=MONITOR, reason="the policy asks for nobody")
            carry(self._store, recorded, command, fence=fence, now=now)
        return taken

    def _on_the_way(self, release: Release, *, fence: int, now: datetime) -> int | None:
        """Take the version through the environments before this one; None once all are passed."""
        found = passage(release, self._store.newest(model=release.model))
        if found is None:
            return None
        if found.stand is Stand.MISSING:
            return self._propose_passage(release, found.environment, fence=fence, now=now)
        if found.stand is Stand.FAILED:
            said = f"v{release.version} did not pass {found.environment}: {found.by} ended as {found.state}"
            command = Command(do=Do.REJECT, actor=MONITOR, reason=said, changes={"note": said})
            return carry(self._store, release, command, fence=fence, now=now)
        waits = f"waits for {found.by} in {found.environment}, which is {found.state}"
        return tell(self._store, release, waits, fence=fence)

    def _propose_passage(self, release: Release, environment: str, *, fence: int, now: datetime) -> int:
        def work(book: Book) -> tuple[int, list[AuditEntry]]:
            if book.get(release.id).revision != release.revision:
                return 0, []
            begun = replace(draft(release, environment, book.new_id()), created_at=now, since=now)
            made, entry = apply(begun, Command(do=Do.SUBMIT, actor=MONITOR, reason=begun.reason,
                                               detail={"plan": begun.plan.to_json(), "for": release.id}), now=now)
            book.add(made)
            return 1, [entry]

        return self._store.system(work, fence=fence)

    def _known_place(self, release: Release) -> Place | None:
        here = (release.model, release.environment)
        return next((p for p in self._store.places() if (p.model, p.environment) == here), None)

    def _gathered(self, release: Release, place: Place | None) -> Gathered:
        """Take the evidence beside everything else, because artefacts are fetched and hashed for it.

        Raises:
            Loading: it is being taken: ask again at the next turn.
            NotFound: the candidate is not in the registry.
            SourceUnavailable: registry or target do not answer.
        """
        report = self._report(release.model, release.version)
        passed = gates(release, self._store.newest(model=release.model)) if release.plan.through else []
        known = replace(release, champion=place.champion) if place else release
        advice = self._advise(known, report) if self._advise else []

        def take() -> Gathered:
            champion, previous = (place.champion, place.previous) if place and place.champion else first_place(
                Place(model=release.model, environment=release.environment), self._registry,
                self._targets(release.model, release.environment))
            return gather(release, self._registry, champion=champion, previous=previous, report=report,
                          also=passed, advice=advice)

        # What was begun for another revision or another champion is no evidence for this one.
        asker = f"{release.revision}:{place.champion if place else ''}"
        try:
            return self._beside.ask(("evidence", release.id), asker, take, doing=f"evidence of {release.id} is taken")
        except Loading:
            self._asked.pop(f"{release.id}:{release.state}", None)
            raise

    def _know_place(self, release: Release, gathered: Gathered, *, fence: int) -> None:
        def work(book: Book) -> tuple[None, list[AuditEntry]]:
            place = book.place(release.model, release.environment)
            if not place.champion and gathered.champion:
                book.set_place(replace(place, champion=gathered.champion, previous=gathered.previous,
                                       weights={gathered.champion: 100.0}, alias=gathered.champion))
            return None, []

        self._store.system(work, fence=fence)

    def recheck(self, release: Release, *, fence: int, now: datetime, at_once: bool = False) -> int | None:
        """Take the evidence again now and then, and void the approvals when it is no longer what was signed.

        Return 1 where it changed, 0 where it holds, and None where it was asked for and is not known: nothing may
        begin on that.
        """
        place = self._known_place(release)
        champion = place.champion if place else release.champion
        moved = champion != release.subject.get("champion", "")
        if not (moved or at_once) and not self._turn(release, now):
            return 0
        try:
            gathered = self._gathered(release, place)
        except Loading:
            return None
        except OpsError as error:
            _log.info("evidence of %s cannot be taken again: %s", release.id, error)
            if at_once:
                tell(self._store, release, f"evidence cannot be taken again: {error}", fence=fence)
            return None
        before, after = dict(release.subject), dict(gathered.subject)
        if release.state in HOLDING and not refused(gathered.gates):
            # A new validation of a version that takes traffic already is news, and no other version.
            before["gates"] = after["gates"]
        said = changed_text(before, after)
        if not said:
            return 0
        return self._void(release, gathered, said, fence=fence, now=now)

    def _void(self, release: Release, gathered: Gathered, said: str, *, fence: int, now: datetime) -> int:
        if release.state in {State.AWAITING_START, State.SCHEDULED}:
            broke = {GLASS: str(release.evidence[GLASS])} if GLASS in release.evidence else {}
            evidence = _evidence(gathered, voided=said, **broke)
            command = Command(do=Do.VOID, actor=MONITOR, reason=said, changes={
                **evidence, "champion": gathered.champion, "previous": gathered.previous,
                "note": f"approvals are void: {said}"})
        elif release.state is State.BAKING or release.step >= 0:
            command = Command(do=Do.PAUSE, actor=MONITOR, reason=said,
                              changes={"pause": Pause.SUBJECT_CHANGED, "note": said})
        else:
            # It takes no traffic yet: nothing is lost by removing it.
            command = Command(do=Do.ROLL_BACK, actor=MONITOR, reason=said,
                              changes={"back_to": gathered.champion, "note": said})
        return carry(self._store, release, command, fence=fence, now=now)

    def _turn(self, release: Release, now: datetime) -> bool:
        key = f"{release.id}:{release.state}"
        last = self._asked.get(key)
        if last is not None and last <= now < last + RECHECK:
            return False
        self._asked[key] = now
        return True


def _evidence(gathered: Gathered, **more: str) -> dict[str, object]:
    """Return what is stored of the evidence; `more` stands in it beside what was gathered."""
    return {
        "subject": dict(gathered.subject), "subject_hash": subject_hash(gathered.subject),
        "evidence": {**gathered.evidence, "voided": "", **more},
    }
