"""`kill -9` between a decision's commit and the alias it leads to: it converges, and one decision is on record."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.adapters.audit_table import AuditTable
from services.adapters.ops_db import OpsDb
from services.adapters.outbox_table import OutboxTable
from services.adapters.release_table import ReleaseTable
from services.releases import actions, recover
from services.releases.desk import Desk, Terms
from services.releases.operations import OpState
from services.releases.plan import DIRECT
from services.releases.release import State, Sync
from services.settings.sections import ApprovalPolicy
from tests.releases_fixtures import AUTHOR, FIRST, ON_CALL, SECOND

ROOT = Path(__file__).parents[2]
MODEL = "flight-delay"
# Nobody signs to begin: these tests are about what comes after the promotion was decided.
TERMS = Terms(approvals=[ApprovalPolicy(start=0, promote=2)], targets={"production": "gateway"})
MLMODEL = """
flavors: {python_function: {loader_module: nothing}}
signature:
  inputs: '[{"name": "distance", "type": "double", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""
REGISTER = """
import sys
from mlflow import MlflowClient
home = sys.argv[1]
client = MlflowClient(f"sqlite:///{home}/mlflow.db")
client.create_registered_model("flight-delay")
for version in "123":
    client.create_model_version("flight-delay", f"{home}/artefacts/{version}")
client.set_registered_model_alias("flight-delay", "champion", "1")
"""


class Monitor:
    """The outbox in another process, which may be killed at a named point."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.flows.outbox_killed", str(home)], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, now: datetime, kill: str = "") -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"now": now.isoformat(), "kill": kill}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=120)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an MLflow of two versions and version 1 serving."""
    home = tmp_path_factory.mktemp("killed")
    for version in "123":
        folder = home / "artefacts" / version
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text(MLMODEL)
        (folder / "model.pkl").write_text(f"weights {version}")
    subprocess.run([sys.executable, "-W", "ignore", "-c", REGISTER, str(home)], check=True, capture_output=True)
    (home / "target.json").write_text(json.dumps({"generation": 0, "weights": {"1": 100.0}, "loaded": ["1"]}))
    return home


@pytest.fixture(scope="module")
def monitor(registered: Path) -> Iterator[Monitor]:
    running = Monitor(registered)
    yield running
    running.close()


class Site:
    """A fresh decision about the same two versions."""

    def __init__(self, home: Path, monitor: Monitor, now: datetime) -> None:
        self.home, self.monitor, self.now = home, monitor, now
        db = OpsDb(f"sqlite:///{home}/ops.db")
        db.migrate()
        self.store, self.audit, self.outbox = ReleaseTable(db), AuditTable(db), OutboxTable(db)
        self.desk = Desk(store=self.store, terms=TERMS)

    def run(self, kill: str = "") -> int:
        self.now += timedelta(seconds=40)
        return self.monitor.run(self.now, kill)

    def awaiting_promotion(self) -> str:
        champion = next((p.champion for p in self.store.places()), "1")
        release = actions.propose(
            self.desk, model=MODEL, version="2" if champion == "1" else "1", environment="production",
            plan=replace(DIRECT, soak_s=0), actor=AUTHOR, reason="better", op_id=uuid4().hex, now=self.now)["release"]
        assert self.run() == 0
        assert self.store.get(release).state is State.AWAITING_PROMOTE, self.store.get(release).note
        return str(release)

    def aliases(self) -> dict[str, str]:
        connection = sqlite3.connect(self.home / "mlflow.db")
        rows = connection.execute("SELECT alias, version FROM registered_model_aliases").fetchall()
        connection.close()
        return {alias: str(version) for alias, version in rows}

    def weights(self) -> dict[str, float]:
        return dict(self.target()["weights"])

    def target(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "target.json").read_text())
        return found

    def change_target(self, **changes: object) -> None:
        (self.home / "target.json").write_text(json.dumps({**self.target(), **changes}))

    def move_alias(self, version: str) -> None:
        connection = sqlite3.connect(self.home / "mlflow.db")
        connection.execute("UPDATE registered_model_aliases SET version = ? WHERE alias = 'champion'", (version,))
        connection.commit()
        connection.close()

    def promote(self) -> tuple[str, str, str]:
        """Decide a promotion; return the release, its version and the champion before."""
        release = self.awaiting_promotion()
        for person in (FIRST, SECOND):
            actions.promote(self.desk, release, actor=person, reason="go", op_id=uuid4().hex, now=self.now)
        found = self.store.get(release)
        return release, found.version, found.champion

    def revert(self) -> None:
        recover.revert(self.desk, model=MODEL, environment="production", actor=ON_CALL, reason="ours holds",
                       op_id=uuid4().hex, now=self.now)
        assert self.run() == 0

    def actions_of(self, release: str) -> list[str]:
        return [row.action for row in self.audit.of(f"release:{release}")]


