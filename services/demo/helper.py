"""The process beside the seeding one, seen from here: start it, ask it, wait for it, end it."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from services.demo.datasets import split
from services.demo.features import DELAY, FEATURES, LABEL
from services.demo.plan import Version
from services.demo.tracking import training_tags
from services.errors import SourceUnavailable


class Helper:
    """One child running services/demo/jobs.py; its log is kept in the home's `logs`."""

    def __init__(self, *, uri: str, home: Path, now: datetime) -> None:
        """Start the child: it sets up the tracking store and runs the failing jobs at once."""
        self._log = home / "logs" / "seed-helper.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = home / "scratch"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "services.demo.jobs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
            )
        self._ask({"uri": uri, "artifacts": str(home / "mlartifacts"), "now": now.isoformat(),
                   "logs": str(home / "logs" / "jobs")})

    def train_keras(self, rows: pd.DataFrame, version: Version) -> None:
        """Hand over the training span; the child gets to it when its failing jobs are done."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        file = self._scratch / "keras.parquet"
        training, tested = split(rows, cut=version.cut)
        handed = rows[[*FEATURES, LABEL[DELAY]]].assign(
            predict_at=rows["predict_at"].dt.tz_convert(None), trained=rows.index.isin(training.index),
            tested=rows.index.isin(tested.index))
        handed.to_parquet(file)
        tags = training_tags(cut=version.cut, rows=len(training), tested=len(tested))
        self._ask({"rows": str(file), "started_at": version.cut.isoformat(), "tags": tags,
                   "scratch": str(self._scratch)})

    def wait_for(self, key: str) -> dict[str, Any]:
        """Return the child's next answer that has `key`.

        Raises:
            SourceUnavailable: the child ended without it; its last line is named.
        """
        if self._child.stdout is None:
            raise RuntimeError("the helper was started without a pipe")
        for line in self._child.stdout:
            answer: dict[str, Any] = json.loads(line)
            if key in answer:
                return answer
        self._child.wait()
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise SourceUnavailable(f"the seeding's helper ended with {self._child.returncode}: "
                                f"{said[-1] if said else 'it said nothing'}. Its log is {self._log}")

    def keras(self) -> dict[str, Any]:
        """Return where the Keras candidate was logged."""
        return self.wait_for("model_id")

    def stop(self) -> None:
        """End the child, and the files it was handed."""
        import shutil

        if self._child.stdin:
            self._child.stdin.close()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _ask(self, request: dict[str, Any]) -> None:
        if self._child.stdin is None:
            raise RuntimeError("the helper was started without a pipe")
        self._child.stdin.write(json.dumps(request).encode() + b"\n")
        self._child.stdin.flush()
