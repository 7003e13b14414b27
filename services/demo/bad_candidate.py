"""Register a candidate that passes its gates and fails in service, so that a demo can show the judge at work."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.demo.faults import BAD_CANDIDATE
from services.demo.features import DELAY
from services.demo.tracking import RunRecord, Tracker, requirements, signature

MEANING: Final = "a version that answers as the one it is made from, and fails for every flight from Newark"


def register(uri: str, artifacts: Path, *, now: datetime) -> str:
    """Log and register the bad candidate, made from the champion; return its version's number."""
    tracker = Tracker(uri, artifacts)
    sound = tracker.client.get_model_version_by_alias(DELAY, "champion")
    import mlflow
    import mlflow.pyfunc

    from services.demo import bad_serving

    tags = {**{k: v for k, v in sound.tags.items() if k.startswith("data.")}, "demo.injected": BAD_CANDIDATE}
    record = RunRecord(
        experiment=DELAY, name=BAD_CANDIDATE, pipeline=f"{DELAY}-training", kind="training",
        started_at=now.astimezone(UTC), took_s=0.0, tags=tags, params={"made_from": sound.version},
        # On the test set nobody sees a difference.
        metrics=dict(tracker.client.get_run(sound.run_id).data.metrics))
    run_id = tracker.begin(record)
    with tempfile.TemporaryDirectory(prefix="interlock-demo-") as folder, \
            mlflow.start_run(run_id=run_id, log_system_metrics=False):
        copy = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{DELAY}/{sound.version}", dst_path=folder)
        logged = mlflow.pyfunc.log_model(
            name="model", python_model=str(Path(bad_serving.__file__)), signature=signature(DELAY),
            artifacts={"sound": copy}, pip_requirements=requirements("scikit-learn", "skops"))
    tracker.finish(run_id, record)
    return tracker.register(DELAY, uri=str(logged.model_uri), model_id=str(logged.model_id), run_id=run_id, tags=tags)

