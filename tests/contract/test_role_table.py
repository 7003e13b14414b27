"""Roles in the ops store, on SQLite and PostgreSQL."""

from datetime import timedelta

import pytest

from services.adapters.audit_table import AuditTable
from services.adapters.role_table import RoleTable
from services.core.access import Actor, Grant, Role
from services.core.identity import Holding
from services.errors import NotAllowed, NotFound, Refused, SignInExpired

ADMIN = Actor(subject="root", issuer="os", method="os", grants=(Grant(role=Role.ADMIN),))
ADA = Holding(role=Role.APPROVER, issuer="https://id.example", subject="ada", model="fraud", environment="production")


@pytest.fixture
def table(any_db):
    return RoleTable(any_db)


def grant(table, holding=ADA, *, actor=ADMIN, op_id="one", now):
    return table.grant(holding, actor=actor, reason="joined the team", op_id=op_id, now=now)


def revoke(table, holding=ADA, *, actor=ADMIN, op_id="two", now):
    return table.revoke(holding, actor=actor, reason="left the team", op_id=op_id, now=now)


def test_a_granted_role_is_found_by_issuer_and_subject_and_is_gone_when_revoked(table, now):
    grant(table, now=now)
    assert table.of("https://id.example", "ada") == [ADA]
    assert table.of("https://other.example", "ada") == []
    assert [(g.holding, g.by, g.at) for g in table.all()] == [(ADA, "os:root", now)]
    revoke(table, now=now)
    assert table.of("https://id.example", "ada") == []


def test_each_change_is_in_the_audit_chain_with_its_reason(table, any_db, now):
    grant(table, now=now)
    revoke(table, now=now)
    rows = AuditTable(any_db).of("person:https://id.example:ada")
    assert [(r.action, r.actor, r.reason) for r in rows] == [
        ("grant a role", "os:root", "joined the team"), ("revoke a role", "os:root", "left the team")]
    assert rows[0].detail["role"] == "approver"
    assert AuditTable(any_db).verify() == []


def test_a_repeat_returns_the_first_outcome_and_a_second_grant_is_refused(table, now):
    assert grant(table, now=now)["already"] is False
    assert grant(table, now=now)["already"] is True
    with pytest.raises(Refused, match="granted already"):
        grant(table, op_id="another", now=now)
    assert len(table.all()) == 1


def test_what_was_never_granted_cannot_be_revoked(table, now):
    with pytest.raises(NotFound, match="interlock roles list"):
        revoke(table, now=now)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
@pytest.mark.parametrize("change", [grant, revoke])
def test_only_an_admin_changes_roles(table, now, role, change):
    with pytest.raises(NotAllowed, match="takes admin"):
        change(table, actor=Actor(subject="x", issuer="os", method="os", grants=(Grant(role=role),)), now=now)
    assert table.all() == []


def test_an_admin_of_one_model_changes_no_roles(table, now):
    local = Actor(subject="x", issuer="os", method="os", grants=(Grant(role=Role.ADMIN, model="fraud"),))
    with pytest.raises(NotAllowed):
        grant(table, actor=local, now=now)


def test_an_admin_cannot_make_themselves_an_approver(table, now):
    own = Holding(role=Role.APPROVER, issuer="os", subject="root")
    with pytest.raises(Refused, match="their own roles"):
        grant(table, own, now=now)


def test_a_command_of_a_sign_in_that_ended_changes_nothing(table, now):
    late = Actor(subject="root", issuer="os", method="oidc", grants=ADMIN.grants, ends_at=now - timedelta(seconds=1))
    with pytest.raises(SignInExpired):
        grant(table, actor=late, now=now)
    assert table.all() == []
