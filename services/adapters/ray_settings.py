"""Read from the settings what a Ray cluster is asked to run, and from where Ray reads it the cluster's token."""

import os
from pathlib import Path

from services.adapters.gateway_address import log_root
from services.adapters.ray_documents import Shape
from services.adapters.ray_target import Cluster
from services.core.window import parse_span
from services.errors import SettingsError, SourceUnavailable
from services.settings import Settings


def cluster(settings: Settings, environment: str) -> Cluster:
    """Return where the environment's cluster is driven, and the token as Ray's own programs find it.

    Raises:
        SettingsError: the environment names no address.
        SourceUnavailable: the token's file cannot be read.
    """
    url = settings.environments[environment].url
    if not url:
        raise SettingsError(f"environments.{environment}.url is not set: name the dashboard of the Ray cluster's head, "
                            "such as http://ray-head:8265")
    if token := os.environ.get("RAY_AUTH_TOKEN", ""):
        return Cluster(url.rstrip("/"), token)
    named = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        return Cluster(url.rstrip("/"), path.read_text(encoding="utf-8").strip())
    except OSError as error:
        if named or not isinstance(error, FileNotFoundError):
            raise SourceUnavailable(f"the Ray cluster's token file {path} cannot be read: {error.strerror}. Set "
                                    "RAY_AUTH_TOKEN", retryable=False) from error
        return Cluster(url.rstrip("/"), "")  # authentication is off there, or its first answer says that it is not


def shape(settings: Settings, environment: str) -> Shape:
    """Return how much of the cluster is used, and what its processes are told once."""
    wanted, house = settings.environments[environment], settings.gateway
    return Shape(
        replicas=wanted.replicas, cpus=wanted.cpus, queue=house.queue,
        tasks={name: model.task for name, model in settings.models.items()},
        version={"tracking_uri": settings.tracking_uri, "registry_uri": settings.tracking.registry_uri},
        router={
            "queue": house.queue, "timeout_s": house.timeout_ms / 1_000, "ack_disk": house.ack == "disk",
            "max_body": int(house.max_body_mb * 1_000_000), "flush_s": parse_span(house.flush).total_seconds(),
            "dead_man_s": parse_span(house.dead_man).total_seconds(), "journal": str(settings.home_path / "ray"),
            "logs": {name: str(log_root(settings, name)) for name in settings.models},
            "other_logs": str(settings.home_path / "predictions"),
        },
    )
