"""The whole table of commands and roles, walked: in the services, at the command line, and on the pages.

A button that is hidden or disabled protects nothing: here every button is drawn enabled, and the service refuses.
"""

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from console import navigation
from console.cli import app
from console.commands.face import plain_errors
from console.identity import PERSONAS, persona
from console.widgets import decide
from services import bootstrap
from services.adapters.run_mirror import RunMirror
from services.alerts import actions as on_incidents
from services.alerts import rules
from services.alerts.defaults import SHIPPED
from services.checks.edit import Edit
from services.core.access import ALLOWED, Action, Actor, Role
from services.core.identity import Holding
from services.core.measurement import Measurement, Pipeline, Verdict
from services.core.window import HOUR, TimeWindow
from services.errors import NotAllowed, OpsError
from services.releases import actions, recover
from services.releases.plan import CANARY, DIRECT
from services.releases.playbook import STEPS, Outcome
from services.training.classify import explain
from services.training.correct import correct
from tests.console.test_incidents import fail
from tests.console.test_signal_pages import faulty_carrier
from tests.releases_fixtures import MODEL, House
from tests.training_fixtures import a_raw

RUN = CliRunner()
PERSON = {Role.VIEWER: "viewer", Role.AUTHOR: "author", Role.APPROVER: "approver-1", Role.ON_CALL: "on-call",
          Role.MANAGER: "manager", Role.ADMIN: "admin"}
HELD = Holding(role=Role.VIEWER, issuer="os", subject="ada")


@pytest.fixture
def world(console):
    """A home with one release that waits, one incident, one failed run, and a label for each command to reach."""
    house = House(console.services.db, now=datetime.now(UTC))
    house.desk, house.terms = console.services.desk, console.services.desk.terms
    house.worker = house.new_worker()
    house.serving("1")
    console.release = house.propose("2").id
    fail(console)
    now = datetime.now(UTC)
    mirror = RunMirror(console.services.db)
    mirror.mirror([a_raw("bad", start=now - 2 * HOUR, status="FAILED",
                         tags={"ops.pipeline": "churn", "ops.fail.type": "MemoryError"})], now=now)
    for run in mirror.unexplained(limit=1):
        mirror.set_failures({run.run_id: explain(run, {})})
    faulty_carrier(console)
    month = {"month": "2026-02", "complete": True, "pools": [], "decisions": [], "flags": []}
    console.services.reports.issue(month, actor=persona("manager"), op_id="report", now=now)
    return console


def drilled(now):
    return Measurement(name="drill", pipeline=Pipeline.DEPLOYMENT, subject=MODEL, environment="production", at=now,
                       window=TimeWindow(now - HOUR, now), verdict=Verdict.PASS, reason="loads")


def in_services(world, action: Action, actor: Actor) -> Any:
    """Ask the service behind an action for it, as an actor."""
    s, release = world.services, world.release
    now = datetime.now(UTC)
    how: dict[str, Any] = {"actor": actor, "op_id": uuid4().hex, "now": now}
    why = {**how, "reason": "walked"}
    place = {"model": MODEL, "environment": "production"}
    asked = {
        Action.PROPOSE: lambda: actions.propose(s.desk, **place, version="3", plan=DIRECT, **why),
        Action.CANCEL: lambda: actions.cancel(s.desk, release, **why),
        Action.APPROVE: lambda: actions.approve(s.desk, release, **why),
        Action.REJECT: lambda: actions.reject(s.desk, release, **why),
        Action.PROMOTE: lambda: actions.promote(s.desk, release, **why),
        Action.PAUSE: lambda: actions.pause(s.desk, release, **why),
        Action.RESUME: lambda: actions.resume(s.desk, release, **why),
        Action.ROLL_BACK: lambda: recover.roll_back(s.desk, **place, **why),
        Action.RESOLVE_DRIFT: lambda: recover.revert(s.desk, **place, **why),
        Action.BREAK_GLASS: lambda: recover.break_glass(s.desk, release, incident="incident:1", **why),
        Action.DRILL: lambda: recover.record_drill(s.desk, drilled(now), **how),
        Action.ACKNOWLEDGE: lambda: on_incidents.acknowledge(s.incidents, 1, hold=HOUR, **how),
        Action.SILENCE: lambda: on_incidents.silence(s.incidents, 1, hold=HOUR, **why),
        Action.RESOLVE: lambda: on_incidents.resolve(s.incidents, 1, **why),
        Action.MARK_INCIDENT: lambda: on_incidents.mark(s.incidents, 1, useful=True, **how),
        Action.CORRECT_FAILURE: lambda: correct(s.failures, "bad", cls="oom", owner="team", retryable=False, **why),
        Action.ACCEPT_VALUE: lambda: s.schemas.accept(MODEL, "1", "carrier", "XX", **why),
        Action.EDIT_SCHEMA: lambda: s.schemas.edit(MODEL, "1", Edit(column="carrier", enabled=False), **why),
        Action.EDIT_RULES: lambda: rules.edit(s.incidents, SHIPPED[0], **why),
        Action.RUN_JOB: lambda: s.jobs.enqueue("validate", {"model": MODEL, "version": "2"}, **how),
        Action.RELEASE_QUARANTINE: lambda: bootstrap.release_from_quarantine(s, f"predictions:{MODEL}", "x", **why),
        Action.ISSUE_REPORT: lambda: s.reports.issue({"month": "2026-02", "complete": False}, **how),
        Action.SIGN_REPORT: lambda: s.reports.sign(1, seen="", comment="", **how),
        Action.EDIT_ROLES: lambda: s.roles.grant(HELD, **why),
        Action.RESEND: lambda: s.notifications.resend("none", **how),
        Action.MAINTAIN: lambda: bootstrap.back_up(s, world.home / f"{uuid4().hex}.zip", **why),
    }
    return asked[action]()


