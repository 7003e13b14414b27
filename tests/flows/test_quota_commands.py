"""`interlock quota …` answers from a home: text for people, one JSON document for programs, exit codes for scripts."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from console.cli import app
from services import bootstrap
from services.core.window import HOUR, TimeWindow, floor_to
from services.quota.report import last_month
from services.serving.latency import Latency, bin_of
from services.serving.traffic import Traffic
from services.settings import load
from tests.quota_fixtures import busy

SETTINGS = """
[home]
path = "home"

[console]
sign_in = "demo"

[[pools]]
name = "gpu-a100"
resource = "gpu"
limit = 64

[[pools]]
name = "cores"
resource = "cpu"
limit = 4

[[pools]]
name = "gpu-month"
resource = "gpu"
limit = 20000
kind = "budget"
period = "month"

[models.fares]
task = "binary"
log = "log"

[models.quiet]
task = "binary"
log = "log"

[[pipelines]]
name = "ranking-training"
kind = "training"
pool = "gpu-a100"
schedule = "0 2 * * *"
objective = "3h"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quota")
    (folder / "interlock.toml").write_text(SETTINGS)
    services = bootstrap.build(load(str(folder / "interlock.toml")))
    services.db.migrate()
    now = datetime.now(UTC)
    services.quota.write(busy(now, days=66, every=timedelta(hours=4), growth=0.1))
    hour = floor_to(now, HOUR) - 2 * HOUR
    services.traffic.replace_hours("fares", [TimeWindow(hour, hour + HOUR)], [Traffic(
        model="fares", environment="production", version="1", variant="champion", hour=hour, rows=720,
        latency=Latency.of({bin_of(50.0): 720}), busiest_second=20, busiest_minute=60)])
    return folder


@pytest.fixture
def quota(home, monkeypatch):
    monkeypatch.chdir(home)

    def run(*words, persona="manager"):
        return CliRunner().invoke(app, ["--config", "interlock.toml", "--as", persona, "quota", *words])

    return run


def test_usage_says_who_holds_each_pool_and_adds_up_to_its_limit(quota):
    found = {item["pool"]: item for item in json.loads(quota("usage", "--json").stdout)["items"]}
    held = found["gpu-a100"]
    assert sum(h["used"] for h in held["holders"]) == pytest.approx(64)
    assert held["holders"][-1]["pipeline"] == "unallocated"
    assert found["cores"]["used"] is None, "a pool without a sample is not at zero"
    assert "ranking-training" in quota("usage").stdout


def test_a_pool_that_is_not_declared_is_named(quota):
    answer = quota("usage", "--pool", "typo")
    assert answer.exit_code != 0
    assert "no pool typo is declared" in str(answer.exception)


def test_forecast_gives_probabilities_or_the_reason_for_none(quota):
    found = {item["pool"]: item for item in json.loads(quota("forecast", "--json").stdout)["items"]}
    assert 0 <= found["gpu-a100"]["within_7_days"] <= found["gpu-a100"]["within_30_days"] <= 1
    assert found["cores"]["within_30_days"] is None
    assert "a forecast needs 14" in found["cores"]["what"]
    assert "is a budget: its pace over the period" in found["gpu-month"]["what"]


def test_the_backtest_is_printed(quota):
    answer = quota("forecast", "--pool", "gpu-a100", "--backtest", "--origins", "4", "--json")
    (item,) = json.loads(answer.stdout)["items"]
    assert item["origins"] == 4
    assert 0 <= item["hit_rate"] <= 1


def test_checks_exit_by_their_verdict(quota):
    assert quota("fit", "--pool", "gpu-a100").exit_code == 0
    assert quota("fit", "--pool", "cores").exit_code == 3
    assert quota("what-if", "--pool", "gpu-a100", "--lose", "50").exit_code == 1
    assert quota("serving", "--qps", "100", "--service-ms", "50", "--target-ms", "10").exit_code == 1
    assert quota("estimate", "--pool", "gpu-a100").exit_code == 3
    assert quota("errant").exit_code == 3


def test_serving_takes_rate_and_time_from_what_was_measured_of_a_model(quota):
    found = json.loads(quota("serving", "--model", "fares", "--json").stdout)
    assert (found["qps"], found["measured"]["qps"], found["measured"]["peak"]["measured"]) == (20.0, 0.2, True)
    assert found["service_ms"] == pytest.approx(50, rel=0.1)
    assert found["busy"] == 2, "20 requests a second at 50 ms keep one busy, at 70% two"
    said = quota("serving", "--model", "fares", "--qps", "200").stdout
    assert said.startswith("fares: 200 requests/s at ")
    assert "The busiest second had 20 requests, as the log shows." in said


