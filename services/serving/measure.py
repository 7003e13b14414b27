"""Measure serving: latency, errors, requests per second and the log's freshness, with verdict and sentence.

Each is compared with the model's own history, so that nobody has to invent a limit; a limit of a team's own is an
alert rule (services/alerts). Outage has a file of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scipy.special import bdtrc, pdtr, pdtrc

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import HOUR, TimeWindow, span_text
from services.serving.latency import Latency
from services.serving.outage import SPEAKS, Silence
from services.serving.traffic import Usual, Volume

ENOUGH: Final = 60  # timed predictions, below which a p95 says nothing
HISTORY_ENOUGH: Final = 500
SLOWER_FAIL, SLOWER_WARN = 2.0, 1.3
ERROR_SHARE: Final = 0.01  # allowed where the history had fewer
ALPHA: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose numbers these are. `version` is the one that serves most; it is evidence, not part of the question."""

    model: str
    environment: str
    version: str


def latency(subject: Subject, window: TimeWindow, now_: Latency, before: Latency, *, at: datetime) -> Measurement:
    """Return `latency_p95_ms` against the same model's own past.

    Fail: the lower end of the 99% interval is more than twice the past p95. Warn: more than 1.3 times.
    """
    p95, past, ends = now_.quantile(0.95), before.quantile(0.95), now_.interval(0.95)
    detail: dict[str, Any] = {
        "p50": now_.quantile(0.5), "p95": p95, "p99": now_.quantile(0.99), "low": ends[0] if ends else None,
        "high": ends[1] if ends else None, "history_p50": before.quantile(0.5), "history_p95": past,
        "history_n": before.n,
    }
    verdict, why = Verdict.PASS, Why.NONE
    if p95 is None or ends is None:
        verdict, why, reason = Verdict.INCONCLUSIVE, Why.NO_DATA, "no prediction was timed in this window"
    elif now_.n < ENOUGH:
        verdict, why = Verdict.INCONCLUSIVE, Why.TOO_FEW
        reason = f"p95 {_ms(p95)} from {now_.n:,} predictions; {ENOUGH} are needed"
    elif past is None or before.n < HISTORY_ENOUGH:
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
        reason = f"p95 {_ms(p95)}; its history of {before.n:,} predictions is too short to compare with"
    else:
        facts = f"p95 {_ms(p95)} against {_ms(past)} usual, {now_.n:,} predictions"
        if ends[0] > SLOWER_FAIL * past:
            verdict, reason = Verdict.FAIL, f"slow: {facts}"
        elif ends[0] > SLOWER_WARN * past:
            verdict, reason = Verdict.WARN, f"slower: {facts}"
        else:
            reason = f"as fast as usual: {facts}"
    return _measured("latency_p95_ms", subject, window, at, verdict=verdict, why=why, reason=reason, value=p95,
                     unit="ms", n=now_.n, detail=detail)


def error_share(subject: Subject, window: TimeWindow, now_: Volume, before: Volume, *, at: datetime) -> Measurement:
    """Return `error_share`: failed and timed-out requests of all, against twice the usual share (at least 1%).

    With k of n failed and a share a allowed, p = P(Binomial(n, a) >= k).
    """
    past = before.failed / before.rows if before.rows else 0.0
    allowed = max(ERROR_SHARE, 2 * past)
    share = now_.failed / now_.rows if now_.rows else None
    kinds = sorted(now_.errors.items(), key=lambda item: (-item[1], item[0]))[:5]
    named = ", mostly " + kinds[0][0] if kinds and kinds[0][0] else ""
    p = float(bdtrc(now_.failed - 1, now_.rows, min(allowed, 1.0))) if now_.failed else 1.0
    facts = (f"{now_.failed:,} of {now_.rows:,} requests failed ({(share or 0):.1%}, allowed {allowed:.1%}), "
             f"{now_.timeouts:,} timed out{named}")
    verdict, why = Verdict.PASS, Why.NONE
    if share is None:
        verdict, why, facts = Verdict.INCONCLUSIVE, Why.NO_DATA, "no request in this window"
    elif p < ALPHA:
        verdict = Verdict.FAIL
    elif p < 0.05:
        verdict = Verdict.WARN
    elif now_.rows < ENOUGH:
        verdict, why = Verdict.INCONCLUSIVE, Why.TOO_FEW
        facts += f"; {ENOUGH} requests are needed"
    return _measured("error_share", subject, window, at, verdict=verdict, why=why, reason=facts, value=share,
                     unit="share", n=now_.rows,
                     detail={"allowed": allowed, "usual": past, "p": p, "timeouts": now_.timeouts,
                             "errors": dict(kinds)})


