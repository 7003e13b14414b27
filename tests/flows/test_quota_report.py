"""The manager's month: equal totals in every format, frozen when issued, signed once, harmless in a spreadsheet."""

import csv
import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from console.reports import pictures
from console.reports.files import write
from services.adapters.quota_table import QuotaTable
from services.adapters.report_table import ReportTable
from services.core.access import Actor, Grant, Role
from services.core.window import TimeWindow
from services.errors import NotAllowed, Refused
from services.quota.pool import Limit, Pool, Sample
from services.quota.ports import Wasted
from services.quota.prices import Price
from services.quota.report import Inputs, build, last_month
from services.quota.screen import teams
from tests.quota_fixtures import busy

POOL = Pool(name="gpu-a100", resource="gpu", limit=64, unit="GPUs", model="A100")
PRICES = (Price(hardware="A100", per_hour=2.5, since=date(2026, 1, 1)),
          Price(hardware="H900", per_hour=700.0, since=date(2026, 1, 1)))
MANAGER = Actor(subject="manager", issuer="demo", method="demo", label="Manager", grants=(Grant(role=Role.MANAGER),))
VIEWER = Actor(subject="viewer", issuer="demo", method="demo", label="Viewer", grants=(Grant(role=Role.VIEWER),))
EVIL = '=HYPERLINK("http://evil","x")'


class Runs:
    """Ended runs that wasted something."""

    def wasted(self, window: TimeWindow, *, pools, now):
        return [Wasted(cause="killed", pool="gpu-a100", pipeline="fraud-training", team="fraud", unit_hours=320.5,
                       runs=4),
                Wasted(cause="failed", pool="gpu-a100", pipeline="ranking-training", team="ranking", unit_hours=120.25,
                       runs=9)]


@pytest.fixture
def given(db, now):
    table = QuotaTable(db)
    table.write(busy(now, days=70, every=timedelta(hours=6)))
    table.write([Sample(ts=now - timedelta(days=20), pool="gpu-a100", pipeline=EVIL, used=3.0, team="<b>team")])
    return Inputs(pools=[POOL], store=table, runs=Runs(), prices=PRICES, forecasts={})


@pytest.fixture
def body(given, now):
    return build("2026-02", given, now=now)


def test_rows_add_up_to_the_pool_and_the_teams_to_the_same(body):
    pool = body["pools"][0]
    assert sum(r["used_hours"] for r in pool["by_pipeline"]) == pytest.approx(pool["used_hours"], abs=0.005)
    assert sum(t["used_hours"] for t in pool["by_team"]) == pytest.approx(pool["used_hours"], abs=0.005)
    assert sum(w["unit_hours"] for w in pool["waste"]) == pool["wasted_hours"] == 440.75
    assert pool["by_pipeline"][-1]["pipeline"] == "unattributed"
    assert pool["cost"] == pytest.approx(pool["used_hours"] * 2.5, rel=1e-4)


def test_the_pools_hours_are_those_of_its_samples(body, given):
    pool = body["pools"][0]
    rolls = given.store.history("gpu-a100", TimeWindow(datetime(2026, 2, 1, tzinfo=UTC),
                                                       datetime(2026, 3, 1, tzinfo=UTC)), grain="day")
    assert pool["used_hours"] == pytest.approx(sum(r.used_hours for r in rolls), abs=0.1)


def pdf_text(content: bytes) -> str:
    if shutil.which("pdftotext") is None:
        pytest.fail("pdftotext is not installed: install the distribution's package poppler-utils", pytrace=False)
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=content, capture_output=True, check=True)
    return done.stdout.decode()


def xlsx_numbers(content: bytes) -> set[float]:
    book = zipfile.ZipFile(io.BytesIO(content))
    found = set()
    for name in book.namelist():
        if name.startswith("xl/worksheets/sheet"):
            for cell in ET.fromstring(book.read(name)).findall(".//{*}c"):
                value = cell.find("{*}v")
                if value is not None and cell.get("t", "n") == "n":
                    found.add(float(value.text))
    return found


def test_every_format_carries_the_same_totals(body):
    pool = body["pools"][0]
    wanted = [pool["used_hours"], pool["wasted_hours"], pool["cost"]]
    printed = [f"{value:,.2f}" for value in wanted]
    in_csv = {float(c) for row in csv.reader(io.StringIO(write(body, "csv").decode("utf-8-sig"))) for c in row
              if re.fullmatch(r"-?\d+(\.\d+)?", c)}
    assert set(wanted) <= in_csv
    assert set(wanted) <= xlsx_numbers(write(body, "xlsx"))
    page, paper = write(body, "html").decode(), pdf_text(write(body, "pdf"))
    for text in printed:
        assert text in page
        assert text in paper