@pytest.mark.parametrize(("words", "said"), [
    (("fit", "--pool", "gpu-month"), "gpu-month is a budget: only its sum over the period counts"),
    (("what-if", "--pool", "gpu-month", "--lose", "1"), "gpu-month is a budget"),
    (("estimate", "--pool", "gpu-month"), "gpu-month is a budget"),
    (("fit",), "name one pool with --pool: gpu-a100, cores"),
    (("fit", "--pool", "typo"), "no pool typo is declared: gpu-a100, cores"),
    (("serving",), "--qps is not known: give it, or --model NAME"),
    (("serving", "--qps", "5"), "--service-ms is not known"),
    (("serving", "--qps", "-5", "--service-ms", "9"), "requests per second = -5 is impossible"),
    (("serving", "--model", "typo"), "no model typo is declared in the settings: choose one of fares, quiet"),
    (("serving", "--model", "quiet"), "nobody asked quiet in production in the last 7 days"),
    (("estimate", "--pool", "cores", "--rows", "-3"), "rows = -3 is impossible"),
    (("estimate", "--pool", "cores", "--kind", "serving"), "serving is no kind of pipeline that runs"),
    (("what-if", "--pool", "cores", "--grow", "serving"), "write PIPELINE=NUMBER"),
    (("what-if", "--pool", "gpu-a100", "--lose", "64"), "nothing is left"),
    (("what-if", "--pool", "gpu-a100", "--lose", "-1"), "the loss cannot be -1"),
    (("what-if", "--pool", "gpu-a100", "--faster", "nan"), "the factor of new hardware cannot be nan"),
    (("what-if", "--pool", "gpu-a100", "--limit", "inf"), "the limit cannot be inf"),
    (("what-if", "--pool", "gpu-a100", "--grow", "serving=-2"), "the growth of serving cannot be -2"),
    (("what-if", "--pool", "gpu-a100", "--add", "new=-8@0 2 * * *@3"), "what new needs cannot be -8"),
    (("what-if", "--pool", "gpu-a100", "--add", "new=8@0 2 * * *@1e99"), "write NAME=UNITS@SCHEDULE@HOURS"),
    (("what-if", "--pool", "gpu-a100", "--add", "=8@0 2 * * *@3"), "it has a name"),
    (("advise", "typo", "--pool", "gpu-a100"), "no finished run of typo held any GPUs of gpu-a100"),
    (("forecast", "--backtest", "--origins", "0"), "--origins"),
    (("report", "--month", "2026-13"), "'2026-13' is not a month"),
    (("report", "--month", "2031-01"), "2031-01 has not begun"),
    (("report", "--format", "doc"), "doc is not a format of reports: choose one of pdf, xlsx, csv, html")])
def test_what_cannot_be_is_refused_in_one_line_that_says_what_is_right(quota, words, said):
    answer = quota(*words)
    assert answer.exit_code != 0
    assert said in f"{answer.exception} {answer.output}"


def test_a_what_if_shows_before_and_after(quota):
    answer = quota("what-if", "--pool", "gpu-a100", "--add", "new=60@0 2 * * *@3", "--json")
    found = json.loads(answer.stdout)
    assert (found["before"]["fits"], found["after"]["fits"]) == (True, False)
    assert found["after"]["first_break"]["parts"]["new"] == 60


def test_a_report_is_written_issued_and_signed(quota, home):
    month = last_month(datetime.now(UTC))
    for form in ("csv", "html"):
        assert quota("report", "--month", month, "--format", form).exit_code == 0
        assert (home / f"quota-{month}.{form}").stat().st_size > 500
    quota("report", "--month", month, "--issue", "--op-id", "once")
    assert "by nobody yet" in quota("report", "--list").stdout
    answer = quota("report", "--month", month, "--issue", "--sign", "Agreed", "--op-id", "once", "--json")
    found = json.loads(answer.stdout)
    assert (found["report"], found["signed"][0]["comment"]) == (1, "Agreed")
    assert "manager" in str(quota("report", "--month", month, "--sign", "Me too", persona="viewer").exception)
    assert [r["report"] for r in json.loads(quota("report", "--list", "--json").stdout)["items"]] == [1]
    assert ": Agreed" in quota("report", "--list").stdout
