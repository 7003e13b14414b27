"""Say how many replicas a model needs for a rate of requests, and how long a request would wait.

Little's law gives how many requests are in service at once; Kingman's formula with Sakasegawa's exponent, the wait.
The peak must be over a window near the latency target: the busiest second as the log shows it, else ten times the
busiest hour, as on a real trace.
"""

import math
from dataclasses import dataclass
from typing import Final

from services.errors import Refused

RHO: Final = 0.7
# Of how much more than the mean 99 of 100 seconds stay below: 27.6 against 2.57 requests on a real trace of an hour.
BUSIEST_SECOND: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Requests per second to size for, whether the log shows them, and one sentence about where they come from."""

    qps: float
    measured: bool
    said: str


def peak(busiest_hour: int, busiest_second: int | None, *, hours: int, counted: int) -> Peak:
    """Return the rate to size for.

    Args:
        busiest_hour: requests in the busiest hour.
        busiest_second: requests in the busiest second; None where no hour was counted by the second.
        hours: how many hours had requests.
        counted: how many of them were counted by the second.
    """
    assumed = BUSIEST_SECOND * busiest_hour / 3600
    # Where only some hours were counted by the second, the busiest one may be among the others.
    if busiest_second is not None and (counted >= hours or busiest_second >= assumed):
        part = "" if counted >= hours else f", of the {counted} of {hours} hours that were counted by the second"
        return Peak(qps=float(busiest_second), measured=True,
                    said=f"The busiest second had {busiest_second:,} requests{part}, as the log shows.")
    why = ("no hour was counted by the second, or the log's times are whole minutes" if busiest_second is None else
           f"only {counted} of {hours} hours were counted by the second, {busiest_second:,} requests in the busiest")
    return Peak(qps=assumed, measured=False,
                said=f"The busiest second is taken at {BUSIEST_SECOND:g} times the busiest hour, as on a real trace: "
                     f"{why}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingNeed:
    """What a rate needs: replicas with spare, how busy they are, the mean wait, and whether the target holds."""

    replicas: int
    busy: int  # without the spare
    utilisation: float
    in_service: float
    wait_ms: float
    latency_ms: float
    target_ms: float | None
    units: float

    @property
    def meets_target(self) -> bool | None:
        """Whether mean wait and service together stay below the target; None without one."""
        return None if self.target_ms is None else self.latency_ms <= self.target_ms


def replicas(
    qps_peak: float, service_ms: float, *, concurrency: int = 1, utilisation: float = RHO, spare: int = 1,
    units_per_replica: float = 1.0, target_ms: float | None = None, ca2: float = 1.0, cs2: float = 1.0,
) -> ServingNeed:
    """Return what `qps_peak` requests per second need.

    Args:
        qps_peak: requests per second in the busiest second, not the mean of an hour.
        service_ms: how long one request is worked on, as measured.
        concurrency: requests that one replica works on at once within the target, as measured.
        utilisation: how busy replicas may be; the wait at 0.9 is four times that at 0.7.
        spare: replicas beyond need, 1 for one failing, 2 for one failing during an update.
        units_per_replica: what one replica holds of the pool.
        target_ms: what wait and service together may take.
        ca2: squared coefficient of variation of the gaps between requests; 1 is Poisson.
        cs2: the same of service times.

    Raises:
        Refused: a number is impossible.
    """
    for name, value, low, high in (
        ("requests per second", qps_peak, 0.0, 1e7), ("service time", service_ms, 1e-6, 1e7),
        ("concurrency", concurrency, 1, 1e5), ("utilisation", utilisation, 0.05, 0.95), ("spare", spare, 0, 1e4),
        ("units per replica", units_per_replica, 0.0, 1e6), ("variation of gaps", ca2, 0.0, 1e4),
        ("variation of service", cs2, 0.0, 1e4),
    ):
        if not (math.isfinite(value) and low <= value <= high):
            raise Refused(f"{name} = {value:g} is impossible: give a number from {low:g} to {high:g}")
    in_service = qps_peak * service_ms / 1000
    busy = max(1, math.ceil(in_service / (concurrency * utilisation) - 1e-9))
    servers = busy * concurrency
    rho = in_service / servers
    wait = wait_ms(servers, rho, service_ms, ca2=ca2, cs2=cs2)
    return ServingNeed(
        replicas=busy + spare, busy=busy, utilisation=rho, in_service=in_service, wait_ms=wait,
        latency_ms=wait + service_ms, target_ms=target_ms, units=(busy + spare) * units_per_replica,
    )


def wait_ms(servers: int, rho: float, service_ms: float, *, ca2: float = 1.0, cs2: float = 1.0) -> float:
    """Return the mean wait in a queue before `servers` that are busy a share `rho` of the time.

    Sakasegawa (1977): rho ** (sqrt(2 (c + 1)) - 1) / (c (1 - rho)), times variation, times service time; for one
    server it is Kingman's rho / (1 - rho).
    """
    if rho <= 0:
        return 0.0
    if rho >= 1:
        return math.inf
    factor = float(rho ** (math.sqrt(2 * (servers + 1)) - 1)) / (servers * (1 - rho))
    return factor * (ca2 + cs2) / 2 * service_ms
