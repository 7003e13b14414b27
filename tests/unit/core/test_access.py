"""Who may do what."""

import pytest

from services.core.access import ALLOWED, Action, Actor, Grant, Role, may, require
from services.errors import NotAllowed


def actor(role: Role, model: str = "*", environment: str = "*") -> Actor:
    grant = Grant(role=role, model=model, environment=environment)
    return Actor(subject=role, issuer="test", method="demo", grants=(grant,))


def test_every_action_has_a_row_in_the_role_table():
    assert set(ALLOWED) == set(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_exactly_what_the_table_says(role, action):
    assert may(actor(role), action) is (role in ALLOWED[action])


def test_a_viewer_may_only_look():
    assert [a for a in Action if may(actor(Role.VIEWER), a)] == [Action.VIEW]


def test_an_admin_cannot_sign_a_release():
    assert not may(actor(Role.ADMIN), Action.APPROVE)


def test_a_grant_on_one_model_does_not_reach_another():
    approver = actor(Role.APPROVER, model="fraud", environment="production")
    require(approver, Action.APPROVE, model="fraud", environment="production")
    for model, environment in (("churn", "production"), ("fraud", "staging"), ("", "")):
        with pytest.raises(NotAllowed, match="takes approver"):
            require(approver, Action.APPROVE, model=model, environment=environment)


def test_the_same_subject_of_two_issuers_is_two_people():
    one, other = (Actor(subject="a", issuer=issuer, method="oidc") for issuer in "xy")
    assert one.identity != other.identity
