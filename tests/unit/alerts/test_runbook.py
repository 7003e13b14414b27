"""Runbooks are read from Markdown, and what might have caused it is ordered by time."""

from datetime import timedelta

from services.alerts.ports import Change
from services.alerts.runbook import parse, steps_done
from services.alerts.suspects import suspects
from tests.unit.alerts.alert_builders import MINUTE, NOW

TEXT = "# Slow\n\nToo slow.\n\n## First look\n\n- here\n\n## Steps\n\n- [ ] one\n- [x] two\n"


def test_a_runbook_has_title_meaning_sections_and_steps():
    book = parse("slow", TEXT, origin="shipped")
    assert (book.title, book.means, book.steps) == ("Slow", "Too slow.", ("one", "two"))
    assert book.sections == (("First look", "- here"),)


def test_a_text_of_another_shape_is_still_shown():
    book = parse("x", "just words", origin="the team's")
    assert (book.title, book.steps, book.sections) == ("just words", (), ())


def test_steps_done_counts_only_steps_of_the_runbook():
    assert steps_done(("one", "two"), ["two", "two", "three"]) == 1


def test_the_change_that_came_shortly_before_is_the_first_suspect():
    far, near, after, old = (
        Change(at=NOW - timedelta(hours=5), kind="retrain", text="version 11 was trained"),
        Change(at=NOW - 6 * MINUTE, kind="release", text="version 12 took 25%"),
        Change(at=NOW + timedelta(hours=1), kind="release", text="version 12 took 50%"),
        Change(at=NOW - timedelta(days=3), kind="release", text="version 11 was promoted"),
    )
    found = suspects(NOW, [far, near, after, old])
    assert [s.text for s in found] == [
        "began 6 min after version 12 took 25%", "began 5 h after version 11 was trained"]
