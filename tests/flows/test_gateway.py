"""Requests through a real gateway to real models, and what is found in the log afterwards."""

import asyncio
import json
import math
import os
import re
import shutil
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from itertools import islice
from uuid import uuid4

import pytest

from services.adapters.gateway_worker import resident_mb
from services.gateway.front import Limits
from services.predictions.schema import PREDICTION_COLUMNS
from tests.gateway_fixtures import Running, read_log, running, settings_for
from tests.waiting import until


@pytest.fixture(scope="module")
def gateway(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(settings_for(tmp_path_factory.mktemp("home"), registry)) as alive:
        yield alive


@pytest.fixture
def place(gateway: Running) -> str:
    """An environment of its own, in which version 1 is champion."""
    name = f"e{uuid4().hex[:8]}"
    gateway.split({"1": 100}, generation=1, environment=name)
    return name


def _row(x: float = 1.0) -> dict[str, object]:
    return {"x": x, "color": "red"}


@pytest.mark.parametrize(("body", "media"), [
    (json.dumps({"dataframe_split": {"columns": ["x", "color"], "data": [[1, "red"]]}}), "application/json"),
    (json.dumps({"dataframe_records": [_row()]}), "application/json; charset=utf-8"),
    (json.dumps({"instances": [_row()]}), "application/json"),
    (json.dumps({"inputs": {"x": [1], "color": ["red"]}}), "application/json"),
    ("x,color\n1,red\n", "text/csv"),
])
def test_every_form_of_the_protocol_is_answered(gateway, place, body, media):
    answer = gateway.post(body, environment=place, media=media)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [10.0]})


def test_the_answer_names_its_version_and_its_request(gateway, place):
    answer = gateway.ask(environment=place, x_request_id="r-1")
    assert (answer.headers["x-model-version"], answer.headers["x-request-id"]) == ("1", "r-1")
    assert len(gateway.ask(environment=place).headers["x-request-id"]) == 32


def test_a_classifier_answers_with_label_and_probability_and_both_are_logged(gateway):
    until(lambda: gateway.ask(model="yes-no").status_code == 200)
    answer = gateway.ask(3.0, model="yes-no", x_request_id="r-yes", x_entity_id="e-9")
    said = answer.json()
    gateway.seal()
    row = until(lambda: next((r for r in read_log(gateway.settings, "yes-no") if r["request_id"] == "r-yes"), {}))
    assert list(row)[:len(PREDICTION_COLUMNS)] == list(PREDICTION_COLUMNS)
    assert (row["prediction"], row["score"]) == (said["predictions"][0], pytest.approx(said["scores"][0]))
    assert (row["model"], row["model_version"], row["variant"], row["status"]) == ("yes-no", "1", "champion", "ok")
    assert (row["entity_id"], row["x"], row["color"]) == ("e-9", 3.0, "red")
    assert row["latency_ms"] > 0


def test_each_row_of_a_request_is_a_row_of_the_log_under_its_own_id(gateway, place):
    gateway.post(json.dumps({"inputs": {"x": [1, 2], "color": ["red", None]}}), environment=place, x_request_id="many")
    gateway.post(json.dumps({"inputs": [_row()], "interlock": {"request_ids": ["mine"], "entity_ids": ["tail-7"]}}),
                 environment=place)
    rows = gateway.logged(place, 3)
    assert [(r["request_id"], r["entity_id"]) for r in rows] == [("many-0", ""), ("many-1", ""), ("mine", "tail-7")]
    assert [r["color"] for r in rows] == ["red", None, "red"]


def test_the_split_is_sticky_by_entity_and_follows_the_weights(gateway, place):
    gateway.split({"1": 80, "2": 20}, generation=2, environment=place)
    first = {f"n{i}": gateway.ask(environment=place, x_entity_id=f"n{i}").json()["predictions"][0] for i in range(300)}
    again = {n: gateway.ask(environment=place, x_entity_id=n).json()["predictions"][0] for n in list(first)[:50]}
    assert again.items() <= first.items()
    canary = Counter(first.values())[20.0]
    assert abs(canary - 60) < 6 * math.sqrt(300 * 0.2 * 0.8)
    assert gateway.seen(place)["served"]["2"] == canary + Counter(again.values())[20.0]


