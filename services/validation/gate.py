"""Gates of a candidate: each passes, warns, fails, or was *not run*; a gate that was not run never counts as passed.

This file is the port that releases read: `GateStore.latest(model, version)` answers with the newest `Report`, and
`report.holds(artefact)` says whether it was about these very files. Loading and scoring is in
services/adapters/candidate.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from services.core.measurement import Verdict, worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One question about a candidate and its answer. An inconclusive gate was not run, and says why."""

    name: str
    verdict: Verdict
    reason: str
    value: float | str | None = None
    threshold: float | str | None = None
    required: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "verdict": str(self.verdict)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        return cls(**{**value, "verdict": Verdict(value["verdict"])})


def not_run(name: str, why: str, *, required: bool = False) -> Gate:
    """Return a gate that was not run."""
    return Gate(name=name, verdict=Verdict.INCONCLUSIVE, reason=f"not run: {why}", required=required)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every gate of one version against one champion, judged at one time on files of one digest."""

    model: str
    version: str
    champion: str
    artefact: str
    gates: tuple[Gate, ...]
    at: datetime

    @property
    def verdict(self) -> Verdict:
        """Fail when a gate failed, inconclusive when a required one was not run, else warn or pass."""
        found = {gate.verdict for gate in self.gates}
        if Verdict.FAIL in found:
            return Verdict.FAIL
        if not self.gates or any(g.required and g.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR) for g in self.gates):
            return Verdict.INCONCLUSIVE
        return worst(v for v in found if v is not Verdict.INCONCLUSIVE)

    def answer(self) -> str:
        """Return one sentence: may this version go on, and what stands against it?"""
        missed = [g for g in self.gates if g.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR)]
        if failed := [g for g in self.gates if g.verdict is Verdict.FAIL]:
            return f"v{self.version} may not go on: {_named(failed)}"
        if self.verdict is Verdict.INCONCLUSIVE:
            open_ = [g for g in missed if g.required]
            return f"v{self.version} may not go on yet: {_named(open_) if open_ else 'no gate was run'}"
        warned = [g for g in self.gates if g.verdict is Verdict.WARN]
        unsure = f"; {len(missed)} that nothing depends on was not run" if len(missed) == 1 else (
            f"; {len(missed)} that nothing depends on were not run" if missed else "")
        if warned:
            return f"v{self.version} may go on; look first at {_named(warned)}{unsure}"
        return f"v{self.version} may go on: every gate that was run passed{unsure}"

    def holds(self, artefact: str) -> bool:
        """Tell whether the report is about files of this digest; about others it says nothing."""
        return bool(artefact) and self.artefact == artefact

    def summary(self) -> str:
        """Return one line such as `5 pass, 1 warn, 0 fail, 1 not run`."""
        found = [gate.verdict for gate in self.gates]
        missed = found.count(Verdict.INCONCLUSIVE) + found.count(Verdict.ERROR)
        passed, warned, failed = (found.count(v) for v in (Verdict.PASS, Verdict.WARN, Verdict.FAIL))
        return f"{passed} pass, {warned} warn, {failed} fail, {missed} not run"


def _named(gates: Sequence[Gate]) -> str:
    """Return the first gate with its reason, and how many more there are."""
    more = f", and {len(gates) - 1} more" if len(gates) > 1 else ""
    return f"{gates[0].name} ({gates[0].reason}){more}"


class GateStore(Protocol):
    """Where reports are kept."""

    def latest(self, model: str, version: str) -> Report | None:
        """Return the newest report of a version, or None where it was never validated."""
        ...

    def save(self, report: Report) -> None:
        """Store a report."""
        ...

    def recent(self, model: str, *, limit: int = 20) -> Sequence[Report]:
        """Return the newest report of each version, newest first."""
        ...
