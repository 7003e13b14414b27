from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from services.adapters.house_tables import SourceState
from services.adapters.ops_tables.releases import served
from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow
from tests.console.test_incidents import fail


def measured(subject, verdict, reason, *, minutes=5, name="latency_p95_ms", column="", environment="production",
             pipeline=Pipeline.SERVING, why=Why.NONE):
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    window = TimeWindow(at - timedelta(hours=1), at)
    return Measurement(name=name, pipeline=pipeline, subject=subject, at=at, verdict=verdict, reason=reason, why=why,
                       window=window, environment=environment, column=column, value=1.0)


def test_an_empty_home_says_what_to_run(console):
    page = console.open("now")
    words = console.words(page)
    assert not page.exception
    assert "Nothing was measured yet" in words
    assert "interlock monitor --once" in words
    assert "fine" not in words.replace("define", "")


def test_lines_stand_worst_first(console):
    console.services.measurements.save([
        measured("quiet", Verdict.PASS, "p95 12 ms, limit 250"),
        measured("late-labels", Verdict.INCONCLUSIVE, "labels 31% mature, need 60%", why=Why.LATE),
        measured("flight-delay", Verdict.FAIL, "latency p95 412 ms, limit 250"),
        measured("air-time", Verdict.WARN, "p95 200 ms, limit 250"),
    ])
    words = console.words(console.open("now"))
    order = [words.index(reason) for reason in
             ("latency p95 412 ms", "p95 200 ms", "labels 31% mature", "p95 12 ms")]
    assert order == sorted(order)
    assert "1 failing" in words
    assert "1 warn" in words


def test_unsure_is_never_counted_as_fine(console):
    console.services.measurements.save([
        measured("a", Verdict.INCONCLUSIVE, "3 rows, need 200", why=Why.TOO_FEW),
        measured("b", Verdict.PASS, "p95 12 ms"),
    ])
    words = console.words(console.open("now"))
    assert "1 unsure" in words
    assert "1 fine" in words
    assert "2 fine" not in words


def test_old_data_is_called_stale_in_words(console):
    console.services.measurements.save([measured("a", Verdict.PASS, "p95 12 ms", minutes=90)])
    assert "stale: data as of" in console.words(console.open("now"))


def test_a_store_that_was_never_set_up_is_one_clear_line(console):
    (console.home / "ops.db").unlink()
    page = console.open("now")
    assert not page.exception
    assert "run interlock monitor --once" in console.words(page)


def test_hostile_text_stays_text(console):
    evil = "<img src=x onerror=alert(1)> **bold** [a](http://evil.example)"
    console.services.measurements.save([measured(evil, Verdict.FAIL, evil)])
    page = console.open("now")
    assert evil in console.words(page)
    assert all("<img" not in element.proto.body for element in page.get("html"))


def test_nobody_signed_in_sees_personas_and_no_page(console):
    console.services.measurements.save([measured("flight-delay", Verdict.FAIL, "latency p95 412 ms")])
    words = console.words(console.open("now", persona=""))
    assert "Who are you?" in words
    assert "latency p95" not in words


def passed(console, minutes):
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    console.services.sources.save(SourceState(name="step:alerts", as_of=at, tried_at=at, ok=True, took_s=0.1,
                                              message="0 open"))


def test_a_monitor_that_stopped_leaves_nothing_fine(console):
    console.services.measurements.save([measured("flight-delay", Verdict.PASS, "p95 12 ms, limit 250", minutes=20)])
    passed(console, 20)
    words = console.words(console.open("now"))
    assert "monitor error monitor page · monitor the monitor made its last pass 20 min ago" in words
    assert "start interlock monitor" in words
    assert "1 unsure" in words
    assert "1 fine" not in words
    assert "was fine when it was last measured" in words


def test_a_monitor_that_stopped_stands_among_the_incidents_though_nobody_could_open_one(console):
    console.services.measurements.save([measured("flight-delay", Verdict.PASS, "p95 12 ms, limit 250", minutes=20)])
    passed(console, 20)
    words = console.words(console.open("incidents"))
    assert "monitor error monitor page · monitor the monitor made its last pass 20 min ago" in words
    assert "No incident is open" not in words


def test_a_monitor_at_work_is_not_mentioned(console):
    console.services.measurements.save([measured("flight-delay", Verdict.PASS, "p95 12 ms, limit 250", minutes=1)])
    passed(console, 1)
    words = console.words(console.open("now"))
    assert "last pass" not in words
    assert "1 fine" in words


def test_an_incident_stands_above_what_has_none_with_what_came_before_it(console):
    with console.services.db.write() as connection:
        connection.execute(insert(served).values(
            model="flight-delay", environment="production", at=datetime.now(UTC) - timedelta(minutes=36),
            weights={"12": 25.0}, generation=1, release_id="r-0001"))
    fail(console)
    console.services.measurements.save([measured("air-time", Verdict.WARN, "p95 200 ms, limit 250")])
    words = console.words(console.open("now", persona="on-call"))
    assert "flight-delay page · serving · production p95 is 412 ms, limit 250" in words
    assert "after version 12 took 25% of production" in words
    assert words.index("p95 is 412 ms") < words.index("p95 200 ms")
    assert words.count("p95 is 412 ms, limit 250") == 1


def test_acknowledging_on_the_first_page_takes_one_click_and_says_so_there(console):
    fail(console)
    page = console.open("now", persona="on-call")
    console.button(page, "Acknowledge").click().run()
    assert console.services.incidents.get(1)[0].state == "acknowledged"
    words = console.words(page)
    assert "On-call engineer is on it" in words
    assert not [b for b in page.button if b.label == "Acknowledge"]
