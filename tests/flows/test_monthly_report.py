"""The month's report goes out by itself: once, frozen, with its files, whatever is killed or started twice."""

import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller

from console.reports.letters import ReportFiles
from services.adapters.notification_table import NotificationTable
from services.adapters.notifier import Notifier, send_by_apprise
from services.adapters.ops_db import OpsDb
from services.adapters.quota_table import QuotaTable
from services.adapters.report_table import ReportTable
from services.core.access import Actor, Grant, Role
from services.errors import NotFound, SourceUnavailable
from services.monitor.steps.report import ReportStep
from services.quota.pool import Pool
from services.quota.report import Inputs, build
from tests.flows.test_quota_report import PRICES, Runs, pdf_text, xlsx_numbers
from tests.ports import free_port
from tests.quota_fixtures import busy

POOL = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs", model="A100")
MANAGER = Actor(subject="manager", issuer="demo", method="demo", label="Manager", grants=(Grant(role=Role.MANAGER),))
DUE = datetime(2026, 3, 1, 6, tzinfo=UTC)  # six hours after February
URLS = ("json://one", "json://two")


class House:
    """A store with a month of use, and the step over it."""

    def __init__(self, db):
        self.db = db
        self.reports, self.letters, self.quota = ReportTable(db), NotificationTable(db), QuotaTable(db)

    def build(self, month, now):
        given = Inputs(pools=[POOL], store=self.quota, runs=Runs(), prices=PRICES, forecasts={})
        return build(month, given, now=now)

    def step(self, urls=URLS, desk=None):
        return ReportStep(desk=desk or self.reports, build=self.build, after=timedelta(hours=6), urls=urls,
                          link="http://console:8501/")

    def waiting(self):
        return self.letters.due(now=datetime(2026, 12, 31, tzinfo=UTC))


@pytest.fixture
def house(db):
    found = House(db)
    found.quota.write(busy(DUE, days=60, every=timedelta(hours=12)))
    return found


def test_the_month_is_issued_and_sent_once_however_often_the_monitor_passes(house):
    assert house.step().run(now=DUE) == "report 1 of 2026-02 is issued, 2 letters are queued"
    for later in range(3):
        assert house.step().run(now=DUE + timedelta(days=later)) == "the report of 2026-02 was sent"
    (report,) = house.reports.issued("2026-02")
    assert report.issued_by == "interlock:monitor"
    assert [(x.address, x.attachment, x.reason) for x in house.waiting()] == [
        (url, "report:1", "quota report") for url in URLS]
    assert "gpu-a100: " in house.waiting()[0].body
    assert "Wasted 441 GPU-hours" in house.waiting()[0].body
    assert "http://console:8501/report?month=2026-02" in house.waiting()[0].body


def test_before_its_time_nothing_is_issued_and_the_pass_says_when(house):
    assert house.step().run(now=DUE - timedelta(minutes=1)) == "the report of 2026-02 is due 2026-03-01 06:00 UTC"
    assert house.reports.issued() == []


def test_samples_that_come_later_do_not_move_a_report_that_was_sent(house):
    house.step().run(now=DUE)
    house.quota.write(busy(DUE, days=20, every=timedelta(hours=12), growth=9.0))
    house.step().run(now=DUE + timedelta(days=1))
    (report,) = house.reports.issued("2026-02")
    assert report.body["pools"][0]["used_hours"] != house.build("2026-02", DUE)["pools"][0]["used_hours"]


def test_what_a_manager_issued_and_signed_before_is_what_is_sent(house):
    number = house.reports.issue(house.build("2026-02", DUE), actor=MANAGER, op_id="by-hand", now=DUE)
    house.reports.sign(number, seen=house.reports.get(number).digest, comment="Agreed", actor=MANAGER, op_id="sign",
                       now=DUE)
    house.quota.write(busy(DUE, days=20, every=timedelta(hours=12), growth=9.0))
    house.step().run(now=DUE)
    assert [r.id for r in house.reports.issued("2026-02")] == [number]
    assert "Signed by Manager." in house.waiting()[0].body


def test_a_month_without_a_sample_is_no_report(db):
    empty = House(db)
    assert empty.step().run(now=DUE) == "no pool has a sample in 2026-02: no report is issued"
    assert empty.reports.issued() == []


def test_two_monitors_at_one_moment_send_one_report(house):
    start, said = threading.Barrier(2), []

    def run():
        own = House(OpsDb(str(house.db.engine.url)))
        start.wait()
        said.append(own.step().run(now=DUE))
        own.db.engine.dispose()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 2
    assert len(house.reports.issued("2026-02")) == 1
    assert sorted(x.address for x in house.waiting()) == sorted(URLS)


def test_an_interruption_between_issuing_and_telling_leaves_neither(house):
    class Dies(ReportTable):
        def publish(self, month, body, *, tell, actor, now):
            def killed(report):
                raise KeyboardInterrupt

            return super().publish(month, body, tell=killed, actor=actor, now=now)

    with pytest.raises(KeyboardInterrupt):
        house.step(desk=Dies(house.db)).run(now=DUE)
    assert house.reports.issued() == []
    assert house.step().run(now=DUE).startswith("report 1 of 2026-02 is issued")


def test_the_mail_carries_pdf_and_workbook_with_the_frozen_totals(house):
    mails = []

    class Mailbox:
        async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 -- the library's name
            mails.append(message_from_bytes(envelope.content))
            return "250 OK"

    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    try:
        address = f"mailto://127.0.0.1:{controller.port}?from=interlock@example.org&to=boss@example.org&mode=insecure"
        house.step(urls=(address,)).run(now=DUE)
        notifier = Notifier(table=house.letters, send=send_by_apprise, draw=ReportFiles(house.reports, ("pdf", "xlsx")))
        assert notifier.run_due(now=DUE) == 1
        assert notifier.run_due(now=DUE) == 0
    finally:
        controller.stop()
    files = {part.get_filename(): part.get_payload(decode=True) for part in mails[0].walk() if part.get_filename()}
    pool = house.reports.get(1).body["pools"][0]
    assert mails[0]["Subject"] == "Quota report February 2026"
    assert f"{pool['used_hours']:,.2f}" in pdf_text(files["quota-2026-02.pdf"])
    assert {pool["used_hours"], pool["wasted_hours"]} <= xlsx_numbers(files["quota-2026-02.xlsx"])


def test_files_that_cannot_be_made_do_not_hold_back_the_words(house):
    sent = []

    def send(address, *, title, body, key, reason, thread, files=()):
        sent.append((body, files))
        return ""

    def draw(attachment):
        raise SourceUnavailable("the PDF's typeface is missing: install matplotlib")

    house.step(urls=URLS[:1]).run(now=DUE)
    Notifier(table=house.letters, send=send, draw=draw).run_due(now=DUE)
    ((body, files),) = sent
    assert files == ()
    assert body.endswith("Its files could not be made: the PDF's typeface is missing: install matplotlib")


@pytest.mark.parametrize("attachment", ["report:7", "invoice:1", "report:x"])
def test_an_attachment_that_is_none_is_refused(house, attachment):
    with pytest.raises(NotFound):
        ReportFiles(house.reports, ("csv",))(attachment)
