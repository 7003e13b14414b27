"""Serving, Data, Quality and Validation: empty, with data, and with clicks that are refused or done."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from console import session
from console.identity import persona
from services.adapters.registry_table import RegisteredVersion
from services.adapters.run_mirror import RunMirror
from services.checks.schema import ColumnSchema, Schema
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.quality.coverage import Coverage
from services.quality.day import ScoreDay
from services.serving.latency import Latency, bin_of
from services.serving.traffic import Traffic
from services.training.run import DataInput
from services.validation.gate import Gate, Report, not_run
from tests.console.conftest import Console
from tests.training_fixtures import a_raw
from tests.unit.quality.test_scores import counted, drawn

MODEL = "flight-delay"
NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "now", lambda: NOW)


def measured(name: str, verdict: Verdict, reason: str, **more: object) -> Measurement:
    return Measurement(**{"name": name, "pipeline": Pipeline.SERVING, "subject": MODEL, "environment": "production",
                          "version": "3", "window": TimeWindow(NOW - DAY, NOW), "at": NOW, "verdict": verdict,
                          "reason": reason, **more})  # type: ignore[arg-type]


def traffic(console: Console, *, silent: range = range(0)) -> None:
    counts = {bin_of(12.0): 30, bin_of(40.0): 5}
    hours = [Traffic(model=MODEL, environment="production", version="3", variant="champion", hour=floor_to(NOW, HOUR)
                     - k * HOUR, rows=36, failed=1, errors={"TimeoutError": 1}, last=NOW, latency=Latency.of(counts))
             for k in range(24 * 9) if k not in silent]
    console.services.traffic.replace_hours(MODEL, [], hours)


@pytest.mark.parametrize(("page", "words"), [
    ("serving", "Nothing was measured of flight-delay"), ("data", "No check of flight-delay was made"),
    ("quality", "No quality of flight-delay was measured"), ("validation", "No test set of flight-delay was compared"),
])
def test_an_empty_home_says_what_to_do(console: Console, page: str, words: str):
    shown = console.words(console.open(page, model=MODEL))
    assert words in shown
    assert "interlock monitor --once" in shown or "interlock validate" in shown


def test_serving_shows_verdicts_latency_volume_and_errors(console: Console):
    traffic(console)
    console.services.measurements.save([
        measured("outage", Verdict.PASS, "delivers: last prediction 2 min ago"),
        measured("latency_p95_ms", Verdict.FAIL, "slow: p95 40 ms against 12 ms usual",
                 detail={"history_p95": 12.0}, value=40.0)])
    page = console.open("serving", model=MODEL, window="24h")
    shown = console.words(page)
    assert not page.exception
    assert "slow: p95 40 ms against 12 ms usual" in shown
    assert "TimeoutError" in shown


def test_hours_without_a_request_are_a_gap_in_the_latency_and_no_slope(console: Console):
    traffic(console, silent=range(4, 8))
    page = console.open("serving", model=MODEL, window="24h")
    spec = json.loads(page.get("vega_lite_chart")[0].proto.spec)
    rows = [row for layer in spec["layer"] for row in layer["data"].get("values", []) if row.get("quantile") == "p95"]
    assert sum(row["ms"] is None for row in rows) == 4
    assert len(rows) == 24
    assert all("interpolate" not in layer["mark"] for layer in spec["layer"] if layer.get("mark", {}).get("point"))


def test_serving_shows_failed_requests_with_their_trace_escaped(console: Console):
    traffic(console)
    console.services.measurements.save([measured("error_share", Verdict.FAIL, "9 of 90 requests failed")])
    console.services.samples.save(MODEL, "production", "error_share", "", TimeWindow(NOW - DAY, NOW), [
        {"request_id": "r-9", "ts": "2026-03-04 14:30:00+00", "version": "3", "variant": "champion", "of": 9,
         "error_type": "MODEL_ERROR", "features": {"carrier": "<b>XX</b>"},
         "error": "the model raised ValueError: <b>thirteen</b>\n  File model.py, line 13"}], now=NOW)
    page = console.open("serving", model=MODEL)
    assert not page.exception
    shown = console.words(page)
    [label] = [re.sub(r"\\(.)", r"\1", e.label) for e in page.expander if "MODEL" in e.label]
    assert label.startswith("MODEL_ERROR of v3, ")
    assert label.endswith(": the model raised ValueError: <b>thirteen</b>")
    assert "request r-9 as champion, one of 9 of its class" in shown
    assert [block.value for block in page.code if "line 13" in block.value]
    bodies = [node.proto.body for node in page.main if getattr(node, "type", "") == "html"]
    assert not any("<b>XX</b>" in body or "<b>thirteen" in body for body in bodies)


def test_quality_shows_metrics_estimate_labels_and_slices(console: Console):
    def day(back: int) -> ScoreDay:
        return ScoreDay(model=MODEL, environment="production", version="3", variant="champion", slice="",
                        day=floor_to(NOW, DAY) - back * DAY, scores=counted(*drawn(back, 200)),
                        coverage=Coverage(rows=210, labelled=200, absent={"cancelled": 10}))

    console.services.scores.replace_days(MODEL, [], [day(k) for k in range(12)])
    metrics = {"auc": {"value": 0.71, "low": 0.69, "high": 0.73, "n": 1400}}
    console.services.measurements.save([
        measured("quality", Verdict.WARN, "perhaps worse: auc 0.71", unit="auc", value=0.71, detail={
            "metrics": metrics, "before": {}, "validation": {"auc": 0.74}, "baseline": 0.74,
            "against": "its validation score", "calibration": [{"predicted": 0.2, "observed": 0.3, "n": 90.0}]}),
        measured("quality", Verdict.INCONCLUSIVE, "14 labelled answers; 200 are needed", slice="origin=JFK",
                 unit="auc"),
        measured("estimated_quality", Verdict.PASS, "auc is estimated at 0.72", detail={"error": 0.012, "days": [
            {"day": "2026-03-03T00:00:00+00:00", "estimated": 0.72, "realised": None, "n": 200}]}),
        measured("label_coverage", Verdict.PASS, "100% of 1,400 labels are here; 70 will never come (70 cancelled)")])
    page = console.open("quality", model=MODEL)
    shown = console.words(page)
    assert not page.exception
    for words in ("perhaps worse: auc 0.71", "the estimate was off by 0.012", "70 will never come", "origin=JFK"):
        assert words in shown


def faulty_carrier(console: Console) -> None:
    """A schema, a value that it does not expect, and rows that have it."""
    console.services.schemas.propose(Schema(model=MODEL, version="3", revision=1, columns={
        "carrier": ColumnSchema(name="carrier", kind="categorical", categories=("AA", "DL")),
        "dep_hour": ColumnSchema(name="dep_hour", kind="numeric", low=0.0, high=23.0, missing=0.0123)}), now=NOW)
    console.services.measurements.save([
        measured("unseen_rate", Verdict.FAIL, "carrier: 40 of 900 rows unseen", column="carrier", value=0.044,
                 unit="share", n=900),
        measured("volume", Verdict.PASS, "900 rows in 1 d, 880 usual")])
    console.services.samples.save(MODEL, "production", "unseen_rate", "carrier", TimeWindow(NOW - DAY, NOW), [
        {"values": [{"value": "<b>XX</b>", "rows": 40}], "rows": [{"request_id": "r-1", "carrier": "<b>XX</b>"}]}],
        now=NOW)


@pytest.fixture
def faulty(console: Console) -> Console:
    faulty_carrier(console)
    return console


def test_data_shows_failing_rows_escaped(faulty: Console):
    page = faulty.open("data", model=MODEL, check="unseen_rate", feature="carrier")
    assert not page.exception
    shown = faulty.words(page)
    assert "40 of 900 rows unseen" in shown
    assert "r-1" in shown
    assert "1 fine" in [e.label for e in page.expander], "what is fine is folded away"
    bodies = [node.proto.body for node in page.main if getattr(node, "type", "") == "html"]
    assert not any("<b>XX</b>" in body for body in bodies)


def test_data_lists_what_trainings_read_and_says_what_moved_and_what_is_not_measured(console: Console):
    same = {"digest": "c2c7abfc", "context": "training", "rows": 9_000}
    fares = DataInput(name="<b>fares</b>", source="local", uri="/data/fares.parquet", **same)
    far = DataInput(name="far", source="s3", uri="s3://b/k", **same)
    RunMirror(console.services.db).mirror([a_raw("r2", start=NOW - HOUR, inputs=(fares, far)),
                                           a_raw("r1", start=NOW - DAY, inputs=(fares,))], now=NOW)
    versions = [RegisteredVersion(model=MODEL, version=v, run_id=f"r{v}", created_at=NOW, status="", source="")
                for v in ("1", "2")]
    console.services.registry.replace(versions, {}, now=NOW)
    subject = f"{MODEL}-input-<b>fares</b>"
    console.services.measurements.save([measured("skew", Verdict.FAIL, "wind_speed moved: by much", subject=subject,
                                                 environment="", pipeline=Pipeline.DATA, column="wind_speed")])
    page = console.open("data", model=MODEL)
    assert not page.exception
    shown = console.words(page)
    assert "wind_speed moved: by much" in shown
    assert "no: its source is s3" in shown
    assert "c2c7abfc 9,000 training /data/fares.parquet v1 yes" in shown, "version 2 read what version 1 had read"
    assert not any("<b>fares" in node.proto.body for node in page.main if getattr(node, "type", "") == "html")


def test_an_author_accepts_a_value_and_a_viewer_cannot(faulty: Console):
    seen = faulty.open("data", persona="viewer", model=MODEL, check="unseen_rate", feature="carrier")
    assert faulty.button(seen, "Accept this value").disabled
    page = faulty.open("data", persona="author", model=MODEL, check="unseen_rate", feature="carrier")
    next(area for area in page.text_area).set_value("new carrier since March")
    faulty.button(page, "Accept this value").click().run()
    assert not page.exception
    schema = faulty.services.schemas.latest(MODEL, "3")
    assert schema is not None
    assert schema.columns["carrier"].accepted == ("<b>XX</b>",)
    assert faulty.services.schemas.history(MODEL, "3")[0]["reason"] == "new carrier since March"


def saved(faulty: Console, column: str, change: Callable[[AppTest], object]) -> tuple[ColumnSchema, str]:
    """Change one column as an author does; return what is expected of it then, and what the page says."""
    page = faulty.open("data", persona="author", model=MODEL, edit=column)
    change(page)
    next(a for a in page.text_area if a.key == f"reason:schema-{MODEL}-3").set_value("agreed with the airline")
    faulty.button(page, "Save schema").click().run()
    assert not page.exception
    schema = faulty.services.schemas.latest(MODEL, "3")
    assert schema is not None
    return schema.columns[column], faulty.words(page)


def test_an_author_edits_a_range_and_every_revision_is_listed(faulty: Console):
    def wider(page: AppTest) -> None:
        next(n for n in page.number_input if n.label == "Greatest").set_value(24.0)

    column, shown = saved(faulty, "dep_hour", wider)
    assert (column.low, column.high, column.missing) == (0.0, 24.0, 0.0123)
    for words in ("Schema revision 2: dep_hour: range 0 to 23 → 0 to 24", "agreed with the airline", "demo:author"):
        assert words in shown


def test_an_author_edits_categories_and_a_viewer_finds_no_form(faulty: Console):
    def fewer(page: AppTest) -> None:
        next(a for a in page.text_area if a.label.startswith("Values")).set_value("AA\n<i>YY</i>\n")

    column, shown = saved(faulty, "carrier", fewer)
    assert column.categories == ("AA", "<i>YY</i>")
    assert "carrier: categories and <i>YY</i>, categories without DL" in shown
    seen = faulty.open("data", persona="viewer", model=MODEL, edit="carrier")
    assert [b.label for b in seen.button if b.label == "Save schema"] == []


def test_a_form_of_an_older_revision_is_refused(faulty: Console):
    page = faulty.open("data", persona="author", model=MODEL, edit="rows of a day")
    next(n for n in page.number_input if n.label == "Least rows a day").set_value(50)
    next(a for a in page.text_area if a.key == f"reason:schema-{MODEL}-3").set_value("quiet days")
    faulty.services.schemas.accept(MODEL, "3", "carrier", "ZZ", actor=persona("author"), reason="quicker", op_id="q",
                                   now=NOW)
    faulty.button(page, "Save schema").click().run()
    schema = faulty.services.schemas.latest(MODEL, "3")
    assert schema is not None
    assert (schema.revision, schema.rows_least) == (2, None)
    assert "is at revision 2 by now and revision 1 was shown" in faulty.words(page)


def test_repeated_requests_are_shown_with_their_answers(faulty: Console):
    faulty.services.measurements.save([measured("duplicate_keys", Verdict.FAIL, "repeated request ids: 9 of 90 rows")])
    faulty.services.samples.save(MODEL, "production", "duplicate_keys", "", TimeWindow(NOW - DAY, NOW), [
        {"values": [{"value": "r-7", "rows": 10}], "rows": [{"request_id": "r-7", "prediction": "0.25"}]}], now=NOW)
    shown = faulty.words(faulty.open("data", persona="author", model=MODEL, check="duplicate_keys"))
    assert "duplicate keys of the requests" in shown
    assert "r-7 10" in shown
    assert "0.25" in shown


def report(*gates: Gate, version: str = "4", champion: str = "3") -> Report:
    return Report(model=MODEL, version=version, champion=champion, artefact="a" * 64, at=NOW, gates=gates)


LOADS = Gate(name="loads", verdict=Verdict.PASS, reason="loaded in 1.0 s", required=True)


@pytest.fixture
def registered(console: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    """Versions 3, the champion, to 5, of which somebody validated 4."""
    from console.queries import signals as queries

    monkeypatch.setattr(queries, "versions", lambda _model: ["5", "4", "3"])
    monkeypatch.setattr(queries, "champion", lambda _model: "3")
    return console


def test_validation_tells_failed_from_not_run(registered: Console):
    registered.services.gates.save(report(
        LOADS, Gate(name="quality against champion", verdict=Verdict.FAIL, reason="auc 0.6 against 0.7"),
        not_run("test set against live", "the monitor has not compared it yet")))
    page = registered.open("validation", persona="author", model=MODEL)
    shown = registered.words(page)
    assert not page.exception
    assert "v4 may not go on: quality against champion (auc 0.6 against 0.7)" in shown
    assert "1 pass, 0 warn, 1 fail, 1 not run" in shown
    assert "Propose it for release" not in shown


def test_validation_asks_for_a_run_without_a_reason_and_the_monitor_gets_it(registered: Console):
    page = registered.open("validation", persona="author", model=MODEL, version="5")
    assert "Version 5 of flight-delay was never validated" in registered.words(page)
    assert [area.label for area in page.text_area] == []
    registered.button(page, "Validate").click().run()
    assert not page.exception
    assert "in a process of its own" in registered.words(page)
    assert [job.args["version"] for job in registered.services.jobs.recent(kind="validate")] == ["5"]


def test_who_may_not_run_jobs_sees_the_answer_and_no_button(registered: Console):
    registered.services.gates.save(report(LOADS))
    page = registered.open("validation", persona="viewer", model=MODEL)
    assert "v4 may go on: every gate that was run passed" in registered.words(page)
    assert [b.label for b in page.button if b.label == "Validate"] == []


def test_a_version_that_may_go_on_leads_to_its_proposal(registered: Console):
    registered.services.gates.save(report(LOADS))
    assert "Propose it for release" in registered.words(registered.open("validation", persona="author", model=MODEL))


def test_a_validation_beside_an_older_champion_says_so(registered: Console):
    registered.services.gates.save(report(LOADS, champion="2"))
    shown = registered.words(registered.open("validation", model=MODEL))
    assert "The champion is v3 by now: validate again before anybody signs." in shown


def test_the_charts_of_the_signals_are_drawn_from_rows():
    from console.charts import signals as charts
    from console.charts.theme import LIGHT

    at = [NOW - k * HOUR for k in range(3)]
    made: list[Callable[[], object]] = [
        lambda: charts.latency([{"at": t, "quantile": "p95", "ms": 4.0} for t in at], None, LIGHT),
        lambda: charts.latency([{"at": at[0], "quantile": "p95", "ms": None}], 5.0, LIGHT),
        lambda: charts.volume([{"at": t, "end": t + HOUR, "rows": 3, "failed": 0, "expected": None} for t in at],
                              LIGHT),
        lambda: charts.quality([{"at": at[0], "kind": "realised", "value": 0.7, "low": 0.6, "high": 0.8}], None, "",
                               "auc", LIGHT),
        lambda: charts.coverage([{"at": at[0], "end": at[0] + HOUR, "state": "labelled", "n": 3}], LIGHT),
        lambda: charts.calibration([{"predicted": 0.2, "observed": 0.3, "n": 4.0}], LIGHT),
    ]
    for chart in made:
        assert chart().to_dict()["$schema"]  # type: ignore[attr-defined]


def test_the_week_before_is_laid_over_by_one_click_and_the_address_says_so(console: Console) -> None:
    console.services.measurements.save([measured("latency_p95_ms", Verdict.PASS, "p95 is 40 ms, usual 40 ms")])
    traffic(console)
    opened = console.open("serving", model=MODEL)
    assert "a week before" not in console.words(opened)
    opened.toggle(key="pick:compare").set_value(True).run()
    assert opened.query_params["compare"] == "week"
    words = console.words(opened)
    assert re.search(r"p95 was [34]\d(\.\d)? ms a week before", words)
    # 24 hours of 36 answers each.
    assert "864 in the same hours a week before, 864 now" in words
    specs = [chart.proto.spec for chart in opened.get("vega_lite_chart")]
    assert sum("a week before" in spec for spec in specs) == 2
    opened.toggle(key="pick:compare").set_value(False).run()
    assert "compare" not in opened.query_params
