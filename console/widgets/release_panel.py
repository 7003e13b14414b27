"""The forms in which people decide about releases. Whether a decision is allowed is decided in services."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import streamlit as st

from console import session
from console.queries import releases as queries
from console.widgets import cards, decide, pickers, text
from services.core.access import Action, Actor
from services.core.measurement import Verdict
from services.core.window import HOUR, floor_to
from services.releases import actions, recover
from services.releases.desk import Desk
from services.releases.evidence import GLASS
from services.releases.machine import TRANSITIONS, Do
from services.releases.options import available
from services.releases.plan import CANARY, PLANS, Plan, PlanRefused, from_text, to_text
from services.releases.preflight import preflight
from services.releases.release import State, Sync

BACK: Final = "back"  # in the URL: the version to go back to
_LAST: Final = "release-decided"
_OWN: Final = "own"  # as a plan's name: written on the page


def propose(now: datetime) -> None:
    """Draw the form for a new release."""
    with pickers.bar("propose"):
        names = list(session.settings().models)
        if not names:
            text.note("No model is declared in interlock.toml.")
            return
        model = pickers.choice("propose", names, label="Model to release")
        versions = queries.versions(model)
        if not versions:
            text.note(f"No version of {model} is registered, or the monitor has not read the registry yet.")
            return
        version = pickers.choice("version", versions, label="Version")
        environment = pickers.choice("into", list(session.settings().environments), label="Into")
        named = pickers.choice("plan", [*PLANS, _OWN], label="Plan", default="direct")
    plan, problem = _own() if named == _OWN else (PLANS[named], "")
    if problem:
        cards.notice(problem, state=Verdict.WARN)
    else:
        ahead = preflight(plan, per_hour=queries.per_hour(model, environment, floor_to(now, HOUR)))
        text.note(f"{plan.describe()}. {ahead.sentence if ahead else ''}")

    def ask(actor: Actor, reason: str, op_id: str) -> str:
        done = actions.propose(session.services().desk, model=model, version=version, environment=environment,
                               plan=plan, actor=actor, reason=reason, op_id=op_id, now=session.now())
        return f"{done['release']} proposed: the monitor runs its gates, then it waits for approval"

    decide.panel("propose", [decide.Choice("Propose", Action.PROPOSE, ask, primary=True, why_not=problem)], now=now,
                 model=model, environment=environment)


def _own() -> tuple[Plan, str]:
    """Draw the plan that a person writes, begun from the canary; return it, or what is wrong with it."""
    written = st.text_area("Plan, as YAML or JSON", value=to_text(CANARY), key="plan:own", height=230, max_chars=4000,
                           help="Each step's share of traffic, and what must hold before it is left")
    try:
        return from_text(written), ""
    except PlanRefused as refused:
        return CANARY, str(refused)


def decide_on(found: queries.Detail, now: datetime) -> None:
    """Draw what the person who looks may decide about this release, and what came of their last decision."""
    release = found.release
    actor = session.current_principal()
    text.section("Decide")
    key = f"release-{release.id}-{release.revision}"
    last = st.session_state.get(_LAST, {})
    if last.get("release") == release.id and last.get("key") != key:
        decide.outcome(last["key"])
    back_to = _choose_target(found)
    superseded = release.state is State.COMPLETED and found.place.champion != release.version
    signed = actor.identity in {a.approver for a in found.signed}
    barred = {Action.RESOLVE_DRIFT, *({Action.APPROVE} if signed else ())}
    choices = [_choice(action, found, key, back_to) for action in available(release, actor)
               if action not in barred and not superseded]
    if signed:
        text.note(f"You signed for {found.stage}; it waits for {found.needed - len(found.signed)} more.")
    if found.place.sync is Sync.DRIFTED or release.sync is Sync.DRIFTED:
        choices += _drift_choices(found, key)
    if release.review_by is not None and (release.state, Do.REVIEW) in TRANSITIONS and \
            actor.identity not in {release.proposer, release.evidence.get(GLASS)}:
        choices.append(_remembered("Record the review", Action.APPROVE, key, release.id, _call(
            recover.review, release.id, "review recorded")))
    if not choices:
        text.note(_why_nothing(found, actor))
        decide.outcome(key)  # a rollback of what was completed is a release of its own: this one stays as it is
        return
    if any(c.action is Action.BREAK_GLASS for c in choices):
        st.text_input("Incident, only to break the glass", key=f"incident:{release.id}", max_chars=200)
    decide.panel(key, choices, now=now, model=release.model, environment=release.environment)


def _choose_target(found: queries.Detail) -> str:
    """Draw the choice of the version to go back to, where there is more than one."""
    release = found.release
    options = [v for v in dict.fromkeys([release.champion, *found.earlier]) if v and v != release.version]
    superseded = release.state is State.COMPLETED and found.place.champion != release.version
    if not options or superseded or Action.ROLL_BACK not in available(release, session.current_principal()):
        return ""
    return pickers.choice(BACK, options, label="If rolled back, to version")


def _choice(action: Action, found: queries.Detail, key: str, back_to: str) -> decide.Choice:
    release = found.release
    stage = found.stage or ""
    calls: dict[Action, tuple[str, decide.Do]] = {
        Action.APPROVE: (f"Approve {stage.replace('step:', 'step ')}", lambda actor, reason, op_id: _said(
            actions.approve(_desk(), release.id, actor=actor, reason=reason, op_id=op_id, now=session.now(),
                            seen=release.subject_hash, stage=stage), f"signed for {stage}")),
        Action.PROMOTE: ("Promote", lambda actor, reason, op_id: _promoted(
            actions.promote(_desk(), release.id, actor=actor, reason=reason, op_id=op_id, now=session.now(),
                            seen=release.subject_hash))),
        Action.REJECT: ("Reject", _call(actions.reject, release.id, "rejected")),
        Action.CANCEL: ("Cancel release", _call(actions.cancel, release.id, "cancelled")),
        Action.PAUSE: ("Pause", _call(actions.pause, release.id, "paused: the weights are held")),
        Action.RESUME: ("Resume", _call(actions.resume, release.id, "resumed")),
        Action.ROLL_BACK: ("Roll back", lambda actor, reason, op_id: _said(
            recover.roll_back(_desk(), model=release.model, environment=release.environment, actor=actor,
                              reason=reason, op_id=op_id, now=session.now(), to_version=back_to or None),
            f"rolling back to v{back_to or release.champion}")),
        Action.BREAK_GLASS: ("Break glass", lambda actor, reason, op_id: _said(
            recover.break_glass(_desk(), release.id, actor=actor, reason=reason, op_id=op_id, now=session.now(),
                                incident=str(st.session_state.get(f"incident:{release.id}", ""))),
            "begun without approval; a review is due within 24 h")),
    }
    label, do = calls[action]
    return _remembered(label, action, key, release.id, do,
                       primary=action in {Action.APPROVE, Action.PROMOTE})


def _drift_choices(found: queries.Detail, key: str) -> list[decide.Choice]:
    release = found.release
    where: dict[str, Any] = {"model": release.model, "environment": release.environment}

    def do(act: Callable[..., dict[str, Any]], words: str) -> decide.Do:
        return lambda actor, reason, op_id: _said(
            act(_desk(), **where, actor=actor, reason=reason, op_id=op_id, now=session.now()), words)

    return [
        _remembered("Revert", Action.RESOLVE_DRIFT, key, release.id, do(recover.revert, "outside change undone")),
        _remembered("Adopt", Action.RESOLVE_DRIFT, key, release.id, do(recover.adopt, "outside change adopted")),
    ]


def _remembered(
    label: str, action: Action, key: str, release_id: str, do: decide.Do, *, primary: bool = False
) -> decide.Choice:
    """Return a button whose outcome is found again after the release has moved on and its form was drawn anew."""

    def remembering(actor: Actor, reason: str, op_id: str) -> str:
        st.session_state[_LAST] = {"release": release_id, "key": key}
        return do(actor, reason, op_id)

    return decide.Choice(label, action, remembering, primary=primary)


def _call(act: Callable[..., dict[str, Any]], release_id: str, words: str) -> decide.Do:
    return lambda actor, reason, op_id: _said(
        act(_desk(), release_id, actor=actor, reason=reason, op_id=op_id, now=session.now()), words)


def _desk() -> Desk:
    return session.services().desk


def _said(done: dict[str, Any], words: str) -> str:
    return f"{done['release']}: {words}" + (" (it was decided before)" if done.get("already") else "")


def _promoted(done: dict[str, Any]) -> str:
    return _said(done, "promoted: traffic moves next" if done["promoted"] else "signed; others must sign as well")


def _why_nothing(found: queries.Detail, actor: Actor) -> str:
    release = found.release
    if found.stage and actor.identity == release.proposer:
        return f"You proposed {release.id}: somebody else must approve it."
    if found.stage:
        return f"{release.id} waits for {found.needed - len(found.signed)} more to sign for {found.stage}."
    return f"Nothing is left to you to decide while it is {release.state}."