def test_rows_of_one_request_go_to_the_version_of_their_entity(gateway, place):
    gateway.split({"1": 50, "2": 50}, generation=2, environment=place)
    names = [f"n{i}" for i in range(12)]
    alone = [gateway.ask(environment=place, x_entity_id=name).json()["predictions"][0] for name in names]
    answer = gateway.post(json.dumps({"inputs": [_row() for _ in names], "interlock": {"entity_ids": names}}),
                          environment=place, x_request_id="mixed")
    assert answer.json()["predictions"] == alone
    assert answer.json()["versions"] == [{10.0: "1", 20.0: "2"}[value] for value in alone]
    mixed = {r["request_id"]: r for r in gateway.logged(place, 24) if r["request_id"].startswith("mixed")}
    assert [mixed[f"mixed-{i}"]["model_version"] for i in range(12)] == answer.json()["versions"]
    assert [mixed[f"mixed-{i}"]["entity_id"] for i in range(12)] == names


def test_a_canary_that_raises_is_answered_for_by_the_champion_and_blamed(gateway, place):
    gateway.split({"1": 1, "3": 99}, generation=2, environment=place)
    answers = [gateway.ask(13.0, environment=place, x_request_id=f"r{i}") for i in range(20)]
    assert {a.status_code for a in answers} == {200}
    assert {a.json()["predictions"][0] for a in answers} == {10.0}
    seen = gateway.seen(place)
    failed = seen["errors"]["3"]
    assert failed >= 15
    assert (seen["fell_back"], seen["served"].get("1", 0)) == (failed, 20 - failed)
    rows = gateway.logged(place, 20 + failed)
    assert len({(r["request_id"], r["variant"]) for r in rows}) == len(rows) == 20 + failed
    kinds = Counter((r["variant"], r["status"], r["error_type"]) for r in rows)
    assert kinds["canary", "error", "MODEL_ERROR"] == kinds["champion", "ok", "fallback"] == failed


def test_a_champion_that_raises_is_an_error_of_the_model_in_one_line(gateway, place):
    gateway.split({"3": 100}, generation=2, environment=place)
    answer = gateway.ask(13.0, environment=place)
    assert answer.status_code == 500
    assert answer.json() == {"error_code": "MODEL_ERROR", "message": "the model raised ValueError: thirteen"}
    assert gateway.ask(1.0, environment=place).json() == {"predictions": [30.0]}
    assert [(r["status"], r["error_type"], r["prediction"]) for r in gateway.logged(place, 2)] == [
        ("error", "MODEL_ERROR", None), ("ok", "", 30.0)]


def test_the_log_says_what_a_failed_request_raised_and_where_and_its_caller_is_not_told(gateway, place):
    gateway.split({"3": 100}, generation=2, environment=place)
    answer = gateway.ask(13.0, environment=place)
    assert "Traceback" not in answer.text
    gateway.ask(1.0, environment=place)
    failed, fine = gateway.logged(place, 2)
    assert failed["error"].startswith("the model raised ValueError: thirteen\n")
    assert "in troubled" in failed["error"]
    assert failed["error"].rstrip().endswith("ValueError: thirteen")
    assert failed["x"] == 13.0
    assert fine["error"] == ""


