"""The deployment guide's nginx and HAProxy in front of the real console: only they say who is asking."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.browser.conftest import serve, stop
from tests.browser.small_home import seed
from tests.console_socket import glance
from tests.house.documents import DOCS
from tests.ports import free_port
from tests.waiting import until

EMAIL, GROUPS, PROXY = "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Interlock-Proxy"
KNOWN = "a secret that only the proxy knows, made up"
ADA = ("Authorization", "Basic " + base64.b64encode(b"ada@example.org:ada's password").decode())
FORGED = [(EMAIL, "root@example.org"), (EMAIL, "root@example.org"), (EMAIL.replace("-", "_"), "root@example.org"),
          (EMAIL.lower(), "root@example.org"), (GROUPS, "admins")]
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy"}


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    """A console that believes a proxy which knows the secret; one person and one group hold a role."""
    folder = tmp_path_factory.mktemp("proxied")
    file = seed(folder)
    text = file.read_text().replace('sign_in = "demo"', f'sign_in = "header"\ngroups_header = "{GROUPS}"')
    file.write_text(text + "".join(
        f'\n[[roles]]\nrole = "{role}"\nissuer = "header"\n{who}\n' for role, who in (
            ("viewer", 'subject = "ada@example.org"'), ("admin", 'subject = "root@example.org"'),
            ("admin", 'group = "admins"'))))
    process, base = serve(file, folder / "console.log", secrets={"INTERLOCK_PROXY_SECRET": KNOWN})
    yield base
    stop(process)


def configured(name: str, text: str, folder: Path, port: int, upstream: int) -> str:
    """Return the guide's configuration with the lines marked CHANGE made ours."""
    changed = text.replace("put-INTERLOCK_PROXY_SECRET-here", KNOWN)
    for old, new in (("127.0.0.1:8443", f"127.0.0.1:{port}"), ("127.0.0.1:8501", f"127.0.0.1:{upstream}"),
                     ("127.0.0.1:8502", f"127.0.0.1:{upstream}"), ("/run/interlock-nginx.pid", str(folder / "pid")),
                     ("/etc/interlock/people", str(folder / "people")),
                     ("worker_processes 1;", "worker_processes 1; daemon off; user root;")):
        changed = changed.replace(old, new)
    pairs = zip(text.splitlines(), changed.splitlines(), strict=True)
    assert [old for old, new in pairs if old != new and "CHANGE" not in old] == [], f"{name}: mark what a team changes"
    return changed


@pytest.fixture(scope="module", params=list(PACKAGES))
def proxy(request, console, tmp_path_factory):
    """The address of the proxy in front of the console."""
    name = request.param
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        pytest.fail(f"{name} is not installed: install the distribution's package {PACKAGES[name]}", pytrace=False)
    folder, port = tmp_path_factory.mktemp(name), free_port()
    (folder / "people").write_text("ada@example.org:{PLAIN}ada's password\n")
    source = DOCS / "deploy" / ("nginx.conf" if name == "nginx" else "haproxy.cfg")
    file = folder / source.name
    file.write_text(configured(name, source.read_text(), folder, port, int(console.rsplit(":", 1)[1])))
    command = [program, "-c", str(file)] if name == "nginx" else [program, "-db", "-f", str(file)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    base = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(base, timeout=10).status_code == 401
        except httpx.HTTPError:
            return False

    until(answers, within=120, what=f"a listening {name}")
    yield base
    stop(process)


def test_the_proxy_says_who_is_asking(proxy):
    said = glance(proxy, headers=[ADA])
    assert "ada@example.org" in said
    assert "holds no role" not in said


def test_a_header_that_a_client_sends_itself_loses(proxy):
    said = glance(proxy, headers=[ADA, *FORGED])
    assert "root@example.org" not in said
    assert "ada@example.org" in said
    # System names who holds which role to everybody, and lets only an admin change it.
    assert "Grant or revoke a role" not in glance(proxy, "system", headers=[ADA, *FORGED])


def test_who_is_not_known_to_the_proxy_gets_no_page_and_no_websocket(proxy):
    assert httpx.get(proxy, headers=dict(FORGED), timeout=60).status_code == 401
    with pytest.raises(InvalidStatus, match="401"):
        glance(proxy, headers=FORGED)


def test_past_the_proxy_nobody_is_believed(console):
    assert httpx.get(console, headers=dict(FORGED), timeout=60).status_code == 403
    for secret in ([], [(PROXY, "guessed")], [(PROXY, KNOWN), (PROXY, KNOWN)]):
        with pytest.raises(InvalidStatus, match="403"):
            glance(console, headers=[*FORGED, *secret])


def test_a_proxy_that_forgets_the_header_lets_nobody_in(console):
    assert "the proxy sent no X-Auth-Request-Email header" in re.sub(
        r"\\", "", glance(console, headers=[(PROXY, KNOWN)]))


def test_the_servers_own_addresses_are_closed_and_health_is_open(proxy, console):
    for path in ("/_stcore/metrics", "/_stcore/agent"):
        assert httpx.get(f"{proxy}{path}", headers=dict([ADA]), timeout=60).status_code == 404
    assert httpx.get(f"{console}/_stcore/health", timeout=60).status_code == 200


def test_answers_through_the_proxy_keep_the_security_headers(proxy):
    headers = httpx.get(proxy, headers=dict([ADA]), timeout=60).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["strict-transport-security"].startswith("max-age=")
