"""Ask a Prometheus server what is used, requested and offered right now.

Each query gives one series per pipeline; the labels pool, pipeline, kind, team and environment are read by name, or by
the names that the settings give. A series without a pipeline is the pool's own meter.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, Final

from services.errors import SourceMalformed, SourceUnavailable
from services.quota.pool import Limit, Pool, Sample, check, in_unit

_TIMEOUT_S: Final = 5.0
_LABELS: Final = ("pool", "pipeline", "kind", "team", "environment")
_Key = tuple[str, str, str, str, str]


class PrometheusUsage:
    """Instant queries against one Prometheus server."""

    def __init__(
        self, url: str, *, pools: Mapping[str, Pool], used: str, requested: str = "", limit: str = "", pool: str = "",
        names: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None, unit: str = "",
    ) -> None:
        """Ask `url` the three queries; `pool` is where series without that label belong, `unit` what they count in."""
        self._url = url.rstrip("/")
        self._declared = pools
        self._queries = {"used": used, "requested": requested, "limit": limit}
        self._pool = pool
        self._names = names or {}
        self._labels = {name: (labels or {}).get(name, name) for name in _LABELS}
        self._unit = unit
        self._limits: tuple[Limit, ...] = ()
        self._faults: tuple[str, ...] = ()
        self._last: dict[str, float] = {}
        self._pools = {pool} if pool else set()

    @property
    def name(self) -> str:
        """The name under which this source's as-of time is kept."""
        return "usage:prometheus"

    @property
    def pools(self) -> frozenset[str]:
        """The pools that the server named so far."""
        return frozenset(self._pools)

    @property
    def limits(self) -> Sequence[Limit]:
        """The limits that changed since the last time."""
        return self._limits

    @property
    def faults(self) -> Sequence[str]:
        """The series that were refused last."""
        return self._faults

    def sample(self, *, now: datetime) -> Sequence[Sample]:
        """Return one sample per series of the query for use.

        Raises:
            SourceUnavailable: the server does not answer or refuses the query.
        """
        faults: list[str] = []
        used = self._ask("used", faults)
        requested = self._ask("requested", faults)
        samples = []
        for key, value in used.items():
            pool, pipeline, kind, team, environment = key
            try:
                samples.append(check(Sample(
                    ts=now, pool=pool, pipeline=pipeline, kind=kind, team=team, environment=environment, used=value,
                    requested=requested.get(key)), row=f"series {'/'.join(part for part in key if part)}"))
            except SourceMalformed as error:
                faults.append(str(error))
        offered = {key[0]: value for key, value in self._ask("limit", faults).items() if value > 0}
        self._limits = tuple(Limit(pool=pool, since=now, value=value, origin="imported")
                             for pool, value in offered.items() if self._last.get(pool) != value)
        self._last.update(offered)
        self._pools |= {s.pool for s in samples}
        self._faults = tuple(faults)
        return samples

    def _ask(self, which: str, faults: list[str]) -> dict[_Key, float]:
        """Return a query's series by their labels; series of one key add up."""
        query = self._queries[which]
        if not query:
            return {}
        found: dict[_Key, float] = {}
        for series in self._vector(query):
            metric = series["metric"]
            given = metric.get(self._labels["pool"], self._pool)
            pool = self._names.get(given, given)
            if pool not in self._declared:
                faults.append(f"query for {which}: pool {pool or 'without a name'} is not declared: add it to "
                              "[[pools]]")
                continue
            value = float(series["value"][1])
            if not isfinite(value):
                faults.append(f"query for {which}: {pool} {metric} is {value}")
                continue
            if self._unit:
                value = in_unit(value, self._unit, resource=self._declared[pool].resource, row=f"query for {which}")
            pipeline, kind, team, environment = (metric.get(self._labels[x], "") for x in _LABELS[1:])
            key = (pool, pipeline, kind, team, environment)
            found[key] = found.get(key, 0.0) + value
        return found

    def _vector(self, query: str) -> list[dict[str, Any]]:
        import httpx

        try:
            answer = httpx.get(f"{self._url}/api/v1/query", params={"query": query}, timeout=_TIMEOUT_S)
            body = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceUnavailable(f"Prometheus at {self._url} does not answer ({type(error).__name__}): start it, or "
                                    "mend url in [[usage]]") from error
        except json.JSONDecodeError as error:
            raise SourceUnavailable(f"{self._url} answers {answer.status_code} and no JSON: is it "
                                    "Prometheus?") from error
        if not isinstance(body, dict) or body.get("status") != "success":
            said = body.get("error", "no reason given") if isinstance(body, dict) else "no object"
            raise SourceUnavailable(f"Prometheus at {self._url} refuses the query {query!r}: {said}", retryable=False)
        if body["data"]["resultType"] != "vector":
            raise SourceUnavailable(f"the query {query!r} gives a {body['data']['resultType']}: write one that gives "
                                    "an instant vector", retryable=False)
        return list(body["data"]["result"])