@pytest.mark.parametrize("trouble", [99.0, 66.0])  # hangs, dies
def test_a_canary_that_hangs_or_dies_is_restarted_while_the_champion_answers(gateway, place, monkeypatch, trouble):
    monkeypatch.setattr(gateway.gateway.fleet, "_timeout_s", 2.0)
    gateway.split({"1": 1, "3": 99}, generation=2, environment=place)
    until(lambda: gateway.seen(place)["loaded"]["3"])
    before = _worker(gateway, "3")
    answer = gateway.ask(trouble, environment=place, x_request_id="a")
    assert answer.json() == {"predictions": [10.0]}
    until(lambda: _worker(gateway, "3")["pids"] not in ([], before["pids"]) and _worker(gateway, "3")["healthy"])
    until(lambda: gateway.ask(1.0, environment=place).json() == {"predictions": [30.0]})


def test_a_killed_worker_loses_no_row(gateway, place):
    for i in range(5):
        gateway.ask(i, environment=place)
    os.kill(_worker(gateway, "1")["pids"][0], signal.SIGKILL)
    assert len(gateway.logged(place, 5)) == 5
    until(lambda: gateway.ask(environment=place).status_code == 200)


def test_a_model_that_leaks_is_replaced_before_it_takes_the_machine_and_no_request_fails(registry, tmp_path):
    with running(settings_for(tmp_path, registry)) as leaking:
        leaking.split({"3": 100})
        (before,) = _worker(leaking, "3")["pids"]
        leaking.gateway.fleet._memory_mb = resident_mb(before) + 100
        statuses = [leaking.ask(77.0).status_code for _ in range(2)]
        while before in _worker(leaking, "3")["pids"]:
            statuses.append(leaking.ask().status_code)
        assert set(statuses) == {200}
        assert leaking.ask().status_code == 200
        shown = _worker(leaking, "3")
        assert (shown["healthy"], shown["restarts"]) == (True, 1)
        assert "more than gateway.worker_memory_mb allows" in shown["reason"]


def test_a_shadow_sees_copies_and_delays_nobody(gateway, place, monkeypatch):
    monkeypatch.setattr(gateway.gateway.fleet, "_timeout_s", 4.0)
    gateway.target.load("tiny", place, "3")
    gateway.target.set_mirror("tiny", place, "3", 100, generation=2)
    before = _worker(gateway, "3")["pids"]
    answer = gateway.ask(99.0, environment=place, x_request_id="hang")
    assert gateway.seen(place)["shadowed"] == 0, "the shadow hangs for its whole time-out, and the answer waited for it"
    assert answer.json() == {"predictions": [10.0]}
    until(lambda: gateway.seen(place)["shadowed"] == 1)
    until(lambda: _worker(gateway, "3")["pids"] != before and _worker(gateway, "3")["healthy"])
    gateway.ask(1.0, environment=place, x_request_id="fine")
    until(lambda: gateway.seen(place)["shadowed"] == 2)
    rows = {(r["request_id"], r["variant"]): r for r in gateway.logged(place, 4)}
    assert (rows["hang", "shadow"]["status"], rows["hang", "shadow"]["error_type"]) == ("error", "TIMEOUT")
    assert (rows["fine", "shadow"]["prediction"], rows["fine", "champion"]["prediction"]) == (30.0, 10.0)
    assert gateway.seen(place)["served"] == {"1": 2}


def test_the_death_of_the_logs_writer_loses_nothing(gateway, place):
    gateway.ask(environment=place)
    gateway.logged(place, 1)
    os.kill(gateway.gateway.log.writer_pid, signal.SIGKILL)
    for _ in range(5):
        gateway.ask(environment=place)
    assert len(gateway.logged(place, 6)) == 6
    os.kill(gateway.gateway.log.writer_pid, signal.SIGSTOP)
    gateway.ask(environment=place)
    gateway.seal()
    os.kill(gateway.gateway.log.writer_pid, signal.SIGKILL)  # it had the segment and had not begun
    assert len(gateway.logged(place, 7)) == 7


