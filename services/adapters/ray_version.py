"""One model version on a Ray cluster: load it, warm it, answer what the router sends, many requests in one call.

Runs in a replica of Ray Serve, on any node. Batches are what arrived while the model was busy, as in the gateway's own
workers; loading, warming and batching are theirs too. What runs where is decided in ray_documents.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.adapters.model_loading import LoadedModel, fetch
from services.adapters.model_worker import warm
from services.adapters.ray_documents import VERSION
from services.gateway import wire
from services.gateway.batch import Batcher

_TOGETHER: Final = 256  # requests that may wait in one replica for the call under way
_HEALTH_S: Final = 30.0

Asked = tuple[str, bytes]  # media type, body


class Version:
    """A replica. Everything but the answers is as in model_worker.py."""

    def __init__(self, model: str, version: str, task: str, tracking_uri: str, registry_uri: str) -> None:
        """Load and warm the version; what it raises is shown as the reason why it cannot be deployed."""
        loaded = LoadedModel(fetch(model, version, tracking_uri=tracking_uri, registry_uri=registry_uri), task=task)
        self._signature = loaded.signature.to_json()
        self._batcher = Batcher(loaded)
        warm(loaded, self._batcher)

    async def signature(self) -> Mapping[str, Any]:
        """Return how the log types this version's rows."""
        return self._signature

    async def check_health(self) -> None:
        """Come back: a model that hangs keeps this from being reached, and the replica is started again."""

    async def answer(self, waiting: Sequence[Asked]) -> list[bytes]:
        """Return one frame per request, in their order."""
        frames = [wire.Frame(call, wire.Kind.PREDICT, wire.pack_request(call, media, body)[wire.HEAD_BYTES:])
                  for call, (media, body) in enumerate(waiting)]
        splitter = wire.Splitter()
        said = {frame.call: frame for data in self._batcher.answer(frames) for frame in splitter.feed(data)}
        return [wire.pack(call, said[call].kind, said[call].content) for call in range(len(waiting))]


def build(args: Mapping[str, str]) -> Any:
    """Return the application that Ray Serve deploys."""
    from ray import serve

    class Batched(Version):
        """The same, with requests gathered by Ray."""

        answer = serve.batch(max_batch_size=_TOGETHER, batch_wait_timeout_s=0)(Version.answer)

    deployed = serve.deployment(
        Batched, name=VERSION, max_ongoing_requests=_TOGETHER, max_constructor_retry_count=1,
        health_check_period_s=5, health_check_timeout_s=_HEALTH_S)
    return deployed.bind(args["model"], args["version"], args["task"], args["tracking_uri"], args["registry_uri"])
