"""A process beside the seeding one: first the failing jobs in forks, then TensorFlow and the Keras candidate.

It is started with one JSON document on standard input per request and answers one line each, so that the seconds in
which TensorFlow loads are spent on the machine's other core.
"""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer requests until standard input ends."""
    order = json.loads(sys.stdin.readline())
    from services.demo.tracking import Tracker

    tracker = Tracker(order["uri"], Path(order["artifacts"]))
    tracker.create_models()
    _answer({"store": "ready"})
    from services.demo import failing_jobs

    child = failing_jobs.run_all(tracker, datetime.fromisoformat(order["now"]), Path(order["logs"]))
    if child is not None:
        child()
        return
    _answer({"failures": len(failing_jobs.jobs(datetime.fromisoformat(order["now"])))})
    request = json.loads(sys.stdin.readline() or "null")
    if request:
        _answer(_keras(tracker, request))


def _keras(tracker: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Train, measure and log the Keras candidate; return where it lies."""
    import pandas as pd

    from services.demo import keras_model
    from services.demo.features import DELAY, LABEL
    from services.demo.models import measure
    from services.demo.profiles import profile
    from services.demo.tracking import RunRecord

    rows = pd.read_parquet(request["rows"])
    training, tested = rows[rows["trained"]], rows["tested"] & rows[LABEL[DELAY]].notna()
    encoding = keras_model.encoding_of(training)
    began = time.monotonic()
    network, losses = keras_model.train(training, encoding)
    took = time.monotonic() - began
    score = keras_model.scores(network, rows, encoding)
    answers = (score >= 0.5).astype("float64")
    metrics = measure(DELAY, answers[tested], score[tested], rows.loc[tested, LABEL[DELAY]].to_numpy())
    record = RunRecord(
        experiment=DELAY, name="flight-delay-keras", pipeline="flight-delay-keras-training", kind="training",
        started_at=datetime.fromisoformat(request["started_at"]), took_s=took, tags=request["tags"],
        params={"epochs": keras_model.EPOCHS, "batch_size": keras_model.BATCH, "width": keras_model.WIDTH,
                "library": "keras"},
        metrics={**metrics, "loss": losses[-1]},
    )
    run_id = tracker.begin(record)
    tracker.log_text(run_id, profile(DELAY, rows.assign(answered=answers, score=score)), "interlock/baseline.json")
    uri, model_id = keras_model.log(run_id, network, encoding, Path(request["scratch"]))
    tracker.finish(run_id, record)
    return {"run_id": run_id, "uri": uri, "model_id": model_id, "metrics": metrics}


def _answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()