@pytest.mark.parametrize(("body", "media", "status", "says"), [
    ("{", "application/json", 400, "not valid JSON"),
    ('{"inputs": {"x": [1]}}', "application/json", 400, "column color .* is missing"),
    ('{"inputs": {"x": ["one"], "color": ["red"]}}', "application/json", 400, "column x, row 0: 'one' is not a number"),
    ("<x/>", "application/xml", 415, "send application/json or text/csv"),
    ('{"inputs": {"x": [' + "1," * 5_000_000 + "1]}}", "application/json", 413, "larger than 8,000,000 bytes"),
])
def test_a_bad_request_gets_its_status_and_one_line(gateway, place, body, media, status, says):
    answer = gateway.post(body, environment=place, media=media)
    assert answer.status_code == status
    assert set(answer.json()) == {"error_code", "message"}
    assert re.search(says, answer.json()["message"])
    assert "\n" not in answer.json()["message"]
    assert gateway.ask(environment=place).status_code == 200


def test_a_bad_request_is_counted_and_blames_no_version(gateway, place):
    gateway.post("{", environment=place)
    seen = gateway.seen(place)
    assert (seen["rejected"], seen["errors"]) == ({"BAD_REQUEST": 1}, {})


def test_a_client_that_sends_too_slowly_is_told_so_and_holds_nobody_up(gateway, place, monkeypatch):
    monkeypatch.setattr(gateway.gateway.app, "_limits", Limits(8_000_000, 2.0))
    host, port = gateway.url.removeprefix("http://").split(":")
    head = f"POST /{place}/tiny/invocations HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(head.encode() + b"{")
        assert gateway.ask(environment=place).status_code == 200
        said = b""
        while b"REQUEST_TIMEOUT" not in said:
            said += slow.recv(4_096)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"the body did not arrive in 2 s" in said
    assert gateway.seen(place)["errors"] == {}


def test_a_version_deleted_from_the_registry_serves_on_and_loads_nowhere_else(registry, tmp_path):
    file = tmp_path / "mlflow.db"
    shutil.copy(registry.removeprefix("sqlite:///"), file)
    with running(settings_for(tmp_path, f"sqlite:///{file}")) as ours:
        ours.split({"1": 50, "2": 50})
        with closing(sqlite3.connect(file)) as db, db:
            # As MLflow's own delete_model_version marks it.
            db.execute("UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE name = 'tiny' "
                       "AND version IN (2, 3)")
        (before,) = _worker(ours, "2")["pids"]
        os.kill(before, signal.SIGKILL)
        assert {ours.ask(x_entity_id=f"e{i}").status_code for i in range(20)} == {200}
        until(lambda: {ours.ask(x_entity_id=f"e{i}").headers["x-model-version"] for i in range(20)} == {"1", "2"},
                   within=120)
        answer = ours.control("PUT", "/control/production/tiny/versions/3")
        assert (answer.status_code, answer.json()["error_code"]) == (409, "REFUSED")
        assert "tiny version 3 cannot be loaded" in answer.json()["message"]
        assert "\n" not in answer.json()["message"]
        assert ours.seen()["weights"] == {"1": 50.0, "2": 50.0}


@pytest.mark.parametrize("jump", [86_400, -86_400])
def test_a_jump_of_the_clock_neither_ends_the_canary_nor_costs_a_row(gateway, place, monkeypatch, jump):
    gateway.split({"1": 50, "2": 50}, generation=2, environment=place)
    gateway.ask(environment=place, x_request_id="before")
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + jump * 10**9)
    assert gateway.gateway.control.clock is time.monotonic  # held since the start: no patch of ours can move it
    expired = asyncio.run_coroutine_threadsafe(gateway.gateway.control.expire(), gateway.loop)
    assert expired.result(timeout=60) == []
    assert gateway.ask(environment=place, x_request_id="after").status_code == 200
    gateway.seal()
    monkeypatch.undo()
    assert gateway.ask(environment=place, x_request_id="again").status_code == 200
    assert gateway.seen(place)["weights"] == {"1": 50.0, "2": 50.0}
    assert Counter(row["request_id"] for row in gateway.logged(place, 3)) == {"before": 1, "after": 1, "again": 1}


