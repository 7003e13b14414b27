"""Letters reach real servers: e-mail and HTTP, up, down, slow and refusing."""

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

from services.adapters import notifier as notifier_module
from services.adapters.notification_table import GIVEN_UP_AFTER, NotificationTable
from services.adapters.notifier import File, Notifier, send_by_apprise
from services.alerts.notify import Reason
from services.alerts.telling import Letter
from services.core.access import Actor, Grant, Role
from services.errors import NotAllowed
from tests.ports import free_port
from tests.unit.alerts.alert_builders import NOW

ENGINEER = Actor(subject="on-call", issuer="demo", method="demo", grants=(Grant(role=Role.ON_CALL),))


def letter(address: str, key: str = "k1", reason: Reason = Reason.OPENED) -> Letter:
    return Letter(key=key, incident_id=1, reason=reason, level=0, address=address, person="ann",
                  title="[page] opened: p95 412 ms", body="line one\nline two")


class Mailbox:
    def __init__(self, answer: str = "250 OK") -> None:
        self.answer, self.mails = answer, []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 -- the library's name
        self.mails.append(message_from_bytes(envelope.content))
        return self.answer


@contextmanager
def smtp(mailbox: Mailbox):
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    try:
        yield f"mailto://127.0.0.1:{controller.port}?from=interlock@example.org&to=ann@example.org&mode=insecure"
    finally:
        controller.stop()


@contextmanager
def http(status: int, scheme: str = "json"):
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def table(db):
    return NotificationTable(db)


def notifier(table):
    return Notifier(table=table, send=send_by_apprise)


def test_an_email_arrives_once_with_its_key(table):
    mailbox = Mailbox()
    with smtp(mailbox) as address:
        table.queue([letter(address)], now=NOW)
        assert notifier(table).run_due(now=NOW) == 1
        assert notifier(table).run_due(now=NOW) == 0
    (mail,) = mailbox.mails
    assert "opened: p95 412 ms" in mail["Subject"]
    assert mail.get_all("Idempotency-Key") == ["k1"]
    assert mail.get_all("Message-ID") == ["<k1@example.org>"]
    assert mail.get_all("References") == ["<interlock-incident-1@example.org>"]
    assert mail.get_content_type() == "text/plain"
    assert mail.get_payload(decode=True).decode().splitlines() == ["line one", "line two"]


def test_what_stands_in_a_letter_is_text_wherever_it_arrives(table, monkeypatch):
    hostile = replace(letter("", "k1"), title="drift of <img src=x>\r\nBcc: eve@example.org",
                      body="<b>1</b> & *2*\n- three")
    mailbox = Mailbox()
    with smtp(mailbox) as by_mail, http(200) as (by_web, got):
        monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", by_web.replace("json", "http"))
        slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
        table.queue([replace(hostile, key=str(n), address=to) for n, to in enumerate((by_mail, slack))], now=NOW)
        assert notifier(table).run_due(now=NOW) == 2
    (mail,) = mailbox.mails
    assert (mail.get_content_type(), mail["Bcc"]) == ("text/plain", None)
    assert "<img src=x> Bcc: eve@example.org" in mail["Subject"]
    assert mail.get_payload(decode=True).decode().splitlines() == ["<b>1</b> & *2*", "- three"]
    assert "&lt;b&gt;1&lt;/b&gt; &amp; *2*" in got[0][1]["attachments"][0]["text"]


def test_a_report_s_files_go_with_its_letter_and_keep_their_kind(table):
    mailbox = Mailbox()
    with smtp(mailbox) as address:
        table.queue([replace(letter(address), attachment="report:3")], now=NOW)
        files = [File("march.pdf", b"%PDF-1"), File("march.csv", b"a,b")]
        assert Notifier(table=table, send=send_by_apprise, draw=lambda _: files).run_due(now=NOW) == 1
    (mail,) = mailbox.mails
    _, *sent = mail.get_payload()
    assert [(part.get_content_type(), part.get_filename(), part.get_payload(decode=True)) for part in sent] == [
        ("application/pdf", "march.pdf", b"%PDF-1"), ("text/csv", "march.csv", b"a,b")]


def test_a_webhook_gets_the_letter_with_an_idempotency_key(table):
    with http(200) as (address, got):
        table.queue([letter(address)], now=NOW)
        notifier(table).run_due(now=NOW)
    ((headers, body),) = got
    assert headers["Idempotency-Key"] == "k1"
    assert body["title"] == "[page] opened: p95 412 ms"
    assert "line two" in body["message"]


HOSTILE = '<img src="http://evil.example/1.png"> <!channel> <http://evil.example|click> [x](http://evil.example) @here'


