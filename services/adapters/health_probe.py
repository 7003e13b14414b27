"""Ask a model's health address, or the bundled gateway's, whether it can answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from services.adapters.gateway_address import address
from services.adapters.gateway_target import Address
from services.errors import OpsError
from services.serving.outage import Probe
from services.settings import Settings

_TIMEOUT_S: Final = 2.0


class HealthProbe:
    """Asks the address that the settings name, else the gateway where one was started in this home.

    A named address is asked for production only. One refused or unanswered request is an answer: not well.
    """

    def __init__(self, settings: Settings) -> None:
        """Use the given settings."""
        self._settings = settings
        # Since when each address has said the same; a restart of the monitor begins anew.
        self._since: dict[tuple[str, str], tuple[bool | None, datetime]] = {}
        # One gateway speaks for every model behind it: within a pass, which has one `now`, each address is asked once.
        self._answers: dict[str, tuple[httpx.Response | None, str]] = {}
        self._answered_at: datetime | None = None

    def ask(self, model: str, environment: str, *, now: datetime) -> Probe | None:
        """Return what the address answered, or None where no address is known for this model and environment."""
        settings = self._settings.models[model]
        if settings.probe:
            return self._named(settings.probe, model, environment, now) if environment == "production" else None
        target = self._settings.environments.get(environment)
        if settings.target != "gateway" or target is None or target.target != "gateway":
            return None
        try:
            found = address(self._settings, environment)
        except OpsError:
            return None  # none was ever started here: nothing to ask
        return self._gateway(found, model, environment, now)

    def _named(self, url: str, model: str, environment: str, now: datetime) -> Probe:
        response, said = _get(url)
        well = response is not None and response.is_success
        return self._probe(url, model, environment, well, said, now)

    def _gateway(self, found: Address, model: str, environment: str, now: datetime) -> Probe | None:
        url = f"{found.url}/health"
        response, said = self._once(url, now)
        if response is None:
            return self._probe(url, model, environment, False, said, now)
        routes = _routes(response)
        mine = [r for r in routes if (r.get("environment"), r.get("model")) == (environment, model)]
        if routes and not mine:
            return None  # the gateway is there, and this model was never routed to here
        if self._foreign(found, now):
            # A port that became free is soon another's: its health says nothing about ours.
            said = f"another gateway answers at {found.url}: it refuses this home's token"
            return self._probe(url, model, environment, False, said, now)
        well = bool(mine and mine[0].get("ready"))
        return self._probe(url, model, environment, well, "ok" if well else "no version of it can answer", now)

    def _foreign(self, found: Address, now: datetime) -> bool:
        response, _ = self._once(f"{found.url}/control", now, {"Authorization": f"Bearer {found.token}"})
        return response is not None and response.status_code in {401, 403}

    def _once(
        self, url: str, now: datetime, headers: Mapping[str, str] | None = None
    ) -> tuple[httpx.Response | None, str]:
        if now != self._answered_at:
            self._answers, self._answered_at = {}, now
        if url not in self._answers:
            self._answers[url] = _get(url, headers)
        return self._answers[url]

    def _probe(
        self, url: str, model: str, environment: str, well: bool, said: str, now: datetime
    ) -> Probe:
        before = self._since.get((model, environment))
        since = before[1] if before and before[0] == well else now
        self._since[model, environment] = (well, since)
        return Probe(url=url, well=well, said=said, at=now, since=since)


def _get(url: str, headers: Mapping[str, str] | None = None) -> tuple[httpx.Response | None, str]:
    try:
        response = httpx.get(url, headers=headers, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        kind = "no answer in 2 s" if isinstance(error, httpx.TimeoutException) else "connection refused or broken"
        return None, f"{kind} at {url}"
    return response, f"status {response.status_code}"


def _routes(response: httpx.Response) -> list[dict[str, Any]]:
    try:
        found = response.json()
    except ValueError:
        return []
    routes = found.get("routes", []) if isinstance(found, dict) else []
    return [r for r in routes if isinstance(r, dict)]
