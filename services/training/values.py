"""A run's params, metrics, tags and the data sets it read: written as one JSON text a run, read back as typed values.

One text a run, because nothing asks across runs by value, and twenty-five rows a run would cost a first sync more than
reading MLflow does. How tags are understood is in tags.py.
"""

import json
from collections.abc import Mapping
from typing import Final

from services.training.inputs import pack, unpack
from services.training.run import DataInput, RawRun, Value
from services.training.tags import clean, finite, from_ms, not_finite

_KINDS: Final = ("metric", "param", "tag")


def write(raw: RawRun) -> str:
    """Return everything that a run said, as text: equal for equal values, whatever order they came in.

    A metric is `[value, step, milliseconds]`; NaN and infinities, which JSON has no numbers for, are words.
    """
    body: dict[str, dict[str, object]] = {
        "metric": {clean(key): [not_finite(value) or value, step, ms] for key, value, ms, step in raw.metrics},
        "param": {clean(key): clean(value) for key, value in raw.params.items()},
        "tag": {clean(key): clean(value) for key, value in raw.tags.items()},
    }
    # A run without any keeps the text that it had before inputs were read: it is not written again.
    if raw.inputs:
        body["input"] = {f"{i:04}": pack(given) for i, given in enumerate(sorted(raw.inputs, key=_order))}
    return json.dumps(body, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read(body: Mapping[str, Mapping[str, object]], *, kind: str = "", key: str = "") -> list[Value]:
    """Return the values of a run, by kind and key.

    Args:
        body: what `write` wrote.
        kind: only metrics, params or tags.
        key: only the value of this name.
    """
    return [
        _value(which, name, said) for which in _KINDS if kind in ("", which)
        for name, said in sorted(body.get(which, {}).items()) if key in ("", name)
    ]


def inputs(body: Mapping[str, Mapping[str, object]]) -> list[DataInput]:
    """Return the data sets that a run logged as its inputs, by name."""
    return [unpack(packed) for _, packed in sorted(body.get("input", {}).items()) if isinstance(packed, list)]


def _order(given: DataInput) -> tuple[str, str, str]:
    return given.name, given.digest, given.context


def _value(kind: str, key: str, said: object) -> Value:
    if isinstance(said, list):
        value, step, ms = said
        word = value if isinstance(value, str) else None
        return Value(kind=kind, key=key, text=word, number=None if word else float(value), step=step, at=from_ms(ms))
    text = str(said)
    return Value(kind=kind, key=key, text=text, number=finite(text) if kind == "param" else None)
