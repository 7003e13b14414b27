import json

import pytest

from services.training.log_lines import split

TRACE = 'Traceback (most recent call last):\n  File "train.py", line 3\nValueError: no rows'


def texts(**record: object) -> list[str]:
    return [bare.text for bare in split(json.dumps(record))]


@pytest.mark.parametrize("record", [
    {"stack_trace": TRACE}, {"stack": {"trace": TRACE}}, {"traceback": TRACE, "stack": TRACE},
    {"error": {"stack_trace": TRACE}, "stack_trace": TRACE},
])
def test_a_trace_is_read_once_however_often_a_record_holds_it(record: dict[str, object]) -> None:
    found = texts(message="training failed", **record)
    assert found == ["training failed", "Traceback (most recent call last):", found[2], "ValueError: no rows"]


def test_two_traces_of_a_record_are_both_read() -> None:
    found = texts(message="training failed", stack_trace=TRACE, error={"type": "OSError", "message": "disk full"})
    assert ("OSError: disk full" in found, "ValueError: no rows" in found) == (True, True)
