"""Lay charts over one another and finish the outermost, each part written down once.

Altair copies every part, with each of the hundred properties that an axis may have, when it is put into another chart,
and again when that one is written: on a page of charts this cost more than all else. Here a part is written as it is,
and the parts are put together as plain dictionaries. None has parameters or selections, which would have to be merged.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import altair as alt

SCHEMA: Final = alt.SCHEMA_URL
Spec = dict[str, Any]


class Layers:
    """Charts over one another, the first at the bottom; layers within are taken apart."""

    def __init__(self, parts: Sequence[Any]) -> None:
        """Take charts with data of their own, or layers of them."""
        self.parts: tuple[Any, ...] = tuple(
            one for part in parts for one in (part.parts if isinstance(part, Layers) else (part,)))

    def spec(self) -> Spec:
        """Return them as Vega-Lite reads them; neighbours with the same rows share them."""
        found: list[Spec] = []
        for _, same in groupby(self.parts, key=lambda part: id(part.data)):
            parts = list(same)
            rows, drawn = _rows(parts[0]), [_bare(part) for part in parts]
            found.append({"data": rows, **drawn[0]} if len(drawn) == 1 else {"data": rows, "layer": drawn})
        return {"layer": found}

    def to_dict(self) -> Spec:
        """Return them as a chart of its own, without the house's look."""
        return {"$schema": SCHEMA, **self.spec()}


class Finished:
    """A chart as it is sent: nothing is changed any more."""

    def __init__(self, chart: Any, *, config: Mapping[str, Any], size: Mapping[str, int | None]) -> None:
        """Write down a chart or layers with their look and size."""
        spec = chart.spec() if isinstance(chart, Layers) else {"data": _rows(chart), **_bare(chart)}
        given = {name: pixels for name, pixels in size.items() if pixels is not None}
        self._spec: Spec = {"$schema": SCHEMA, "config": dict(config), **spec, **given}

    def to_dict(self, *, validate: bool = True) -> Spec:
        """Return the specification, held against Vega-Lite's schema unless told otherwise.

        Raises:
            ValidationError: it is no chart.
        """
        if validate:
            alt.Chart.from_dict(self._spec, validate=True)
        return self._spec

    def to_json(self) -> str:
        """Return the specification as JSON."""
        return json.dumps(self._spec)


def layers(*parts: Any) -> Layers:
    """Return charts laid over one another, the first at the bottom."""
    return Layers(parts)


def _rows(chart: Any) -> Spec:
    return dict(chart.data.to_dict(validate=False))


def _bare(chart: Any) -> Spec:
    """Return a chart without its rows."""
    bare = chart.copy(deep=False)
    bare.data = alt.Undefined
    spec = dict(bare.to_dict(validate=False, context={"top_level": False}))
    del spec["data"]  # where there is none Altair says so, by an empty one
    return spec
