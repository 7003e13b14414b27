"""Drive KServe: one InferenceService per model and environment, through the plain Kubernetes client.

What a change looks like, and what is refused, is in kserve_documents.py. Contract-tested against a double of the API
server that validates documents and answers conflicts; not tested on a cluster.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from services.adapters import kserve_documents as documents
from services.adapters.kserve_documents import API, GROUP, PLURAL, Service
from services.errors import Refused, SettingsError, SourceUnavailable
from services.releases.reconcile import same_split
from services.releases.target import Observation

_CALL_S: Final = 10.0
_LOAD_S: Final = 600.0  # a first start pulls images
_OBEYED_S: Final = 10.0
_LOOK_S: Final = 0.5
_CONFLICTS: Final = 5


class KserveTarget:
    """A namespace of a Kubernetes cluster. Satisfies `services.releases.target.DeploymentTarget`."""

    supports_split = True
    supports_mirror = False

    def __init__(
        self, api: Any, *, namespace: str, uri_of: Callable[[str, str], str], replicas: int = 1, cpus: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Drive a namespace.

        Args:
            api: a `kubernetes.client.CustomObjectsApi`.
            namespace: where the services are.
            uri_of: where a version's files are, as the cluster reaches them.
            replicas: the fewest processes of each revision with traffic.
            cpus: what each asks for.
            sleep: how to wait between looks.
        """
        self._api = api
        self._namespace = namespace
        self._uri_of = uri_of
        self._replicas = replicas
        self._cpus = cpus
        self._sleep = sleep

    def load(self, model: str, environment: str, version: str) -> None:
        """Deploy a version with no traffic and wait until it answers; a failed one is replaced by what was before."""
        name = documents.name_of(model, environment)
        uri = self._uri_of(model, version)
        before = self._read(name)
        if before is None:
            self._create(documents.new(name, version, uri, replicas=self._replicas, cpus=self._cpus))
        elif version not in before.held or not before.observation.loaded[version]:
            self._change(name, lambda service: documents.with_version(service, version, uri))
        elif before.observation.loaded[version]:
            return
        found = self._wait(name, lambda s: s.version != version or s.up or bool(s.settled and s.failure), _LOAD_S)
        if found.version == version and found.up:
            return
        if before is not None:
            old = self._uri_of(model, before.version)
            self._change(name, lambda s: documents.with_version(s, before.version, old))
            self._change(name, lambda s: documents.without_version(s, version))
        raise Refused(f"{model} version {version} cannot be loaded: "
                      f"{found.failure or f'its revision was not ready after {_LOAD_S:g} s'}")

    def set_weights(self, model: str, environment: str, weights: Mapping[str, float], *, generation: int) -> None:
        """Make the split so, and wait a little until the status shows it."""
        name = documents.name_of(model, environment)
        self._change(name, lambda service: documents.with_weights(service, weights, generation))
        self._wait(name, lambda service: service.settled and same_split(weights, service.weights), _OBEYED_S)

    def set_mirror(self, model: str, environment: str, version: str | None, percent: float, *, generation: int) -> None:
        """Take note of the generation for no mirror.

        Raises:
            Refused: a mirror was asked for.
        """
        if version is not None and percent > 0:
            raise Refused(f"KServe cannot mirror requests of {model} in {environment}: use a plan without a shadow")
        self._change(documents.name_of(model, environment),
                     lambda service: documents.with_generation(service, generation))

    def observe(self, model: str, environment: str) -> Observation:
        """Return what the service's status shows."""
        found = self._read(documents.name_of(model, environment))
        return found.observation if found else Observation(generation=0)

    def unload(self, model: str, environment: str, version: str) -> None:
        """Forget a version without traffic."""
        name = documents.name_of(model, environment)
        found = self._read(name)
        if found is not None and version in found.held:
            self._change(name, lambda service: documents.without_version(service, version))

    def _create(self, body: Mapping[str, Any]) -> None:
        from kubernetes.client.exceptions import ApiException

        try:
            self._ask(partial(self._api.create_namespaced_custom_object, GROUP, API, self._namespace, PLURAL, body,
                              _request_timeout=_CALL_S))
        except ApiException as error:
            if error.status == 404:
                raise Refused(f"there is no namespace {self._namespace}, or KServe is not installed") from error
            raise SourceUnavailable("somebody else made the InferenceService at the same moment: try again") from error

    def _change(self, name: str, change: Callable[[Service], dict[str, Any]]) -> None:
        """Read, decide and write; decide again on what somebody else wrote meanwhile."""
        from kubernetes.client.exceptions import ApiException

        for _ in range(_CONFLICTS):
            service = self._read(name)
            if service is None:
                raise Refused(f"there is no InferenceService {name} in {self._namespace}: load a version first")
            body = change(service)
            try:
                self._ask(partial(self._api.patch_namespaced_custom_object, GROUP, API, self._namespace, PLURAL, name,
                                  body, _request_timeout=_CALL_S, _content_type="application/merge-patch+json"))
            except ApiException as error:
                if error.status != 409:
                    raise
            else:
                return
        raise SourceUnavailable(f"the InferenceService {name} is written by somebody else all the time: who?")

    def _wait(self, name: str, enough: Callable[[Service], bool], within_s: float) -> Service:
        until = time.monotonic() + within_s
        while True:
            found = self._read(name)
            if found is None:
                raise Refused(f"the InferenceService {name} was deleted while it was waited for")
            if enough(found) or time.monotonic() > until:
                return found
            self._sleep(_LOOK_S)

    def _read(self, name: str) -> Service | None:
        from kubernetes.client.exceptions import ApiException

        try:
            return documents.read(self._ask(lambda: self._api.get_namespaced_custom_object(
                GROUP, API, self._namespace, PLURAL, name, _request_timeout=_CALL_S)))
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Return the API server's answer, its errors by what they mean for a release; 404 and 409 go on as they are."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return call()
        except ApiException as error:
            said = " ".join(f"{error.reason} {error.body or ''}".split())[:300]
            if error.status in {404, 409}:
                raise
            if error.status in {401, 403}:
                raise SourceUnavailable(f"Kubernetes refuses us in namespace {self._namespace}: {said}",
                                        retryable=False) from error
            if error.status in {400, 422}:
                raise Refused(f"Kubernetes refuses the InferenceService: {said}") from error
            raise SourceUnavailable(f"Kubernetes answered {error.status}: {said}") from error
        except (HTTPError, OSError) as error:
            raise SourceUnavailable(f"Kubernetes does not answer ({type(error).__name__}): is the context right?"
                                    ) from error


def connect(url: str) -> Any:
    """Return the client: at an address, else as the kubeconfig or the pod that we run in says.

    Raises:
        SettingsError: the client is not installed, or neither says anything.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise SettingsError("the target kserve needs the Kubernetes client: pip install 'interlock[kserve]'") from error
    wanted = client.Configuration()
    if url:
        wanted.host = url.rstrip("/")
    else:
        try:
            config.load_config(client_configuration=wanted)
        except config.ConfigException as error:
            raise SettingsError(f"no Kubernetes cluster is named: {error}. Set the environment's url, or KUBECONFIG"
                                ) from error
    wanted.retries = False
    return client.CustomObjectsApi(client.ApiClient(wanted))
