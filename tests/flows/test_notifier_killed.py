"""`kill -9` while letters are sent: each arrives, at most once more per crash, under the same key or Message-ID.

The notifier is the real part of the monitor in a process of its own; the sinks are real servers that kill it at the
worst moments: before they have read anything, and after they have taken the letter but before they say so.
"""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from services import bootstrap
from services.alerts.notify import Reason
from services.alerts.telling import Letter
from services.settings import load
from tests.demo_fixtures import clean_environment
from tests.ports import free_port
from tests.waiting import until

PATIENCE = 240.0  # the notifier imports Apprise first


@dataclass
class Sinks:
    """What arrived by mail and by HTTP, and what each sink does to the sender meanwhile."""

    received: Counter[str] = field(default_factory=Counter)
    moments: list[str] = field(default_factory=list)  # at which of these the next sender dies
    kill: Callable[[], None] = lambda: None

    def reach(self, moment: str) -> bool:
        """Kill the sender if its time has come; return whether it was killed."""
        if self.moments and self.moments[0] == moment:
            self.moments.pop(0)
            self.kill()
            return True
        return False

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- the library's name
        mail = message_from_bytes(envelope.content)
        assert mail["Message-ID"] == f"<{mail['Idempotency-Key']}@example.org>"
        self.received[f"mail {mail['Message-ID']}"] += 1
        self.reach("mail taken")
        return "250 OK"


@pytest.fixture
def sinks() -> Iterator[tuple[Sinks, str, str]]:
    """The sinks, with the mail and the HTTP address that lead to them."""
    found = Sinks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if found.reach("http asked"):
                return
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert body["message"]
            found.received[f"http {self.headers['Idempotency-Key']}"] += 1
            if found.reach("http taken"):
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    mail = Controller(found, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    mail.start()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield (found, f"mailto://127.0.0.1:{mail.port}?from=il@example.org&to=ann@example.org&mode=insecure",
           f"json://127.0.0.1:{web.server_port}/hook")
    web.shutdown()
    web.server_close()
    thread.join()
    mail.stop()


def letter(key: str, address: str) -> Letter:
    return Letter(key=key, incident_id=1, reason=Reason.OPENED, level=0, address=address, person="ann",
                  title="[page] opened: wind_gust: 41% missing", body="41% missing, 12% before")


def start(config: Path, sinks: Sinks) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "console.cli", "--config", str(config), "monitor-part", "notifier", "1"]
    process = subprocess.Popen(command, cwd=config.parent, env=clean_environment(), stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sinks.kill = lambda: process.send_signal(signal.SIGKILL)
    return process


def test_every_letter_arrives_and_at_most_once_more_per_crash_under_its_key(tmp_path, sinks):
    found, mail, web = sinks
    config = tmp_path / "interlock.toml"
    config.write_text('[home]\npath = "home"\n')
    services = bootstrap.build(load(str(config), environ={}))
    services.db.migrate()
    services.notifications.queue([letter(f"k{n}", address) for n, address in enumerate((web, mail, web, mail))],
                                 now=datetime.now(UTC))
    found.moments = ["http asked", "http taken", "mail taken"]
    for crash in range(1, 4):
        process = start(config, found)
        assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
        assert process.stdin is not None
        process.stdin.close()
        twice = sum(count - 1 for count in found.received.values())
        assert twice <= crash
    last = start(config, found)
    until(lambda: services.notifications.counts() == {"sent": 4}, within=PATIENCE, what="every letter sent")
    last.communicate(timeout=PATIENCE)  # closes its standard input, at which it ends by itself
    assert set(found.received) == {"http k0", "mail <k1@example.org>", "http k2", "mail <k3@example.org>"}
    # Killed before anything was read: no repeat. Killed after the letter was taken: one repeat, under the same key.
    assert sorted(found.received.values()) == [1, 1, 2, 2]
    assert {name[:4] for name, count in found.received.items() if count == 2} == {"http", "mail"}