# Every function that decides for a person, and the action it asks the role table for.
DECIDES = {
    "adapters/job_table.py enqueue": Action.RUN_JOB, "adapters/notification_table.py resend": Action.RESEND,
    "adapters/prune.py prune": Action.MAINTAIN, "adapters/quarantine.py release": Action.RELEASE_QUARANTINE,
    "adapters/report_table.py issue": Action.ISSUE_REPORT, "adapters/report_table.py sign": Action.SIGN_REPORT,
    "adapters/role_table.py grant": Action.EDIT_ROLES, "adapters/role_table.py revoke": Action.EDIT_ROLES,
    "adapters/schema_table.py accept": Action.ACCEPT_VALUE, "adapters/schema_table.py edit": Action.EDIT_SCHEMA,
    "alerts/actions.py acknowledge": Action.ACKNOWLEDGE, "alerts/actions.py silence": Action.SILENCE,
    "alerts/actions.py resolve": Action.RESOLVE, "alerts/actions.py mark": Action.MARK_INCIDENT,
    "alerts/actions.py check_step": Action.ACKNOWLEDGE, "alerts/rules.py edit": Action.EDIT_RULES,
    "bootstrap/keeping.py back_up": Action.MAINTAIN, "bootstrap/keeping.py restore": Action.MAINTAIN,
    "bootstrap/keeping.py release_from_quarantine": Action.RELEASE_QUARANTINE,
    "releases/actions.py propose": Action.PROPOSE, "releases/actions.py edit": Action.PROPOSE,
    "releases/actions.py approve": Action.APPROVE, "releases/actions.py promote": Action.PROMOTE,
    "releases/actions.py reject": Action.REJECT, "releases/actions.py cancel": Action.CANCEL,
    "releases/actions.py pause": Action.PAUSE, "releases/actions.py resume": Action.RESUME,
    "releases/recover.py roll_back": Action.ROLL_BACK, "releases/recover.py revert": Action.RESOLVE_DRIFT,
    "releases/recover.py adopt": Action.RESOLVE_DRIFT, "releases/recover.py break_glass": Action.BREAK_GLASS,
    "releases/recover.py review": Action.APPROVE, "releases/recover.py record_drill": Action.DRILL,
    "releases/recover.py record_step": Action.ROLL_BACK, "training/correct.py correct": Action.CORRECT_FAILURE,
}
# What these write through: they ask nothing, and take what was decided above them.
WRITES = {"adapters/incident_table.py change", "adapters/incident_table.py save_rule", "adapters/ops_db.py command",
          "adapters/release_table.py command", "adapters/restore.py restore", "alerts/ports.py change",
          "alerts/rules.py save_rule", "releases/desk.py decide", "releases/ports.py command"}