@pytest.fixture
def site(registered: Path, monitor: Monitor, now: datetime) -> Site:
    return Site(registered, monitor, now)


@pytest.mark.parametrize("kill", [
    "set_weights:before",  # after the commit, before the target is called
    "set_weights:after",  # weights applied, not recorded
    "set_alias:before:champion",  # all traffic moved, alias old
    "set_alias:after:champion",  # alias moved, not recorded
    "set_tags:before",  # aliases moved, tags missing
])
def test_a_killed_promotion_converges_with_one_decision_on_record(site: Site, kill: str) -> None:
    release, version, champion = site.promote()

    assert site.run(kill) == -signal.SIGKILL
    assert site.store.get(release).sync is Sync.APPLYING
    assert site.run() == 0

    done = site.store.get(release)
    assert (done.state, done.sync) == (State.COMPLETED, Sync.SYNCED)
    assert site.weights() == {version: 100.0}
    assert site.aliases() == {"champion": version, "previous_champion": champion}
    assert site.actions_of(release).count("promote") == 1
    assert {row.state for row in site.outbox.of(release)} == {OpState.DONE}
    assert site.audit.verify() == []


def test_a_rollback_decided_while_the_monitor_was_dead_wins_over_the_promotion(site: Site) -> None:
    release, _, champion = site.promote()
    assert site.run("set_alias:before:champion") == -signal.SIGKILL

    recover.roll_back(site.desk, model=MODEL, environment="production", actor=ON_CALL, reason="errors",
                      op_id=uuid4().hex, now=site.now)
    assert site.run() == 0

    assert site.store.get(release).state is State.ROLLED_BACK
    assert site.weights() == {champion: 100.0}
    assert site.aliases()["champion"] == champion


def test_a_target_that_obeys_somebody_newer_stops_the_restarted_monitor_and_is_recorded(site: Site) -> None:
    release, version, champion = site.promote()
    assert site.run("set_weights:before") == -signal.SIGKILL
    newer = site.target()["generation"] + 50
    site.change_target(generation=newer, weights={champion: 100.0})

    assert site.run() == 0

    assert site.store.get(release).sync is Sync.DRIFTED
    assert "notice drift" in site.actions_of(release)
    # Somebody else's order is not undone before a person says so.
    assert (site.weights(), site.aliases()["champion"]) == ({champion: 100.0}, champion)

    site.revert()
    assert (site.weights(), site.aliases()["champion"]) == ({version: 100.0}, version)
    assert site.target()["generation"] > newer


def test_an_alias_that_somebody_moved_while_the_monitor_was_dead_is_left_to_a_person(site: Site) -> None:
    release, version, _ = site.promote()
    assert site.run("set_alias:before:champion") == -signal.SIGKILL
    site.move_alias("3")

    assert site.run() == 0

    stored = site.store.get(release)
    assert (stored.sync, site.aliases()["champion"]) == (Sync.DRIFTED, "3")
    assert "alias champion points to version 3: somebody moved it" in stored.note

    site.revert()
    assert (site.store.get(release).sync, site.aliases()["champion"]) == (Sync.SYNCED, version)
    assert site.audit.verify() == []


def test_what_cannot_go_forward_goes_back_even_when_the_monitor_dies_on_the_way(site: Site) -> None:
    release, version, champion = site.promote()
    assert site.run("set_weights:before") == -signal.SIGKILL
    site.change_target(refuses=version)
    for _ in range(8):
        if site.store.get(release).state is not State.PROMOTING:
            break
        assert site.run() in {0, -signal.SIGKILL}
    # Turned around, if not back already.
    assert site.store.get(release).state in {State.ROLLING_BACK, State.ROLLED_BACK}
    assert site.run() == 0

    stored = site.store.get(release)
    assert (stored.state, stored.sync) == (State.ROLLED_BACK, Sync.SYNCED)
    assert "weights cannot be done" in stored.note
    assert (site.weights(), site.aliases()["champion"]) == ({champion: 100.0}, champion)
    assert site.actions_of(release).count("roll back") == 1
    site.change_target(refuses="")


def test_what_can_go_neither_way_needs_attention_keeps_the_last_good_weights_and_ends_well(site: Site) -> None:
    release, _, champion = site.promote()
    assert site.run("set_weights:before") == -signal.SIGKILL
    site.change_target(refuses="every")
    for _ in range(20):
        if site.store.get(release).state is State.NEEDS_ATTENTION:
            break
        assert site.run() == 0
    assert site.store.get(release).state is State.NEEDS_ATTENTION
    assert site.weights() == {champion: 100.0}
    assert "give up" in site.actions_of(release)

    site.change_target(refuses="")
    assert site.run("set_weights:after") == -signal.SIGKILL
    assert site.run() == 0
    stored = site.store.get(release)
    assert (stored.state, stored.sync, site.weights()) == (State.ROLLED_BACK, Sync.SYNCED, {champion: 100.0})
