"""Gather the facts about every open release and let the system decide what it may decide by itself.

The decision is progress.next_command, pure; what approvals are bound to is taken in witness.py.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from services.monitor.beside import Beside
from services.monitor.witness import Witness
from services.monitor.writing import carry, settle
from services.releases.approvals import policy
from services.releases.desk import Terms
from services.releases.freeze import frozen
from services.releases.machine import Do
from services.releases.ports import Outbox, Registry, ReleaseStore, StaleRelease, Targets
from services.releases.progress import Facts, Ruling, next_command
from services.releases.release import HOLDING, Release, State, Sync
from services.validation.gate import Gate, Report

_log = logging.getLogger(__name__)

_CHECKED: Final = frozenset({
    State.AWAITING_START, State.SCHEDULED, State.BAKING, State.AWAITING_STEP, State.AWAITING_PROMOTE,
})


class Decisions:
    """What the monitor decides about releases."""

    def __init__(
        self, *, store: ReleaseStore, outbox: Outbox, registry: Registry, targets: Targets, terms: Terms,
        ruling: Callable[[Release], Ruling], report: Callable[[str, str], Report | None] = lambda *_: None,
        beside: Beside | None = None, advise: Callable[[Release, Report | None], Sequence[Gate]] | None = None,
    ) -> None:
        """Decide by the given terms.

        Args:
            store: the releases.
            outbox: what is still to be done.
            registry: the model registry.
            targets: where releases are deployed.
            terms: who signs how often, when nothing moves.
            ruling: returns the judge's newest word on a release.
            report: returns the newest validation of a model's version, if there is one.
            beside: hashes artefacts beside the work of the outbox; without it they are hashed at once.
            advise: returns what approvers should see beside the gates and do not sign, if anything.
        """
        self._store = store
        self._outbox = outbox
        self._terms = terms
        self._ruling = ruling
        self._witness = Witness(store=store, registry=registry, targets=targets, terms=terms, report=report,
                                beside=beside or Beside(patience_s=None), advise=advise)

    def decide(self, *, fence: int, now: datetime) -> int:
        """Take every decision that is due; return how many were taken."""
        taken = 0
        releases = self._store.open()
        for release in releases:
            try:
                taken += self._one(release, releases, fence=fence, now=now)
            except StaleRelease:
                _log.info("%s moved on while it was looked at", release.id)
        return taken

    def _one(self, release: Release, others: list[Release], *, fence: int, now: datetime) -> int:
        if release.sync is Sync.APPLYING and not self._outbox.unfinished(release.id):
            return settle(self._store, release, fence=fence)
        if release.state is State.GATING:
            return self._witness.gate(release, fence=fence, now=now)
        if release.state in _CHECKED and self._witness.recheck(release, fence=fence, now=now):
            return 1
        command = next_command(release, self._facts(release, others, now), now=now)
        if command is None:
            return 0
        if command.do is Do.DEPLOY:
            changed = self._witness.recheck(release, fence=fence, now=now, at_once=True)
            if changed != 0:
                return changed or 0
        return carry(self._store, release, command, fence=fence, now=now)

    def _facts(self, release: Release, others: list[Release], now: datetime) -> Facts:
        beside = [o for o in others if o.id != release.id
                  and (o.model, o.environment) == (release.model, release.environment)]
        window = frozen(self._terms.freeze, model=release.model, environment=release.environment, now=now)
        found = policy(self._terms.approvals, model=release.model, environment=release.environment)
        later = [o for o in beside if o.state is State.SCHEDULED and (o.since, o.id) > (release.since, release.id)]
        return Facts(
            busy=any(o.state in HOLDING for o in beside),
            frozen=f"{window.reason} until {window.end}" if window else "",
            newer_approved=later[-1].id if later else "",
            unfinished=self._outbox.unfinished(release.id) if release.state in HOLDING else 0,
            asks_increase=found.increase, asks_promote=found.promote, ruling=self._ruling(release),
        )
