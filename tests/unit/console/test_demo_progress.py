"""Without a terminal each stage of the seeding says when it begins, not only when it is over."""

import pytest

from console.commands.demo import _bars


def test_a_stage_is_announced_as_it_begins_and_again_when_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with _bars() as tell:
        tell("train", 0, 2)
        assert capsys.readouterr().err == "train ...\n"
        tell("train", 1, 2)
        assert capsys.readouterr().err == ""
        tell("train", 2, 2)
        assert capsys.readouterr().err.startswith("train: 2 of 2 in ")
