import json
from datetime import UTC, datetime, timedelta

import streamlit as st

from console.identity import persona
from services import bootstrap
from services.adapters.house_tables import SourceState


def state(name, *, ok, message, minutes=1):
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    return SourceState(name=name, as_of=at if ok else None, tried_at=at, ok=ok, message=message, took_s=0.2)


def test_a_broken_source_stands_first_with_what_to_do(console):
    console.services.sources.save(state("step:alpha", ok=True, message="12 runs read"))
    console.services.sources.save(state("step:runs", ok=False, message="MLflow did not answer: check that it runs"))
    console.services.leases.acquire("monitor", "host-1", length=timedelta(minutes=1), now=datetime.now(UTC))
    words = console.words(console.open("system"))
    assert words.index("check that it runs") < words.index("12 runs read")
    assert "1 of 2 sources cannot be read" in words


def test_a_monitor_that_stopped_is_failing_not_fine(console):
    console.services.sources.save(state("step:runs", ok=True, message="12 runs read", minutes=30))
    console.services.leases.acquire("monitor", "host-1", length=timedelta(seconds=15),
                                    now=datetime.now(UTC) - timedelta(minutes=30))
    words = console.words(console.open("system"))
    assert "■ failing" in words
    assert "No monitor holds the lease since" in words


def test_what_was_read_without_a_monitor_is_no_sign_that_one_runs(console):
    console.services.sources.save(state("step:runs", ok=True, message="12 runs read"))
    words = console.words(console.open("system"))
    assert "■ failing No monitor runs here: what is known is from" in words
    assert "never ran" not in words


def test_the_address_of_mlflow_is_shown_without_user_and_password(console):
    console.file.write_text('[tracking]\nuri = "http://bob:hunter2@mlflow:5000"\n' + console.file.read_text())
    words = console.words(console.open("system"))
    assert "http://…@mlflow:5000" in words
    assert "bob" not in words
    assert "hunter2" not in words


def test_the_demo_says_what_is_real_and_what_is_not(console):
    items = [{"what": "models", "truth": "real", "text": "Trained while seeding"},
             {"what": "latencies", "truth": "simulated", "text": "Drawn"}]
    (console.home / "demo.json").write_text(json.dumps({"items": items}))
    words = console.words(console.open("system"))
    assert "models real Trained while seeding" in words
    assert "latencies simulated Drawn" in words


def test_a_damaged_description_of_the_demo_is_one_card_and_the_rest_stays(console):
    (console.home / "demo.json").write_text("{not json")
    page = console.open("system")
    words = console.words(page)
    assert not page.exception
    assert "what is real in this demo cannot be shown" in words
    assert "Ops store" in words


def test_passwords_of_the_store_are_not_shown(console):
    assert "secret" not in console.words(console.open("system"))


def grant_by_form(console, *, subject, persona="admin", press="Grant", reason="joined the team"):
    page = console.open("system", persona=persona)
    page.text_input(key="role:subject").set_value(subject)
    page.text_input(key="role:issuer").set_value("https://id.example")
    page.selectbox(key="role:role").set_value("approver")
    page.selectbox(key="role:model").set_value("flight-delay")
    page = page.run()
    page.text_area(key="reason:roles").set_value(reason)
    return console.button(page, press).click().run()


def test_an_admin_grants_a_role_sees_it_and_takes_it_back(console):
    page = grant_by_form(console, subject="ada")
    words = console.words(page)
    assert "Granted approver on model flight-delay in environment * to https://id.example:ada" in words
    assert "ada approver flight-delay" in words
    held, = console.services.roles.all()
    assert (held.holding.subject, held.by) == ("ada", "demo:admin")
    page = grant_by_form(console, subject="ada", press="Revoke", reason="left the team")
    assert "Revoked approver" in console.words(page)
    assert console.services.roles.all() == []
    assert [r.reason for r in console.services.audit.newest()] == ["left the team", "joined the team"]


def test_only_an_admin_sees_the_form_and_everybody_sees_who_holds_what(console):
    grant_by_form(console, subject="ada")
    page = console.open("system", persona="manager")
    assert "ada approver flight-delay" in console.words(page)
    assert [b.label for b in page.button if b.label in ("Grant", "Revoke")] == []


def test_a_role_needs_a_person_and_a_reason(console):
    page = console.open("system", persona="admin")
    assert console.button(page, "Grant").disabled
    assert "write a reason first" in console.words(grant_by_form(console, subject="ada", reason=""))
    assert console.services.roles.all() == []


def test_a_name_that_is_markup_stays_text(console):
    hostile = '<img src="http://evil.example/1.png"> ![x](http://evil.example/2.png)'
    page = grant_by_form(console, subject=hostile)
    assert hostile in console.words(page)
    assert not page.exception
    for element in page.get("html"):
        assert "<img" not in element.proto.body


def test_the_last_backup_is_told_and_a_missing_one_too(console, tmp_path):
    assert "never by command: interlock backup FILE" in console.words(console.open("system"))
    bootstrap.back_up(console.services, tmp_path / "b.zip", actor=persona("admin"), reason="nightly", op_id="b",
                      now=datetime.now(UTC))
    st.cache_data.clear()
    words = console.words(console.open("system"))
    assert "Last backup" in words
    assert "never by command" not in words
