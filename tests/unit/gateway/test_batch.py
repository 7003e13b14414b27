"""Answering many requests with one call of the model."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.gateway import wire
from services.gateway.batch import Batcher, fault_of
from services.gateway.pace import BOUND_S
from services.gateway.protocol import JSON
from services.gateway.signature import Column, Signature


@dataclass
class Said:
    answers: list[Any]
    prediction: list[float]
    score: list[float] | None = None


@dataclass
class Doubler:
    """Answers twice x; raises on 13; `took` is what each row costs on the fake clock."""

    signature: Signature = field(default_factory=lambda: Signature(columns=(Column("x", "double"),)))
    calls: list[int] = field(default_factory=list)
    clock: float = 0.0
    took: float = 0.0

    def predict(self, rows: Any, params: Any) -> Said:
        xs = [float(x) for x in (rows["x"] if isinstance(rows, dict) else rows[:, 0])]
        self.calls.append(len(xs))
        self.clock += self.took * len(xs)
        if 13 in xs:
            raise ValueError("thirteen")
        doubled = [2 * x + params.get("plus", 0) for x in xs]
        return Said(doubled, doubled, [0.5] * len(xs))


def _ask(call: int, *xs: Any, **beside: Any) -> wire.Frame:
    body = json.dumps({"inputs": {"x": list(xs)}, **beside}).encode()
    return wire.Splitter().feed(wire.pack_request(call, JSON, body))[0]


def _answers(batcher: Batcher, *frames: wire.Frame) -> dict[int, Any]:
    found = wire.Splitter().feed(b"".join(batcher.answer(frames)))
    return {f.call: json.loads(wire.answer(f)[0]) if f.kind is wire.Kind.ANSWER else fault_of(f) for f in found}


def _practised(model: Doubler) -> Batcher:
    """Return a batcher that has seen large batches cost nothing."""
    batcher = Batcher(model, clock=lambda: model.clock)
    batcher._pace.saw(64, 0.0)
    return batcher


def test_waiting_requests_share_one_call_and_get_their_own_rows():
    model = Doubler()
    batcher = _practised(model)
    found = _answers(batcher, _ask(1, 1, 2), _ask(2, 3), _ask(3, 4, 5, 6))
    assert model.calls == [6]
    assert {call: said["predictions"] for call, said in found.items()} == {1: [2, 4], 2: [6], 3: [8, 10, 12]}
    assert found[2]["scores"] == [0.5]


def test_one_bad_row_fails_its_own_request_only():
    model = Doubler()
    found = _answers(Batcher(model), _ask(1, 1), _ask(2, 13), _ask(3, 3), _ask(4, "no"))
    assert found[1]["predictions"] == [2]
    assert found[3]["predictions"] == [6]
    assert (found[2].status, str(found[2])) == (500, "the model raised ValueError: thirteen")
    assert found[2].trace.rstrip().endswith("ValueError: thirteen")
    assert "raise ValueError" in found[2].trace
    assert found[2].blames_model
    assert found[4].status == 400


def test_requests_with_other_params_are_asked_apart():
    model = Doubler()
    found = _answers(Batcher(model), _ask(1, 1), _ask(2, 1, params={"plus": 5}), _ask(3, 1))
    assert [found[call]["predictions"] for call in (1, 2, 3)] == [[2], [7], [2]]
    assert model.calls == [1, 1, 1]


def test_batches_grow_by_doubling_and_stop_at_the_latency_bound():
    model = Doubler(took=BOUND_S / 4.2)
    batcher = Batcher(model, clock=lambda: model.clock)
    for _ in range(3):
        _answers(batcher, *(_ask(call, call) for call in range(1, 13)))
    assert model.calls[:4] == [1, 2, 4, 4]
    assert max(model.calls) == 4


def test_a_model_that_answers_too_few_rows_is_at_fault():
    class Short(Doubler):
        def predict(self, rows: Any, params: Any) -> Said:
            return Said([1.0], [1.0])

    found = _answers(Batcher(Short()), _ask(1, 1, 2))
    assert "gave 1 answers for 2 rows" in str(found[1])


def test_what_is_not_finite_is_null_in_the_log():
    class Endless(Doubler):
        def predict(self, rows: Any, params: Any) -> Said:
            return Said([None], [float("nan")])

    (data,) = Batcher(Endless()).answer([_ask(1, 1)])
    record = json.loads(wire.answer(wire.Splitter().feed(data)[0])[1])
    assert record == {"rows": 1, "prediction": [None]}


def test_tensors_of_one_shape_share_a_call():
    model = Doubler(signature=Signature(dtype="float32", shape=(-1, 1)))
    batcher = _practised(model)

    def ask(call: int, rows: list[list[float]]) -> wire.Frame:
        body = json.dumps({"instances": rows}).encode()
        return wire.Splitter().feed(wire.pack_request(call, JSON, body))[0]

    found = _answers(batcher, ask(1, [[1.0]]), ask(2, [[2.0], [3.0]]))
    assert model.calls == [3]
    assert found[2]["predictions"] == [4.0, 6.0]


def test_whole_numbers_with_and_without_gaps_are_answered_side_by_side():
    optional = Signature(columns=(Column("x", "long", required=False),))

    class Sum(Doubler):
        def predict(self, rows: Any, params: Any) -> Said:
            return Said([float(v) for v in np.nan_to_num(rows[:, 0])], [0.0] * len(rows))

    found = _answers(Batcher(Sum(signature=optional)), _ask(1, 1), _ask(2, None))
    assert [found[c]["predictions"] for c in (1, 2)] == [[1.0], [0.0]]


def test_numbers_with_and_without_gaps_share_a_call():
    model = Doubler()
    found = _answers(_practised(model), _ask(1, 1.5), _ask(2, None), _ask(3, 2, 3))
    assert model.calls == [4]
    assert [found[c]["predictions"] for c in (1, 3)] == [[3.0], [4.0, 6.0]]
