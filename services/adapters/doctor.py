"""Try every connection that the settings name, one by one, and say what is missing and what to do.

Nothing is repaired and nothing is written; a check that fails never stops the others.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import httpx

from services.adapters import inspect_sources
from services.adapters.doctor_logs import try_labels, try_log
from services.adapters.gateway_address import address
from services.adapters.house_tables import LeaseTable
from services.adapters.mlflow_words import shown
from services.adapters.ops_db import OpsDb
from services.core.measurement import Verdict
from services.core.window import span_text
from services.errors import OpsError
from services.settings import Settings

PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried: how it stands, in one sentence that says what to do where it is not well."""

    what: str
    verdict: Verdict
    says: str


def examine(settings: Settings, *, now: datetime) -> list[Finding]:
    """Return one finding per connection, in the order in which they depend on one another."""
    found = [
        _tried("home", partial(_home, settings)),
        _tried("ops store", partial(_store, settings)),
        _tried("monitor", partial(_monitor, settings, now)),
        _tried("tracking", partial(_tracking, settings)),
    ]
    if not settings.models:
        found.append(Finding(what="models", verdict=Verdict.FAIL,
                             says="no model is declared: run interlock init, or add [models.NAME] to interlock.toml"))
    for name, model in settings.models.items():
        found.append(_tried(f"log of {name}", partial(try_log, settings, name, model)))
        found.append(_tried(f"labels of {name}", partial(try_labels, settings, name, model)))
    found += [
        _tried(f"gateway of {name}", partial(_gateway, settings, name))
        for name, environment in settings.environments.items() if environment.target == "gateway"
    ]
    found += [_people(settings), _letters(settings), _secrets()]
    return found


def _tried(what: str, check: Callable[[], tuple[Verdict, str]]) -> Finding:
    try:
        verdict, says = check()
    except OpsError as error:
        verdict, says = Verdict.FAIL, " ".join(str(error).split())
    return Finding(what=what, verdict=verdict, says=says)


def _home(settings: Settings) -> tuple[Verdict, str]:
    home = settings.home_path
    there = home if home.exists() else next(p for p in home.parents if p.exists())
    if not os.access(there, os.W_OK):
        return Verdict.FAIL, f"{home} may not be written: change its owner, or set home.path"
    return Verdict.PASS, str(home) if home.exists() else f"{home} does not exist yet and will be made"


def _store(settings: Settings) -> tuple[Verdict, str]:
    db = OpsDb(settings.store_url)
    db.require_current()
    return Verdict.PASS, f"{db!r} answers and has this program's schema"


def _monitor(settings: Settings, now: datetime) -> tuple[Verdict, str]:
    held = LeaseTable(OpsDb(settings.store_url)).current("monitor")
    if held is None:
        return Verdict.WARN, "never ran here: start interlock monitor"
    holder, _, until = held
    if until < now:
        return Verdict.FAIL, f"stopped {span_text(now - until)} ago: start interlock monitor"
    return Verdict.PASS, f"runs as {holder}"


def _tracking(settings: Settings) -> tuple[Verdict, str]:
    uri = settings.tracking_uri
    if not settings.tracking_named:
        return Verdict.INCONCLUSIVE, "none is named (tracking.uri): runs and versions stay unknown"
    place = shown(uri)
    if uri.startswith(("http://", "https://")):
        try:
            answer = httpx.get(f"{uri.rstrip('/')}/health", timeout=PATIENCE_S)
        except httpx.HTTPError as error:
            return Verdict.FAIL, f"MLflow at {place} does not answer ({type(error).__name__}): check that it runs"
        if answer.status_code != httpx.codes.OK:
            return Verdict.FAIL, f"MLflow at {place} answers {answer.status_code} to /health: check address and access"
    names = inspect_sources.models(uri, settings.tracking.registry_uri)
    unknown = [name for name in settings.models if name not in names]
    if unknown:
        return Verdict.WARN, f"{place} answers, but {', '.join(unknown)} is not registered there; it has " + (
            ", ".join(names[:8]) or "no model")
    return Verdict.PASS, f"{place} answers with {len(names)} registered models"


def _gateway(settings: Settings, environment: str) -> tuple[Verdict, str]:
    url = address(settings, environment).url
    try:
        answer = httpx.get(f"{url}/health", timeout=PATIENCE_S)
    except httpx.HTTPError as error:
        return Verdict.FAIL, f"{url} does not answer ({type(error).__name__}): start interlock gateway"
    well = answer.status_code == httpx.codes.OK
    return (Verdict.PASS if well else Verdict.FAIL), f"{url} answers {answer.status_code}"


def _people(settings: Settings) -> Finding:
    if not settings.on_call.people:
        return Finding(what="on call", verdict=Verdict.WARN, says="nobody is named: add [on_call] people")
    return Finding(what="on call", verdict=Verdict.PASS, says=f"{len(settings.on_call.people)} people take turns")


def _letters(settings: Settings) -> Finding:
    urls = settings.notifications.urls
    if not urls:
        return Finding(what="notifications", verdict=Verdict.WARN,
                       says="no address is set (notifications.urls): an alert reaches nobody outside the pages")
    return Finding(what="notifications", verdict=Verdict.PASS, says=f"{len(urls)} addresses")


def _secrets() -> Finding:
    if "INTERLOCK_AUDIT_KEY" in os.environ:
        return Finding(what="audit key", verdict=Verdict.PASS, says="set; exported heads of the audit log are signed")
    return Finding(what="audit key", verdict=Verdict.WARN,
                   says="INTERLOCK_AUDIT_KEY is not set: a cut-off tail of the audit log would not show")
