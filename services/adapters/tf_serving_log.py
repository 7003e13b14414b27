"""Read TF Serving's `PredictionLog` TFRecords: one row per row that was asked, whatever kind of request asked it.

A record has neither a time nor an id. A row is dated by when its file was written, so a file should hold an hour at
most; its id is the input named like the settings' request id, else one made of the file's name and its place there.
Imports tensorflow, and therefore belongs to the monitor.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.errors import SourceMalformed
from services.settings.sections import Columns

Row = dict[str, Any]

_EXAMPLES: Final = ("examples", "inputs", "input")  # names of inputs that hold serialized tf.Example records


def rows(file: Path, names: Columns, *, origin_of: str, written: datetime) -> Iterator[Row]:
    """Yield the rows of one file of records.

    Raises:
        SourceMalformed: it is no TFRecord file, or holds something else than `PredictionLog`.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    stem = sha256(origin_of.encode()).hexdigest()[:12]
    kind = "GZIP" if origin_of.endswith(".gz") else ""
    place = 0
    try:
        for record in tf.data.TFRecordDataset(str(file), compression_type=kind).as_numpy_iterator():
            log = PredictionLog.FromString(record)
            yield from _request(log, names, f"{stem}-{place}", written)
            place += 1
    except (tf.errors.OpError, DecodeError) as error:
        said = str(getattr(error, "message", error)).strip().splitlines()[0]
        raise SourceMalformed(f"is no file of PredictionLog records: record {place} cannot be read ({said})") from error


def _request(log: Any, names: Columns, name: str, written: datetime) -> Iterator[Row]:
    form = log.WhichOneof("log_type") or ""
    given, answers, fault = _READERS[form](log, names) if form in _READERS else ({}, {}, f"{form or 'empty'} not read")
    count = max([len(v) for v in given.values()] or [len(v) for v in answers.values()] or [1])
    lacking = not answers or any(len(v) != count for v in answers.values())
    fault = fault or ("no answer" if lacking else "")
    version = log.log_metadata.model_spec.version.value
    ids = given.pop(names.request_id, [])
    for place in range(count):
        own = ids[place] if len(ids) == count else f"{name}-{place}" if count > 1 else name
        yield {
            **{n: _plain(v[place]) for n, v in given.items() if len(v) == count},
            **({} if fault else {n: _plain(v[place]) for n, v in answers.items()}),
            names.request_id: str(_plain(own)), names.timestamp: written, names.version: str(version or ""),
            names.status: "error" if fault else "ok", "error_type": fault,
        }


Read = tuple[dict[str, Sequence[Any]], dict[str, Sequence[Any]], str]


def _predict(log: Any, names: Columns) -> Read:
    found = log.predict_log
    given: dict[str, Sequence[Any]] = {}
    for name, tensor in found.request.inputs.items():
        value = _array(tensor)
        if value.dtype == object and (name in _EXAMPLES or len(found.request.inputs) == 1):
            given.update(_examples([_example(text) for text in value.ravel()]))
        else:
            given.update(_columns(name, value))
    answers: dict[str, Sequence[Any]] = {}
    for name, tensor in found.response.outputs.items():
        answers.update(_outputs(name, _array(tensor), names, only=len(found.response.outputs) == 1))
    return given, answers, ""


def _classify(log: Any, names: Columns) -> Read:
    found = log.classify_log
    classes = [list(one.classes) for one in found.response.result.classifications]
    best = [max(some, key=lambda c: c.score, default=None) for some in classes]
    answers: dict[str, Sequence[Any]] = {}
    if best and all(best):
        answers[names.prediction] = [_number(one.label) for one in best if one]
        answers[names.score] = [next((c.score for c in some if c.label == "1"), one.score if one else 0.0)
                                for some, one in zip(classes, best, strict=True)]
    return _inputs(found.request.input), answers, ""


def _regress(log: Any, names: Columns) -> Read:
    found = log.regress_log
    values = [one.value for one in found.response.result.regressions]
    return _inputs(found.request.input), {names.prediction: values} if values else {}, ""


_READERS: Final = {"predict_log": _predict, "classify_log": _classify, "regress_log": _regress}


def _inputs(given: Any) -> dict[str, Sequence[Any]]:
    with_context = given.example_list_with_context
    return _examples(list(given.example_list.examples) or list(with_context.examples))


def _example(text: bytes) -> Any:
    import tensorflow as tf

    return tf.train.Example.FromString(text)


def _examples(records: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Return one column per feature of tf.Example records; a feature with several values as text."""
    names = dict.fromkeys(name for record in records for name in record.features.feature)
    return {name: [_feature(record.features.feature, name) for record in records] for name in names}


def _feature(features: Mapping[str, Any], name: str) -> Any:
    if name not in features:
        return None
    found = features[name]
    values = list(getattr(found, found.WhichOneof("kind") or "float_list").value)
    return values[0] if len(values) == 1 else (str([_plain(v) for v in values]) if values else None)


def _array(tensor: Any) -> Any:
    import tensorflow as tf

    return np.asarray(tf.make_ndarray(tensor))


def _columns(name: str, value: Any) -> dict[str, Sequence[Any]]:
    """Return an input as columns: one value per row as itself, a vector per row as `name_0` and so on."""
    rows = value.reshape(1) if value.ndim == 0 else value.reshape(len(value), -1)
    if rows.ndim == 1 or rows.shape[1] == 1:
        return {name: list(rows.ravel())}
    return {f"{name}_{i}": list(rows[:, i]) for i in range(rows.shape[1])}


def _outputs(name: str, value: Any, names: Columns, *, only: bool) -> dict[str, Sequence[Any]]:
    """Return an output as columns; the only one is the prediction, and of several classes the most likely."""
    title = names.prediction if only else name
    rows = value.reshape(1, 1) if value.ndim == 0 else value.reshape(len(value), -1)
    if rows.shape[1] == 1:
        return {title: list(rows[:, 0])}
    if not only:
        return _columns(name, value)
    found: dict[str, Sequence[Any]] = {title: list(rows.argmax(axis=1))}
    if rows.shape[1] == 2:
        found[names.score] = list(rows[:, 1])
    return found


def _number(label: str) -> Any:
    try:
        return float(label)
    except ValueError:
        return label


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value
