"""Read a run from what MLflow stores: the `ops.*` tag convention, its fallbacks, and values that lie.

A tag that cannot be read is treated as absent: one bad tag never loses a run. How the run really stands is decided
in effective.py.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from services.training.run import INFINITE, Failure, Kind, RawRun, Run

SYSTEM_PREFIX: Final = "system/"

# Field -> the tags it is read from, first present wins. A team lays its own names over these in the settings.
TAGS: Final[dict[str, tuple[str, ...]]] = {
    "pipeline": ("ops.pipeline",),
    "kind": ("ops.pipeline_kind",),
    "team": ("ops.team", "mlflow.user"),
    "environment": ("ops.env",),
    "pool": ("ops.pool",),
    "data_rows": ("ops.data_rows",),
    "accelerator": ("ops.hw.accelerator",),
    "instance": ("ops.hw.instance",),
    "commit": ("mlflow.source.git.commit",),
    "parent": ("mlflow.parentRunId",),
    "attempt": ("ops.attempt",),
    "retry_of": ("ops.retry_of",),
    "cpu": ("ops.req.cpu",),
    "ram_gib": ("ops.req.ram_gib",),
    "gpu": ("ops.req.gpu",),
    "tpu": ("ops.req.tpu",),
    "submitted_at": ("ops.submitted_at",),
    "scheduled_for": ("ops.scheduled_for",),
    "sla_s": ("ops.sla_s",),
    "job_ref": ("ops.job_ref", "mlflow.databricks.jobID"),
    "heartbeat": ("ops.heartbeat",),
    "fail_class": ("ops.fail.class",),
    "fail_type": ("ops.fail.type",),
    "fail_message": ("ops.fail.message",),
    "fail_exit_code": ("ops.fail.exit_code",),
    "fail_evidence": ("ops.fail.evidence",),
    "exit_code": ("ops.exit_code",),
}

_KINDS: Final = {
    **{str(kind): kind for kind in Kind},
    "train": Kind.TRAINING, "validate": Kind.VALIDATION, "serve": Kind.SERVING,
}
_YEAR_3000_MS: Final = 32_503_680_000_000
_LOSS: Final = re.compile(r"(^|[^a-z])loss([^a-z]|$)", re.IGNORECASE)


def read_run(
    raw: RawRun, *, as_of: datetime, mapping: Mapping[str, tuple[str, ...]] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Run:
    """Return the typed run, not yet judged.

    Args:
        raw: what MLflow says.
        as_of: when it said so.
        mapping: a team's own tags per field, tried before the convention's.
        kinds: kind per pipeline name, from the settings, for runs that do not say.
    """
    tag = _Tags(raw.tags, mapping or {})
    named = tag.text("pipeline")
    pipeline = named or raw.experiment or f"experiment {raw.experiment_id}"
    kind = _KINDS.get(tag.text("kind").strip().lower()) or _KINDS.get((kinds or {}).get(pipeline, ""))
    training = [m for m in raw.metrics if not m[0].startswith(SYSTEM_PREFIX)]
    system = [m for m in raw.metrics if m[0].startswith(SYSTEM_PREFIX)]
    return Run(
        run_id=raw.run_id, experiment_id=raw.experiment_id, experiment=clean(raw.experiment),
        name=clean(raw.name), status=raw.status, pipeline=clean(pipeline)[:250], kind=kind or Kind.TRAINING,
        attributed=bool(named), user=clean(raw.user or raw.tags.get("mlflow.user", "")),
        started_at=from_ms(raw.start_ms), ended_at=from_ms(raw.end_ms), team=tag.text("team"),
        environment=tag.text("environment")[:80], pool=tag.text("pool"), data_rows=tag.whole("data_rows"),
        hardware=" ".join(t for t in (tag.text("accelerator"), tag.text("instance")) if t),
        git_commit=tag.text("commit")[:64], parent_run_id=tag.text("parent")[:64], attempt=tag.whole("attempt"),
        retry_of=tag.text("retry_of")[:64], req_cpu=tag.number("cpu"), req_ram_gib=tag.number("ram_gib"),
        req_gpu=tag.number("gpu"), req_tpu=tag.number("tpu"), submitted_at=tag.moment("submitted_at"),
        scheduled_for=tag.moment("scheduled_for"), sla_s=tag.number("sla_s"), job_ref=tag.text("job_ref"),
        heartbeat_at=tag.moment("heartbeat"), last_metric_at=from_ms(max((m[2] for m in training), default=None)),
        last_system_at=from_ms(max((m[2] for m in system), default=None)),
        last_step=max((m[3] for m in training), default=None), failure=_failure(tag, training),
        artifact_uri=raw.artifact_uri, deleted=raw.deleted, as_of=as_of,
    )


def not_finite(value: float) -> str:
    """Return `nan`, `inf` or `-inf` for a value that is none, else an empty text."""
    if math.isnan(value):
        return "nan"
    if abs(value) > INFINITE:
        return "inf" if value > 0 else "-inf"
    return ""


def clean(text: str | None) -> str:
    """Return a text that every store can keep: NUL becomes the replacement character, a lone surrogate `?`."""
    if not text:
        return ""
    if text.isascii() and "\x00" not in text:
        return text  # as nearly all are, and half a million pass here at a first sync
    return text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def finite(text: str) -> float | None:
    """Return the number a text holds, or None for anything else, NaN and infinities included."""
    if len(text) > 40:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return None if not_finite(value) else value


@lru_cache(maxsize=4096)  # the metrics of a run share their times
def from_ms(ms: float | None) -> datetime | None:
    """Return milliseconds since 1970 as a time; None for what is no time between 1970 and 3000."""
    if ms is None or not 0 < ms < _YEAR_3000_MS:
        return None
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def _failure(tag: "_Tags", training: list[tuple[str, float, int, int]]) -> Failure:
    code = tag.whole("fail_exit_code")
    told = Failure(cls=tag.text("fail_class")[:40], type=tag.text("fail_type"), message=tag.text("fail_message"),
                   exit_code=tag.whole("exit_code") if code is None else code, evidence=tag.text("fail_evidence"))
    if told.known:
        return told
    broken = [(k, not_finite(v)) for k, v, _, _ in training if _LOSS.search(k) and not_finite(v)]
    if not broken:
        return told
    key, word = broken[0]
    return Failure(cls="nan_loss", message=f"{key} ended as {word}", exit_code=told.exit_code, line=f"{key} = {word}")


class _Tags:
    """A run's tags, asked by field."""

    def __init__(self, tags: Mapping[str, str], mapping: Mapping[str, tuple[str, ...]]) -> None:
        self._tags = tags
        self._mapping = mapping

    def text(self, field: str) -> str:
        """Return the first present tag's text, else an empty one."""
        names = TAGS[field]
        for name in (*self._mapping[field], *names) if field in self._mapping else names:
            if text := self._tags.get(name):
                return clean(text)
        return ""

    def number(self, field: str) -> float | None:
        """Return a finite number of zero or more, else None."""
        value = self._finite(field)
        return value if value is not None and value >= 0 else None

    def whole(self, field: str) -> int | None:
        """Return a whole number that a 64-bit column holds, else None."""
        value = self._finite(field)
        return int(value) if value is not None and abs(value) < 2**53 else None

    def moment(self, field: str) -> datetime | None:
        """Return a time given as milliseconds since 1970, else None."""
        return from_ms(self._finite(field))

    def _finite(self, field: str) -> float | None:
        text = self.text(field)
        return finite(text) if text else None
