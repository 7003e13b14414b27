"""Say how big a model is, and which hardware suits it: to train it, and to serve it, which need not be the same.

Rests on what was read from the logged model (parameters, operations, architecture) and on measured latency. The bounds
are rules of thumb about today's processors and say so in their sentence; prices and own runs are in hardware.py.
"""

from dataclasses import dataclass
from typing import Final

from services.quota.serving import Peak

# Parameters below which copying a batch to a device costs more than it saves, and above which one device is short.
SMALL: Final = 1e6
LARGE: Final = 1e8
# What one core does a second of such small matrices, and what makes a prediction slow on it.
CORE_OPERATIONS: Final = 1e9
_SLOW_MS: Final = 50.0
_DEVICE_MS: Final = 2_000.0
_TREES: Final = ("forest", "boost", "tree")
_LINEAR: Final = ("linear", "logistic", "ridge", "lasso", "sgd", "elasticnet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """How big a logged model is; None where it is not known. `source` says from where it is."""

    params: float | None = None
    bytes: float | None = None
    operations: float | None = None  # floating-point operations per prediction
    architecture: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a model answers in production: requests per second in its busiest hour, its latency in ms, its peak."""

    model: str
    qps: float
    p95_ms: float | None
    p50_ms: float | None = None
    target_ms: float | None = None
    peak: Peak | None = None
    per_minute: int | None = None  # requests in its busiest minute


def said(size: ModelSize) -> str:
    """Return how big a model is, in one sentence with its source."""
    if size.params is None and size.bytes is None:
        return ("Not known: no version was registered from its runs, and they log no metric model_params. It is read "
                "from the logged model once a version is registered.")
    parts = [size.architecture,
             f"{size.params:,.0f} parameters" if size.params is not None else "",
             in_bytes(size.bytes) if size.bytes is not None else "",
             f"{size.operations:,.0f} operations a prediction" if size.operations is not None else ""]
    source = f" ({size.source})" if size.source else ""
    return ", ".join(part for part in parts if part) + f"{source}."


def trains_on(size: ModelSize) -> str:
    """Return what suits training it, with the reason."""
    kind = size.architecture.lower()
    if any(word in kind for word in _TREES):
        return "Processors: trees branch and multiply no matrices, an accelerator would idle."
    if any(word in kind for word in _LINEAR):
        return "Processors: a linear model is bound by reading its rows, not by arithmetic."
    if size.params is None:
        return "Not known without the model's size."
    if size.params < SMALL:
        return (f"Processors: at {size.params:,.0f} parameters (below a million) copying to an accelerator costs more "
                "than it saves.")
    if size.params < LARGE:
        return "One accelerator: its matrices are large enough to gain and fit into one device."
    return "Accelerators with much memory, several devices where it does not fit into one."


def serves_on(size: ModelSize, served: Served | None) -> str:
    """Return what suits serving it: by its operations per prediction, and by how it answers now."""
    now = _measured(served)
    if size.operations is None:
        return f"Not known without its operations per prediction.{now}"
    ms = 1000 * size.operations / CORE_OPERATIONS
    cost = f"{size.operations:,.0f} operations are about {_short(ms)} on one core"
    if ms < _SLOW_MS:
        return f"Processors: {cost}.{now}"
    if ms < _DEVICE_MS:
        return f"Several cores, or a share of an accelerator, by the latency target: {cost}.{now}"
    return f"An accelerator: {cost}.{now}"


def in_bytes(count: float) -> str:
    """Return bytes as people read them."""
    if count < 2**20:
        return f"{count / 2**10:,.0f} KiB"
    return f"{count / 2**20:,.1f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"


def _measured(served: Served | None) -> str:
    if served is None or served.p95_ms is None:
        return " Nothing serves it yet, so its latency is not measured."
    target = ""
    if served.target_ms is not None:
        word = "within" if served.p95_ms <= served.target_ms else "over"
        target = f", {word} its {served.target_ms:g} ms"
    return f" {served.model} answers in {served.p95_ms:.3g} ms (P95) at {served.qps:.2g} requests a second{target}."


def _short(ms: float) -> str:
    return f"{1000 * ms:.2g} µs" if ms < 1 else f"{ms:,.2g} ms" if ms < 1000 else f"{ms / 1000:,.2g} s"
