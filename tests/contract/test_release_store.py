"""The releases' store on every database: compare-and-set, one holder per place, many clicks at once."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from services.adapters.ops_db import OpsDb
from services.adapters.ops_tables.house import audit
from services.releases import actions
from services.releases.ports import StaleFence, StaleRelease
from services.releases.release import State
from tests.releases_fixtures import AUTHOR, FIRST, SECOND, House

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(any_db: OpsDb) -> House:
    made = House(any_db)
    made.serving("1")
    return made


def at_once(house: House, clicks: list[tuple[str, str, str, str]]) -> list[dict]:
    """Run one process per click, all released together; return their answers."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.contract.release_racers"], cwd=ROOT, text=True, check=True,
        input=json.dumps({"url": house.db.url, "clicks": clicks}), stdout=subprocess.PIPE, timeout=400)
    return json.loads(done.stdout)


def entries(db: OpsDb, action: str) -> int:
    with db.read() as connection:
        return len(connection.execute(audit.select().where(audit.c.action == action)).all())


def test_what_is_stored_is_read_back_equal(site: House) -> None:
    release = site.approve(site.propose("2"), FIRST)
    assert site.store.get(release.id) == release
    assert site.store.newest(model="flight-delay") == [release]
    assert [a.approver for a in site.store.approvals_of(release.id)] == [FIRST.identity]


def test_who_read_an_older_revision_is_refused(site: House) -> None:
    release = site.propose("2")
    site.approve(release, FIRST)
    with pytest.raises(StaleRelease):
        site.store.system(lambda book: (book.save(replace(release, note="late"), expected=release.revision), []),
                          fence=1)


def test_the_database_itself_refuses_a_second_holder_of_a_place(site: House) -> None:
    first, second = site.propose("2"), site.propose("3")

    def both(book):
        for found in (first, second):
            current = book.get(found.id)
            book.save(replace(current, state=State.BAKING), expected=current.revision)
        return None, []

    with pytest.raises(StaleRelease):
        site.store.system(both, fence=1)
    assert {r.state for r in site.store.newest()} == {State.AWAITING_START}


def test_a_smaller_fence_than_seen_writes_nothing(site: House) -> None:
    site.store.system(lambda _: (None, []), fence=7)
    with pytest.raises(StaleFence):
        site.store.system(lambda _: (None, []), fence=6)
    with pytest.raises(StaleFence):
        site.outbox.due(now=site.now, fence=6)


def test_a_repeated_click_returns_the_first_outcome(site: House) -> None:
    release = site.propose("2")
    ask = {"actor": FIRST, "reason": "go", "op_id": "one-form", "now": site.now}
    first = actions.approve(site.desk, release.id, **ask)
    again = actions.approve(site.desk, release.id, **ask)
    assert (first.pop("already"), again.pop("already")) == (False, True)
    assert first == again
    proposal = {"model": "flight-delay", "version": "4", "environment": "production", "plan": release.plan,
                "actor": AUTHOR, "reason": "x", "op_id": "one-proposal", "now": site.now}
    assert actions.propose(site.desk, **proposal)["release"] == actions.propose(site.desk, **proposal)["release"]


def test_fifty_clicks_of_one_approver_from_fifty_processes_are_one_approval(site: House) -> None:
    release = site.propose("2")
    shared = [("first", release.id, "shared", "approve")] * 25
    own = [("first", release.id, f"own-{n}", "approve") for n in range(25)]

    answers = at_once(site, [click for pair in zip(shared, own, strict=True) for click in pair])

    assert len({json.dumps(a, sort_keys=True) for a in answers}) == 1
    assert answers[0] == {"release": release.id, "stage": "start", "signed": True}
    assert len(site.store.approvals_of(release.id)) == 1
    assert entries(site.db, "approve") == 1


def test_two_approvers_racing_for_the_last_place_of_a_quorum_make_one_transition(site: House) -> None:
    release = site.approve(site.propose("2"), FIRST)
    at_once(site, [(who, release.id, f"op-{who}", "approve") for who in ("second", "third")])

    assert site.store.get(release.id).state is State.SCHEDULED
    assert entries(site.db, "schedule") == 1


def test_two_promotions_at_once_move_traffic_once(site: House) -> None:
    release = site.approve(site.propose("2"), FIRST, SECOND)
    site.approve(release, FIRST, SECOND)
    answers = at_once(site, [(who, release.id, f"op-{who}", "promote") for who in ("first", "second")])

    assert sorted("refused" in answer for answer in answers) == [False, True]
    assert entries(site.db, "promote") == 1
