"""Look at all features of a model together: what a job of the Drift page and the command line ask for."""

from collections.abc import Callable
from datetime import datetime

from services.bootstrap.rooms import Services
from services.core.measurement import Measurement
from services.drift.gather import chosen
from services.drift.multivariate import How, measured, windows


def measure_together(
    services: Services, model: str, *, environment: str, now: datetime, tell: Callable[[float, str], None],
) -> list[Measurement]:
    """Tell the last week from the four before in every way there is, store the measurements and return them.

    `tell` is called with progress from 0 to 1 and what is being done. Columns named sensitive are left out.

    Raises:
        NotFound: nothing was served lately.
        SourceUnavailable: the log cannot be read.
    """
    from services.adapters.signal_steps import signal_logs
    from services.adapters.telling_apart import tell_apart

    setting = services.settings.models[model]
    subject = chosen(services.baselines, services.profiles, model, environment=environment, now=now).subject
    log = signal_logs(services.settings, services.log_ledger)[model]
    week, before = windows(now=now)
    features = [name for name in setting.features if name not in setting.sensitive]
    found = []
    for place, how in enumerate(How):
        tell(place / len(How), f"{how} of {len(features)} columns")
        apart = tell_apart(log, features, week, before, how, environment=subject.environment)
        found.append(measured(subject, week, how, apart, at=now))
    services.measurements.save(found)
    return found
