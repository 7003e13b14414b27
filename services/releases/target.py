"""What a place that serves models must be able to do, so that releases can drive it.

Every target and its fake pass tests/contract/test_targets.py. Operations are level-based ("make it so"), never
"increase by": doing one twice changes nothing. What to ask for is decided in reconcile.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.errors import OpsError, Refused


class StaleGeneration(Refused):
    """The target already obeys a newer generation: whoever asked is out of date and must stop."""


class Loading(OpsError):
    """The version is being loaded: nothing failed, ask again soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a target shows about one model in one environment, read back and never assumed.

    `weights` maps version to the share of traffic in percent, summing to 100, or is empty when nothing is served.
    `served` counts the requests answered by each version since the target started; `replicas` the processes that run
    for each, empty where a target does not show them.
    """

    generation: int
    weights: Mapping[str, float] = field(default_factory=dict)
    loaded: Mapping[str, bool] = field(default_factory=dict)  # version -> healthy
    served: Mapping[str, int] = field(default_factory=dict)
    mirror: Mapping[str, float] = field(default_factory=dict)  # version -> mirrored percent
    replicas: Mapping[str, int] = field(default_factory=dict)


class DeploymentTarget(Protocol):
    """A place that serves models."""

    @property
    def supports_split(self) -> bool:
        """Whether two versions can share the traffic; `propose` refuses a canary plan where they cannot."""
        ...

    @property
    def supports_mirror(self) -> bool:
        """Whether a version can be given copies of requests without its answers being used."""
        ...

    def load(self, model: str, environment: str, version: str) -> None:
        """Load a version beside the others and warm it; return when it can answer.

        Raises:
            Refused: the version cannot be loaded; the others keep answering.
            Loading: it goes on in the background; ask again.
            SourceUnavailable: the target does not answer.
        """
        ...

    def set_weights(
        self, model: str, environment: str, weights: Mapping[str, float], *, generation: int
    ) -> None:
        """Make the split so; versions not named get nothing. Each must be loaded.

        Raises:
            StaleGeneration: the target has seen a newer generation.
            Refused: a version is not loaded, or the weights do not sum to 100.
            SourceUnavailable: the target does not answer.
        """
        ...

    def set_mirror(
        self, model: str, environment: str, version: str | None, percent: float, *, generation: int
    ) -> None:
        """Copy a share of requests to a loaded version whose answers are logged and dropped; None ends it."""
        ...

    def observe(self, model: str, environment: str) -> Observation:
        """Return what the target does now.

        Raises:
            SourceUnavailable: the target does not answer.
        """
        ...

    def unload(self, model: str, environment: str, version: str) -> None:
        """Free a version that has no weight; does nothing when it is not loaded."""
        ...