def test_a_name_out_of_a_log_is_no_markup_in_a_mail(table):
    mailbox = Mailbox()
    with smtp(mailbox) as plain:
        for key, address in (("k1", plain), ("k2", f"{plain}&format=html")):
            said = {"title": f"{HOSTILE}\r\nBcc: evil@example.org", "body": f"category {HOSTILE}\nsecond"}
            table.queue([replace(letter(address, key=key), **said)], now=NOW)
        assert notifier(table).run_due(now=NOW) == 2
    parts = [part for mail in mailbox.mails for part in mail.walk() if part.get_content_maintype() == "text"]
    for part in parts:
        words = part.get_payload(decode=True).decode()
        assert "second" in words
        if part.get_content_subtype() == "html":
            assert "<img" not in words
            assert "&lt;img" in words
            assert "<br" in words, "lines stay lines"
    assert len(parts) >= 2
    assert all("Bcc" not in mail for mail in mailbox.mails), "a line break in a name is no header"


def test_a_name_out_of_a_log_calls_nobody_and_links_nowhere_in_a_chat(monkeypatch):
    """What would go to Slack, as Slack would get it."""
    sent = []

    class Answer:
        status_code, content, text = 200, b"ok", "ok"

    monkeypatch.setattr("requests.sessions.Session.request",
                        lambda *_, **said: (sent.append(json.loads(said["data"])), Answer())[1])
    address = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
    send_by_apprise(address, title=HOSTILE, body=HOSTILE, key="k", reason=Reason.OPENED, thread="")
    (attachment,) = sent[0]["attachments"]
    for words in (attachment["title"], attachment["text"]):
        assert [mark for mark in ("<!channel>", "<http", "<img", "@here") if mark in words] == []
    assert sent[0]["mrkdwn"] is False


def test_the_same_letter_queued_twice_is_one_letter(table):
    assert table.queue([letter("json://x")], now=NOW) == 1
    assert table.queue([letter("json://x")], now=NOW) == 0


@pytest.mark.parametrize("kind", ["500", "down", "refused mail"])
def test_a_sink_that_fails_is_tried_again_later_and_then_gets_the_letter(table, kind):
    if kind == "500":
        with http(500) as (address, _):
            table.queue([letter(address)], now=NOW)
            assert notifier(table).run_due(now=NOW) == 0
    elif kind == "down":
        table.queue([letter(f"json://127.0.0.1:{free_port()}/x")], now=NOW)
        assert notifier(table).run_due(now=NOW) == 0
    else:
        with smtp(Mailbox("451 later")) as address:
            table.queue([letter(address)], now=NOW)
            assert notifier(table).run_due(now=NOW) == 0
    (row,) = table.of_incident(1)
    assert (row.state, row.attempts) == ("waiting", 1)
    assert {"500": "500", "down": "refused", "refused mail": "451 later"}[kind] in row.error
    assert table.due(now=NOW) == []
    assert [x.key for x in table.due(now=NOW + timedelta(seconds=5))] == ["k1"]


@pytest.mark.parametrize("deaf", ["json://127.0.0.1:{}/x", "mailto://127.0.0.1:{}?from=a@example.org&to=b@example.org&mode=insecure"])
def test_a_sink_that_never_answers_holds_up_the_others_by_one_letter_only(table, monkeypatch, deaf):
    monkeypatch.setattr(notifier_module, "_SEND_S", 3)
    with socket.create_server(("127.0.0.1", 0)) as silent, http(200) as (address, got):
        deaf = deaf.format(silent.getsockname()[1])
        slow = [letter(deaf, f"slow-{n}") for n in range(5)]
        table.queue([*slow, letter(address, "quick")], now=NOW)
        assert notifier(table).run_due(now=NOW) == 1
    assert [headers["Idempotency-Key"] for headers, _ in got] == ["quick"]
    rows = {row.key: row for row in table.of_incident(1)}
    assert rows["quick"].state == "sent"
    # One was tried; the others wait as long as it does, and no attempt is held against them.
    assert sorted(rows[f"slow-{n}"].attempts for n in range(5)) == [0, 0, 0, 0, 1]
    assert table.due(now=NOW + timedelta(seconds=4)) == []
    assert len(table.due(now=NOW + timedelta(seconds=5))) == 5


def test_a_letter_is_given_up_after_its_last_attempt_and_can_be_sent_again_by_hand(table):
    address = f"json://127.0.0.1:{free_port()}/x"
    table.queue([letter(address)], now=NOW)
    now = NOW
    for _ in range(GIVEN_UP_AFTER):
        now += timedelta(hours=1)
        notifier(table).run_due(now=now)
    assert table.counts() == {"failed": 1}
    table.resend("k1", actor=ENGINEER, op_id="a", now=now)
    assert table.counts() == {"waiting": 1}


