"""Faults of a step's parts are kept, and the step fails by the first."""

import pytest

from services.errors import NotFound, SourceMalformed, SourceUnavailable
from services.monitor.faults import Faults, each_model


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


def test_every_model_has_its_turn_before_a_fault_is_raised():
    turns = []

    def one(model, log):
        turns.append(model)
        if log is None:
            raise SourceUnavailable(f"{model} does not answer")
        return f"{log} rows"

    assert each_model({"fares": 2, "delay": 3}, one) == "fares: 2 rows; delay: 3 rows"
    assert each_model({}, one) == "no models are set"
    turns.clear()
    with pytest.raises(SourceUnavailable, match=r"^fares does not answer$"):
        each_model({"fares": None, "delay": 3}, one)
    assert turns == ["fares", "delay"]