def test_the_first_page_of_the_pdf_and_the_html_answer_the_managers_questions(body):
    first = pdf_text(write(body, "pdf")).split("\f")[0]
    page = write(body, "html").decode()
    for words in ("Quota report February 2026", "who", "how much", "until", "wasted", "cost", "Decide"):
        assert words in first
        assert words in page
    assert page.index("Decide") < page.index("<svg"), "what to do comes before the pictures"
    for line in body["decisions"]:
        assert line["what"].split()[0] in first


def test_every_file_has_the_charts_of_the_page_drawn_by_the_same_code(body):
    pool, empty = body["pools"][0], {**body["pools"][0], "chart": {**body["pools"][0]["chart"], "lines": []}}
    assert (pictures.usage_svg(empty), pictures.teams_svg(empty), pictures.teams_png(empty)) == ("", "", b"")
    page = write(body, "html").decode()
    assert page.count("<svg") == 2
    for words in ("limit 64 GPUs", "notebooks", *(t["team"] for t in pool["by_team"][:3])):
        assert words in "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    book = zipfile.ZipFile(io.BytesIO(write(body, "xlsx")))
    assert len([name for name in book.namelist() if name.startswith("xl/media/")]) == 2
    drawn = ET.fromstring(book.read("xl/drawings/drawing1.xml"))
    rows = [[int(row.text) for row in anchor.iterfind(".//{*}row")] for anchor in drawn]
    assert [len(each) for each in rows] == [2, 2], "where each picture begins and ends"
    assert rows[0][1] < rows[1][0], "the second picture of the sheet begins below the first"
    assert set(re.findall(r'font-family="([^"]*)"', page)) == {
        "Arial, Liberation Sans, Arimo, Helvetica, sans-serif"}, "as wide as it was measured"
    assert "Stacked: mean per day. Solid: requested. Dotted: peak. Red: limit." in page
    images = subprocess.run(["pdfimages", "-list", "-"], input=write(body, "pdf"), capture_output=True, check=True)
    assert len([line for line in images.stdout.decode().splitlines() if line.split()[2:3] == ["image"]]) == 2


def test_of_many_teams_the_largest_are_drawn_by_name_and_none_is_lost(body):
    many = [{"team": f"t{i:02}", "used_hours": 30.0 - i} for i in range(25)]
    pool = {**body["pools"][0], "by_team": [*many, {"team": "unattributed", "used_hours": 5.0}]}
    drawn = teams(pool)
    assert [t["team"] for t in drawn] == [*(f"t{i:02}" for i in range(9)), "16 other teams", "unattributed"]
    assert sum(t["used_hours"] for t in drawn) == sum(t["used_hours"] for t in many) + 5.0


def test_names_from_outside_are_neither_executed_nor_markup(body):
    text = write(body, "csv").decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert f"'{EVIL}" in cells
    assert not any(cell.startswith("=") for cell in cells)
    page = write(body, "html").decode()
    assert "<b>team" not in page
    assert "&lt;b&gt;team" in page
    assert "<script" not in page
    sheets = zipfile.ZipFile(io.BytesIO(write(body, "xlsx")))
    assert not any(b"<f>" in sheets.read(n) for n in sheets.namelist() if n.startswith("xl/worksheets/sheet"))


def test_the_html_file_needs_no_other(body):
    page = write(body, "html").decode()
    assert "<svg" in page
    # Namespaces are names; nothing else may point outside.
    assert not re.findall(r'(?:src|href)\s*=\s*["\']?https?:', page)


def test_what_may_be_counted_twice_is_flagged_and_the_totals_stay_as_measured(given, body, now):
    doubt = "train holds 8 GPUs of gpu-2 and 8 GPUs of gpu-a100 at once: if that is one use counted twice, drop one"
    made = build("2026-02", replace(given, doubted=(doubt,)), now=now)
    assert made["flags"] == [*[f for f in body["flags"] if "price" not in f], doubt,
                             *[f for f in body["flags"] if "price" in f]]
    assert made["pools"] == body["pools"]
    assert doubt in write(made, "html").decode()


def test_a_placeholder_price_is_refused_by_name_and_never_added_up(body):
    assert any("H900" in flag and "placeholder" in flag for flag in body["flags"])


