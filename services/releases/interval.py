"""How far a logged metric may be off by chance: as far as the run says, or as the number of tested rows tells.

A run may log `auc_low` and `auc_high`, or a standard error `auc_se`, beside `auc`. A share of rows, such as accuracy,
needs the number of rows only: tag or param `data.tested_rows`, `tested_rows` or `n_test`. Of anything else nothing is
made up.
"""

from collections.abc import Mapping
from math import isfinite, sqrt
from typing import Final

Z95: Final = 1.959963984540054
_ENDS: Final = (("_low", "_high"), ("_ci_low", "_ci_high"), ("_lower", "_upper"))
_ERRORS: Final = ("_se", "_stderr", "_standard_error")
_SHARES: Final = frozenset({"accuracy", "acc", "error_rate"})
_ROWS: Final = ("data.tested_rows", "tested_rows", "n_test")


def intervals(
    metrics: Mapping[str, float], tags: Mapping[str, str], params: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Return metric -> its 95% interval, for those of which one is known."""
    rows = _rows(tags) or _rows(params)
    found = {name: _of(name, metrics, rows) for name in metrics}
    return {name: ends for name, ends in found.items() if ends is not None}


def bounds(metrics: Mapping[str, float]) -> set[str]:
    """Return the metrics that only say how sure another one is: they are no news of their own."""
    return {name + end for name in metrics for end in (*(e for pair in _ENDS for e in pair), *_ERRORS)} & set(metrics)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share of `n` rows (Wilson 1927): inside 0 to 1 at any share and any `n`."""
    spread = Z95 * sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    middle, scale = share + Z95**2 / (2 * n), 1 + Z95**2 / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _of(name: str, metrics: Mapping[str, float], rows: int) -> tuple[float, float] | None:
    value = metrics[name]
    for low, high in _ENDS:
        if name + low in metrics and name + high in metrics:
            return metrics[name + low], metrics[name + high]
    for end in _ERRORS:
        if isfinite(error := metrics.get(name + end, float("nan"))):
            return value - Z95 * error, value + Z95 * error
    share = any(name == word or name.endswith(f"_{word}") for word in _SHARES)
    return wilson(value, rows) if share and rows and 0 <= value <= 1 else None


def _rows(values: Mapping[str, str]) -> int:
    written = next((values[name] for name in _ROWS if name in values), "")
    return int(written) if written.isascii() and written.isdigit() else 0
