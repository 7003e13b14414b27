"""Who somebody is, and which roles they hold."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.access import Action, Actor, Role, may
from services.core.identity import (
    Claims,
    Holding,
    actor_of,
    read_claims,
    require_fresh,
    require_name,
    require_other,
)
from services.errors import NotAllowed, Refused, SignInExpired

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
DAY = timedelta(hours=8)
GOOD = {"iss": "https://id.example", "sub": "ada", "iat": NOW.timestamp() - 60, "email": "ada@example.org",
        "groups": ["approvers", "staff"]}


def read(**changed):
    claims = {k: v for k, v in {**GOOD, **changed}.items() if v is not None}
    return read_claims(claims, now=NOW, longest=DAY)


def claims(subject="ada", issuer="https://id.example", *groups):
    return Claims(issuer=issuer, subject=subject, method="oidc", groups=frozenset(groups))


def test_claims_name_issuer_subject_groups_and_the_end_of_the_sign_in():
    found = read()
    assert (found.issuer, found.subject, found.label) == ("https://id.example", "ada", "ada@example.org")
    assert found.groups == {"approvers", "staff"}
    assert found.ends_at == NOW - timedelta(seconds=60) + DAY


@pytest.mark.parametrize("changed", [
    {"iss": None}, {"iss": ""}, {"iss": 7}, {"sub": None}, {"sub": ""}, {"sub": ["ada"]}, {"sub": "a" * 201},
    {"sub": "ada\u202e"}, {"sub": "ada\n"}, {"iat": None}, {"iat": "yesterday"}, {"iat": True}, {"iat": 1e30},
    {"iat": NOW.timestamp() + 3600},
])
def test_claims_that_lack_or_bend_what_is_needed_are_refused(changed):
    with pytest.raises(NotAllowed):
        read(**changed)


def test_a_sign_in_counts_for_its_length_and_not_a_second_longer():
    read(iat=(NOW - DAY).timestamp() + 1)
    with pytest.raises(SignInExpired, match="sign in again"):
        read(iat=(NOW - DAY).timestamp())


def test_clocks_a_few_seconds_apart_are_no_reason_to_refuse():
    read(iat=NOW.timestamp() + 30)


@pytest.mark.parametrize("groups", [None, "approvers", {"approvers": 1}, [1, None, ""], 7])
def test_groups_that_are_no_list_of_names_are_none(groups):
    assert read(groups=groups).groups == frozenset()


def test_a_label_that_is_no_text_is_not_shown():
    assert read(email={"a": 1}).label == ""


def test_roles_come_from_the_subject_and_from_groups_of_the_same_issuer():
    held = [Holding(role=Role.AUTHOR, issuer="https://id.example", subject="ada", model="fraud"),
            Holding(role=Role.APPROVER, issuer="https://id.example", group="approvers"),
            Holding(role=Role.ADMIN, issuer="https://id.example", subject="bob"),
            Holding(role=Role.MANAGER, issuer="os", subject="ada"),
            Holding(role=Role.ON_CALL, issuer="os", group="approvers")]
    found = actor_of(claims("ada", "https://id.example", "approvers"), held)
    assert found.roles(model="fraud", environment="production") == {Role.AUTHOR, Role.APPROVER}
    assert found.roles(model="churn", environment="production") == {Role.APPROVER}
    assert not may(found, Action.EDIT_ROLES)


def test_an_empty_group_or_subject_is_held_by_nobody():
    held = [Holding(role=Role.ADMIN, issuer="os", subject="", group="")]
    assert actor_of(claims("ada", "os"), held).grants == ()


@given(st.lists(st.tuples(st.sampled_from(Role), st.sampled_from("xy"), st.sampled_from(["a", "b", ""]),
                          st.sampled_from(["g", "h", ""])), max_size=8))
def test_nobody_holds_what_another_issuer_subject_or_group_was_given(rows):
    held = [Holding(role=role, issuer=issuer, subject=subject, group=group) for role, issuer, subject, group in rows]
    given_to = {role for role, issuer, subject, group in rows
                if issuer == "x" and (subject == "a" or (not subject and group == "g"))}
    assert {g.role for g in actor_of(claims("a", "x", "g"), held).grants} == given_to


def test_a_sign_in_without_an_end_does_not_age():
    require_fresh(None, who="ada", now=NOW)
    with pytest.raises(SignInExpired):
        require_fresh(NOW, who="ada", now=NOW)


def test_nobody_changes_their_own_roles():
    ada = Actor(subject="ada", issuer="os", method="os")
    with pytest.raises(Refused, match="ask another admin"):
        require_other(ada, issuer="os", subject="ada")
    require_other(ada, issuer="https://id.example", subject="ada")
    require_other(ada, issuer="os", subject="bob")


@pytest.mark.parametrize("text", ["", " ada", "ada ", "a" * 201, "a\nb", "a\u202eb", "a\x00"])
def test_a_name_that_no_reader_could_check_is_not_stored(text):
    with pytest.raises(Refused, match="visible characters"):
        require_name(text, "subject")
