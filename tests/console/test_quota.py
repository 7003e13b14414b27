"""The Quota page: who, how much, until when; with data, empty, and with a source that is away."""

from datetime import UTC, datetime, timedelta

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import DAY, TimeWindow
from tests.console.conftest import Console
from tests.quota_fixtures import busy

POOL = '\n[[pools]]\nname = "gpu-a100"\nresource = "gpu"\nlimit = 64\nmodel = "A100"\n'


def fill(console: Console, *, days: int = 8):
    now = datetime.now(UTC)
    console.services.quota.write(busy(now, days=days))
    console.services.measurements.save([Measurement(
        name="pool_used_pct", pipeline=Pipeline.QUOTA, subject="gpu-a100", window=TimeWindow.last(DAY, now=now), at=now,
        verdict=Verdict.WARN, reason="gpu-a100 has 58 GPUs of 64 GPUs in use (91%)", value=91.0)])


def with_pool(tmp_path, monkeypatch) -> Console:
    from tests.console.conftest import SETTINGS

    return Console(tmp_path, monkeypatch, SETTINGS + POOL)


def test_the_first_screen_says_who_and_how_much(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    fill(console)
    page = console.open("quota", pool="gpu-a100")
    words = console.words(page)
    assert not page.exception
    assert "▲ warn" in words
    assert "gpu-a100 has 58 GPUs of 64 GPUs in use (91%)" in words
    assert "ranking-training" in words
    assert "unattributed" in words
    assert "unallocated" in words
    assert "Origin of the samples: simulated" in words


def test_a_pool_whose_samples_ended_is_said_to_be_old_and_not_never_collected(tmp_path, monkeypatch):
    console = with_pool(tmp_path, monkeypatch)
    now = datetime.now(UTC)
    console.services.quota.write(busy(now - timedelta(hours=2), days=2))
    console.services.measurements.save([Measurement(
        name="pool_used_pct", pipeline=Pipeline.QUOTA, subject="gpu-a100", window=TimeWindow.last(DAY, now=now), at=now,
        verdict=Verdict.INCONCLUSIVE, why=Why.LATE, reason="no sample of gpu-a100 in the last 15 min")])
    words = console.words(console.open("quota", pool="gpu-a100"))
    assert "too old to stand for now" in words
    assert "gpu-a100 has no sample of the last 15 min" in words
    assert "never collected" not in words
    assert "gpu-a100 used" in words, "its history is still there"


def test_a_declared_pool_that_was_never_sampled_is_unsure_and_says_what_to_run(console):
    page = console.open("quota")
    assert "◌ unsure" in console.words(page)
    assert "interlock monitor --once" in console.words(page)
    assert not page.exception


def test_without_a_declared_pool_the_page_says_what_to_declare(tmp_path, monkeypatch):
    from tests.console.conftest import SETTINGS

    start, end = SETTINGS.index("[[pools]]"), SETTINGS.index("[on_call]")
    console = Console(tmp_path, monkeypatch, SETTINGS[:start] + SETTINGS[end:])
    assert "add [[pools]]" in console.words(console.open("quota"))
