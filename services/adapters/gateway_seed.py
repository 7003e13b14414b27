"""Ask the registry for champions through a forked child: MLflow must not live in the gateway."""

import json
from collections.abc import Sequence
from typing import Final

from services.adapters.gateway_nursery import Nursery
from services.errors import SourceUnavailable
from services.gateway.wire import AliasSpec, Kind, Splitter
from services.settings import Settings

_TIMEOUT_S: Final = 60.0


def champions(settings: Settings, models: Sequence[str], nursery: Nursery) -> dict[str, str]:
    """Return the version under the alias `champion` of each model that has one.

    Raises:
        SourceUnavailable: the registry does not answer.
    """
    _, channel = nursery.fork(AliasSpec(models=tuple(models), tracking_uri=settings.tracking_uri,
                                        registry_uri=settings.tracking.registry_uri))
    splitter = Splitter()
    with channel:
        channel.settimeout(_TIMEOUT_S)
        try:
            while data := channel.recv(1 << 16):
                for frame in splitter.feed(data):
                    said = json.loads(frame.content)
                    if frame.kind is Kind.READY:
                        return {str(model): str(version) for model, version in said.items()}
                    raise SourceUnavailable(f"the registry cannot be read: {said['reason']}")
        except OSError as error:
            raise SourceUnavailable(f"the registry did not answer in {_TIMEOUT_S:g} s") from error
    raise SourceUnavailable("the process that asked the registry died")