def test_an_unknown_route_says_what_is_served(gateway, place):
    answer = gateway.ask(environment="nowhere")
    assert answer.status_code == 404
    assert f"{place}/tiny" in answer.json()["message"]


def test_the_bare_route_asks_which_model_is_meant(gateway):
    until(lambda: gateway.ask(model="yes-no").status_code == 200)
    answer = gateway.client.post(f"{gateway.url}/invocations", json={"inputs": [_row()]})
    assert answer.status_code == 404
    assert "/production/yes-no/invocations" in answer.json()["message"]


def test_ping_health_and_version_answer_as_mlflow_does(gateway):
    until(lambda: gateway.client.get(f"{gateway.url}/ping").status_code == 200)
    assert gateway.client.get(f"{gateway.url}/ping").text == "\n"
    assert gateway.client.get(f"{gateway.url}/health").json()["status"] == "ok"
    assert gateway.client.get(f"{gateway.url}/version").text


def test_a_route_without_traffic_keeps_the_others_ready(gateway, place):
    gateway.target.load("tiny", f"{place}-new", "2")
    gateway.target.set_mirror("tiny", f"{place}-other", None, 0, generation=3)
    until(lambda: gateway.client.get(f"{gateway.url}/ping").status_code == 200)
    answer = gateway.ask(environment=f"{place}-new")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_full_queue_says_when_to_come_back(registry, tmp_path):
    with running(settings_for(tmp_path, registry, queue=2)) as narrow:
        narrow.split({"3": 100})
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(narrow.ask, 99.0) for _ in range(6)]
            refused = [answer.result() for answer in islice(as_completed(asked), 4)]
            os.kill(_worker(narrow, "3")["pids"][0], signal.SIGKILL)  # nobody waits for the two that hang
        assert [answer.status_code for answer in refused] == [429] * 4
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert Counter(answer.result().status_code for answer in asked) == {429: 4, 503: 2}
        assert until(lambda: narrow.seen()["rejected"].get("RESOURCE_EXHAUSTED")) == 4


def test_without_the_monitor_the_canary_goes_back_to_nothing(registry, tmp_path):
    ahead = [0.0]
    with running(settings_for(tmp_path, registry, dead_man="1h")) as alone:
        alone.gateway.control.clock = lambda: time.monotonic() + ahead[0]
        alone.split({"1": 90, "2": 10})
        alone.target.set_mirror("tiny", "production", "2", 50, generation=2)
        for _ in range(3):
            alone.target.renew()
            ahead[0] += 2_700
            expired = asyncio.run_coroutine_threadsafe(alone.gateway.control.expire(), alone.loop)
            assert expired.result(timeout=60) == []
            assert alone.seen()["weights"] == {"1": 90.0, "2": 10.0}
        ahead[0] += 900
        until(lambda: alone.seen()["weights"] == {"1": 100.0})
        assert (alone.seen()["expired"], alone.seen()["mirror"], alone.seen()["generation"]) == (True, {}, 2)
        alone.target.set_weights("tiny", "production", {"1": 90, "2": 10}, generation=2)
        assert not alone.seen()["expired"]


def test_a_request_under_way_is_answered_before_the_gateway_ends(registry, tmp_path):
    with running(settings_for(tmp_path, registry, timeout_ms=3_000)) as ending:
        ending.split({"3": 100})
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(ending.ask, 99.0)
            until(lambda: any(w["waiting"] for w in ending.control().json()["workers"]))
            ending.stop()
            assert late.result().status_code == 504
        assert [r["error_type"] for r in ending.rows()] == ["TIMEOUT"]


def _worker(gateway: Running, version: str) -> dict[str, object]:
    return next(w for w in gateway.control().json()["workers"] if (w["model"], w["version"]) == ("tiny", version))
