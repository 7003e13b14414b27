"""Read from the settings how KServe is driven, and where its cluster finds a version's files."""

from collections.abc import Callable
from typing import Final

from services.adapters.kserve_target import KserveTarget, connect
from services.adapters.mlflow_registry import MlflowRegistry
from services.errors import Refused, SettingsError
from services.settings import Settings

_READABLE: Final = ("s3://", "gs://", "pvc://", "https://", "http://", "hf://", "oci://")


def target(settings: Settings, environment: str) -> KserveTarget:
    """Return the namespace of an environment as a target for releases."""
    wanted = settings.environments[environment]
    registry = MlflowRegistry(settings.tracking_uri, settings.tracking.registry_uri)
    return KserveTarget(connect(wanted.url), namespace=wanted.namespace, replicas=wanted.replicas, cpus=wanted.cpus,
                        uri_of=files_of(wanted.storage, registry.files_at, f"environments.{environment}.storage"))


def files_of(pattern: str, ask: Callable[[str, str], str], key: str) -> Callable[[str, str], str]:
    """Return what tells where a version's files are: by the pattern of the settings, else by asking the registry.

    Raises:
        SettingsError: the pattern has other places than model and version.
    """
    try:
        pattern.format(model="m", version="1")
    except (KeyError, IndexError, ValueError) as error:
        raise SettingsError(f"{key} is {pattern}: it may name {{model}} and {{version}}, and nothing else in braces"
                            ) from error

    def uri_of(model: str, version: str) -> str:
        uri = pattern.format(model=model, version=version) if pattern else ask(model, version)
        if not uri.startswith(_READABLE):
            raise Refused(f"the files of {model} version {version} lie at {uri}, which no cluster reads: set {key}, "
                          "such as s3://bucket/{model}/{version}")
        return uri

    return uri_of
