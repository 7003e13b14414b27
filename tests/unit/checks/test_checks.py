from datetime import timedelta

import pyarrow as pa
import pytest
from scipy import stats

from services.adapters.profile_engine import fit_baseline
from services.checks.edit import Edit, edited
from services.checks.evaluate import (
    Subject,
    check_age,
    check_columns,
    check_duplicates,
    check_freshness,
    check_values,
    check_volume,
    longest_gap,
)
from services.checks.schema import Schema, propose
from services.checks.share import judge_share
from services.core.measurement import Measurement, Verdict, Why
from services.core.window import DAY, TimeWindow
from services.errors import Refused
from services.profiles.baseline import Baseline
from services.profiles.count import count_rows
from tests.conftest import NOW

SUBJECT = Subject(name="fares", environment="production", version="1")
WINDOW = TimeWindow(NOW - DAY, NOW)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    rows = 2_000
    return fit_baseline(pa.table({"amount": [float(i % 100) for i in range(rows)],
                                  "city": [("ams", "ber", "cdg")[i % 3] for i in range(rows)]}),
                        features=["amount", "city"])


@pytest.fixture
def schema(baseline: Baseline) -> Schema:
    return propose(baseline, model="fares", version="1")


def checked(baseline: Baseline, schema: Schema, rows: list[dict[str, object]]) -> dict[tuple[str, str], Measurement]:
    found = check_values(SUBJECT, WINDOW, count_rows(baseline.layout, rows), schema, at=NOW)
    return {(m.name, m.column): m for m in found}


def test_the_proposal_holds_ranges_and_categories_of_training(schema: Schema):
    assert (schema.columns["amount"].low, schema.columns["amount"].high) == (0.0, 99.0)
    assert schema.columns["city"].categories == ("ams", "ber", "cdg")
    assert schema.revision == 1
    assert Schema.from_json(schema.to_json(), model="fares", version="1", revision=1) == schema


def test_missing_and_corrupt_values_are_two_different_faults(baseline: Baseline, schema: Schema):
    rows = [{"amount": None if i < 30 else "abc" if i < 80 else 5.0, "city": "ams"} for i in range(200)]
    found = checked(baseline, schema, rows)
    assert found["missing_rate", "amount"].detail["k"] == 30
    assert found["wrong_type_rate", "amount"].detail["k"] == 50
    assert found["wrong_type_rate", "amount"].verdict is Verdict.FAIL
    assert found["missing_rate", "city"].verdict is Verdict.PASS


def test_no_rows_is_inconclusive_and_never_a_pass(baseline: Baseline, schema: Schema):
    assert {m.verdict for m in checked(baseline, schema, []).values()} == {Verdict.INCONCLUSIVE}


def test_a_column_that_is_switched_off_is_not_judged(baseline: Baseline, schema: Schema):
    off = edited(schema, Edit(column="amount", enabled=False))
    found = checked(baseline, off, [{"amount": None, "city": "ams"}] * 99)
    assert ("missing_rate", "amount") not in found
    with pytest.raises(Refused, match="nothing was changed"):
        edited(schema, Edit(column="amount", enabled=True))


def test_a_share_has_the_binomial_tail_that_scipy_gives():
    found = judge_share(12, 900, usual=0.0)
    assert found.allowed == 0.005
    assert abs(found.p - stats.binom.sf(11, 900, 0.005)) < 1e-12
    assert judge_share(5, 5, usual=0.0).verdict is Verdict.FAIL
    assert judge_share(1, 1_000, usual=0.0).verdict is Verdict.PASS
    assert judge_share(0, 5, usual=0.0).why is Why.TOO_FEW
    assert judge_share(900, 1_000, usual=0.9).verdict is Verdict.PASS


def test_gone_and_retyped_columns_fail_by_name(schema: Schema):
    found = check_columns(SUBJECT, WINDOW, {"amount": "VARCHAR"}, schema, at=NOW)
    assert found.verdict is Verdict.FAIL
    assert "lacks city" in found.reason
    assert "amount (varchar instead of numeric)" in found.reason
    assert check_columns(SUBJECT, WINDOW, None, schema, at=NOW).verdict is Verdict.INCONCLUSIVE
    good = check_columns(SUBJECT, WINDOW, {"amount": "DOUBLE", "city": "VARCHAR"}, schema, at=NOW)
    assert good.verdict is Verdict.PASS


def test_columns_that_nobody_expects_are_named_and_no_fault(schema: Schema):
    kinds = {"amount": "DOUBLE", "city": "VARCHAR", "ts": "TIMESTAMP", **{f"new_{i}": "DOUBLE" for i in range(7)}}
    found = check_columns(SUBJECT, WINDOW, kinds, schema, at=NOW, own={"ts"})
    assert found.verdict is Verdict.PASS
    assert found.reason.endswith("; not in the schema: new_0, new_1, new_2, new_3, new_4 and 2 more")


