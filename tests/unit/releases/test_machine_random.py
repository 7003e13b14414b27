"""Random commands, crashes, clock jumps and freezes: what must never happen does not happen."""

import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.adapters.audit_table import AuditTable
from services.adapters.ops_db import OpsDb
from services.core.access import Role
from services.errors import Refused
from services.releases import actions, recover
from services.releases.approvals import counted
from services.releases.freeze import frozen
from services.releases.machine import Do
from services.releases.plan import AUTOMATIC, CANARY, DIRECT
from services.releases.progress import Advice, Ruling
from services.releases.release import HOLDING, Kind, State
from services.settings.sections import FreezeWindow
from tests.releases_fixtures import ADMIN, AUTHOR, FIRST, MODEL, ON_CALL, SECOND, VIEWER, House, person
from tests.unit.releases.mortal import Mortal

BOTH = person("author", Role.AUTHOR, Role.APPROVER)
PEOPLE = st.sampled_from([AUTHOR, BOTH, FIRST, SECOND, ON_CALL, ADMIN, VIEWER])
VERSIONS = st.sampled_from(["1", "2", "3", "4"])
PLANS = st.sampled_from([CANARY, AUTOMATIC, DIRECT])
FORWARD = {Do.DEPLOY, Do.BEGIN_SHADOW, Do.BEGIN_STEP, Do.PROMOTE}


