"""The whole loop in a browser, in staging, on replayed flights.

A bad candidate is proposed, signed, and taken back by the judge; a good one passes its canary, is promoted, and is
rolled back by hand to the version of two releases before.
"""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from console.identity import persona
from services import bootstrap
from services.core.window import TimeWindow
from services.demo.faults import BAD_CANDIDATE
from services.releases import actions
from services.releases.plan import Plan
from services.releases.release import TERMINAL, Release, State
from services.settings import Settings
from tests.browser.conftest import serve, stop
from tests.demo_fixtures import DemoHome, clean_environment, demo_copy, demo_home  # noqa: F401 -- fixtures
from tests.ports import free_port
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.demo, pytest.mark.timeout(1_800)]

MODEL, PLACE = "flight-delay", "staging"
OLDEST, CHAMPION, GOOD, BAD = "1", "2", "3", "5"  # 4 is the Keras candidate
PATIENCE = 600.0  # a version is loaded, and hundreds of flights are replayed
REASON = "Reason, kept in the audit log"
PLAN = """\
name: quick
steps:
- {weight_pct: 50, min_requests: 50, min_time_s: 1}
- {weight_pct: 75, min_requests: 100, min_time_s: 1}
soak_s: 1
"""
PEOPLE = {"demo:author", "demo:approver-1", "demo:approver-2", "demo:on-call"}


@dataclass
class Site:
    """A demo that serves: its settings, its pages, its gateway."""

    settings: Settings
    base: str
    gateway: str

    @cached_property
    def services(self) -> bootstrap.Services:
        return bootstrap.build(self.settings)

    def newest(self) -> Release:
        return self.services.releases.newest(model=MODEL, environment=PLACE)[0]

    def reach(self, release: str, *states: State) -> Release:
        """Wait until the monitor has brought a release to one of these states."""
        def there() -> Release | None:
            found = self.services.releases.get(release)
            assert found.state in states or found.state not in TERMINAL, f"{release} is {found.state}: {found.note}"
            return found if found.state in states else None

        return until(there, within=PATIENCE, what=f"{release} {' or '.join(states)}")

    def said(self, release: str) -> list[tuple[str, str]]:
        """Return who did what to a release, oldest first."""
        return [(entry.actor, entry.action) for entry in self.services.audit.of(f"release:{release}")]

    def shares(self, release: str, version: str) -> set[float]:
        """Return the shares of traffic that were read back for a version while a release was under way."""
        begun = self.services.releases.get(release).created_at
        served = self.services.served.during(TimeWindow(begun, datetime.now(UTC)), model=MODEL, environment=PLACE)
        return {s.weights.get(version, 0.0) for s in served}

    def answering(self) -> str:
        """Return the version that answers a request now; empty while none does."""
        try:
            answer = httpx.post(f"{self.gateway}/{PLACE}/{MODEL}/invocations", timeout=60,
                                json={"dataframe_records": [self.flight]})
        except httpx.HTTPError:
            return ""
        return str(answer.headers["x-model-version"]) if answer.status_code == 200 else ""

    @cached_property
    def flight(self) -> dict[str, Any]:
        """The newest logged flight, as a request."""
        import duckdb

        features = self.settings.models[MODEL].features
        files = str(self.settings.home_path / "predictions" / MODEL / "date=*" / "*.parquet")
        with duckdb.connect() as connection:
            columns = ", ".join(f'"{name}"' for name in features)
            newest = f"SELECT {columns} FROM read_parquet('{files}') ORDER BY ts DESC LIMIT 1"
            row = connection.execute(newest).fetchone()
        assert row is not None
        return dict(zip(features, row, strict=True))

    def sign(self, release: str) -> None:
        """Have both approvers sign, without a page."""
        for name in ("approver-1", "approver-2"):
            actions.approve(self.services.desk, release, actor=persona(name), reason="read", op_id=f"{name}-{release}",
                            now=datetime.now(UTC))

    def begin_with(self, version: str) -> None:
        """Release a version without a canary, as people did before the story begins."""
        desk = self.services.desk
        plan = Plan(name="direct", soak_s=1)
        done = actions.propose(desk, model=MODEL, version=version, environment=PLACE, plan=plan, op_id="begin",
                               actor=persona("author"), reason="the one before", now=datetime.now(UTC))
        release = str(done["release"])
        self.reach(release, State.AWAITING_START)
        self.sign(release)
        until(lambda: self.services.releases.get(release).sync == "synced" and self.reach(
            release, State.AWAITING_PROMOTE), within=PATIENCE, what="a loaded version")
        actions.promote(desk, release, actor=persona("approver-1"), reason="go", op_id="promote", now=datetime.now(UTC))
        self.reach(release, State.COMPLETED)


