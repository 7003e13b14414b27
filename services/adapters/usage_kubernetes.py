"""Read exported ResourceQuotas: `kubectl get resourcequota -A -o json`.

A ResourceQuota counts requests, not use: what its status calls used is what was requested. It is shown as allocated,
and a full quota may still be idle. The namespace is the team; a label `ops.pipeline` names the pipeline, else the
quota's own name does.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from services.adapters.usage_files import Reading
from services.errors import SourceMalformed
from services.quota.pool import Origin, Pool, Sample, check

_SUFFIXES: Final = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30,
    "Ti": 2.0**40, "Pi": 2.0**50,
}
_QUANTITY: Final = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)([A-Za-z]*)")


class KubernetesReader:
    """Reads one exported list of ResourceQuotas."""

    def __init__(self, pools: Mapping[str, Pool], names: Mapping[str, str]) -> None:
        """Map the cluster's resources (`cpu`, `memory`, `nvidia.com/gpu`) to pools by `names`."""
        self._pools = pools
        self._names = names

    def __call__(self, file: Path, now: datetime) -> Reading:
        """Return what a file says, as of its last change.

        Raises:
            SourceMalformed: it is no list of ResourceQuotas.
        """
        try:
            items = list(json.loads(file.read_text(encoding="utf-8"))["items"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceMalformed(f"{file.name} is not a list of ResourceQuotas ({error}): export it with kubectl get "
                                  "resourcequota -A -o json") from error
        at = min(now, datetime.fromtimestamp(file.stat().st_mtime, tz=UTC))
        samples: dict[tuple[str, str, str], Sample] = {}
        offered: dict[str, float] = defaultdict(float)
        faults = []
        for place, item in enumerate(items):
            where = f"item {place} of {file.name}"
            try:
                for pool, held, hard, pipeline, team in self._item(item, where):
                    offered[pool] += hard
                    known = samples.get((pool, pipeline, team))
                    total = held + (known.used if known else 0.0)
                    samples[pool, pipeline, team] = check(Sample(
                        ts=at, pool=pool, pipeline=pipeline, team=team, used=total, requested=total,
                        origin=Origin.IMPORTED), row=where)
            except SourceMalformed as error:
                faults.append(str(error))
        for pool, total in offered.items():
            declared = self._pools.get(pool)
            if declared and total > 1.5 * declared.limit:
                faults.append(f"{file.name}: quotas of {pool} add up to {total:g} of {declared.limit:g} "
                              f"{declared.unit}: the pool is overcommitted")
        return Reading(samples=tuple(samples.values()), limits=(), faults=tuple(faults))

    def _item(self, item: Any, where: str) -> list[tuple[str, float, float, str, str]]:
        try:
            meta, status = item["metadata"], item["status"]
            team, labels = str(meta["namespace"]), meta.get("labels") or {}
            pipeline = str(labels.get("ops.pipeline") or meta["name"])
            used, hard = status["used"], status["hard"]
        except (KeyError, TypeError, AttributeError) as error:
            raise SourceMalformed(f"{where}: {error} is missing: export the quotas with their status") from error
        found = []
        for key, text in used.items():
            # `cpu` and `requests.cpu` say the same; `limits.cpu` says something else and is left alone.
            name = key.removeprefix("requests.")
            pool = self._names.get(name)
            if pool is None or key.startswith("limits.") or (name == key and f"requests.{name}" in used):
                continue
            resource = self._pools[pool].resource if pool in self._pools else ""
            found.append((pool, quantity(text, resource, where), quantity(hard.get(key, "0"), resource, where),
                          pipeline, team))
        return found


def quantity(text: Any, resource: str, where: str) -> float:
    """Return a Kubernetes quantity in the pool's unit: cores, GiB, devices.

    Raises:
        SourceMalformed: it is none.
    """
    match = _QUANTITY.fullmatch(str(text))
    if not match or match[2] not in _SUFFIXES:
        raise SourceMalformed(f"{where}: {text!r} is not a quantity: such as 500m, 4 or 16Gi")
    value = float(match[1]) * _SUFFIXES[match[2]]
    return value / 2**30 if resource == "ram" else value
