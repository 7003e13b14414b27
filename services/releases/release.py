"""What a release is: what is wanted, what was last seen, who asked, and where it stands.

`state` is intent, `sync` is observation; they are never one field. What may follow what is in machine.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.releases.plan import Plan


class State(StrEnum):
    """What we want: the place on the way to production."""

    DRAFT = "draft"
    GATING = "gating"
    AWAITING_START = "awaiting start"
    SCHEDULED = "scheduled"
    DEPLOYING = "deploying"
    SHADOW = "shadow"
    BAKING = "baking"
    PAUSED = "paused"
    AWAITING_STEP = "awaiting step"
    AWAITING_PROMOTE = "awaiting promote"
    PROMOTING = "promoting"
    SOAKING = "soaking"
    ROLLING_BACK = "rolling back"
    NEEDS_ATTENTION = "needs attention"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled back"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class Sync(StrEnum):
    """What target and registry last showed."""

    SYNCED = "synced"
    APPLYING = "applying"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """Why the release exists. All kinds travel on the same machine."""

    ROLLOUT = "rollout"
    ROLLBACK = "rollback"
    ADOPTION = "adoption"
    REVERT = "revert"


class Pause(StrEnum):
    """Why a release is paused; a reason beside the state, never a state of its own."""

    NONE = ""
    MANUAL = "manual"
    INCONCLUSIVE = "inconclusive"
    SAMPLE_RATIO = "sample ratio"
    SUBJECT_CHANGED = "subject changed"


# One release at a time may be in one of these, per model and environment: it owns the traffic there.
HOLDING: Final = frozenset({
    State.DEPLOYING, State.SHADOW, State.BAKING, State.PAUSED, State.AWAITING_STEP, State.AWAITING_PROMOTE,
    State.PROMOTING, State.SOAKING, State.ROLLING_BACK, State.NEEDS_ATTENTION,
})
WAITING: Final = frozenset({State.DRAFT, State.GATING, State.AWAITING_START, State.SCHEDULED})
TERMINAL: Final = frozenset(State) - HOLDING - WAITING

START: Final = "start"
PROMOTE: Final = "promote"


def increase(step: int) -> str:
    """Return the name of the approval stage for taking the share of step number `step`."""
    return f"step:{step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version on its way to one environment.

    `champion` and `previous` are what was served there when the evidence was taken; `back_to` is where a rollback
    goes. `step` counts canary steps from 0 and is -1 before the first. `since` is when `state` last changed,
    `step_since` when the present step began to count. `note` is the sentence that explains the state to people.
    """

    id: str
    model: str
    environment: str
    version: str
    kind: Kind
    state: State
    sync: Sync
    revision: int
    plan: Plan
    proposer: str
    proposer_label: str
    last_editor: str
    reason: str
    created_at: datetime
    since: datetime
    champion: str = ""
    previous: str = ""
    back_to: str = ""
    subject: Mapping[str, Any] = field(default_factory=dict)
    subject_hash: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    step: int = -1
    pause: Pause = Pause.NONE
    note: str = ""
    generation: int = 0
    incident: str = ""
    break_glass: bool = False
    review_by: datetime | None = None
    step_since: datetime | None = None
    deadline_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def name(self) -> str:
        """How people call it: model, version, environment."""
        return f"{self.model} v{self.version} → {self.environment}"

    @property
    def weight_pct(self) -> float:
        """The share of traffic that the release's version should have now, in percent."""
        if self.state in {State.PROMOTING, State.SOAKING, State.COMPLETED}:
            return 100.0
        if self.step < 0 or self.state in WAITING | TERMINAL | {State.ROLLING_BACK}:
            return 0.0
        return self.plan.steps[self.step].weight_pct


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's signature for one stage of one release, bound to what they saw."""

    release_id: str
    stage: str
    approver: str
    label: str
    subject_hash: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One model in one environment: what should be served there, and what was last seen.

    `generation` grows with every change of weights, so that a target can refuse an order that is out of date.
    """

    model: str
    environment: str
    champion: str = ""
    previous: str = ""
    generation: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)
    release_id: str = ""
    sync: Sync = Sync.UNKNOWN
    observed: Mapping[str, float] = field(default_factory=dict)
    observed_generation: int = 0
    observed_at: datetime | None = None
    alias: str = ""
    message: str = ""
