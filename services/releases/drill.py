"""Prove now and then that a rollback would work: the version before is loaded in staging and must answer.

Which version to prove and what the proof says is decided here; the monitor's step and the command line carry it out.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from services.core.measurement import Measurement, Pipeline, Verdict, Why
from services.core.window import TimeWindow
from services.errors import OpsError, SourceUnavailable
from services.releases.ports import Targets
from services.releases.release import Place

NAME: Final = "rollback_drill"
EVERY: Final = timedelta(hours=24)
STAGE: Final = "staging"


def due(places: Iterable[Place], last: Mapping[tuple[str, str], Measurement], *, now: datetime) -> Place | None:
    """Return the place whose proof is oldest and older than a day, or is about another version than the one before."""
    waiting = []
    for place in places:
        if not place.previous or place.environment == STAGE:
            continue
        proof = last.get((place.model, place.environment))
        if proof is None or proof.version != place.previous or proof.why is Why.NO_DATA:
            waiting.append((datetime.min.replace(tzinfo=now.tzinfo), place))
        elif now - proof.at >= EVERY:
            waiting.append((proof.at, place))
    return min(waiting, key=lambda pair: (pair[0], pair[1].model), default=(now, None))[1]


def drill(place: Place, targets: Targets, *, now: datetime, where: str = STAGE) -> Measurement:
    """Load the version before, see it answer, and free it again where it was not loaded."""
    target = targets(place.model, where)
    version, begun = place.previous, time.monotonic()
    try:
        before = target.observe(place.model, where).loaded.get(version, False)
    except SourceUnavailable as error:
        # Nobody was there to ask: that says nothing about the version, and the next pass asks again.
        return _measured(place, Verdict.INCONCLUSIVE, f"nothing can be drilled until the target of {where} answers: "
                         f"{error}", None, now)
    try:
        target.load(place.model, where, version)
        answers = target.observe(place.model, where).loaded.get(version, False)
        took_s = time.monotonic() - begun
        if not before:
            target.unload(place.model, where, version)
    except OpsError as error:
        return _measured(place, Verdict.FAIL, f"version {version} could not be loaded in {where}: {error}", None, now)
    if not answers:
        return _measured(place, Verdict.FAIL, f"version {version} was loaded in {where} and does not answer", None, now)
    how = "was loaded already" if before else f"loaded in {took_s:.1f} s"
    return _measured(place, Verdict.PASS, f"version {version} {how} in {where} and answers", took_s, now)


def _measured(place: Place, verdict: Verdict, reason: str, took_s: float | None, now: datetime) -> Measurement:
    why = Why.NO_DATA if verdict is Verdict.INCONCLUSIVE else Why.NONE
    return Measurement(
        name=NAME, pipeline=Pipeline.DEPLOYMENT, subject=place.model, environment=place.environment,
        version=place.previous, window=TimeWindow(now - EVERY, now), at=now, verdict=verdict, why=why, reason=reason,
        value=took_s, unit="s", n=1)
