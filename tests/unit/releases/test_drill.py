"""The daily proof that a rollback would work, and the judge asked again about what is over."""

from datetime import timedelta

import pytest

from services.adapters.measurement_table import MeasurementTable
from services.core.access import Role
from services.core.measurement import Verdict, Why
from services.errors import NotAllowed
from services.monitor.steps.drill import DrillStep
from services.releases import recover
from services.releases.backtest import replay
from services.releases.canary import Block, Counted, Span
from services.releases.drill import NAME, drill
from services.releases.plan import CANARY
from tests.releases_fixtures import AUTHOR, FIRST, MODEL, SECOND, House, person


def step(house: House) -> DrillStep:
    table = MeasurementTable(house.db)
    return DrillStep(places=house.store.places, last=lambda: [m for m, _ in table.newest(name=NAME)],
                     targets=lambda *_: house.target, save=table.save)


def test_the_version_before_is_proved_once_a_day_and_freed_again(house: House) -> None:
    house.released("2")
    drills = step(house)
    assert "version 1 loaded in" in drills.run(now=house.now)
    assert house.target.observe(MODEL, "staging").loaded == {}
    assert drills.run(now=house.now + timedelta(hours=23)) == "no drill is due"
    assert "and answers" in drills.run(now=house.now + timedelta(hours=25))


def test_a_new_champion_makes_a_new_proof_due(house: House) -> None:
    house.released("2")
    drills = step(house)
    drills.run(now=house.now)
    house.released("3")
    assert "version 2" in drills.run(now=house.now)


def test_a_version_that_no_longer_loads_fails_before_it_is_needed(house: House) -> None:
    house.released("2")
    house.target.broken.add("1")
    found = drill(house.place(), lambda *_: house.target, now=house.now)
    assert (found.verdict, "cannot be loaded" in found.reason) == (Verdict.FAIL, True)


def test_a_target_that_is_not_up_proves_nothing_and_is_asked_again(house: House) -> None:
    house.released("2")
    drills = step(house)
    house.target.down = True
    assert "nothing can be drilled until the target of staging answers" in drills.run(now=house.now)
    [(found, _)] = MeasurementTable(house.db).newest(name=NAME)
    assert (found.verdict, found.why) == (Verdict.INCONCLUSIVE, Why.NO_DATA)
    house.target.down = False
    assert "and answers" in drills.run(now=house.now + timedelta(minutes=1))


def test_a_drill_by_hand_is_recorded_and_takes_a_role(house: House) -> None:
    house.released("2")
    found = drill(house.place(), lambda *_: house.target, now=house.now)
    recover.record_drill(house.desk, found, actor=AUTHOR, op_id="drill", now=house.now)
    with pytest.raises(NotAllowed):
        recover.record_drill(house.desk, found, actor=person("m", Role.MANAGER), op_id="other", now=house.now)


def test_the_judge_asked_again_says_where_it_would_have_disagreed(house: House) -> None:
    release = house.approve(house.propose("2", plan=CANARY), FIRST, SECOND)
    house.roll_back()
    house.run()
    fine = [Block(n=9, errors_champion=0, errors_candidate=0, slow_champion=0, slow_candidate=0)] * 400
    bad = [Block(n=9, errors_champion=0, errors_candidate=i % 4 == 0, slow_champion=0, slow_candidate=0)
           for i in range(200)]
    span = Span(start=house.now, end=None, weight_pct=10, n_champion=3600, n_candidate=400)

    def again(blocks):
        counted = Counted(spans=(span,), blocks=tuple(blocks), limit_ms=80.0)
        return replay([house.store.get(release.id)], spans=lambda _: [span], count=lambda *_: counted)[0]

    assert (again(fine).agrees, again(bad).agrees, again([]).agrees) == (False, True, None)