def beside(world, actor: Actor) -> dict[str, Any]:
    """Return how the functions are asked that `in_services` does not ask, by name."""
    s, release, now = world.services, world.release, datetime.now(UTC)
    how: dict[str, Any] = {"actor": actor, "op_id": uuid4().hex, "now": now}
    why = {**how, "reason": "walked"}
    place = {"model": MODEL, "environment": "production"}
    pruner, _ = bootstrap.pruner(s, now=now)
    return {
        "adapters/prune.py prune": lambda: pruner.prune([], **why),
        "adapters/role_table.py revoke": lambda: s.roles.revoke(HELD, **why),
        "alerts/actions.py check_step": lambda: on_incidents.check_step(s.incidents, 1, step="look", **how),
        "bootstrap/keeping.py restore": lambda: bootstrap.restore(s, world.home / "none.zip", **why),
        "releases/actions.py edit": lambda: actions.edit(s.desk, release, plan=CANARY, **why),
        "releases/recover.py adopt": lambda: recover.adopt(s.desk, **place, **why),
        "releases/recover.py review": lambda: recover.review(s.desk, release, **why),
        "releases/recover.py record_step": lambda: recover.record_step(
            s.desk, release, step=next(iter(STEPS)), outcome=Outcome.DONE, **why),
    }


COMMANDS = {
    Action.PROPOSE: "releases propose flight-delay 3 --reason walked",
    Action.CANCEL: "releases cancel {release} --reason walked",
    Action.APPROVE: "releases approve {release} --reason walked",
    Action.REJECT: "releases reject {release} --reason walked",
    Action.PROMOTE: "releases promote {release} --reason walked",
    Action.PAUSE: "releases pause {release} --reason walked",
    Action.RESUME: "releases resume {release} --reason walked",
    Action.ROLL_BACK: "releases rollback flight-delay --reason walked",
    Action.RESOLVE_DRIFT: "releases adopt flight-delay --reason walked",
    Action.BREAK_GLASS: "releases break-glass {release} --incident incident:1 --reason walked",
    Action.DRILL: "releases drill flight-delay",
    Action.ACKNOWLEDGE: "incidents ack 1",
    Action.SILENCE: "incidents silence 1 --reason walked",
    Action.RESOLVE: "incidents resolve 1 --reason walked",
    Action.MARK_INCIDENT: "incidents mark 1 useful",
    Action.CORRECT_FAILURE: "failures correct bad --class oom --owner team --reason walked",
    Action.ACCEPT_VALUE: "accept-value flight-delay 1 carrier XX --reason walked",
    Action.EDIT_SCHEMA: "schema edit flight-delay 1 carrier --judged no --reason walked",
    Action.RELEASE_QUARANTINE: "quarantine release predictions:flight-delay x --reason walked",
    Action.ISSUE_REPORT: "quota report --month 2026-02 --issue",
    Action.SIGN_REPORT: "quota report --month 2026-02 --sign walked",
    Action.EDIT_ROLES: "roles grant viewer ada --reason walked",
    Action.MAINTAIN: "prune --reason walked",
}
# These three are asked for on a page only.
ON_PAGES_ONLY = {Action.EDIT_RULES, Action.RUN_JOB, Action.RESEND}


def refusal(call) -> str:
    """Return why a call was refused for want of a role, or nothing where something else, or nothing, stopped it."""
    try:
        call()
    except NotAllowed as refused:
        return str(refused) if " takes " in str(refused) else ""
    except OpsError:
        return ""
    return ""


def test_each_service_refuses_every_role_that_the_table_does_not_name(world):
    wrong = []
    for action in Action:
        for role in Role if action is not Action.VIEW else ():
            said = refusal(lambda a=action, r=role: in_services(world, a, persona(PERSON[r])))
            named = f"to {action} takes {' or '.join(sorted(ALLOWED[action]))}"
            if (named in said) is (role in ALLOWED[action]):
                wrong.append(f"{action} as {role}: {said or 'not refused'}")
    assert wrong == []


def test_each_other_function_that_decides_refuses_every_role_as_well(world):
    wrong = []
    for name in beside(world, persona("viewer")):
        for role in Role:
            said = refusal(beside(world, persona(PERSON[role]))[name])
            if ("takes " + " or ".join(sorted(ALLOWED[DECIDES[name]])) in said) is (role in ALLOWED[DECIDES[name]]):
                wrong.append(f"{name} as {role}: {said or 'not refused'}")
    assert wrong == []


def test_every_function_that_decides_for_a_person_is_in_the_walk():
    """Found by what they take: who asks, and the id under which it counts once."""
    root, found = Path(bootstrap.__file__).parents[1], set()
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
                if {"actor", "op_id"} <= names:
                    found.add(f"{file.relative_to(root)} {node.name}")
    assert found == set(DECIDES) | WRITES
    assert set(DECIDES.values()) == set(Action) - {Action.VIEW}


