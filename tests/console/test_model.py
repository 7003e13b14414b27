"""The page of one model: every signal in one list, one time axis, and what was changed meanwhile."""

from datetime import datetime, timedelta

import pytest

from console import session
from console.charts import model as charts
from console.charts.theme import DARK, LIGHT
from console.queries.changes import folded
from services.alerts.ports import Change
from services.core.measurement import Verdict
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.quality.coverage import Coverage
from services.quality.day import ScoreDay
from tests.console.conftest import Console
from tests.console.test_signal_pages import MODEL, NOW, measured, traffic
from tests.unit.quality.test_scores import counted, drawn


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "now", lambda: NOW)


def test_a_model_that_was_never_measured_is_unsure_in_every_signal(console: Console):
    shown = console.words(console.open("model", model=MODEL))
    assert "10 unsure" in shown
    assert "never measured" in shown
    assert "fine" not in shown
    assert "No prediction in this time range." in shown


@pytest.fixture
def known(console: Console) -> Console:
    """A model with traffic, a week of labels, two failing signals and an audited change."""
    traffic(console)
    console.services.scores.replace_days(MODEL, [], [
        ScoreDay(model=MODEL, environment="production", version="3", variant="champion", slice="",
                 day=floor_to(NOW, DAY) - back * DAY, scores=counted(*drawn(back, 200)),
                 coverage=Coverage(rows=210, labelled=200, absent={"cancelled": 10})) for back in range(8)])
    console.services.measurements.save([
        measured("outage", Verdict.PASS, "delivers: last prediction 2 min ago"),
        measured("error_share", Verdict.FAIL, "35 of 900 requests failed"),
        measured("latency_p95_ms", Verdict.PASS, "as fast as usual", detail={"history_p95": 12.0}),
        measured("quality", Verdict.FAIL, "worse: auc 0.61", unit="auc", value=0.61, detail={
            "baseline": 0.74, "against": "its validation score"}),
        measured("estimated_quality", Verdict.PASS, "auc is estimated at 0.72", detail={"days": [
            {"day": (floor_to(NOW, DAY) - DAY).isoformat(), "estimated": 0.72, "realised": None, "n": 200}]})])
    return console


def test_the_page_gathers_every_signal_worst_first(known: Console):
    page = known.open("model", model=MODEL, window="7d")
    shown = known.words(page)
    assert not page.exception
    assert "2 failing" in shown
    assert shown.index("35 of 900 requests failed") < shown.index("delivers: last prediction 2 min ago")
    assert shown.index("worse: auc 0.61") < shown.index("as fast as usual")


def test_every_panel_ends_where_the_others_end(known: Console):
    page = known.open("model", model=MODEL, window="7d")
    drawn_charts = [node.proto.spec for node in page.get("vega_lite_chart")]
    assert len(drawn_charts) == 4, "volume, latency, quality and labels have rows here; drift and faults say why not"
    ends = {spec.split('"domain": [', 1)[1].split("]", 1)[0] for spec in drawn_charts if '"domain": [1' in spec}
    assert len(ends) == 1
    shown = known.words(page)
    assert "Nothing to compare: no baseline, or no closed step." in shown


def frame(colours=LIGHT) -> charts.Frame:
    marks = charts.marks_of([(NOW - DAY, "version 3 took 100% of production")], NOW - 7 * DAY, NOW)
    return charts.Frame(start=NOW - 7 * DAY, end=NOW, marks=marks, colours=colours,
                        spans=[{"start": NOW - HOUR, "end": NOW, "title": "it failed"}])


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_each_panel_carries_the_markers_of_changes_and_the_spans_of_incidents(colours):
    rows = [{"at": NOW - k * DAY, "rows": 5, "failed": 1, "expected": 6.0, "ms": 4.0, "value": 0.5, "column": "a",
             "moved": 1, "kind": "realised", "low": 0.4, "high": 0.6} for k in range(3)]
    made = [charts.volume(rows, frame(colours)), charts.latency(rows, 5.0, frame(colours)),
            charts.latency(rows, None, frame(colours)), charts.moved(rows, frame(colours)),
            charts.faults(rows, frame(colours)), charts.quality(rows, 0.7, "before", frame(colours)),
            charts.quality(rows, None, "", frame(colours)), charts.labels(rows, 0.6, frame(colours))]
    for chart in made:
        text = str(chart.to_dict())
        assert "version 3 took 100% of production" in text
        assert "it failed" in text


def test_changes_near_to_one_another_share_a_marker_with_all_their_words():
    at = [NOW - 40 * DAY, NOW - 39.5 * DAY, NOW - 3 * DAY]
    found = charts.marks_of([(t, f"change {i}") for i, t in enumerate(at)], NOW - 40 * DAY, NOW)
    assert [(m["at"], m["what"]) for m in found] == [(at[0], "change 0; change 1"), (at[2], "change 2")]


def change(at: datetime, kind: str, text: str) -> Change:
    return Change(at=at, kind=kind, text=text)


def test_many_registrations_at_once_are_told_as_one_and_other_changes_stay():
    minute = timedelta(minutes=1)
    found = folded([change(NOW, "registered", "version 1"), change(NOW + minute, "registered", "version 2"),
                    change(NOW + 2 * minute, "traffic", "took 100%"),
                    change(NOW + 9 * HOUR, "registered", "version 3")])
    assert [c.text for c in found] == ["2 versions were registered, the last: version 2", "took 100%", "version 3"]


def test_what_was_changed_is_listed_beside_the_panels(known: Console, monkeypatch: pytest.MonkeyPatch):
    class Changes:
        """The port with two changes, of which one is of another environment."""

        def changes(self, subject: str, window: TimeWindow) -> list[Change]:
            assert (subject, window.end) == (MODEL, window.end)
            return [change(NOW - DAY, "traffic", "version 3 took 100% of production"),
                    change(NOW - DAY, "traffic", "version 9 took 5% of staging"),
                    change(NOW - HOUR, "run", "a run of flight-delay-refresh ended")]

    from dataclasses import replace

    from console.queries import model as queries

    services = replace(known.services, changes=Changes())
    monkeypatch.setattr(queries.session, "services", lambda: services)
    shown = known.words(known.open("model", model=MODEL, window="7d"))
    assert "1 change (dotted lines)" in shown
    assert "version 3 took 100% of production" in shown
    assert "of staging" not in shown