def request_rate(subject: Subject, window: TimeWindow, rows: int, known: Usual, *, at: datetime) -> Measurement:
    """Return `request_rate`, predictions per second, against the same hours of the week.

    Fail: less than half, warn: more than twice the expected number, both beyond Poisson chance. It speaks only once
    at least 7 predictions are to be expected.
    """
    expected = known.expected(window)
    per_s = rows / window.length.total_seconds()
    verdict, why = Verdict.PASS, Why.NONE
    if expected is None:
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
        reason = f"{rows:,} predictions in {span_text(window.length)}; no week of history to compare with"
    else:
        reason = f"{rows:,} predictions in {span_text(window.length)}, {expected:,.0f} usual at this hour of the week"
        if expected < SPEAKS and rows <= 2 * SPEAKS:
            verdict, why = Verdict.INCONCLUSIVE, Why.TOO_FEW
            reason += f"; volume speaks from {SPEAKS:g}"
        elif rows < expected / 2 and float(pdtr(rows, expected)) < ALPHA:
            verdict = Verdict.FAIL
        elif rows > 2 * expected and float(pdtrc(rows - 1, max(expected, 0.1))) < ALPHA:
            verdict = Verdict.WARN
    return _measured("request_rate", subject, window, at, verdict=verdict, why=why, reason=reason, value=per_s,
                     unit="1/s", n=rows, detail={"expected": expected, "rows": rows})


def outage(subject: Subject, silence: Silence, *, at: datetime) -> Measurement:
    """Return `outage`: the seconds since the last delivered prediction, and what they mean."""
    return _measured(
        "outage", subject, TimeWindow(at - HOUR, at), at, verdict=silence.verdict, why=silence.why,
        reason=silence.reason, value=silence.gap.total_seconds() if silence.gap is not None else None, unit="s",
        detail={"kind": silence.kind, "expected": silence.expected},
    )


def log_freshness(subject: Subject, silence: Silence, last: datetime | None, *, at: datetime) -> Measurement:
    """Return `log_freshness`: how old the newest row of the log is. A model that is down does not make its log late."""
    age = at - last if last else None
    verdict, why = Verdict.PASS, Why.NONE
    if age is None:
        verdict, why, reason = Verdict.INCONCLUSIVE, Why.NO_DATA, "the log has no row yet"
    elif silence.kind == "log late":
        verdict, why = Verdict.WARN, Why.LATE
        reason = f"newest row {span_text(age)} old, {silence.expected or 0:,.0f} more were to be expected"
    elif silence.kind in ("down", "quiet", "unknown"):
        verdict, why = Verdict.INCONCLUSIVE, Why.NO_DATA
        reason = {
            "down": f"newest row {span_text(age)} old: no answers, so nothing to log",
            "quiet": f"newest row {span_text(age)} old: a quiet hour",
        }.get(silence.kind, f"newest row {span_text(age)} old; how often rows should come is not known yet")
    elif silence.kind == "monitor behind":
        verdict, why, reason = Verdict.ERROR, Why.MONITOR_ERROR, silence.reason
    else:
        reason = f"newest row {span_text(age)} old"
    return _measured("log_freshness", subject, TimeWindow(at - HOUR, at), at, verdict=verdict, why=why, reason=reason,
                     value=age.total_seconds() if age is not None else None, unit="s", detail={})


def _measured(
    name: str, subject: Subject, window: TimeWindow, at: datetime, *, verdict: Verdict, why: Why, reason: str,
    value: float | None, unit: str, detail: dict[str, Any], n: int = 0,
) -> Measurement:
    return Measurement(name=name, pipeline=Pipeline.SERVING, subject=subject.model, environment=subject.environment,
                       version=subject.version, window=window, at=at, verdict=verdict, why=why, reason=reason,
                       value=value, unit=unit, n=n, detail=detail)


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"
