"""Say whether what would serve a version fits into its pool at the rate of requests that is expected.

Advice beside the gates and never part of the subject: quota and traffic change by the hour, and a signature is about
the version.
"""

from dataclasses import dataclass
from typing import Final

from services.core.measurement import Verdict
from services.quota.serving import BUSIEST_SECOND, Peak, replicas
from services.validation.gate import Gate, not_run

NAME: Final = "serving quota"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is known: the rate to size for, how long a request takes, what a replica holds, and what is free.

    `pool` is empty where no serving pipeline names one; None stands for what was not measured.
    """

    pool: str = ""
    unit: str = ""
    peak: Peak | None = None
    service_ms: float | None = None
    per_replica: float = 1.0
    held: float = 0.0
    free: float | None = None


def serving_fit(known: Serving) -> Gate:
    """Return whether the replicas that the busiest second takes fit into what serving holds and what is free."""
    if not known.pool:
        return not_run(NAME, "no serving pipeline in the settings names a pool")
    if known.free is None:
        return not_run(NAME, f"nobody sampled pool {known.pool} lately")
    if known.service_ms is None or known.service_ms <= 0:
        return not_run(NAME, "how long a request takes was not measured yet")
    if known.peak is None or not known.peak.qps:
        return not_run(NAME, "no request arrived in the last week")
    qps = known.peak.qps
    need = replicas(qps, known.service_ms, units_per_replica=known.per_replica)
    room = known.held + known.free
    source = "as measured" if known.peak.measured else f"({BUSIEST_SECOND:g} times the busiest hour)"
    said = (f"{need.replicas} replicas for {qps:,.3g} requests/s {source} at {known.service_ms:.3g} ms take "
            f"{need.units:,.3g} {known.unit} of {known.pool}, {room:,.3g} can be had")
    return Gate(name=NAME, verdict=Verdict.PASS if need.units <= room else Verdict.WARN, reason=said)
