"""Have the size of a registered version read in a limited process, and keep what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from services.adapters.limited_process import python, run_limited

_SECONDS: Final = 120.0
_MEMORY_GIB: Final = 12.0  # of address space; TensorFlow alone reserves several


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizeReader:
    """Reads sizes through model_size_child.py."""

    tracking_uri: str
    registry_uri: str
    seconds: float = _SECONDS

    def __call__(self, model: str, version: str) -> Mapping[str, Any]:
        """Return what was read, or `problem` alone: what could not be loaded, took too long or crashed."""
        with TemporaryDirectory() as folder:
            request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
            request.write_text(json.dumps({"model": model, "version": version, "tracking_uri": self.tracking_uri,
                                           "registry_uri": self.registry_uri}), encoding="utf-8")
            ended = run_limited(
                python("services.adapters.model_size_child", str(request), str(answer)), seconds=self.seconds,
                memory_gib=_MEMORY_GIB,
                environ={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
                         "CUDA_VISIBLE_DEVICES": "-1", "MLFLOW_DISABLE_TELEMETRY": "true",
                         "GIT_PYTHON_REFRESH": "quiet"},
            )
            if ended.how != "done":
                return {"problem": ended.problem(seconds=self.seconds, memory_gib=_MEMORY_GIB)}
            found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return found
