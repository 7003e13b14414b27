"""Answer many waiting requests with one call of the model, and give each its own part of the answer.

A single waiting request is never held back for company: a batch is what arrived while the model was busy. How many
rows one batch may hold adapts so that a batch stays inside a latency bound. One bad row fails its own request only.
"""

import json
import math
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from services.gateway import wire
from services.gateway.fault import InvocationFault
from services.gateway.pace import Pace
from services.gateway.protocol import parse
from services.gateway.signature import Signature, arrays, matrix, one_type, stacked, tensor

_TRACE = 3_000  # characters of a trace that travel and are logged, counted from its end


class Output(Protocol):
    """What a model said about some rows, one item per row each."""

    @property
    def answers(self) -> list[Any]:
        """The answers to the client."""
        ...

    @property
    def prediction(self) -> list[float]:
        """The log's predictions."""
        ...

    @property
    def score(self) -> list[float] | None:
        """The log's scores; None where the task has none."""
        ...


class Model(Protocol):
    """A model in memory."""

    @property
    def signature(self) -> Signature:
        """Its inputs."""
        ...

    def predict(self, rows: Any, params: Mapping[str, Any]) -> Output:
        """Answer typed columns, or one array of all of them; `params` are the request's own, empty for most models."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    call: int
    rows: int
    inputs: Any
    params: Mapping[str, Any]
    shape: object  # requests of equal shape and params can share a batch


class Batcher:
    """Turns request frames into answer frames. One per worker process; not shared between threads."""

    def __init__(self, model: Model, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._model = model
        self._clock = clock
        self._pace = Pace()

    @property
    def room(self) -> int:
        """How many rows the next batch may hold."""
        return self._pace.room

    def answer(self, frames: Sequence[wire.Frame]) -> Iterable[bytes]:
        """Yield the answers' frames, those of one batch together, as soon as it is done."""
        waiting: list[_Asked] = []
        for frame in frames:
            try:
                asked = self._read(frame)
            except InvocationFault as fault:
                yield pack_fault(frame.call, fault)
                continue
            if waiting and (not _alike(waiting[0], asked) or sum(a.rows for a in waiting) + asked.rows > self.room):
                yield from self._together(waiting)
                waiting = []
            waiting.append(asked)
        if waiting:
            yield from self._together(waiting)

    def _read(self, frame: wire.Frame) -> _Asked:
        kind, body = wire.request(frame)
        payload = parse(body, kind)
        signature = self._model.signature
        if signature.dtype or (payload.columns is None and not signature.columns):
            inputs: Any = tensor(payload, signature)
            return _Asked(frame.call, payload.rows, inputs, payload.params, inputs.shape[1:])
        given: Any = matrix(payload, signature, kind)
        if given is None:
            given = arrays(payload, signature, kind)
            given = stacked(given) if one_type(signature) else given
        shape = tuple(given) if isinstance(given, dict) else given.dtype
        return _Asked(frame.call, payload.rows, given, payload.params, shape)

    def _together(self, asked: Sequence[_Asked]) -> Iterable[bytes]:
        started = self._clock()
        rows = sum(a.rows for a in asked)
        try:
            inputs = asked[0].inputs if len(asked) == 1 else _joined([a.inputs for a in asked])
            output = self._checked(inputs, rows, asked[0].params)
        except Exception as error:  # noqa: BLE001 -- a model may raise anything; only its own request fails
            if len(asked) == 1:
                yield pack_fault(asked[0].call, _model_fault(error))
                return
            for one in asked:
                yield from self._together([one])
            return
        self._pace.saw(rows, self._clock() - started)
        start = 0
        frames = []
        for one in asked:
            frames.append(_pack(one.call, output, start, start + one.rows))
            start += one.rows
        yield b"".join(frames)

    def _checked(self, inputs: Any, rows: int, params: Mapping[str, Any]) -> Output:
        output = self._model.predict(inputs, params)
        if not len(output.answers) == len(output.prediction) == rows:
            raise ValueError(f"the model gave {len(output.answers)} answers for {rows} rows")
        return output


def pack_fault(call: int, fault: InvocationFault) -> bytes:
    """Return a FAULT frame."""
    text = json.dumps({"status": fault.status, "code": fault.code, "message": str(fault), "trace": fault.trace})
    return wire.pack(call, wire.Kind.FAULT, text.encode())


def fault_of(frame: wire.Frame) -> InvocationFault:
    """Return the fault that `pack_fault` wrote."""
    said: Mapping[str, Any] = json.loads(frame.content)
    return InvocationFault(said["status"], said["code"], said["message"], trace=said["trace"])


def _model_fault(error: Exception) -> InvocationFault:
    text = " ".join(str(error).split())[:300]
    # The innermost lines are the model's own; the outer ones are ours and the same for every error.
    trace = "".join(traceback.format_exception(error))[-_TRACE:]
    return InvocationFault(500, "MODEL_ERROR", f"the model raised {type(error).__name__}: {text}", trace=trace)


def _alike(one: _Asked, other: _Asked) -> bool:
    return one.shape == other.shape and one.params == other.params


def _joined(inputs: Sequence[Any]) -> Any:
    if not isinstance(inputs[0], dict):
        return np.concatenate(inputs)
    joined = {}
    for name in inputs[0]:
        cells = [one[name] for one in inputs]
        lists = any(isinstance(c, list) for c in cells)
        joined[name] = [value for c in cells for value in c] if lists else np.concatenate(cells)
    return joined


def _pack(call: int, output: Output, start: int, end: int) -> bytes:
    document: dict[str, Any] = {"predictions": output.answers[start:end]}
    record: dict[str, Any] = {"rows": end - start, "prediction": _finite(output.prediction[start:end])}
    if output.score is not None:
        document["scores"] = record["score"] = _finite(output.score[start:end])
    return wire.pack_answer(call, json.dumps(document, default=str).encode(), record)


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
