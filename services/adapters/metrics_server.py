"""Offer every current measurement to Prometheus at `/metrics`, for teams with Alertmanager and Grafana.

Read from the ops store at each scrape; labels hold names as they are, escaped by the client library. It listens on
loopback, answers to this machine's names only, and to no page of another site.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Final, Self
from uuid import uuid4
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.adapters.house_tables import SourceTable
from services.adapters.incident_table import IncidentTable
from services.adapters.measurement_table import MeasurementTable
from services.core.measurement import Verdict
from services.core.web import PROGRAM_HEADERS, answers_to, from_elsewhere, host_names
from services.errors import OpsError, SettingsError

_log = logging.getLogger(__name__)

_LABELS: Final = ("name", "pipeline", "subject", "environment", "column", "slice")


class OpsCollector(Collector):
    """The ops store as Prometheus metrics."""

    def __init__(self, measurements: MeasurementTable, incidents: IncidentTable, sources: SourceTable,
                 clock: Callable[[], datetime]) -> None:
        """Read from the given tables."""
        self._measurements, self._incidents, self._sources, self._clock = measurements, incidents, sources, clock

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance, so that registering does not read the store."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield every metric; a store that is away gives `interlock_up 0` and nothing that could look fine."""
        up = GaugeMetricFamily("interlock_up", "1 when the ops store could be read for this scrape")
        try:
            found = list(self._read())
        except OpsError:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *found]

    def _read(self) -> Iterable[Metric]:
        value = GaugeMetricFamily("interlock_measurement", "Newest value of each measurement", labels=_LABELS)
        rows = GaugeMetricFamily("interlock_measurement_rows", "Rows behind the newest value", labels=_LABELS)
        verdict = GaugeMetricFamily(
            "interlock_verdict", "1 for the verdict that holds, 0 for the others; inconclusive is never pass",
            labels=(*_LABELS, "verdict"))
        for m, _ in self._measurements.newest():
            labels = [m.name, str(m.pipeline), m.subject, m.environment, m.column, m.slice]
            if m.value is not None:
                value.add_metric(labels, m.value)
            rows.add_metric(labels, m.n)
            for each in Verdict:
                verdict.add_metric([*labels, str(each)], float(m.verdict is each))
        open_ = GaugeMetricFamily("interlock_open_incidents", "Open incidents", labels=("severity", "state"))
        counts: dict[tuple[str, str], int] = {}
        now = self._clock()
        for incident in self._incidents.current(resolved_since=now):
            if incident.state != "resolved":
                key = (str(incident.severity), "silenced" if incident.silenced(now) else str(incident.state))
                counts[key] = counts.get(key, 0) + 1
        for labels_, count in counts.items():
            open_.add_metric(labels_, count)
        age = GaugeMetricFamily("interlock_source_age_seconds", "Age of what was last read", labels=("source",))
        for source in self._sources.all():
            if source.as_of:
                age.add_metric([source.name], (now - source.as_of).total_seconds())
        return [value, rows, verdict, open_, age]


class Guarded:
    """The scrape behind a check of who asks; what breaks is an incident id to them, and the cause in the log."""

    def __init__(self, scrape: WSGIApplication, names: frozenset[str]) -> None:
        """Stand before `scrape`; `names` are the host names that are answered."""
        self._scrape, self._names = scrape, names

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        def begin(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            return start(status, [*headers, *PROGRAM_HEADERS.items(), ("Server", "interlock")], *rest)  # type: ignore[arg-type]

        def say(status: HTTPStatus, words: str) -> list[bytes]:
            begin(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{words}\n".encode()]

        if not answers_to(self._names, [environ.get("HTTP_HOST", "")]):
            return say(HTTPStatus.MISDIRECTED_REQUEST, "this host name is not one of this machine")
        if from_elsewhere(environ.get("HTTP_SEC_FETCH_SITE", "")):
            return say(HTTPStatus.FORBIDDEN, "a page of another site asked for this")
        if environ["REQUEST_METHOD"] != "GET":
            return say(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered")
        if environ["PATH_INFO"] not in ("/", "/metrics"):
            return say(HTTPStatus.NOT_FOUND, "metrics are at /metrics")
        try:
            return self._scrape(environ, begin)  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 -- the last frame of a scrape: else the library answers with its own page
            incident = uuid4().hex[:12]
            _log.exception("incident %s", incident)
            return say(HTTPStatus.INTERNAL_SERVER_ERROR, f"the scrape broke: incident {incident}; the log has the rest")


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each scrape in a thread of its own, so that one that hangs holds up no other."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Says nothing per request, and waits ten seconds for one to arrive."""

    timeout = 10

    def log_message(self, *_: object) -> None:
        """Keep the log for what matters."""


class MetricsServer:
    """A small HTTP server on loopback."""

    def __init__(self, collector: OpsCollector, *, host: str, port: int) -> None:
        """Start to answer; port 0 takes a free one.

        Raises:
            SettingsError: the port is taken.
        """
        registry = CollectorRegistry()
        registry.register(collector)
        app = Guarded(make_wsgi_app(registry), host_names((), host))
        try:
            self._server = make_server(host, port, app, _Server, _Handler)
        except OSError as error:
            raise SettingsError(f"monitor.metrics_port = {port} cannot be used: {error.strerror}. Choose another") \
                from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stop to answer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.close()
