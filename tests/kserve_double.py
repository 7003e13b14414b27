"""A small double of the Kubernetes API server and of KServe's controller, for one kind of object.

It does what the targets lean on: bodies are validated against the fields that we write of `InferenceService` v1beta1, a
stale `resourceVersion` is a 409, a merge patch merges, and status follows the spec later, by KServe's rule for traffic.
It is no cluster: whoever passes against it is contract-tested.

Compared with the repository kserve/kserve: fields, status and rule for traffic with the v1beta1 types and the Knative
reconciler at commit 0217bda (2026), quantities with config/crd/full at 67bcf1a. The CRD itself bounds no share.
"""

import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jsonschema

TEXT = {"type": "string"}
NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY = {"type": ["integer", "string"],
            "pattern": rf"^(\+|-)?{NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{NUMBER}))?$"}
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"}, "kind": {"const": "InferenceService"},
        "metadata": {"type": "object", "required": ["name"], "properties": {
            "name": {**TEXT, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
            "annotations": {"type": "object", "additionalProperties": TEXT}}},
        "status": {"type": "object"},
        "spec": {"type": "object", "additionalProperties": False, "required": ["predictor"], "properties": {
            "predictor": {"type": "object", "additionalProperties": False, "properties": {
                "canaryTrafficPercent": {"type": "integer", "minimum": 0, "maximum": 100},
                "minReplicas": {"type": "integer"},
                "model": {"type": "object", "additionalProperties": False, "required": ["modelFormat"], "properties": {
                    "modelFormat": {"type": "object", "additionalProperties": False, "required": ["name"],
                                    "properties": {"name": TEXT, "version": TEXT}},
                    "protocolVersion": TEXT, "storageUri": TEXT, "runtime": TEXT,
                    "resources": {"type": "object", "additionalProperties": False, "properties": {
                        "requests": {"type": "object", "additionalProperties": QUANTITY},
                        "limits": {"type": "object", "additionalProperties": QUANTITY}}}}}}}}},
    },
}
PATH = re.compile(r"^/apis/serving\.kserve\.io/v1beta1/namespaces/([^/]+)/inferenceservices(?:/([^/?]+))?")


@dataclass
class Cluster:
    """The objects, and how the world behaves: `broken` are artefacts that cannot be loaded."""

    url: str = ""
    broken: tuple[str, ...] = ()
    rivals: int = 0  # so many of the next changes come just after somebody else's
    down: int = 0  # so many of the next requests are answered with 500
    lazy: int = 1  # readings before the controller acts
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, float]] = field(default_factory=list)  # every split of traffic that was ever live
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        with self.lock:
            if self.down:
                self.down -= 1
                return 500, {"message": "etcdserver: request timed out"}
            namespace, name = PATH.match(path).groups()
            if namespace == "forbidden":
                return 403, {"message": "User system:anonymous cannot get resource inferenceservices"}
            if method == "POST":
                return self._create(body)
            if name not in self.objects:
                return 404, {"message": f'inferenceservices "{name}" not found'}
            if method == "PATCH":
                return self._patch(name, body)
            self.waiting[name] = self.waiting.get(name, 0) - 1
            if self.waiting[name] < 0:
                self._reconcile(self.objects[name])
            return 200, copy.deepcopy(self.objects[name])

    def _create(self, body: Any) -> tuple[int, Any]:
        if body["metadata"]["name"] in self.objects:
            return 409, {"message": "already exists"}
        return self._store(body, generation=1)

    def _patch(self, name: str, change: Any) -> tuple[int, Any]:
        old = self.objects[name]
        if self.rivals:
            self.rivals -= 1
            old["metadata"]["resourceVersion"] = str(int(old["metadata"]["resourceVersion"]) + 1)
        given = change["metadata"].get("resourceVersion")
        if given is not None and given != old["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified; please apply your changes to the latest version"}
        self.changes.append(change)
        merged = _merge(copy.deepcopy(old), change)
        changed = merged["spec"] != old["spec"]
        return self._store(merged, generation=old["metadata"]["generation"] + changed)

    def _store(self, body: Any, *, generation: int) -> tuple[int, Any]:
        try:
            jsonschema.validate(body, SCHEMA)
        except jsonschema.ValidationError as error:
            return 422, {"message": f"InferenceService is invalid: {error.message}"}
        meta = body["metadata"]
        meta["generation"] = generation
        meta["resourceVersion"] = str(int(meta.get("resourceVersion", "0")) + 1)
        self.objects[meta["name"]] = body
        self.waiting[meta["name"]] = self.lazy
        return 200, copy.deepcopy(body)

    def _reconcile(self, found: dict[str, Any]) -> None:
        """Do what KServe's controller does for Knative: a new revision for a new template, then the traffic."""
        spec, status = found["spec"]["predictor"], found.setdefault("status", {})
        part = status.setdefault("components", {}).setdefault("predictor", {})
        template = {key: value for key, value in spec.items() if key != "canaryTrafficPercent"}
        if part.get("_template") != template:
            number = int(part.get("_number", 0)) + 1
            part |= {"_template": template, "_number": number,
                     "latestCreatedRevision": f"{found['metadata']['name']}-predictor-{number:05d}"}
        bad = any(spec["model"]["storageUri"].endswith(f"/{name}") for name in self.broken)
        status["modelStatus"] = {"transitionStatus": "BlockedByFailedLoad" if bad else "UpToDate"}
        if bad:
            status["modelStatus"]["lastFailureInfo"] = {"reason": "ModelLoadFailed", "message": "no module named keras"}
        else:
            part["latestReadyRevision"] = part["latestCreatedRevision"]
        self._route(part, spec.get("canaryTrafficPercent"))
        status["observedGeneration"] = found["metadata"]["generation"]
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)

    def _route(self, part: dict[str, Any], canary: int | None) -> None:
        """Split as the controller does: until the next revision is ready, the latest is the one before it."""
        for _ in range(2):  # a step back shows in the traffic when the controller looks once more
            ready, rolled_out = part.get("latestReadyRevision", ""), part.get("latestRolledoutRevision", "")
            if not ready:
                return
            share = canary if canary is not None and rolled_out else 100
            latest = {"revisionName": ready, "latestRevision": True, "percent": share}
            rest = {"revisionName": rolled_out, "latestRevision": False, "percent": 100 - share, "tag": "prev"}
            part["traffic"] = [latest, rest] if share < 100 else [latest]
            if ready != rolled_out and share == 100:
                part |= {"previousRolledoutRevision": rolled_out, "latestRolledoutRevision": ready}
            elif ready == rolled_out == part["latestCreatedRevision"] and share < 100:
                part["latestRolledoutRevision"] = part.get("previousRolledoutRevision") or rolled_out
        split: dict[str, float] = {}
        for one in part["traffic"]:
            split[one["revisionName"]] = split.get(one["revisionName"], 0) + one["percent"]
        self.seen.append({revision: percent for revision, percent in split.items() if percent})


def _merge(old: Any, change: Any) -> Any:
    """Return a merge patch applied, as RFC 7396 has it."""
    if not isinstance(change, dict):
        return change
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


@contextmanager
def kserve(*broken: str) -> Iterator[Cluster]:
    """Serve the double on loopback."""
    cluster = Cluster(broken=broken)

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if self.command == "PATCH" and self.headers["Content-Type"] != "application/merge-patch+json":
                status, said = 415, {"message": "the body of the request was in an unknown format"}
            else:
                status, said = cluster.answer(self.command, self.path, json.loads(self.rfile.read(length) or "null"))
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _do  # noqa: N815 -- the names that the standard library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