def test_every_action_of_the_table_is_walked():
    assert set(COMMANDS) | ON_PAGES_ONLY | {Action.VIEW} == set(Action)
    assert {role for _, role in PERSONAS.values()} == set(Role)


def typed(world, action, role, capsys) -> str:
    words = COMMANDS[action].format(release=world.release).split()

    def call():
        RUN.invoke(app, ["--as", PERSON[role], *words], catch_exceptions=False)

    try:
        with plain_errors():
            call()
    except SystemExit:
        return capsys.readouterr().err
    return ""


def test_each_command_refuses_every_role_that_the_table_does_not_name(world, capsys):
    wrong = []
    for action in COMMANDS:
        for role in Role:
            said = typed(world, action, role, capsys)
            if (f"to {action} takes" in said) is (role in ALLOWED[action]):
                wrong.append(f"{action} as {role}: {said or 'not refused'}")
    assert wrong == []


def change_a_rule(opened: AppTest) -> AppTest:
    return opened.checkbox[0].uncheck().run()


def test_every_page_opens_for_every_role_and_offers_each_only_what_the_table_names(world, monkeypatch):
    """One pass: what is ready to be pressed on a page is what the role may, and no page breaks for want of a role."""
    offered: dict[str, set[Action]] = {}
    real = st.button

    def button(label, *rest, **how):
        # Whatever is offered says which action its click asks for, in the choice that it carries.
        for choice in (each for each in how.get("args") or () if isinstance(each, decide.Choice)):
            if not how.get("disabled"):
                offered.setdefault(world.persona, set()).add(choice.action)
        return real(label, *rest, **how)

    monkeypatch.setattr(st, "button", button)
    params = {"release": world.release, "incident": "1", "run": "bad", "model": MODEL}
    opened = world.open("now", persona="viewer", **params)
    for page in sorted(navigation.listed()):
        for role in Role:
            world.persona = PERSON[role]
            opened.query_params.update(params)
            opened = opened.run() if page == "now" else opened.switch_page(f"app_pages/{page}.py").run()
            assert not opened.exception, f"{page} as {role}"
            assert "Traceback" not in world.words(opened)
    wrong = [f"{name} is offered {action}" for name, seen in offered.items() for action in seen
             if PERSONAS[name][1] not in ALLOWED[action]]
    assert wrong == []
    assert "viewer" not in offered
    assert len(set().union(*offered.values())) >= 8, "the pages offered next to nothing: nothing was walked"


# Page, its parameters, and what makes its buttons ready to be pressed.
PAGES: list[tuple[str, dict[str, str], Any]] = [
    ("now", {}, None), ("releases", {"release": "{release}"}, None), ("incidents", {"incident": "1"}, None),
    ("rules", {}, change_a_rule), ("training", {"run": "bad"}, None),
    ("data", {"check": "unseen_rate", "feature": "carrier", "edit": "carrier"}, None),
]


@pytest.mark.parametrize(("page", "params", "prepare"), PAGES, ids=[page for page, _, _ in PAGES])
def test_a_button_that_was_drawn_for_another_role_decides_nothing(world, page, params, prepare):
    """Every role draws its own buttons; then the role is gone, and each is pressed all the same."""
    params = {name: value.format(release=world.release) for name, value in params.items()}
    pressed = set()
    for role in Role:
        world.persona = PERSON[role]
        opened: AppTest = world.open(page, persona=PERSON[role], **params)
        assert not opened.exception
        while True:
            if prepare:
                opened = prepare(opened)
            ready = [b.key for b in opened.button if (b.key or "").startswith("do:") and not b.disabled
                     and b.key not in pressed]
            if not ready:
                break
            for area in opened.text_area:
                area.set_value("let me in")
            for field in opened.text_input:
                if (field.key or "").startswith("typed:"):
                    field.set_value(MODEL)
            world.persona = "viewer"
            opened = next(b for b in opened.button if b.key == ready[0]).click().run()
            pressed.add(ready[0])
            assert not opened.exception
            assert " takes " in world.words(opened), f"{ready[0]} was not refused"
            world.persona = PERSON[role]
            opened = opened.run()
    assert pressed, f"{page} offers nothing to decide"
    people = world.services.audit.newest(people_only=True)
    assert [row.action for row in people if row.actor == "demo:viewer" and not row.action.startswith("denied: ")] == []
    assert {row.action for row in people if row.actor == "demo:viewer"}, "no refusal was recorded"
