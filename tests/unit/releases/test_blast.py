"""How far a version reached is told as it was counted, and scaled only where a part was looked at."""

import pytest

from services.releases.blast import Blast, differing


@pytest.mark.parametrize(("blast", "said"), [
    (Blast(version="8", against="7", answered=41207, compared=41207, differ=3110),
     "41,207 predictions by version 8, 3,110 differ from 7"),
    (Blast(version="8", against="7", answered=100_000, compared=20_000, differ=1_000),
     "100,000 predictions by version 8, about 5,000 differ from 7 (1,000 of 20,000 looked at)"),
    (Blast(version="8", against="7", answered=0), "0 predictions by version 8: nobody was answered by it"),
    (Blast(version="8", against="7", answered=9, problem="it does not load"),
     "9 predictions by version 8; how many version 7 would have answered otherwise is not known: it does not load"),
    (Blast(version="8", against="", answered=9), "9 predictions by version 8; none was compared with version "),
])
def test_the_sentence_says_what_was_counted_and_what_was_not(blast: Blast, said: str) -> None:
    assert blast.sentence == said
    assert blast.to_json()["sentence"] == said


def test_classes_differ_by_their_side_and_numbers_by_more_than_a_tenth_of_their_spread() -> None:
    assert differing("binary", [0, 1, 1, 0], [0.4, 1, 0, 0]) == 1
    assert differing("multiclass", [1, 2, 3], [1, 2, 4]) == 1
    assert differing("regression", [0, 10, 20, 30], [0.5, 10, 25, 30]) == 1
    assert differing("regression", [], []) == 0


def test_an_answer_that_is_missing_on_one_side_differs() -> None:
    nan = float("nan")
    assert differing("regression", [1, nan, nan, 40], [1, 2, nan, 40]) == 1
