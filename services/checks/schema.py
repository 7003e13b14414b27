"""What a model version expects of each of its columns: proposed from training, then edited by people, never in place.

Every edit makes a new revision (edit.py). A value that somebody accepted is expected from then on; what the bins of the
baseline say of it does not change, so old and new verdicts stay comparable.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any, Final, Self

from services.errors import Refused
from services.profiles.baseline import Baseline
from services.profiles.bins import CategoricalBins, NumericBins

MOST: Final = 200  # accepted values per column; a column that needs more is not a category


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSchema:
    """What one column should look like.

    `kind` is numeric or categorical. `low` and `high` bound a number, `categories` name a category's values; `open`
    says that any value is expected, because there were too many to name or because somebody said so. `missing` is the
    share of rows without a value that is usual. `accepted` are values that a person allowed since. A column that is
    not `enabled` is not judged. `edited` says that kind, range or categories are a person's: the bins of the baseline
    no longer tell which rows fail, so those are counted in the log.
    """

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    open: bool = False
    missing: float = 0.0
    unusual: float = 0.0  # greatest usual share of values out of range or unseen
    accepted: tuple[str, ...] = ()
    enabled: bool = True
    edited: bool = False

    def expects(self, value: str) -> bool:
        """Tell whether a value, as text, is one that the column should have."""
        if self.kind == "categorical":
            return self.open or value in self.categories or value in self.accepted
        try:
            number = float(value)
        except ValueError:
            return False
        return self.open or (self.low is not None and self.high is not None and self.low <= number <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The columns of one model version. Revision 1 is the proposal from training.

    `rows_least` and `rows_most` bound the rows of a day, `fresh_s` the age in seconds of the newest one. None: what is
    usual at the same hours of the week, learned from the log itself.
    """

    model: str
    version: str
    revision: int
    columns: Mapping[str, ColumnSchema]
    rows_least: int | None = None
    rows_most: int | None = None
    fresh_s: float | None = None

    def accept(self, column: str, value: str) -> "Schema":
        """Return the next revision, in which the value is expected: a category is added, a range is widened to it.

        Raises:
            Refused: there is no such column, it expects the value already, or the value is no number for a range.
        """
        found = self.columns.get(column)
        if found is None:
            raise Refused(f"{self.model} v{self.version} has no column {column}: it has {', '.join(self.columns)}")
        if found.expects(value):
            raise Refused(f"{column} of {self.model} v{self.version} expects {value!r} already: nothing to accept")
        if found.kind == "categorical":
            if len(found.accepted) >= MOST:
                raise Refused(f"{column} has {MOST} accepted values: retrain, or switch the check of this column off")
            return self._with(replace(found, accepted=(*found.accepted, value)))
        try:
            number = float(value)
        except ValueError:
            raise Refused(f"{column} is a number and {value!r} is none: give the number to widen it to") from None
        if not isfinite(number):
            raise Refused(f"{column} cannot be widened to {value}: give a finite number")
        low = number if found.low is None else min(found.low, number)
        high = number if found.high is None else max(found.high, number)
        return self._with(replace(found, low=low, high=high, accepted=(*found.accepted, value)))

    def _with(self, column: ColumnSchema) -> "Schema":
        return replace(self, revision=self.revision + 1, columns={**self.columns, column.name: column})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"columns": [{**asdict(c), "categories": list(c.categories), "accepted": list(c.accepted)}
                            for c in self.columns.values()],
                "rows_least": self.rows_least, "rows_most": self.rows_most, "fresh_s": self.fresh_s}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, model: str, version: str, revision: int) -> Self:
        """Return what `to_json` wrote."""
        columns = [ColumnSchema(**{**c, "categories": tuple(c["categories"]), "accepted": tuple(c["accepted"])})
                   for c in value["columns"]]
        return cls(model=model, version=version, revision=revision, columns={c.name: c for c in columns},
                   **{name: value.get(name) for name in ("rows_least", "rows_most", "fresh_s")})


def propose(baseline: Baseline, *, model: str, version: str) -> Schema:
    """Return the first revision of a version's schema, from the bins and counts of its training data."""
    columns = {}
    for name in baseline.features:
        bins, usual = baseline.layout.columns[name], baseline.usual_of(name)
        column = baseline.profile.column(name)
        missing = max(usual.missing, column.missing / column.rows if column.rows else 0.0)
        if isinstance(bins, NumericBins):
            columns[name] = ColumnSchema(name=name, kind="numeric", low=bins.low, missing=missing,
                                         high=bins.uppers[-1] if bins.uppers else None, unusual=usual.out_of_range)
        elif isinstance(bins, CategoricalBins):
            columns[name] = ColumnSchema(name=name, kind="categorical", categories=(*bins.named, *bins.rare),
                                         open=bins.open, missing=missing, unusual=usual.out_of_range)
    return Schema(model=model, version=version, revision=1, columns=columns)
