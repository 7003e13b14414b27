"""Check rows against a model's signature and turn them into typed arrays.

Follows MLflow's rules where a client can see them: columns beyond the signature are dropped, an absent optional column
is missing, a required one is refused, whole numbers pass as floats, text never passes as a number (CSV excepted: there
everything is text). Reading the signature from the model is done in the worker.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from services.gateway.fault import bad_request
from services.gateway.protocol import CSV, Payload

_FLOATS: Final = {"double": np.float64, "float": np.float32}
_INTEGERS: Final = {"long": (np.int64, -(2**63), 2**63), "integer": (np.int32, -(2**31), 2**31)}
# The types that one column's cells may have to be taken as they are; bool is none of them, though Python says so.
_NUMBER: Final[frozenset[type]] = frozenset({int, float})
_PLAIN: Final[Mapping[str, tuple[Any, frozenset[type]]]] = {
    "double": (np.float64, _NUMBER), "float": (np.float32, _NUMBER), "long": (np.int64, frozenset({int})),
    "integer": (np.int32, frozenset({int})),
}
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Column:
    """One input: its name, MLflow's type name, and whether a request must have it."""

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A model's inputs: columns, or one tensor of `dtype` and `shape` (-1 where any length will do), or unknown."""

    columns: tuple[Column, ...] = ()
    dtype: str = ""
    shape: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the signature as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Signature":
        """Return the signature that `to_json` wrote."""
        return cls(columns=tuple(Column(**column) for column in values["columns"]), dtype=values["dtype"],
                   shape=tuple(values["shape"]))


def arrays(payload: Payload, signature: Signature, kind: str) -> dict[str, Any]:
    """Return one array or list per column of the signature, in its order.

    Raises:
        InvocationFault: 400 naming the column, the first bad row and the type that is wanted.
    """
    if not signature.columns and payload.columns is not None:
        return dict(payload.columns)  # logged without a signature: nothing to check against
    given = _named(payload, signature)
    found: dict[str, Any] = {}
    for column in signature.columns:
        cells = given.get(column.name)
        if cells is None:
            if column.required:
                raise bad_request(f"column {column.name} ({column.type}) is missing: the model needs "
                                  + ", ".join(c.name for c in signature.columns if c.required))
            cells = [None] * payload.rows
        found[column.name] = _typed(cells, column, textual=kind == CSV)
    return found


def one_type(signature: Signature) -> str:
    """Return the type that all columns share where it is one of plain numbers, else nothing."""
    types = {column.type for column in signature.columns}
    return types.pop() if len(types) == 1 and types <= _PLAIN.keys() else ""


def matrix(payload: Payload, signature: Signature, kind: str) -> "np.ndarray[Any, Any] | None":
    """Return all columns as one array in the signature's order, where nothing about them needs a closer look.

    This is the short way of the everyday request: numbers of the columns' one type, none missing. None says that
    `arrays` has to look: it knows what is wrong, or that a gap may be.
    """
    wanted = _PLAIN.get(one_type(signature))
    if wanted is None or payload.columns is None or not payload.names or kind == CSV:
        return None
    dtype, types = wanted
    try:
        cells = [cell for column in signature.columns for cell in payload.columns[column.name]]
        if not types.issuperset(map(type, cells)):
            return None
        with np.errstate(over="ignore"):  # as in _packed
            found = np.array(cells, dtype=dtype)
    except (KeyError, OverflowError):
        return None
    return found.reshape(len(signature.columns), payload.rows).T


def stacked(columns: Mapping[str, Any]) -> Any:
    """Return columns of one type as one array, others as they are."""
    kinds = {cells.dtype if isinstance(cells, np.ndarray) and cells.ndim == 1 else None for cells in columns.values()}
    return np.column_stack(list(columns.values())) if len(kinds) == 1 and None not in kinds else columns


