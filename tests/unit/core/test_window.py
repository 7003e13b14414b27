"""Spans and buckets."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.window import HOUR, TimeWindow, floor_to, parse_span, span_text

moments = st.datetimes(datetime(2013, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(("text", "span"), [("15m", timedelta(minutes=15)), (" 24 h ", timedelta(hours=24)),
                                            ("1w", timedelta(days=7)), ("40s", timedelta(seconds=40))])
def test_a_span_is_read_as_it_is_written(text, span):
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "0h", "-1h", "1.5h", "3 months", "h"])
def test_what_is_not_a_span_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="15m"):
        parse_span(text)


@pytest.mark.parametrize(("span", "text"), [
    (timedelta(seconds=40), "40 s"), (timedelta(minutes=21), "21 min"), (timedelta(hours=2, minutes=5), "2 h 5 min"),
    (timedelta(hours=30), "1 d 6 h"), (timedelta(days=9, hours=3), "9 d"), (timedelta(seconds=-5), "0 s"),
])
def test_a_length_reads_as_people_say_it(span, text):
    assert span_text(span) == text


def test_a_window_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        TimeWindow(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001


def test_a_window_cannot_end_before_it_begins(now):
    with pytest.raises(ValueError, match="before it begins"):
        TimeWindow(now, now - HOUR)


@given(moments, st.integers(1, 100))
def test_buckets_cover_the_window_without_gap_or_overlap(start, hours):
    window = TimeWindow(start, start + hours * HOUR)
    buckets = list(window.buckets(HOUR))
    assert buckets[0].start == floor_to(start, HOUR)
    assert buckets[-1].end >= window.end > buckets[-1].start
    assert all(a.end == b.start for a, b in pairwise(buckets))
