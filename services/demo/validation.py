"""Validate the demo's candidates as its validation pipeline would: really loaded and scored, beside the champion.

They are loaded and scored in a process beside the seeding one, while that does other work; judging them takes a moment.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from services import bootstrap
from services.adapters.candidate import score_together
from services.validation.gate import Report
from services.validation.scored import Scored

Version = tuple[str, str]  # model and version


class Candidates:
    """Scores versions ahead of their validation."""

    def __init__(self, services: bootstrap.Services, champions: Mapping[str, str]) -> None:
        """Compare with these champions; the registry's mirror knows none before the first pass."""
        self._validator = replace(bootstrap.build_validator(services), champion_of=champions.__getitem__)
        self._champions = champions
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._ahead: list[tuple[Sequence[Version], Future[list[Scored]]]] = []

    def score(self, versions: Sequence[Version]) -> None:
        """Begin to load and score versions, all behind one start of the libraries."""
        asked = [self._validator.asked(model, version) for model, version in versions]
        self._ahead.append((versions, self._pool.submit(score_together, asked, self._validator.limits)))

    def validate(self, model: str, version: str, *, now: datetime) -> Report:
        """Judge a version by what it answered, store the report and return it."""
        found: dict[Version, Scored] = {}
        for versions, promise in self._ahead:
            if any(v in ((model, version), (model, self._champions[model])) for v in versions):
                found |= dict(zip(versions, promise.result(), strict=True))
        # What went wrong while the machine was busy with seeding is tried again, alone.
        usable = {v: scored for (m, v), scored in found.items() if m == model and not scored.problem}
        return self._validator.validate(model, version, now=now, scored=usable)

    def close(self) -> None:
        """Wait for what is under way, and end."""
        self._pool.shutdown(cancel_futures=True)
