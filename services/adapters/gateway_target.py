"""Drive the bundled gateway over its control routes. What to ask for is decided in services/releases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from services.errors import Refused, SourceMalformed, SourceUnavailable
from services.releases.target import Observation, StaleGeneration

_LOAD_S: Final = 200.0
_CALL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway listens, and the token of its control routes."""

    url: str
    token: str = field(repr=False)


class GatewayTarget:
    """A gateway at an address. Satisfies `services.releases.target.DeploymentTarget`; safe to share between threads."""

    supports_split = True
    supports_mirror = True

    def __init__(self, where: Callable[[], "Address"]) -> None:
        """Talk to the gateway at the address that `where` gives at each call: a restart may move it."""
        self._where = where
        self._client = httpx.Client(timeout=_CALL_S, trust_env=False)

    def load(self, model: str, environment: str, version: str) -> None:
        """Load a version beside the others and warm it."""
        self._ask("PUT", f"{_route(environment, model)}/versions/{quote(version, safe='')}", timeout=_LOAD_S)

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Make the split so."""
        self._ask("PUT", f"{_route(environment, model)}/weights",
                  {"weights": dict(weights), "generation": generation})

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Copy a share of requests to a version, or end it."""
        self._ask("PUT", f"{_route(environment, model)}/mirror",
                  {"version": version, "percent": percent, "generation": generation})

    def observe(self, model: str, environment: str) -> Observation:
        """Return what the gateway does now."""
        shown = self._ask("GET", _route(environment, model))
        try:
            return Observation(generation=int(shown["generation"]), weights=dict(shown["weights"]),
                               loaded=dict(shown["loaded"]), served=dict(shown["served"]),
                               mirror=dict(shown["mirror"]),
                               # One worker process a version.
                               replicas={version: int(alive) for version, alive in shown["loaded"].items()})
        except (KeyError, TypeError, ValueError) as error:
            raise SourceMalformed(f"the gateway at {self._where().url} shows what cannot be read: {error!r}") from error

    def unload(self, model: str, environment: str, version: str) -> None:
        """Free a version without weight."""
        self._ask("DELETE", f"{_route(environment, model)}/versions/{quote(version, safe='')}", timeout=_LOAD_S)

    def renew(self) -> float:
        """Hold the gateway's dead-man timer back; return for how many seconds."""
        return float(self._ask("POST", "/control/lease")["seconds"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float = _CALL_S) -> Any:
        address = self._where()
        try:
            answer = self._client.request(method, address.url + path, json=body, timeout=timeout,
                                          headers={"Authorization": f"Bearer {address.token}"})
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"the gateway at {address.url} does not answer ({type(error).__name__}): start it "
                                    "with interlock gateway") from error
        try:
            said = answer.json()
        except ValueError as error:
            if answer.status_code >= 500:  # what stands before it says that it is not there now
                raise SourceUnavailable(f"the gateway at {address.url} answers {answer.status_code}: "
                                        f"{' '.join(answer.text.split())[:200]}") from error
            raise SourceMalformed(f"the gateway at {address.url} answered {answer.status_code} without JSON: is it "
                                  "one?") from error
        if answer.is_success:
            return said
        code, message = said.get("error_code", ""), said.get("message", f"status {answer.status_code}")
        if code == "STALE_GENERATION":
            raise StaleGeneration(message)
        if answer.status_code == 401:
            raise SourceUnavailable(f"the gateway at {address.url} refuses our token: set INTERLOCK_GATEWAY_TOKEN to "
                                    "its own", retryable=False)
        if answer.status_code < 500:
            raise Refused(message)
        raise SourceUnavailable(message)


def _route(environment: str, model: str) -> str:
    return f"/control/{quote(environment, safe='')}/{quote(model, safe='')}"
