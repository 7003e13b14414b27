"""The quota step: sample every source, lay requests over it, store, roll up, and judge each pool."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.core.measurement import Measurement, Verdict
from services.core.window import DAY, HOUR, TimeWindow, floor_to
from services.errors import OpsError, SourceUnavailable
from services.quota import errant, forecast, twice, waste, watch
from services.quota.allot import allot, lay_over
from services.quota.attribution import Standing, standing
from services.quota.fit import EXPERIMENTS
from services.quota.history import daily_peaks
from services.quota.pool import Limit, Pool, PoolKind, Sample, limit_at
from services.quota.ports import MeasurementStore, QuotaStore, Request, Requests, UsageSource

_WEEK_HOURS: Final = 7 * DAY
_ORIGINS: Final = 8


class QuotaStep:
    """Samples, roll-ups and measurements of every pool."""

    name = "quota"

    def __init__(
        self, *, pools: Sequence[Pool], sources: Sequence[UsageSource], requests: Requests,
        always_on: Sequence[Request], store: QuotaStore, measurements: MeasurementStore,
        declared: Mapping[str, float] | None = None, owners: Mapping[str, str] | None = None,
        meant: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """Watch `pools`.

        `always_on` are the declared requests of pipelines that have no runs, such as serving; `declared` is what the
        settings allow a pipeline to hold, `owners` who answers for it, `meant` the pools that it may hold at once.
        """
        self._pools = pools
        self._sources = sources
        self._requests = requests
        self._always_on = always_on
        self._store = store
        self._measurements = measurements
        self._declared = declared or {}
        self._owners = owners or {}
        self._meant = meant or {}

    def run(self, *, now: datetime) -> str:
        """Do one pass; a source that fails is named at the end and stops no other."""
        self._keep_limits(now)
        samples, failed = self._sample(now)
        here = {s.pool for s in samples if s.ts == now}
        covered = {pool for source in self._sources for pool in source.pools}
        requested = allot([*self._requests.active(), *self._always_on], self._pools, now=now)
        at_once = [s for s in samples if s.ts == now]
        laid = lay_over(at_once, requested, unmeasured={p.name for p in self._pools} - covered - here)
        written = self._store.write([*(s for s in samples if s.ts != now), *laid])
        found = [m for pool in self._pools for m in self._judge(pool, now)]
        found += self._twice(now)
        self._measurements.save([*found, *self._forecast(now)])
        if failed:
            raise SourceUnavailable("; ".join(failed))
        return f"{written} samples of {len(self._pools)} pools, {len(found)} measurements"

    def _sample(self, now: datetime) -> tuple[list[Sample], list[str]]:
        samples: list[Sample] = []
        failed = []
        for source in self._sources:
            try:
                samples += source.sample(now=now)
            except OpsError as error:
                failed.append(f"{source.name}: {error}")
                continue
            if source.limits:
                self._store.write_limits(source.limits)
            if source.faults:
                # Named, never averaged away: the good rows count, and the pass says which did not.
                more = f" and {len(source.faults) - 1} more" if len(source.faults) > 1 else ""
                failed.append(f"{source.name}: {source.faults[0]}{more}")
        return samples, failed

    def _twice(self, now: datetime) -> list[Measurement]:
        """Look over all sources at once: each of them alone may be right."""
        pools = [pool for pool in self._pools if pool.kind is PoolKind.CAPACITY]
        latest = {pool.name: self._store.latest(pool.name, within=watch.FRESH, now=now) for pool in pools}
        return twice.measure(latest, pools, meant=self._meant, now=now)

    def _keep_limits(self, now: datetime) -> None:
        """Store the settings' limits by date; a limit that was changed in the settings holds from now on."""
        for pool in self._pools:
            known = self._store.limits(pool.name)
            dated = [limit for limit in pool.limits if limit not in known]
            last = limit_at(known, now, otherwise=pool.limit)
            plain = not pool.limits and last != pool.limit and all(limit.origin == "settings" for limit in known)
            if not known and not dated:
                # The first sight of a pool: its limit holds for what was before, too.
                dated = [Limit(pool=pool.name, since=datetime.fromtimestamp(0, tz=now.tzinfo), value=pool.limit)]
            elif plain:
                dated = [Limit(pool=pool.name, since=now, value=pool.limit)]
            if dated:
                self._store.write_limits(dated)

    def _budget(self, pool: Pool, now: datetime) -> list[Measurement]:
        spent = self._store.history(pool.name, TimeWindow(waste.period(pool, now).start, now), grain="hour")
        ticks = self._store.ticks(pool.name, TimeWindow(now - 3 * DAY, now + watch.FRESH))
        budget = limit_at(self._store.limits(pool.name), now, otherwise=pool.limit)
        return [waste.burn(pool, ticks, used_hours=sum(r.used_hours for r in spent), budget=budget, now=now)]

    def _judge(self, pool: Pool, now: datetime) -> list[Measurement]:
        if pool.kind is PoolKind.BUDGET:
            return self._budget(pool, now)
        limit = limit_at(self._store.limits(pool.name), now, otherwise=pool.limit)
        latest = self._store.latest(pool.name, within=watch.FRESH, now=now)
        ticks = self._store.ticks(pool.name, TimeWindow(now - watch.LOOK_BACK, now + watch.FRESH))
        held = standing(pool, latest, limit=limit) if latest else None
        found = watch.measure(held, ticks, pool=pool, limit=limit, now=now)
        # Those that were fast and are gone are asked about once more: their last word must not stand for ever.
        rated = self._measurements.newest(subject=pool.name, name="usage_rate")
        data = {m.column: m.environment for m, _ in rated if m.column and m.verdict is Verdict.WARN}
        data |= {s.pipeline: s.environment for s in latest if s.kind == "data"}
        if data:
            hour = floor_to(now, HOUR)
            hours = self._store.hours(pool.name, TimeWindow(hour - _WEEK_HOURS, hour))
            found += [watch.pipeline_rate(name, hours.get(name, []), pool=pool, limit=limit, now=now,
                                          environment=environment) for name, environment in data.items()]
        if held:
            found += self._errant(held, now)
            found += [waste.idle(held, ticks, now=now), waste.stuck(held, ticks, now=now),
                      waste.experiments(held, budgeted=EXPERIMENTS, now=now)]
        return [replace(m, detail={**m.detail, "resource": pool.resource}) for m in found]

    def _forecast(self, now: datetime) -> list[Measurement]:
        """Return the forecasts that are not of today yet; at most one that takes seconds to compute."""
        found = []
        for pool in self._pools:
            known = self._measurements.newest(subject=pool.name, name="pool_forecast")
            if pool.kind is PoolKind.BUDGET or (known and known[0][0].detail.get("day") == f"{now:%Y-%m-%d}"):
                continue
            peaks = daily_peaks(self._store, pool, now=now)
            limit = limit_at(self._store.limits(pool.name), now, otherwise=pool.limit)
            enough = not forecast.why_not(peaks)
            record = forecast.backtest(peaks, limit=limit, origins=_ORIGINS) if enough else None
            found.append(forecast.measure(pool, peaks, limit=limit, now=now, record=record))
            if enough:
                break
        return found

    def _errant(self, held: Standing, now: datetime) -> list[Measurement]:
        hour = floor_to(now, HOUR)
        hours = self._store.hours(held.pool.name, TimeWindow(hour - errant.BASELINE, hour))
        recent = self._store.recent(held.pool.name, TimeWindow(now - 2 * HOUR, now + watch.FRESH))
        surges = errant.find(held, recent, hours, declared=self._declared)
        open_ = [m.column for m, _ in self._measurements.newest(subject=held.pool.name, name="errant_pipeline")
                 if m.verdict is not Verdict.PASS]
        return errant.measure(held, surges, was_open=open_, now=now, owners=self._owners)