def tensor(payload: Payload, signature: Signature) -> np.ndarray[Any, Any]:
    """Return the request as one array of the signature's type and shape.

    Raises:
        InvocationFault: 400 where values or shape do not fit.
    """
    value = payload.tensor
    if payload.columns is not None:
        value = list(zip(*payload.columns.values(), strict=True))
    try:
        found = np.asarray(value, dtype=signature.dtype or np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise bad_request(f"the rows do not form an array of {signature.dtype or 'numbers'}: {error}") from error
    wanted = signature.shape
    fits = len(wanted) == found.ndim and all(w in (-1, s) for w, s in zip(wanted, found.shape, strict=False))
    if wanted and not fits:
        raise bad_request(f"the rows have shape {found.shape}, the model takes {wanted}")
    return found


def sample(signature: Signature) -> dict[str, list[Any]]:
    """Return one row that the signature accepts, for warming a model that was logged without an example."""
    plain = {"string": "", "boolean": False, "datetime": "2000-01-01T00:00:00", "binary": ""}
    return {c.name: [plain.get(c.type, 0)] for c in signature.columns}


def _named(payload: Payload, signature: Signature) -> Mapping[str, Sequence[Any]]:
    if payload.columns is not None and payload.names:
        return payload.columns
    rows = payload.tensor if payload.columns is None else list(zip(*payload.columns.values(), strict=True))
    width = len(signature.columns)
    for number, row in enumerate(rows):
        if not isinstance(row, list | tuple) or len(row) != width:
            raise bad_request(f"row {number} must be a list of the model's {width} columns, in order, or an object")
    return {column.name: [row[i] for row in rows] for i, column in enumerate(signature.columns)}


def _typed(cells: Sequence[Any], column: Column, *, textual: bool) -> Any:
    """Return the cells of one column as an array, or as a list where the type is text."""
    if column.type not in _WANTED:
        return list(cells) if column.type != "tensor" else _array(cells, column)
    if column.type in _FLOATS:
        convert: Any = _float_of_text if textual else _float
    elif column.type in _INTEGERS:
        convert = _integer_of_text if textual else _integer
    elif column.type == "boolean":
        convert = _boolean_of_text if textual else _boolean
    elif column.type == "datetime":
        convert = _moment
    else:
        convert = _text
    out = []
    for number, cell in enumerate(cells):
        try:
            out.append(convert(cell))
        except (TypeError, ValueError, OverflowError):
            wanted = _WANTED[column.type]
            raise bad_request(f"column {column.name}, row {number}: {str(cell)[:60]!r} is not {wanted}") from None
    return _packed(out, column)


_WANTED: Final = {
    "double": "a number", "float": "a number", "long": "a whole number of 64 bits",
    "integer": "a whole number of 32 bits", "boolean": "true or false", "datetime": "an ISO 8601 time",
    "string": "text", "binary": "text",
}


def _packed(out: list[Any], column: Column) -> Any:
    if column.type in _FLOATS:
        with np.errstate(over="ignore"):  # beyond a float's range is infinite, as MLflow's own cast has it
            return np.asarray(np.asarray(out, dtype=np.float64), dtype=_FLOATS[column.type])
    if column.type in _INTEGERS:
        dtype, low, high = _INTEGERS[column.type]
        missing = any(value is None for value in out)
        if missing and column.required:
            raise bad_request(f"column {column.name} has a missing value, and {column.type} cannot hold one")
        if any(value is not None and not low <= value < high for value in out):
            raise bad_request(f"column {column.name} holds a number that does not fit {_WANTED[column.type]}")
        return np.asarray([math.nan if v is None else v for v in out]) if missing else np.asarray(out, dtype=dtype)
    if column.type == "boolean":
        if any(value is None for value in out):
            raise bad_request(f"column {column.name} has a missing value, and boolean cannot hold one")
        return np.asarray(out, dtype=bool)
    if column.type == "datetime":
        return np.asarray(out, dtype="datetime64[us]")
    return out


def _array(cells: Sequence[Any], column: Column) -> Any:
    try:
        return np.asarray(cells)
    except ValueError as error:
        raise bad_request(f"column {column.name} does not form an array: {error}") from error


def _float(cell: Any) -> float:
    if cell is None:
        return math.nan
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise TypeError
    return float(cell)


def _float_of_text(cell: str | None) -> float:
    return math.nan if cell is None else float(cell)


def _integer(cell: Any) -> int | None:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool) or not isinstance(cell, int | float) or int(cell) != cell:
        raise TypeError
    return int(cell)


def _integer_of_text(cell: str | None) -> int | None:
    return None if cell is None else int(cell)


def _boolean(cell: Any) -> bool | None:
    if cell is not None and not isinstance(cell, bool):
        raise TypeError
    return cell


def _boolean_of_text(cell: str | None) -> bool | None:
    if cell is None:
        return None
    try:
        return _TRUE[cell.lower()]
    except KeyError as error:
        raise ValueError(cell) from error


def _text(cell: Any) -> str | None:
    if cell is None:
        return None
    if not isinstance(cell, str):
        raise TypeError
    cell.encode()  # refuses half a surrogate pair, which JSON can carry and no log can store
    return cell


def _moment(cell: Any) -> Any:
    if cell is None:
        return np.datetime64("NaT")
    if not isinstance(cell, str):
        raise TypeError
    moment = datetime.fromisoformat(cell)
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment, "us")
