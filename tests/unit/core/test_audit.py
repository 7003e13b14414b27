"""The chain changes with every part of an entry, and only then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.core.access import Actor
from services.core.audit import GENESIS, AuditEntry, link

ANN = Actor(subject="ann", issuer="x", method="oidc")
ENTRY = AuditEntry(at=datetime(2026, 3, 4, tzinfo=UTC), actor=ANN, action="approve", subject="release:1", reason="ok",
                   evidence="e", detail={"a": 1, "b": 2})


@pytest.mark.parametrize("change", [
    {"action": "reject"}, {"subject": "release:2"}, {"reason": "no"}, {"evidence": "f"}, {"detail": {"a": 1}},
    {"actor": replace(ANN, subject="bob")}, {"actor": replace(ANN, method="demo")},
    {"at": ENTRY.at + timedelta(microseconds=1)},
])
def test_any_changed_part_changes_the_hash(change):
    assert link(replace(ENTRY, **change), seq=1, previous=GENESIS) != link(ENTRY, seq=1, previous=GENESIS)


def test_place_and_predecessor_are_part_of_the_hash():
    one = link(ENTRY, seq=1, previous=GENESIS)
    assert link(ENTRY, seq=2, previous=GENESIS) != one != link(ENTRY, seq=1, previous=one)


def test_the_same_moment_in_another_zone_and_details_in_another_order_give_the_same_hash():
    same = replace(ENTRY, at=ENTRY.at.astimezone(timezone(timedelta(hours=5))), detail={"b": 2, "a": 1})
    assert link(same, seq=1, previous=GENESIS) == link(ENTRY, seq=1, previous=GENESIS)
