"""A small double of Databricks' serving-endpoints API: bodies are validated, a new configuration takes time.

It does what the target leans on, by the API's reference: while a configuration is taken over the old one answers and
another change is a 409; one that fails leaves the old one in place. It is no workspace: whoever passes is
contract-tested.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jsonschema

TEXT = {"type": "string"}
CONFIG = {
    "type": "object", "additionalProperties": False, "required": ["served_entities"], "properties": {
        "served_entities": {"type": "array", "minItems": 1, "maxItems": 15, "items": {
            "type": "object", "additionalProperties": False, "required": ["entity_name", "entity_version"],
            "properties": {"name": {**TEXT, "pattern": "^[A-Za-z0-9_-]{1,63}$"}, "entity_name": TEXT,
                           "entity_version": TEXT, "workload_size": {"enum": ["Small", "Medium", "Large"]},
                           "workload_type": TEXT, "scale_to_zero_enabled": {"type": "boolean"}}}},
        "traffic_config": {"type": "object", "additionalProperties": False, "properties": {"routes": {
            "type": "array", "items": {"type": "object", "additionalProperties": False,
                                       "required": ["served_model_name", "traffic_percentage"],
                                       "properties": {"served_model_name": TEXT, "traffic_percentage": {
                                           "type": "integer", "minimum": 0, "maximum": 100}}}}}}},
}


@dataclass
class Workspace:
    """The endpoints, and how the world behaves: `broken` versions fail to deploy; changes take `slow` readings."""

    broken: tuple[str, ...] = ()
    slow: int = 1
    url: str = ""
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        with self.lock:
            if token != "Bearer good":
                return 403, {"error_code": "PERMISSION_DENIED", "message": "Invalid access token."}
            parts = path.split("?", maxsplit=1)[0].removeprefix("/api/2.0/serving-endpoints").strip("/").split("/")
            if method == "POST":
                return self._create(body)
            name, *what = parts
            if name not in self.endpoints:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"The endpoint {name} does not exist."}
            if method == "GET":
                self._pass(name)
            elif what == ["config"]:
                return self._configure(name, body)
            elif what == ["tags"]:
                tags = {tag["key"]: tag for tag in self.endpoints[name]["tags"]}
                tags |= {tag["key"]: tag for tag in body["add_tags"]}
                self.endpoints[name]["tags"] = list(tags.values())
            return 200, self.endpoints[name]

    def _create(self, body: Any) -> tuple[int, Any]:
        if body["name"] in self.endpoints:
            return 400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "exists"}
        self.endpoints[body["name"]] = {"name": body["name"], "tags": body.get("tags", []),
                                        "state": {"ready": "NOT_READY", "config_update": "NOT_UPDATING"}}
        return self._configure(body["name"], body["config"])

    def _configure(self, name: str, config: Any) -> tuple[int, Any]:
        found = self.endpoints[name]
        if found["state"]["config_update"] == "IN_PROGRESS":
            return 409, {"error_code": "RESOURCE_CONFLICT", "message": "The endpoint is being updated."}
        try:
            jsonschema.validate(config, CONFIG)
        except jsonschema.ValidationError as error:
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": error.message}
        routes = config["traffic_config"]["routes"]
        if sum(route["traffic_percentage"] for route in routes) != 100:
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "The sum of percentages must be 100."}
        found["pending_config"] = json.loads(json.dumps(config))
        found["state"]["config_update"] = "IN_PROGRESS"
        self.waiting[name] = self.slow
        return 200, found

    def _pass(self, name: str) -> None:
        """Let time pass: a configuration that waited long enough is taken over, or fails and leaves the old one."""
        found = self.endpoints[name]
        if found["state"]["config_update"] != "IN_PROGRESS":
            return
        self.waiting[name] -= 1
        if self.waiting[name] >= 0:
            return
        pending = found["pending_config"]
        if bad := [e for e in pending["served_entities"] if e["entity_version"] in self.broken]:
            bad[0]["state"] = {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": "no module named keras"}
            found["state"]["config_update"] = "UPDATE_FAILED"
            return
        for entity in pending["served_entities"]:
            entity["state"] = {"deployment": "DEPLOYMENT_READY"}
        found["config"] = found.pop("pending_config")
        found["state"] = {"ready": "READY", "config_update": "NOT_UPDATING"}


@contextmanager
def databricks(*broken: str) -> Iterator[Workspace]:
    """Serve the double on loopback."""
    workspace = Workspace(broken=broken)

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "null")
            status, said = workspace.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = _do  # noqa: N815 -- the names that the standard library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    workspace.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield workspace
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
