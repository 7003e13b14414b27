"""Read MLflow's scoring protocol: the JSON forms and CSV, and our optional key `interlock`.

Exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs` carries the rows; `params` may stand
beside it. Types are checked against the model's signature in signature.py; nothing here knows a model.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.gateway.fault import InvocationFault, bad_request

FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
JSON: Final = "application/json"
CSV: Final = "text/csv"
MAX_ID: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The rows of one request.

    `columns` maps name to one value per row; `tensor` holds what cannot be read as columns (nested lists). Exactly
    one of the two is set. `names` is False where the columns had no names and are numbered by position.
    """

    rows: int
    columns: Mapping[str, Sequence[Any]] | None = None
    tensor: Any = None
    names: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)
    request_ids: tuple[str, ...] = ()
    entity_ids: tuple[str, ...] = ()


def media_type(content_type: str) -> str:
    """Return which of our formats the header names; an empty header means JSON, as clients often leave it out.

    Raises:
        InvocationFault: 415 for any other format or character set.
    """
    kind, *parameters = [part.strip().lower() for part in (content_type or JSON).split(";")]
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
            raise InvocationFault(415, "UNSUPPORTED_MEDIA_TYPE", f"character set {value[:40]} is not read: send UTF-8")
    if kind not in (JSON, CSV):
        raise InvocationFault(415, "UNSUPPORTED_MEDIA_TYPE", f"{kind[:80]} is not read: send {JSON} or {CSV}")
    return kind


def parse(body: bytes, kind: str) -> Payload:
    """Return the rows of a request body of the given media type.

    Raises:
        InvocationFault: 400 with what is wrong and what is expected.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    return _from_csv(text) if kind == CSV else _from_json(text)


def _from_json(text: str) -> Payload:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise bad_request(f"the body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise bad_request("the body is nested too deeply: send one of " + ", ".join(FORMS)) from error
    if not isinstance(document, dict):
        raise bad_request(f"the body must be a JSON object with one of {', '.join(FORMS)}")
    given = [form for form in FORMS if form in document]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        raise bad_request(f"the body must have exactly one of {', '.join(FORMS)}; it has {has}")
    params = document.get("params")
    params = {} if params is None else params
    if not isinstance(params, dict):
        raise bad_request("params must be a JSON object")
    rows = _READERS[given[0]](document[given[0]])
    if rows.rows == 0:
        raise bad_request(f"{given[0]} holds no rows")
    request_ids, entity_ids = _ids(document.get("interlock"), rows.rows)
    return replace(rows, params=params, request_ids=request_ids, entity_ids=entity_ids)


def _split(value: Any) -> Payload:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise bad_request("dataframe_split must be an object with columns and data")
    columns = value.get("columns")
    if columns is not None and not (isinstance(columns, list) and all(isinstance(c, str | int) for c in columns)):
        raise bad_request("dataframe_split.columns must be a list of names")
    return _by_position(value["data"], None if columns is None else [str(c) for c in columns], "dataframe_split.data")


def _records(value: Any) -> Payload:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise bad_request("dataframe_records must be a list of objects, one per row")
    names = dict.fromkeys(name for row in value for name in row)
    return Payload(rows=len(value), columns={name: [row.get(name) for row in value] for name in names})


def _instances(value: Any) -> Payload:
    if not isinstance(value, list):
        raise bad_request("instances must be a list, one item per row")
    if value and all(isinstance(row, dict) for row in value):
        return _records(value)
    return Payload(rows=len(value), tensor=value)


def _inputs(value: Any) -> Payload:
    if isinstance(value, list):
        return _instances(value)
    if not isinstance(value, dict):
        raise bad_request("inputs must be a list or an object of columns")
    columns = {str(name): cells if isinstance(cells, list) else [cells] for name, cells in value.items()}
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise bad_request("inputs has columns of different lengths: give each column one value per row")
    return Payload(rows=lengths.pop() if lengths else 0, columns=columns)


_READERS: Final = {
    "dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs,
}


def _by_position(data: list[Any], names: list[str] | None, what: str) -> Payload:
    width = len(names) if names is not None else len(data[0]) if data and isinstance(data[0], list) else 0
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            raise bad_request(f"{what}: row {number} must be a list of {width} values")
    if names is not None and len(set(names)) != width:
        raise bad_request(f"{what}: a column is named twice")
    given = names if names is not None else [str(i) for i in range(width)]
    return Payload(rows=len(data), names=names is not None,
                   columns={name: [row[i] for row in data] for i, name in enumerate(given)})


def _from_csv(text: str) -> Payload:
    try:
        table = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise bad_request(f"the body is not valid CSV: {error}") from error
    if len(table) < 2:
        raise bad_request("the CSV holds no rows: send a line of column names, then one line per row")
    rows = _by_position([list(row) for row in table[1:]], table[0], "CSV")
    # An empty field of a CSV is a missing value: CSV has no other way to say so.
    columns = {name: [cell or None for cell in cells] for name, cells in (rows.columns or {}).items()}
    return replace(rows, columns=columns)


def _ids(given: Any, rows: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return request and entity ids, each empty or one per row."""
    if given is None:
        return (), ()
    if not isinstance(given, dict) or set(given) - {"request_ids", "entity_ids"}:
        raise bad_request("interlock may hold request_ids and entity_ids, and nothing else")
    found = []
    for name in ("request_ids", "entity_ids"):
        ids = given.get(name) or []
        if not isinstance(ids, list) or not all(is_id(i) for i in ids):
            raise bad_request(f"interlock.{name} must be a list of printable texts of 1 to {MAX_ID} characters")
        if ids and len(ids) != rows:
            raise bad_request(f"interlock.{name} has {len(ids)} ids for {rows} rows: give one per row")
        found.append(tuple(ids))
    if len(set(found[0])) != len(found[0]):
        raise bad_request("interlock.request_ids names a row twice: labels could not be joined")
    return found[0], found[1]


def is_id(value: Any) -> bool:
    """Tell whether a value can be a request's or an entity's id."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable()


def row_ids(payload_ids: Sequence[str], request_id: str, rows: int) -> list[str]:
    """Return the id of each row: as given; else the request's own id, numbered where there are several rows."""
    if payload_ids:
        return list(payload_ids)
    return [request_id] if rows == 1 else [f"{request_id}-{i}" for i in range(rows)]


def part(payload: Payload, rows: Sequence[int]) -> bytes:
    """Return a JSON body with some rows of a payload: what one version of a split request gets."""
    document: dict[str, Any] = {"params": dict(payload.params)} if payload.params else {}
    if payload.columns is None:
        document["instances"] = [payload.tensor[i] for i in rows]
    else:
        split: dict[str, Any] = {"data": [[cells[i] for cells in payload.columns.values()] for i in rows]}
        if payload.names:
            split["columns"] = list(payload.columns)
        document["dataframe_split"] = split
    ids = {"request_ids": payload.request_ids, "entity_ids": payload.entity_ids}
    document["interlock"] = {name: [given[i] for i in rows] for name, given in ids.items() if given}
    return json.dumps(document).encode()
