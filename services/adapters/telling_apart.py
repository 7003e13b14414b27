"""Tell a week's rows from those of the weeks before: a domain classifier, and a small autoencoder.

Both see at most ROWS rows of the week and BASE of those before, drawn by a hash of their ids, so that two runs draw the
same, and are asked about days that they did not learn from. What the AUC means is decided in
services/drift/multivariate.py. scikit-learn and TensorFlow are imported inside: this belongs to jobs and the command
line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from services.core.window import TimeWindow
from services.drift.multivariate import LEAST, Apart, How

ROWS: Final = 1_500
BASE: Final = 4_500
FOLDS: Final = 3
NAMED: Final = 30  # categories of a column told apart, the most frequent ones
_SHOWN: Final = 8


class Drawn(Protocol):
    """Where rows are drawn from."""

    def labelled_rows(
        self, window: TimeWindow, features: Sequence[str], *, environment: str, rows: int, labelled: bool
    ) -> Any:
        """Return at most `rows` answers of a window as an Arrow table, or None."""
        ...


@dataclass(frozen=True)
class Coder:
    """How columns become numbers: categories by place among the frequent ones, numbers about their mean."""

    features: tuple[str, ...]
    categories: Mapping[str, Mapping[str, int]]
    means: Mapping[str, float]
    deviations: Mapping[str, float]

    def matrix(self, table: Any) -> Any:
        """Return (rows, features) as doubles, NaN where a value is missing; an unknown category is the last place."""
        import numpy as np

        found = np.full((table.num_rows, len(self.features)), np.nan)
        for place, name in enumerate(self.features):
            known = self.categories.get(name)
            for row, value in enumerate(table[name].to_pylist()):
                if value is None:
                    continue
                found[row, place] = known.get(str(value), len(known)) if known is not None else _number(value)
        found[~np.isfinite(found)] = np.nan
        return found

    def spread(self, matrix: Any) -> tuple[Any, list[tuple[str, slice]]]:
        """Return the matrix as an autoencoder takes it, and which part belongs to which column.

        Numbers are standardised, missing ones are the mean with a flag beside; categories are one column each.
        """
        import numpy as np

        parts, places, start = [], [], 0
        for place, name in enumerate(self.features):
            column = matrix[:, place]
            missing = np.isnan(column)
            if name in self.categories:
                width = len(self.categories[name]) + 1
                block = np.zeros((len(column), width))
                block[np.flatnonzero(~missing), column[~missing].astype(int)] = 1.0
            else:
                scaled = np.where(missing, 0.0, (column - self.means[name]) / self.deviations[name])
                block = np.column_stack((np.clip(scaled, -8.0, 8.0), missing))
            parts.append(block)
            places.append((name, slice(start, start + block.shape[1])))
            start += block.shape[1]
        return np.concatenate(parts, axis=1).astype("float32"), places


@dataclass(frozen=True)
class Sample:
    """Rows as numbers, and the day of each."""

    rows: Any
    days: Any

    def weeks(self) -> list[Any]:
        """Return which rows belong to each week that has enough of them."""
        import numpy as np

        number = (self.days - self.days.min()) // 7
        found = [number == week for week in np.unique(number)]
        return [mine for mine in found if mine.sum() >= LEAST and (~mine).sum() >= LEAST]

    def where(self, mine: Any) -> "Sample":
        """Return some of the rows."""
        return Sample(self.rows[mine], self.days[mine])


def tell_apart(
    log: Drawn, features: Sequence[str], week: TimeWindow, before: TimeWindow, how: How, *, environment: str
) -> Apart | None:
    """Return how well a week is told from the weeks before; None where one of them has no rows."""
    import numpy as np

    base = log.labelled_rows(before, features, environment=environment, rows=BASE, labelled=False)
    now = log.labelled_rows(week, features, environment=environment, rows=ROWS, labelled=False)
    if base is None or now is None or not base.num_rows or not now.num_rows:
        return None
    coder = coder_of(base, features)
    ours, theirs = (Sample(coder.matrix(table), np.array([moment.toordinal() for moment in table["day"].to_pylist()]))
                    for table in (now, base))
    if min(len(ours.rows), len(theirs.rows)) < LEAST:
        return Apart(auc=0.5, n=len(ours.rows), m=len(theirs.rows))
    return (_by_classifier if how is How.CLASSIFIER else _by_autoencoder)(coder, ours, theirs)


def coder_of(table: Any, features: Sequence[str]) -> Coder:
    """Return how the columns of these rows become numbers."""
    import numpy as np

    categories: dict[str, dict[str, int]] = {}
    means, deviations = {}, {}
    for name in features:
        values = [v for v in table[name].to_pylist() if v is not None]
        if any(isinstance(v, str | bool) for v in values):
            texts, counts = np.unique([str(v) for v in values], return_counts=True)
            frequent = sorted(texts[np.argsort(-counts, kind="stable")][:NAMED].tolist())
            categories[name] = {text: place for place, text in enumerate(frequent)}
        else:
            known = np.array([x for x in (_number(v) for v in values) if np.isfinite(x)])
            means[name] = float(known.mean()) if len(known) else 0.0
            deviations[name] = float(known.std()) or 1.0 if len(known) else 1.0
    return Coder(tuple(features), categories, means, deviations)


def _by_classifier(coder: Coder, ours: Sample, theirs: Sample) -> Apart:
    auc, columns = _classified(coder, ours, theirs, explain=True)
    usual = [_classified(coder, theirs.where(mine), theirs.where(~mine))[0] for mine in theirs.weeks()]
    return Apart(auc=auc, n=len(ours.rows), m=len(theirs.rows), columns=columns, usual=tuple(usual))


def _classified(
    coder: Coder, ours: Sample, theirs: Sample, *, explain: bool = False
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Return the AUC on days that the classifier has not seen, and what each column adds to it."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    x = np.concatenate((ours.rows, theirs.rows))
    y = np.repeat([1, 0], [len(ours.rows), len(theirs.rows)])
    # Days are dealt round to the folds on each side by themselves, so that every fold has some of both.
    fold = np.concatenate([np.unique(side.days, return_inverse=True)[1] % FOLDS for side in (ours, theirs)])
    scores, without = np.full(len(y), 0.5), np.full((len(coder.features), len(y)), 0.5)
    rng = np.random.default_rng(0)
    flags = [name in coder.categories for name in coder.features]
    for number in range(FOLDS):
        learn, ask = fold != number, fold == number
        if not ask.any() or len(set(y[learn])) < 2:
            continue
        model = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=15, min_samples_leaf=40, random_state=0, categorical_features=flags)
        # Threads that wait for one another cost more than these few rows do.
        with threadpool_limits(limits=1):
            model.fit(x[learn], y[learn])
            scores[ask] = model.predict_proba(x[ask])[:, 1]
            for place in range(len(coder.features) if explain else 0):
                shuffled = x[ask].copy()
                shuffled[:, place] = rng.permutation(shuffled[:, place])
                without[place, ask] = model.predict_proba(shuffled)[:, 1]
    auc = float(roc_auc_score(y, scores))
    if not explain:
        return auc, ()
    drops = {name: auc - float(roc_auc_score(y, without[place])) for place, name in enumerate(coder.features)}
    return auc, _shares(drops)


def _by_autoencoder(coder: Coder, ours: Sample, theirs: Sample) -> Apart:
    """Learn to rebuild two thirds of the days before; rows are told by being rebuilt worse than the other third."""
    import keras
    import numpy as np
    from sklearn.metrics import roc_auc_score

    keras.utils.set_random_seed(0)
    spread, places = coder.spread(theirs.rows)
    held = np.unique(theirs.days, return_inverse=True)[1] % 3 == 0
    width = spread.shape[1]
    model = keras.Sequential([
        keras.Input((width,)), keras.layers.Dense(min(48, width), activation="relu"),
        # As wide as the columns need: a wider neck would learn to copy.
        keras.layers.Dense(max(1, len(coder.features) // 2), activation="relu"),
        keras.layers.Dense(min(48, width), activation="relu"), keras.layers.Dense(width),
    ])
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
    model.fit(spread[~held], spread[~held], epochs=20, batch_size=128, verbose=0)

    def errors(matrix: Any) -> Any:
        return (np.asarray(model(matrix)) - matrix) ** 2

    def told(found: Any, rest: Any) -> float:
        y = np.repeat([1, 0], [len(found), len(rest)])
        return float(roc_auc_score(y, np.concatenate((found.mean(axis=1), rest.mean(axis=1)))))

    rest, found = errors(spread[held]), errors(coder.spread(ours.rows)[0])
    usual = [told(rest[mine[held]], rest[~mine[held]]) for mine in theirs.weeks() if 0 < mine[held].sum() < held.sum()]
    more = {name: float(found[:, part].sum(axis=1).mean() - rest[:, part].sum(axis=1).mean()) for name, part in places}
    return Apart(auc=told(found, rest), n=len(found), m=len(rest), usual=tuple(usual), columns=_shares(more))


def _shares(values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    total = sum(max(0.0, v) for v in values.values())
    ranked = sorted(values.items(), key=lambda item: -item[1])[:_SHOWN]
    return tuple((name, value / total) for name, value in ranked if total and value > 0)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
