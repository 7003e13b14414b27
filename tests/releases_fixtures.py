"""A place where releases are decided and carried out, without anything outside: fake target, fake registry."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from services.adapters.ops_db import OpsDb
from services.adapters.outbox_table import OutboxTable
from services.adapters.release_table import ReleaseTable
from services.core.access import Actor, Grant, Role
from services.monitor.beside import Beside
from services.monitor.decisions import Decisions
from services.monitor.outbox import OutboxWorker
from services.monitor.survey import Survey
from services.releases import actions, recover
from services.releases.desk import Desk, Terms
from services.releases.plan import DIRECT, Plan
from services.releases.progress import NOTHING_SEEN, Ruling
from services.releases.release import Place, Release
from services.settings.sections import ApprovalPolicy
from services.validation.gate import Report
from tests.fakes_target import FakeRegistry, FakeTarget

MODEL = "flight-delay"
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
POLICIES = [ApprovalPolicy(), ApprovalPolicy(environment="staging", start=1, increase=0, promote=0)]


def person(name: str, *roles: Role) -> Actor:
    return Actor(subject=name, issuer="test", method="demo", label=name, grants=tuple(Grant(role=r) for r in roles))


AUTHOR = person("author", Role.AUTHOR)
FIRST = person("first", Role.APPROVER)
SECOND = person("second", Role.APPROVER)
ON_CALL = person("on-call", Role.ON_CALL)
VIEWER = person("viewer", Role.VIEWER)
MANAGER = person("manager", Role.MANAGER)
ADMIN = person("admin", Role.ADMIN)


@dataclass
class House:
    """Everything between a click and moved traffic, with a clock that tests turn."""

    db: OpsDb
    target: FakeTarget = field(default_factory=FakeTarget)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    now: datetime = NOON
    fence: int = 1
    terms: Terms = field(default_factory=lambda: Terms(
        approvals=POLICIES, targets={"production": "gateway", "staging": "gateway"}))
    rulings: dict[str, Ruling] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    beside: Callable[[], Beside] = lambda: Beside(patience_s=None)
    model: str = MODEL

    def __post_init__(self) -> None:
        self.store = ReleaseTable(self.db)
        self.outbox = OutboxTable(self.db)
        self.desk = Desk(store=self.store, terms=self.terms)
        self.worker = self.new_worker()

    def new_worker(self) -> OutboxWorker:
        """A monitor as after a restart: it remembers nothing."""
        beside = self.beside()
        decisions = Decisions(
            store=self.store, outbox=self.outbox, registry=self.registry, targets=lambda *_: self.target,
            terms=self.terms, ruling=lambda release: self.rulings.get(release.id, NOTHING_SEEN),
            report=lambda _, version: self.reports.get(version), beside=beside,
        )
        survey = Survey(store=self.store, registry=self.registry, targets=lambda *_: self.target, beside=beside,
                        written=self.outbox.tags_written)
        return OutboxWorker(store=self.store, outbox=self.outbox, registry=self.registry,
                            targets=lambda *_: self.target, decisions=decisions, survey=survey, beside=beside)

    def serving(self, version: str = "1", environment: str = "production") -> None:
        """Begin with a version that serves and that releases do not know yet."""
        self.target.load(self.model, environment, version)
        self.target.set_weights(self.model, environment, {version: 100.0}, generation=0)
        alias = "champion" if environment == "production" else f"{environment}_champion"
        self.registry.aliases[self.model, alias] = version

    def run(self, seconds: float = 0.25) -> None:
        """Let time pass and the monitor work."""
        self.now += timedelta(seconds=seconds)
        self.worker.run_due(fence=self.fence, now=self.now)

    def propose(self, version: str = "2", *, environment: str = "production", plan: Plan = DIRECT) -> Release:
        done = actions.propose(self.desk, model=self.model, version=version, environment=environment, plan=plan,
                               actor=AUTHOR, reason="better", op_id=uuid4().hex, now=self.now)
        self.run()
        return self.store.get(done["release"])

    def approve(self, release: Release, *people: Actor) -> Release:
        for actor in people:
            actions.approve(self.desk, release.id, actor=actor, reason="looks right", op_id=uuid4().hex, now=self.now)
        self.run()
        return self.store.get(release.id)

    def promote(self, release: Release, *people: Actor) -> Release:
        for actor in people or (FIRST, SECOND):
            actions.promote(self.desk, release.id, actor=actor, reason="go", op_id=uuid4().hex, now=self.now)
        self.run()
        return self.store.get(release.id)

    def released(self, version: str = "2", plan: Plan = DIRECT) -> Release:
        """Take a version the whole way, its soak included."""
        release = self.promote(self.approve(self.propose(version, plan=plan), FIRST, SECOND))
        self.run(release.plan.soak_s + 1)
        return self.store.get(release.id)

    def roll_back(
        self, to_version: str | None = None, *, actor: Actor = ON_CALL, environment: str = "production"
    ) -> str:
        done = recover.roll_back(self.desk, model=self.model, environment=environment, actor=actor, reason="errors",
                                 op_id=uuid4().hex, now=self.now, to_version=to_version)
        return str(done["release"])

    def place(self, environment: str = "production") -> Place:
        return next(p for p in self.store.places() if (p.model, p.environment) == (self.model, environment))

    def weights(self, environment: str = "production") -> dict[str, float]:
        return dict(self.target.observe(self.model, environment).weights)

    def alias(self, name: str = "champion") -> str:
        return self.registry.alias(self.model, name)
