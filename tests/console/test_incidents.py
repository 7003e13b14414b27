"""The incident pages: what is wrong, who is on it, and a click that counts once."""

from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.incident_table import rule_body
from services.alerts.defaults import SHIPPED
from services.alerts.incident import State
from services.alerts.notify import Reason
from services.alerts.on_call import Person, rotation
from services.alerts.telling import Letter
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import HOUR, TimeWindow
from services.monitor.steps.alerts import AlertsStep

# One person: whose turn it is among several hangs on the week in which the tests run.
ANN = rotation(people=[Person(name="ann", reach=("json://127.0.0.1:1/ann",))], handover="Mon 09:00", start="2026-01-05",
               shift_days=7, time_zone="UTC")


def fail(console, *, name="latency_p95_ms", reason="p95 is 412 ms, limit 250", at=None):
    """Let a measurement fail long enough to open an incident."""
    services = console.services
    now = at or datetime.now(UTC)
    for moment in (now - timedelta(minutes=30), now):
        services.measurements.save([Measurement(
            name=name, pipeline=Pipeline.SERVING, subject="flight-delay", environment="production",
            window=TimeWindow(moment - HOUR, moment), at=moment, verdict=Verdict.FAIL, reason=reason, value=412.0,
            unit="ms", n=500)])
        AlertsStep(
            measured=services.measurements, incidents=services.incidents, outbox=services.notifications, rules=SHIPPED,
            rotation=lambda _now: ANN, urls=[], link="", repeat=4 * HOUR, escalate=HOUR,
        ).run(now=moment)


def test_with_no_incident_the_page_says_so_and_where_unsure_things_stand(console):
    words = console.words(console.open("incidents"))
    assert "No incident is open" in words
    assert "On call on-call until" in words


def test_an_open_incident_is_listed_with_its_title(console):
    fail(console)
    words = console.words(console.open("incidents"))
    assert "flight-delay page · serving · production p95 is 412 ms, limit 250" in words


def test_one_incident_shows_its_evidence_runbook_and_history(console):
    fail(console)
    words = console.words(console.open("incidents", incident="1"))
    for part in ("p95 is 412 ms, limit 250", "Slow predictions", "Compare p95 by version", "opened"):
        assert part in words


def test_the_on_call_engineer_acknowledges_with_one_click(console):
    fail(console)
    page = console.open("incidents", persona="on-call", incident="1")
    console.button(page, "Acknowledge for 1 h").click().run()
    incident, _ = console.services.incidents.get(1)
    assert (incident.state, incident.acknowledged_by) == (State.ACKNOWLEDGED, "On-call engineer")


def test_marking_it_as_noise_counts_against_its_rule(console):
    fail(console)
    page = console.open("incidents", persona="on-call", incident="1")
    console.button(page, "Was noise").click().run()
    assert console.services.incidents.get(1)[0].useful is False
    words = console.words(console.open("rules", persona="on-call"))
    assert "0 of 1" in words


def test_a_silence_without_a_reason_is_refused_in_place(console):
    fail(console)
    page = console.open("incidents", persona="on-call", incident="1")
    console.button(page, "Silence").click().run()
    assert "write a reason first" in console.words(page)
    assert console.services.incidents.get(1)[0].silenced_until is None


@pytest.mark.parametrize("persona", ["viewer", "author", "manager"])
def test_others_see_the_buttons_disabled(console, persona):
    fail(console)
    page = console.open("incidents", persona=persona, incident="1")
    assert console.button(page, "Acknowledge for 1 h").disabled


def test_an_incident_that_is_not_there_is_a_card_and_no_traceback(console):
    page = console.open("incidents", incident="99")
    assert "there is no incident 99" in console.words(page)
    assert not page.exception


def test_every_runbook_can_be_read(console):
    page = console.open("runbooks", runbook="outage")
    assert "The model has stopped delivering predictions" in console.words(page)
    assert not page.exception


def test_an_admin_saves_a_rule_after_seeing_when_it_would_have_fired(console):
    fail(console)
    page = console.open("rules", persona="admin", rule="latency_p95_ms")
    words = console.words(page)
    assert "would have fired" in words
    page.number_input(key="rule-above:latency_p95_ms").set_value(250.0).run()
    page.text_area(key="reason:rule-latency_p95_ms").set_value("contract says 250 ms").run()
    console.button(page, "Save rule").click().run()
    (rule,) = console.services.incidents.rules()
    assert rule_body(rule)["fail_above"] == 250.0


def test_a_viewer_cannot_save_a_rule(console):
    page = console.open("rules", persona="viewer", rule="skew")
    assert console.button(page, "Save rule").disabled


def test_a_silence_lasts_as_long_as_was_chosen_and_says_why(console):
    fail(console)
    page = console.open("incidents", persona="on-call", incident="1")
    page.selectbox(key="hold:incident-1").set_value("24h").run()
    page.text_area(key="reason:incident-1").set_value("known: the feed's owner is on it").run()
    console.button(page, "Silence").click().run()
    assert "Silenced for 1 d" in console.words(page)
    incident, _ = console.services.incidents.get(1)
    assert incident.silenced_until - datetime.now(UTC) > timedelta(hours=23)
    words = console.words(console.open("incidents", incident="1"))
    assert "silenced" in words
    assert "known: the feed's owner is on it" in words


def test_a_step_of_the_runbook_is_checked_off_on_the_incident_by_whoever_may(console):
    fail(console)
    page = console.open("incidents", persona="on-call", incident="1")
    page.checkbox(key="step:1:0").check().run()
    _, events = console.services.incidents.get(1)
    assert (events[-1].kind, events[-1].by) == ("runbook step done", "demo:on-call")
    assert events[-1].text in console.words(page)
    again = console.open("incidents", persona="on-call", incident="1")
    assert again.checkbox(key="step:1:0").value
    assert again.checkbox(key="step:1:0").disabled


def test_a_viewer_checks_off_nothing(console):
    fail(console)
    page = console.open("incidents", persona="viewer", incident="1")
    assert all(box.disabled for box in page.checkbox if (box.key or "").startswith("step:"))


def test_what_speaks_for_the_incident_stands_first_with_its_runbook(console):
    fail(console, name="drift", reason="temp moved")
    fail(console, name="missing_rate", reason="wind_gust: 41% missing")
    words = console.words(console.open("incidents", incident="1"))
    assert "Behind it: 2 questions wind_gust: 41% missing" in words
    assert "What to do: Values are missing" in words


def test_a_letter_that_was_given_up_is_sent_again_by_hand(console):
    fail(console)
    table = console.services.notifications
    table.queue([Letter(key="k1", incident_id=1, reason=Reason.OPENED, level=0, address="json://x", person="ann",
                        title="t", body="b")], now=datetime.now(UTC))
    table.failed("k1", 0, "JSON refused: 500", permanent=True, now=datetime.now(UTC))
    page = console.open("incidents", persona="on-call", incident="1")
    assert "JSON refused: 500" in console.words(page)
    console.button(page, "Send again to ann").click().run()
    assert {row.key: row.state for row in table.of_incident(1)}["k1"] == "waiting"
    assert [b.label for b in console.open("incidents", persona="viewer", incident="1").button
            if b.label.startswith("Send again")] == []
