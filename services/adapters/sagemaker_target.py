"""Drive a SageMaker endpoint through MLflow's deployments plugin: one endpoint per model and environment.

The plugin has no verb for traffic, so it is all or nothing, and going back is another update. Which version an endpoint
serves, and the generation of ours, stand in the environment of its container, and are read back from there. An update
takes minutes while the old version answers: such a wait is `Loading`, and no failure. Tested on moto and a double of
the one call that moto lacks, not on AWS.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from services.adapters.kserve_documents import name_of
from services.errors import Refused, SourceUnavailable
from services.releases.ports import Registry
from services.releases.target import Loading, Observation, StaleGeneration

_VERSION: Final = "INTERLOCK_VERSION"
_GENERATION: Final = "INTERLOCK_GENERATION"
_UNDER_WAY: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})


class SagemakerTarget:
    """A SageMaker account and region. Satisfies `services.releases.target.DeploymentTarget`."""

    supports_split = False
    supports_mirror = False

    def __init__(self, plugin: Any, sagemaker: Any, registry: Registry, *, config: Mapping[str, Any]) -> None:
        """Drive endpoints.

        Args:
            plugin: a `mlflow.deployments` client for `sagemaker:/region`, which changes.
            sagemaker: a boto3 client for `sagemaker`, which reads back.
            registry: knows the versions.
            config: what the plugin is told of role, image, bucket and instances.
        """
        self._plugin = plugin
        self._sagemaker = sagemaker
        self._registry = registry
        self._config = dict(config)
        self._loaded: set[tuple[str, str, str]] = set()

    def load(self, model: str, environment: str, version: str) -> None:
        """Check that the version can be deployed; SageMaker loads it when it gets the traffic."""
        if (status := self._registry.describe(model, version).status) != "READY":
            raise Refused(f"version {version} cannot be loaded: its status in the registry is {status}")
        self._loaded.add((model, environment, version))

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Deploy the one version that has all the weight.

        Raises:
            Loading: SageMaker takes it over; it goes on by itself.
        """
        full = [version for version, share in weights.items() if math.isclose(share, 100.0)]
        if len(full) != 1 or any(share for version, share in weights.items() if version != full[0]):
            raise Refused(f"MLflow's SageMaker plugin cannot split traffic in {environment}: use a plan without canary "
                          "steps")
        name, version = name_of(model, environment), full[0]
        status, served = self._served(name)
        self._require_fresh(served, generation)
        if status in _UNDER_WAY:
            raise Loading(f"the endpoint {name} is {status.lower()}")
        if served.get(_VERSION) == version and int(served.get(_GENERATION, "0")) == generation:
            return
        config = {**self._config, "synchronous": False, "archive": True, "env": {
            **self._config.get("env", {}), _VERSION: version, _GENERATION: str(generation)}}
        uri = f"models:/{model}/{version}"
        if status:
            self._asked(lambda: self._plugin.update_deployment(name, uri, config={**config, "mode": "replace"}))
        else:
            self._asked(lambda: self._plugin.create_deployment(name, uri, config=config))
        if (status := self._served(name)[0]) in _UNDER_WAY:
            raise Loading(f"the endpoint {name} is {status.lower()}")

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Do nothing for no mirror.

        Raises:
            Refused: a mirror was asked for.
        """
        self._require_fresh(self._served(name_of(model, environment))[1], generation)
        if version is not None and percent > 0:
            raise Refused(f"MLflow's SageMaker plugin cannot mirror requests of {model} in {environment}")

    def observe(self, model: str, environment: str) -> Observation:
        """Return which version the endpoint's container was made from."""
        _, served = self._served(name_of(model, environment))
        loaded = {known: True for *place, known in self._loaded.copy() if place == [model, environment]}
        if not (version := served.get(_VERSION, "")):
            return Observation(generation=0, loaded=loaded)
        return Observation(generation=int(served.get(_GENERATION, "0")), weights={version: 100.0},
                           loaded={**loaded, version: True})

    def unload(self, model: str, environment: str, version: str) -> None:
        """Forget a version without traffic; SageMaker has freed it when another took over."""
        if self._served(name_of(model, environment))[1].get(_VERSION) == version:
            raise Refused(f"version {version} has all the traffic: deploy another one instead")
        self._loaded.discard((model, environment, version))

    def _served(self, name: str) -> tuple[str, Mapping[str, str]]:
        """Return an endpoint's status, and what we wrote into its container's environment; both empty for none.

        Raises:
            Refused: SageMaker gave up on it, and somebody must look.
        """
        from botocore.exceptions import ClientError

        try:
            shown = self._asked(lambda: self._sagemaker.describe_endpoint(EndpointName=name))
        except ClientError as error:
            if "could not find" in str(error).lower():
                return "", {}
            raise SourceUnavailable(f"SageMaker does not show the endpoint {name}: {_line(error)}") from error
        status = str(shown["EndpointStatus"])
        if status in {"Failed", "UpdateRollbackFailed"}:
            # After a rollback that failed, a mix of versions answers.
            raise Refused(f"the endpoint {name} is {status}: {shown.get('FailureReason', 'no reason given')}")
        config = self._asked(lambda: self._sagemaker.describe_endpoint_config(
            EndpointConfigName=shown["EndpointConfigName"]))
        made = self._asked(lambda: self._sagemaker.describe_model(
            ModelName=config["ProductionVariants"][0]["ModelName"]))
        return status, made["PrimaryContainer"].get("Environment", {})

    def _require_fresh(self, served: Mapping[str, str], generation: int) -> None:
        if (written := int(served.get(_GENERATION, "0"))) > generation:
            raise StaleGeneration(f"generation {generation} is out of date: {written} was written already")

    def _asked(self, call: Any) -> Any:
        from botocore.exceptions import BotoCoreError, NoCredentialsError
        from mlflow.exceptions import MlflowException

        try:
            return call()
        except NoCredentialsError as error:
            raise SourceUnavailable("AWS refuses us: no credentials. Set AWS_ACCESS_KEY_ID and its secret, or a role",
                                    retryable=False) from error
        except (BotoCoreError, MlflowException) as error:
            raise SourceUnavailable(f"SageMaker does not answer: {_line(error)}") from error


def connect(uri: str, registry: Registry, *, tracking_uri: str, registry_uri: str, config: Mapping[str, Any]
            ) -> SagemakerTarget:
    """Return the target for an address such as `sagemaker:/eu-central-1`."""
    import boto3
    import mlflow
    from botocore.config import Config
    from mlflow.deployments import get_deploy_client

    mlflow.set_tracking_uri(tracking_uri)  # where the plugin fetches `models:/…` from
    mlflow.set_registry_uri(registry_uri or tracking_uri)
    region = uri.partition(":/")[2].strip("/").partition("/")[0] or None
    patience = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
    return SagemakerTarget(get_deploy_client(uri), boto3.client("sagemaker", region_name=region, config=patience),
                           registry, config=config)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
