"""What is old enough to go."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.retention import Cut, old_days, plan
from services.errors import Refused

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


def test_what_is_kept_for_thirty_days_goes_by_whole_days():
    assert plan({"logs": timedelta(days=30)}, now=NOW) == [Cut(kind="logs", before=datetime(2026, 2, 2, tzinfo=UTC))]


def test_less_than_a_week_is_refused():
    plan({"logs": timedelta(days=7)}, now=NOW)
    with pytest.raises(Refused, match=r"retention\.samples"):
        plan({"logs": timedelta(days=30), "samples": timedelta(days=6)}, now=NOW)


def test_a_day_is_old_only_when_all_of_it_is():
    days = [date(2026, 2, 3), date(2026, 2, 1), date(2026, 2, 2)]
    assert old_days(days, before=datetime(2026, 2, 3, tzinfo=UTC)) == [date(2026, 2, 1), date(2026, 2, 2)]
    assert old_days(days, before=datetime(2026, 2, 2, 23, 59, tzinfo=UTC)) == [date(2026, 2, 1)]


@given(st.integers(7, 4000), st.dates(date(2015, 1, 1), date(2030, 1, 1)))
def test_nothing_younger_than_its_span_ever_goes(days, day):
    cut, = plan({"logs": timedelta(days=days)}, now=NOW)
    if old_days([day], before=cut.before):
        assert NOW - datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC) >= timedelta(days=days)