def test_an_issued_report_stays_as_it_was_and_is_signed_once(db, given, body, now):
    reports = ReportTable(db)
    number = reports.issue(body, actor=MANAGER, op_id="a", now=now)
    given.store.write([replace(s, used=60.0) for s in busy(now, days=20, every=timedelta(hours=6)) if s.pipeline])
    assert reports.get(number).body["pools"][0]["used_hours"] == body["pools"][0]["used_hours"]
    assert build("2026-02", given, now=now)["pools"][0]["used_hours"] != body["pools"][0]["used_hours"]
    found = reports.get(number)
    reports.sign(number, seen=found.digest, comment="Agreed", actor=MANAGER, op_id="b", now=now)
    reports.sign(number, seen=found.digest, comment="Agreed", actor=MANAGER, op_id="b", now=now)
    with pytest.raises(Refused, match="you signed report 1"):
        reports.sign(number, seen=found.digest, comment="Again", actor=MANAGER, op_id="c", now=now)
    assert [s.comment for s in reports.get(number).signatures] == ["Agreed"]


def test_the_same_numbers_are_issued_once(db, body, now):
    reports = ReportTable(db)
    numbers = {reports.issue(body, actor=MANAGER, op_id=key, now=now) for key in "abc"}
    assert numbers == {1}
    assert len(reports.issued("2026-02")) == 1


def test_a_signature_is_bound_to_what_was_seen(db, body, now):
    reports = ReportTable(db)
    number = reports.issue(body, actor=MANAGER, op_id="a", now=now)
    with pytest.raises(Refused, match="not the one you looked at"):
        reports.sign(number, seen="0" * 64, comment="Agreed", actor=MANAGER, op_id="b", now=now)


def test_only_a_manager_signs_and_a_running_month_is_not_issued(db, body, given, now):
    reports = ReportTable(db)
    with pytest.raises(NotAllowed):
        reports.issue(body, actor=VIEWER, op_id="a", now=now)
    with pytest.raises(Refused, match="2026-03 is not over"):
        reports.issue(build("2026-03", given, now=now), actor=MANAGER, op_id="b", now=now)


def test_a_month_that_is_none_is_refused(given, now):
    with pytest.raises(Refused, match="is not a month"):
        build("2026-13", given, now=now)
    with pytest.raises(Refused, match="has not begun"):
        build("2026-12", given, now=now)
    assert last_month(now) == "2026-02"


def test_hours_without_a_sample_are_flagged_and_never_averaged_away(db, now):
    table = QuotaTable(db)
    start = datetime(2026, 2, 1, tzinfo=UTC)
    table.write(Sample(ts=start + timedelta(hours=h), pool="gpu-a100", pipeline="train", used=10.0)
                for h in range(28 * 24) if not 100 <= h < 130)
    made = build("2026-02", Inputs(pools=[POOL], store=table, runs=Runs(), prices=PRICES, forecasts={}), now=now)
    pool = made["pools"][0]
    assert "gpu-a100: 30 hours have no sample; totals are of the others" in made["flags"]
    assert pool["used_hours"] == 10.0 * (28 * 24 - 30)
    assert pool["limit_hours"] == 64.0 * (28 * 24 - 30), "the offer of an hour that nobody saw does not count either"


def test_requests_beyond_the_limit_are_flagged_with_their_day(db, now):
    table = QuotaTable(db)
    start = datetime(2026, 2, 1, tzinfo=UTC)
    table.write(Sample(ts=start + timedelta(hours=h), pool="gpu-a100", pipeline="train", used=20.0,
                       requested=80.0 if 96 <= h < 120 else 30.0) for h in range(28 * 24))
    made = build("2026-02", Inputs(pools=[POOL], store=table, runs=Runs(), prices=PRICES, forecasts={}), now=now)
    assert "gpu-a100: 80 GPUs were requested of 64 first on 05 Feb: requests overcommit the pool" in made["flags"]


def test_a_limit_that_dropped_below_use_is_flagged_with_its_day(db, now):
    table = QuotaTable(db)
    start = datetime(2026, 2, 1, tzinfo=UTC)
    table.write(Sample(ts=start + timedelta(hours=h), pool="gpu-a100", pipeline="train", used=20.0)
                for h in range(28 * 24))
    table.write_limits([Limit(pool="gpu-a100", since=start, value=64.0),
                        Limit(pool="gpu-a100", since=start + timedelta(days=10), value=16.0)])
    made = build("2026-02", Inputs(pools=[POOL], store=table, runs=Runs(), prices=PRICES, forecasts={}), now=now)
    assert "gpu-a100: use was above its limit of 16 GPUs first on 11 Feb" in made["flags"]
    assert made["pools"][0]["limit_hours"] == 24 * (10 * 64.0 + 18 * 16.0)