class Rollouts(RuleBasedStateMachine):
    """One model in production, with everybody pulling at it."""

    template: ClassVar[Path]

    @initialize(plan=PLANS, frozen_when=st.sampled_from(["never", "proposed", "signed"]))
    def begin(self, plan, frozen_when) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="il-machine-"))
        shutil.copy(self.template, self.folder / "ops.db")
        db = OpsDb(f"sqlite:///{self.folder}/ops.db")
        self.windows: list[FreezeWindow] = []  # read anew at every decision
        self.house = House(db, terms=replace(House(db).terms, freeze=self.windows))
        self.house.serving("1")
        self.mortal = Mortal(self.house)
        self.propose("2", plan, AUTHOR)
        self.tick(1)
        if frozen_when == "signed":
            self.sign_by_both(0)
        if frozen_when != "never":
            self.freeze(0, 1)

    def ask(self, do, *args, **kwargs) -> None:
        with suppress(Refused):  # being refused is always allowed; what must hold is checked below
            do(self.house.desk, *args, op_id=uuid4().hex, now=self.house.now, reason="because", **kwargs)

    def any_release(self, pick: int) -> str:
        found = self.house.store.newest()
        return found[pick % len(found)].id if found else "r-0000"

    @rule(version=VERSIONS, plan=PLANS, who=PEOPLE)
    def propose(self, version, plan, who) -> None:
        self.ask(actions.propose, model=MODEL, version=version, environment="production", plan=plan, actor=who)

    @precondition(lambda self: self.house.store.newest(limit=1))
    @rule(pick=st.integers(0, 3), who=PEOPLE,
          do=st.sampled_from([actions.approve, actions.approve, actions.promote, actions.reject, actions.cancel,
                              actions.pause, actions.resume]))
    def decide(self, pick, who, do) -> None:
        self.ask(do, self.any_release(pick), actor=who)

    @rule(pick=st.integers(0, 1))
    def sign_by_both(self, pick) -> None:
        for who in (FIRST, SECOND):
            self.ask(actions.approve, self.any_release(pick), actor=who)
        self.tick(1)

    @rule(pick=st.integers(0, 1))
    def go_on(self, pick) -> None:
        """Have a release take its next stage: everybody who can signs, the judge agrees, time passes."""
        for do in (actions.approve, actions.promote):
            for who in (FIRST, SECOND):
                self.ask(do, self.any_release(pick), actor=who)
            self.judge(Advice.ADVANCE)
            self.tick(61)

    @rule()
    def finish(self) -> None:
        """Let a release that began come to its end, so that another one can begin."""
        for _ in range(3):
            self.go_on(0)
        self.tick(1900)

    @precondition(lambda self: self.house.store.newest(limit=1))
    @rule(pick=st.integers(0, 3), who=PEOPLE, plan=PLANS)
    def edit(self, pick, who, plan) -> None:
        self.ask(actions.edit, self.any_release(pick), actor=who, plan=plan)

    @precondition(lambda self: self.house.store.newest(limit=1))
    @rule(pick=st.integers(0, 1))
    def break_glass(self, pick) -> None:
        self.ask(recover.break_glass, self.any_release(pick), actor=ON_CALL, incident="inc-1")

    @rule(who=PEOPLE, to=st.sampled_from([None, "1", "2", "3"]))
    def roll_back(self, who, to) -> None:
        self.ask(recover.roll_back, model=MODEL, environment="production", actor=who, to_version=to)

    @rule(do=st.sampled_from([recover.adopt, recover.revert]))
    def resolve(self, do) -> None:
        self.ask(do, model=MODEL, environment="production", actor=ON_CALL)

    @rule(seconds=st.sampled_from([0.25, 1, 31, 31, 1900, 4000, 300_000, -60]))
    def tick(self, seconds) -> None:
        self.house.run(seconds)

    @rule(point=st.integers(1, 12))
    def crash(self, point) -> None:
        self.mortal.dies_at(point)

    @rule(down=st.booleans())
    def registry(self, down) -> None:
        self.house.registry.down = down

    @rule(version=VERSIONS)
    def overwrite(self, version) -> None:
        self.house.registry.overwrite(MODEL, version, manifest={"model.pkl": uuid4().hex})

    @rule(version=VERSIONS)
    def move_alias_outside(self, version) -> None:
        self.house.registry.aliases[MODEL, "champion"] = version

    @rule(pick=st.integers(0, 1), hours=st.sampled_from([1, 24]))
    def freeze(self, pick, hours) -> None:
        """Begin a freeze, and have everybody try to go on in spite of it."""
        # After all that was done so far: the clock may have been set back since.
        done = [entry.at for r in self.house.store.newest() for entry in self.timeline(r)]
        start = max([self.house.now, *done]) + timedelta(milliseconds=1)
        self.windows.append(FreezeWindow(start=start.isoformat(), end=(start + timedelta(hours=hours)).isoformat(),
                                         reason="sales"))
        self.tick(1)
        self.go_on(pick)

    @precondition(lambda self: self.house.store.open())
    @rule(advice=st.sampled_from(list(Advice)))
    def judge(self, advice) -> None:
        for release in self.house.store.open():
            self.house.rulings[release.id] = Ruling(advice=advice, reason="the judge said so", requests=10_000)

    @invariant()
    def at_most_one_release_owns_the_traffic(self) -> None:
        if hasattr(self, "house"):
            assert sum(r.state in HOLDING for r in self.house.store.newest()) <= 1

    @invariant()
    def no_traffic_without_its_approvals(self) -> None:
        if not hasattr(self, "house"):
            return
        for release in self.house.store.newest():
            if release.kind is not Kind.ROLLOUT or release.state in {State.ROLLING_BACK, State.NEEDS_ATTENTION}:
                continue
            signed = self.house.store.approvals_of(release.id)
            if release.weight_pct > 0 and not release.break_glass:
                assert len(counted(release, "start", signed)) >= 2, release
            if release.weight_pct >= 100:
                assert len(counted(release, "promote", signed)) >= 2, release
            assert all(a.approver != AUTHOR.identity for a in signed)

    @invariant()
    def the_target_serves_only_what_was_decided(self) -> None:
        if not hasattr(self, "house"):
            return
        allowed = {"1"}
        for release in self.house.store.newest():
            signed = self.house.store.approvals_of(release.id)
            begun = (len(counted(release, "start", signed)) >= 2 or release.kind is not Kind.ROLLOUT
                     or release.break_glass)
            allowed |= {release.champion, release.back_to} | ({release.version} if begun else set())
        for _, weights, _ in self.house.target.told:
            assert set(weights) <= allowed

    def timeline(self, release):
        return AuditTable(self.house.db).of(f"release:{release.id}")

    def nothing_went_forward_in_a_freeze(self) -> None:
        for release in self.house.store.newest():
            done = self.timeline(release)
            if release.kind is not Kind.ROLLOUT or release.break_glass:
                continue
            for entry in (e for e in done if e.action in FORWARD):
                assert frozen(self.windows, model=MODEL, environment="production", now=entry.at) is None, entry

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            return
        self.nothing_went_forward_in_a_freeze()
        # Whatever happened: with everything answering again, it comes to rest.
        self.house.registry.down = False
        for _ in range(8):
            self.house.run(31)
        assert AuditTable(self.house.db).verify() == []
        for place in self.house.store.places():
            if str(place.sync) == "synced":
                assert dict(place.weights) == self.house.weights()
        self.house.db.engine.dispose()
        shutil.rmtree(self.folder)


def test_random_histories_never_break_the_rules(tmp_path: Path) -> None:
    store = OpsDb(f"sqlite:///{tmp_path}/template.db")
    store.migrate()
    store.engine.dispose()
    Rollouts.template = tmp_path / "template.db"
    settings_ = settings(max_examples=20, stateful_step_count=25, deadline=None, derandomize=True, database=None,
                         suppress_health_check=list(HealthCheck))
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Rollouts, settings=settings_)
