"""Load versions beside the work of the outbox: a model that takes half a minute to load delays no rollback."""

from collections.abc import Mapping
from functools import partial

from services.monitor.beside import Beside, Key
from services.releases.target import DeploymentTarget, Loading, Observation


def load_key(environment: str, model: str, version: str) -> Key:
    """Return the key of a version's load."""
    return ("load", environment, model, version)


def unload_key(environment: str, model: str, version: str) -> Key:
    """Return the key under which a version is freed."""
    return ("unload", environment, model, version)


class PatientTarget:
    """A target whose `load` does not block. Satisfies `services.releases.target.DeploymentTarget`."""

    def __init__(self, target: DeploymentTarget, beside: Beside, asker: str) -> None:
        """Load beside everything else that takes long; `asker` is who asks (an operation, the survey)."""
        self._target = target
        self._beside = beside
        self._asker = asker

    @property
    def supports_split(self) -> bool:
        """Whether two versions can share the traffic."""
        return self._target.supports_split

    @property
    def supports_mirror(self) -> bool:
        """Whether a version can be given copies of requests."""
        return self._target.supports_mirror

    def load(self, model: str, environment: str, version: str) -> None:
        """Load a version beside everything else; raise Loading until it can answer."""
        # Begun before its freeing has ended, it would be gone again right after.
        if self._beside.under_way(unload_key(environment, model, version)):
            raise Loading(f"version {version} is still being freed, and is loaded after that")
        self._beside.ask(load_key(environment, model, version), self._asker,
                         partial(self._target.load, model, environment, version),
                         doing=f"version {version} is being loaded", join=True)

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Make the split so."""
        self._target.set_weights(model, environment, weights, generation=generation)

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Copy a share of requests to a version, or end it."""
        self._target.set_mirror(model, environment, version, percent, generation=generation)

    def observe(self, model: str, environment: str) -> Observation:
        """Return what the target does now; a load that was seen to have ended well is forgotten."""
        seen = self._target.observe(model, environment)
        for version, healthy in seen.loaded.items():
            if healthy:
                self._beside.forget(load_key(environment, model, version))
        return seen

    def unload(self, model: str, environment: str, version: str) -> None:
        """Free a version without weight; raise Loading while it is being loaded."""
        # Freed before its load has ended, it would stay loaded for good.
        if self._beside.under_way(load_key(environment, model, version)):
            raise Loading(f"version {version} is still being loaded, and is freed after that")
        self._target.unload(model, environment, version)
