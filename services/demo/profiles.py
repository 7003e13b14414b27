"""Count each version's training span into the profile that travels with its run, on the machine's other core."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from services.demo.features import AIR_TIME, FEATURES, LABEL
from services.demo.tracking import Tracker

SLICES: Final = ("origin", "carrier")  # as the settings cut them: each value gets a baseline of its own
Tell = Callable[[str, int, int], None]  # stage, steps done, steps in all

Answers = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


class TrainingProfiles:
    """Profiles being counted, by run."""

    def __init__(self) -> None:
        """Start the process that counts: spawned, because libraries with threads do not survive a fork."""
        self._pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
        self._asked: list[tuple[str, Future[str]]] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process; what was not counted by then is given up."""
        self._pool.shutdown(cancel_futures=True)

    def ask(self, run_id: str, model: str, answers: Answers, rows: pd.DataFrame) -> None:
        """Have the profile of a run counted; `answers` are the model's own prediction and score on the rows."""
        prediction, score = answers
        frame = rows[[*FEATURES, "predict_at", LABEL[model]]].assign(answered=prediction, score=score)
        self._asked.append((run_id, self._pool.submit(profile, model, frame)))

    def keep(self, tracker: Tracker, tell: Tell) -> None:
        """Log every profile with its run, waiting for those not yet counted."""
        stage = "count the training profiles"
        for done, (run_id, asked) in enumerate(self._asked):
            tell(stage, done, len(self._asked))
            tracker.log_text(run_id, asked.result(), "interlock/baseline.json")
        tell(stage, len(self._asked), len(self._asked))


def profile(model: str, frame: pd.DataFrame) -> str:
    """Return the profile of a version's training span as the JSON that travels with its run."""
    from services.adapters.profile_engine import fit_baseline

    return fit_baseline(
        frame, features=list(FEATURES), prediction="answered", score="" if model == AIR_TIME else "score",
        label=LABEL[model], timestamp="predict_at", slices=SLICES, name=f"the training span of {model}",
    ).to_json()
