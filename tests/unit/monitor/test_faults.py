"""Faults of a step's parts are kept, and the step fails by the first."""

import pytest

from services.errors import NotFound, SourceMalformed, SourceUnavailable
from services.monitor.faults import Faults


def test_what_fails_does_not_stop_what_comes_after_and_one_fault_is_raised_as_it_is():
    faults, done = Faults(), []
    for part in ("a", "b", "c"):
        with faults.kept():
            if part == "b":
                raise SourceUnavailable("b does not answer")
            done.append(part)
    assert done == ["a", "c"]
    with pytest.raises(SourceUnavailable, match=r"^b does not answer$"):
        faults.raise_first()


def test_several_faults_are_counted_behind_the_first():
    faults = Faults()
    for words in ("first", "second", "third"):
        with faults.kept():
            raise NotFound(words)
    with pytest.raises(SourceMalformed, match=r"first \(and 2 more faults\)"):
        faults.raise_first()


def test_without_a_fault_nothing_is_raised_and_what_is_not_ours_passes_through():
    faults = Faults()
    faults.raise_first()
    with pytest.raises(ZeroDivisionError), faults.kept():
        raise ZeroDivisionError