def test_accepting_a_category_makes_a_new_revision_that_expects_it(schema: Schema):
    edited = schema.accept("city", "lhr")
    assert edited.revision == 2
    assert edited.columns["city"].expects("lhr")
    assert not schema.columns["city"].expects("lhr")
    with pytest.raises(Refused, match="expects 'lhr' already"):
        edited.accept("city", "lhr")


def test_accepting_a_number_widens_the_range_and_text_is_refused(schema: Schema):
    assert schema.accept("amount", "150").columns["amount"].high == 150.0
    for value in ("many", "inf", "nan"):
        with pytest.raises(Refused):
            schema.accept("amount", value)
    with pytest.raises(Refused, match="has no column"):
        schema.accept("colour", "red")


@pytest.mark.parametrize(("rows", "expected", "verdict"), [
    (1_000, 1_000.0, Verdict.PASS), (650, 1_000.0, Verdict.WARN), (300, 1_000.0, Verdict.FAIL),
    (2_500, 1_000.0, Verdict.WARN), (0, 5.0, Verdict.INCONCLUSIVE), (3, 8.0, Verdict.PASS),
    (500, None, Verdict.INCONCLUSIVE),
])
def test_volume_is_judged_against_the_usual_beyond_chance(rows: int, expected: float | None, verdict: Verdict):
    assert check_volume(SUBJECT, WINDOW, rows, expected, at=NOW).verdict is verdict


@pytest.mark.parametrize(("rows", "verdict"), [(899, Verdict.FAIL), (900, Verdict.PASS), (1_100, Verdict.PASS),
                                               (1_101, Verdict.FAIL)])
def test_a_day_is_held_to_the_rows_that_its_schema_names(schema: Schema, rows: int, verdict: Verdict):
    named = edited(schema, Edit(rows_least=900, rows_most=1_100))
    found = check_volume(SUBJECT, WINDOW, rows, 20_000.0, at=NOW, schema=named)
    assert found.verdict is verdict
    assert "the schema expects at least 900 and at most 1,100" in found.reason
    usual = edited(named, Edit(rows_least=0, rows_most=0))
    assert check_volume(SUBJECT, WINDOW, rows, float(rows), at=NOW, schema=usual).verdict is Verdict.PASS


def test_a_log_is_late_after_what_its_schema_allows_and_without_rows_it_is_unsure():
    young, old = (check_age(SUBJECT, NOW - timedelta(minutes=m), timedelta(hours=1), at=NOW) for m in (59, 61))
    assert (young.verdict, old.verdict, old.why) == (Verdict.PASS, Verdict.FAIL, Why.LATE)
    assert check_age(SUBJECT, None, timedelta(hours=1), at=NOW).verdict is Verdict.INCONCLUSIVE


def test_repeated_keys_fail_by_their_share():
    assert check_duplicates(SUBJECT, WINDOW, 200, 800, at=NOW).verdict is Verdict.FAIL
    assert check_duplicates(SUBJECT, WINDOW, 0, 800, at=NOW).verdict is Verdict.PASS


def test_a_data_set_is_late_after_twice_its_usual_gap():
    arrivals = [NOW - k * DAY for k in range(10, 0, -1)]
    assert check_freshness(SUBJECT, arrivals[-1], arrivals, at=NOW).verdict is Verdict.PASS
    late = check_freshness(SUBJECT, arrivals[-1], arrivals, at=NOW + 2 * DAY)
    assert (late.verdict, late.why) == (Verdict.FAIL, Why.LATE)
    assert check_freshness(SUBJECT, None, [], at=NOW).verdict is Verdict.INCONCLUSIVE
    assert check_freshness(SUBJECT, NOW - timedelta(hours=1), [NOW], at=NOW).why is Why.TOO_FEW


@pytest.mark.parametrize(("names", "days"), [
    (["date=2026-03-01", "date=2026-03-02", "date=2026-03-03"], 1),
    (["2026-03-01", "2026-03-08"], 7),
    (["date=2026-03-01"], 0),
    (["whole"], 0),
    ([], 0),
])
def test_the_dates_of_partitions_say_how_often_one_is_due(names: list[str], days: int):
    assert longest_gap(names) == days * DAY


def test_a_feed_whose_weeks_were_all_written_at_once_is_not_late_a_minute_later():
    arrivals = [NOW - timedelta(minutes=3, seconds=k) for k in range(40, 0, -1)]
    alone = check_freshness(SUBJECT, arrivals[-1], arrivals, at=NOW)
    assert alone.verdict is Verdict.FAIL
    dated = check_freshness(SUBJECT, arrivals[-1], arrivals, at=NOW, dated=DAY)
    assert dated.verdict is Verdict.PASS
    assert "a new part comes every 1 d" in dated.reason
    late = check_freshness(SUBJECT, arrivals[-1], arrivals, at=NOW + 3 * DAY, dated=DAY)
    assert late.verdict is Verdict.FAIL
