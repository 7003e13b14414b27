"""Estimate a regression's error before labels (direct loss estimation): learn |error| from features and prediction.

Learned on weeks whose labels are there, asked about the days since. Columns named sensitive are left out, and at most
8,000 rows of each side are drawn. The heavy libraries are imported inside; the monitor calls this once an hour.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from services.adapters.signal_log import SignalLog
from services.core.window import TimeWindow
from services.quality.estimate import Estimate

ROWS: Final = 8_000
LEAST: Final = 500


def estimate_losses(
    log: SignalLog, features: list[str], *, environment: str, reference: TimeWindow, asked: TimeWindow,
) -> list[Estimate]:
    """Return the estimated MAE of each day of `asked`; nothing where the reference has too few labelled answers."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    known = log.labelled_rows(reference, features, environment=environment, rows=ROWS, labelled=True)
    fresh = log.labelled_rows(asked, features, environment=environment, rows=ROWS, labelled=False)
    if known is None or fresh is None or known.num_rows < LEAST or fresh.num_rows == 0:
        return []
    codes = {name: _codes(known[name].to_pylist()) for name in features}
    learn, ask = _matrix(known, features, codes), _matrix(fresh, features, codes)
    # A declared column that the log never had tells nothing, and cannot be binned.
    told = ~np.isnan(learn).all(axis=0)
    loss = np.abs(known["prediction"].to_numpy() - known["label"].to_numpy())
    model = HistGradientBoostingRegressor(max_iter=80, max_leaf_nodes=15, min_samples_leaf=40, random_state=0)
    expected = np.clip(model.fit(learn[:, told], loss).predict(ask[:, told]), 0.0, None)
    days: dict[datetime, list[float]] = {}
    for day, value in zip(fresh["day"].to_pylist(), expected.tolist(), strict=True):
        days.setdefault(day, []).append(value)
    return [Estimate(day=day, metrics={"mae": float(np.mean(v))}, n=len(v)) for day, v in sorted(days.items())]


def windows(mature: TimeWindow, now: datetime, *, length: timedelta) -> tuple[TimeWindow, TimeWindow]:
    """Return the reference before the mature week, and the span from that week's start until now."""
    return TimeWindow(mature.start - length, mature.start), TimeWindow(mature.start, now)


def _codes(values: list[Any]) -> dict[str, float] | None:
    """Return value to number for a column of text, by its order; None for a column of numbers."""
    texts = sorted({v for v in values if isinstance(v, str)})
    return {text: float(i) for i, text in enumerate(texts)} if texts else None


def _matrix(table: Any, features: list[str], codes: dict[str, dict[str, float] | None]) -> Any:
    import numpy as np

    columns = []
    for name in features:
        values, known = table[name].to_pylist(), codes[name]
        columns.append([_number(v) if known is None else known.get(str(v), np.nan) for v in values])
    columns.append(table["prediction"].to_pylist())
    return np.asarray(columns, float).T


def _number(value: Any) -> float:
    return float("nan") if value is None or isinstance(value, str) else float(value)