def test_an_address_that_nobody_can_read_is_given_up_at_once(table):
    table.queue([letter("nonsense")], now=NOW)
    notifier(table).run_due(now=NOW)
    assert table.counts() == {"failed": 1}


def test_a_viewer_cannot_send_again(table):
    viewer = Actor(subject="v", issuer="demo", method="demo", grants=(Grant(role=Role.VIEWER),))
    with pytest.raises(NotAllowed):
        table.resend("k1", actor=viewer, op_id="a", now=NOW)


def test_a_crash_after_sending_repeats_the_letter_under_the_same_key(table):
    mailbox = Mailbox()
    with smtp(mailbox) as address:
        table.queue([letter(address)], now=NOW)
        crashing = notifier(table)
        crashing.table = type("Dies", (), {"due": staticmethod(table.due), "sent": staticmethod(_die)})()
        with pytest.raises(KeyboardInterrupt):
            crashing.run_due(now=NOW)
        notifier(table).run_due(now=NOW)
    assert [mail["Idempotency-Key"] for mail in mailbox.mails] == ["k1", "k1"]
    assert [mail["Message-ID"] for mail in mailbox.mails] == ["<k1@example.org>"] * 2


def test_every_attempt_is_kept_with_what_went_wrong(table):
    port = free_port()
    table.queue([letter(f"json://127.0.0.1:{port}/x")], now=NOW)
    notifier(table).run_due(now=NOW)
    later = NOW + timedelta(seconds=5)
    with http(200) as (address, _):
        _readdress(table, address)
        notifier(table).run_due(now=later)
    ((first, fault), (second, none)) = table.attempts(1)["k1"]
    assert (first, second, none) == (NOW, later, "")
    assert "refused" in fault
    assert table.attempts(2) == {}


def _readdress(table, address):
    with table._db.write() as connection:
        connection.exec_driver_sql("UPDATE notifications SET address = ?", (address,))


def test_slack_gets_the_letter_in_its_own_shape(table, monkeypatch):
    with http(200) as (address, got):
        monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", address.replace("json", "http"))
        table.queue([letter("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops")], now=NOW)
        assert notifier(table).run_due(now=NOW) == 1
    ((_, body),) = got
    assert body["channel"] == "#ops"
    (part,) = body["attachments"]
    assert (part["title"], part["text"]) == ("[page] opened: p95 412 ms", "line one\nline two")


def test_pagerduty_opens_one_incident_joins_repeats_to_it_and_closes_it_at_the_end(table, monkeypatch):
    address = "pagerduty://integrationkey1234567890abcdef12@apikey123"
    with http(202) as (sink, got):
        monkeypatch.setattr("apprise.plugins.pagerduty.PAGERDUTY_API_LOOKUP", {"us": sink.replace("json", "http")})
        for key, reason in (("k1", Reason.OPENED), ("k2", Reason.REPEATED), ("k3", Reason.RESOLVED)):
            table.queue([letter(address, key, reason)], now=NOW)
            assert notifier(table).run_due(now=NOW) == 1
    assert [(body["event_action"], body["dedup_key"]) for _, body in got] == [
        ("trigger", "interlock-incident-1"), ("trigger", "interlock-incident-1"), ("resolve", "interlock-incident-1")]
    assert "p95 412 ms" in got[0][1]["payload"]["summary"]
    assert got[0][1]["payload"]["severity"] == "critical"


def test_a_team_that_chose_its_own_pagerduty_key_keeps_it():
    chosen = "pagerduty://k@a?dedup=ours&action=trigger"
    assert notifier_module._with_identity(chosen, "k1", "interlock-incident-1") == chosen


@pytest.mark.parametrize("status", [500, 429])
@pytest.mark.parametrize("kind", ["slack", "pagerduty"])
def test_a_chat_or_a_pager_that_refuses_is_tried_again(table, monkeypatch, kind, status):
    with http(status) as (sink, _):
        url = sink.replace("json", "http")
        monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", url)
        monkeypatch.setattr("apprise.plugins.pagerduty.PAGERDUTY_API_LOOKUP", {"us": url})
        address = {"slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
                   "pagerduty": "pagerduty://integrationkey1234567890abcdef12@apikey123"}[kind]
        table.queue([letter(address)], now=NOW)
        assert notifier(table).run_due(now=NOW) == 0
    (row,) = table.of_incident(1)
    assert (row.state, row.attempts) == ("waiting", 1)
    for secret in ("TIiajkdnlazkcOXrIdevi7FQ", "apikey123"):
        assert secret not in row.error


def _die(*_args, **_kwargs):
    raise KeyboardInterrupt