@pytest.fixture
def site(demo_copy: DemoHome) -> Iterator[Site]:  # noqa: F811
    with closing(sqlite3.connect(demo_copy.home / "mlflow.db")) as registry, registry:
        # What staging served before anybody released.
        registry.execute("UPDATE registered_model_aliases SET version = ? "
                         "WHERE name = ? AND alias = 'staging_champion'", (OLDEST, MODEL))
    port = free_port()
    environment = clean_environment() | {"INTERLOCK_GATEWAY__PORT": str(port), "INTERLOCK_MONITOR__INTERVAL": "5s",
                                         "INTERLOCK_GATEWAY__TIMEOUT_MS": "30000"}
    cli = [sys.executable, "-m", "console.cli", "--config", str(demo_copy.config)]
    parts = {"inject": [*cli, "demo", "--inject", BAD_CANDIDATE], "gateway": [*cli, "gateway"],
             "monitor": [*cli, "monitor"],
             "replay": [sys.executable, "-m", "services.demo.replay", str(demo_copy.config), "60"]}
    with ExitStack() as ending:
        for name, command in parts.items():
            with (demo_copy.folder / f"{name}.log").open("wb") as out:
                started = subprocess.Popen(command, cwd=demo_copy.folder, env=environment, stdout=out,
                                           stderr=subprocess.STDOUT)
            ending.callback(stop, started)
        console, base = serve(demo_copy.config, demo_copy.folder / "console.log")
        ending.callback(stop, console)
        yield Site(settings=demo_copy.settings, base=base, gateway=f"http://127.0.0.1:{port}")


def press(visitor, path: str, button: str, reason: str, *, plan: str = "") -> None:
    """Open a page, write the reason, press the button, and see that the outcome stays."""
    page = visitor.go(path)
    for label, words in (("Plan, as YAML or JSON", plan), (REASON, reason)):
        if words:
            field = page.get_by_role("textbox", name=label)
            field.fill(words)
            field.press("Control+Enter")
            visitor.settle()
    page.get_by_role("button", name=re.compile(f"^{button}")).click()
    expect(page.get_by_text(re.compile(f"{button}[^,]*, [0-9-]+ [0-9:]+ UTC"))).to_be_visible()


class People:
    """The author and both approvers at their pages."""

    def __init__(self, site: Site, visit) -> None:
        self.site = site
        self.author, *self.approvers = [
            visit(site.base, persona=name) for name in ("author", "approver-1", "approver-2")]

    def propose(self, version: str, reason: str) -> str:
        """Propose a canary with a plan of one's own; return the release's id once it waits for signatures."""
        press(self.author, f"/releases?propose={MODEL}&version={version}&into={PLACE}&plan=own", "Propose", reason,
              plan=PLAN)
        expect(self.author.page.get_by_text("proposed: the monitor runs its gates")).to_be_visible()
        release = self.site.newest().id
        self.site.reach(release, State.AWAITING_START)
        return release

    def sign(self, release: str) -> None:
        """Have both approvers sign for the start, each at their own page; the author cannot."""
        page = self.author.go(f"/releases?release={release}")
        assert page.get_by_role("button", name=re.compile("^Approve")).count() == 0
        for approver in self.approvers:
            press(approver, f"/releases?release={release}", "Approve start", "gates pass, slices looked at")


def test_a_bad_candidate_goes_back_by_itself_and_a_good_one_by_hand_to_two_releases_before(site: Site, visit) -> None:
    site.begin_with(CHAMPION)
    until(lambda: site.services.registry.version(MODEL, BAD), within=PATIENCE, what="the bad candidate in the mirror")
    people = People(site, visit)

    bad = people.propose(BAD, "knows the new timetable")
    people.sign(bad)
    ended = site.reach(bad, State.ROLLED_BACK)
    assert re.search("errors|latency", ended.note), ended.note
    assert ("interlock:judge", "roll back") in site.said(bad)
    assert [actor for actor, _ in site.said(bad) if actor in PEOPLE] == [
        "demo:author", "demo:approver-1", "demo:approver-2"]  # to begin; nobody was needed to end it
    assert 50.0 in site.shares(bad, BAD)
    assert site.answering() == CHAMPION
    page = people.author.go(f"/releases?release={bad}")
    expect(page.get_by_text("The deployment failed: what to do now")).to_be_visible()
    people.author.shot("release-taken-back-by-the-judge")

    good = people.propose(GOOD, "better on last week's flights")
    site.sign(good)
    site.reach(good, State.AWAITING_PROMOTE)
    assert {50.0, 75.0} <= site.shares(good, GOOD)
    press(people.approvers[0], f"/releases?release={good}", "Promote", "the judge says advance")
    until(lambda: site.answering() == GOOD, within=PATIENCE, what="answers from the new version")
    site.reach(good, State.COMPLETED)
    people.approvers[0].go(f"/releases?release={good}")
    people.approvers[0].shot("release-promoted")

    on_call = visit(site.base, persona="on-call")
    press(on_call, f"/releases?release={good}&back={OLDEST}", "Roll back", "late flights are called early")
    until(lambda: site.answering() == OLDEST, within=PATIENCE, what="answers of two releases before")
    site.reach(site.newest().id, State.COMPLETED)
    assert {actor for actor, _ in site.said(good) + site.said(site.newest().id)} >= PEOPLE
    on_call.go(f"/releases?release={site.newest().id}")
    on_call.shot("release-rolled-back")
