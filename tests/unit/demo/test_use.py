"""The made-up history of use is labelled, adds up, stays within the machine and never reaches past now."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest

from services.demo.use import USERS, history
from services.quota.pool import Origin, check

NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
CORES, MEMORY = 4.0, 16.0


@pytest.fixture(scope="module")
def samples():
    return list(history(NOW, days=30, cores=CORES, memory_gib=MEMORY))


def test_every_sample_says_that_it_is_simulated(samples) -> None:
    assert {s.origin for s in samples} == {Origin.SIMULATED}
    assert all(check(s) for s in samples)


def test_the_history_runs_up_to_now_and_not_beyond(samples) -> None:
    newest = max(s.ts for s in samples)
    assert NOW - timedelta(hours=1) < newest <= NOW
    assert min(s.ts for s in samples) > NOW - timedelta(days=30, hours=1)


def test_pipelines_add_up_to_at_most_the_machines_own_meter(samples) -> None:
    moments = defaultdict(list)
    for s in samples:
        moments[s.pool, s.ts].append(s)
    for found in moments.values():
        meter = [s.used for s in found if not s.pipeline]
        assert len(meter) == 1
        assert sum(s.used for s in found if s.pipeline) <= meter[0] + 1e-3


def test_ordinary_hours_stay_within_the_machine(samples) -> None:
    for pool, limit in (("cores", CORES), ("memory", MEMORY)):
        used = sorted(s.used for s in samples if s.pool == pool and not s.pipeline)
        assert used[int(len(used) * 0.95)] < limit


def test_one_experiment_ran_away_three_days_ago(samples) -> None:
    mine = [s for s in samples if s.pipeline == "delay-experiments" and s.pool == "cores" and s.used > 0.3 * CORES]
    assert mine
    assert all(timedelta(days=3) < NOW - s.ts < timedelta(days=3, hours=7) for s in mine)


def test_the_same_seed_draws_the_same_history(samples) -> None:
    assert list(history(NOW, days=30, cores=CORES, memory_gib=MEMORY)) == samples


def test_every_pipeline_of_the_history_is_in_the_settings(tmp_path) -> None:
    from services.demo.configuration import configuration
    from services.settings import load

    text = configuration(port=1, gateway_port=2, today=date(2026, 3, 4))
    (tmp_path / "interlock.toml").write_text(text, encoding="utf-8")
    settings = load(str(tmp_path / "interlock.toml"), environ={})
    declared = {(p.name, p.kind, p.team) for p in settings.pipelines}
    assert {(u.pipeline, u.kind, u.team) for u in USERS} <= declared
