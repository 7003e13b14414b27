"""Load one version and answer a test set with it, in a process that may be killed at any moment.

Run as `python -m services.adapters.candidate_child REQUEST ANSWER [REQUEST ANSWER ...]`; REQUEST is a JSON file, ANSWER
the file to write. Faults are answers too; what kills the process (time, memory, a crash) is noticed by the parent. Of
several requests each is done in a fork, so that a version which dies takes no other with it.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from services.adapters.limited_process import OUT_OF_MEMORY
from services.adapters.with_parent import end_with_parent

SMOKES: Final = 40


def main(request: Path, answer: Path) -> int:
    """Do the request; return the exit status."""
    end_with_parent()
    asked = json.loads(request.read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    try:
        _work(asked, found, answer)
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 -- anything a model raises is a fact about the model
        words = str(error).strip().splitlines()
        found |= {"problem": f"{type(error).__name__}: {words[0][:500] if words else ''}",
                  "kind": "score" if "load_s" in found else "load"}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.with_suffix(".json").write_text(json.dumps(found), encoding="utf-8")
    return 0


def several(pairs: Sequence[tuple[Path, Path]]) -> int:
    """Do requests one after the other, each in a fork; return the exit status."""
    end_with_parent()
    # What every version needs is imported once, before the forks. TensorFlow is not: its threads survive no fork.
    import mlflow.sklearn  # noqa: F401 -- for the forks
    import pyarrow.dataset  # noqa: F401

    for request, answer in pairs:
        child = os.fork()
        if child == 0:
            os._exit(main(request, answer))
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code and not answer.with_suffix(".json").exists():
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            words = "it needs more memory than it may have" if code == OUT_OF_MEMORY else f"it crashed ({how})"
            found = {"problem": words, "kind": "memory" if code == OUT_OF_MEMORY else "crash", "peak_mb": 0.0}
            answer.with_suffix(".json").write_text(json.dumps(found), encoding="utf-8")
    return 0


def _work(asked: Mapping[str, Any], found: dict[str, Any], answer: Path) -> None:
    import numpy as np

    from services.adapters.model_loading import LoadedModel, fetch

    path = Path(asked["path"]) if asked.get("path") else fetch(
        asked["model"], asked["version"], tracking_uri=asked["tracking_uri"], registry_uri=asked["registry_uri"])
    began = time.perf_counter()
    model = LoadedModel(path, task=asked["task"])
    found["load_s"] = time.perf_counter() - began
    found["inputs"] = {column.name: column.type for column in model.signature.columns}
    if not asked["data"]:
        return
    frame, labels, slices, lacks = _rows(asked, [*found["inputs"]])
    if lacks:
        found |= {"lacks": lacks, "problem": f"the test set has no column {', '.join(lacks)}", "kind": "score"}
        return
    output = model.predict(frame, {})
    arrays = {"prediction": np.asarray(output.prediction, float)}
    if output.score is not None:
        arrays["score"] = np.asarray(output.score, float)
    if labels is not None:
        arrays["labels"] = labels
    arrays |= {f"slice:{name}": values for name, values in slices.items()}
    times = []
    for row in range(min(SMOKES, len(arrays["prediction"]))):
        one = {name: cells[row : row + 1] for name, cells in frame.items()}
        began = time.perf_counter()
        model.predict(one, {})
        times.append((time.perf_counter() - began) * 1000)
    found["latencies_ms"] = times[5:]  # the first ones pay for what is set up once
    np.savez(answer.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]


def _rows(asked: Mapping[str, Any], inputs: list[str]) -> tuple[dict[str, Any], Any, dict[str, Any], list[str]]:
    """Return typed columns, labels or None, slice values as text, and inputs that the test set lacks."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.dataset as ds

    data = ds.dataset(asked["data"], format="parquet")
    names = data.schema.names
    lacks = [name for name in inputs if name not in names]
    if lacks:
        return {}, None, {}, lacks
    label = asked["label"] if asked["label"] in names else ""
    slices = [name for name in asked["slices"] if name in names]
    table = data.to_table(columns=list(dict.fromkeys([*inputs, *([label] if label else []), *slices])))
    if table.num_rows > asked["rows"]:
        # The same rows for every version: a comparison on different rows would be none.
        keep = np.sort(np.random.default_rng(0).choice(table.num_rows, asked["rows"], replace=False))
        table = table.take(pa.array(keep))
    frame = {}
    for name in inputs:
        column = table[name]
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        frame[name] = column.to_pylist() if text else column.to_numpy()
    labels = np.asarray(table[label].cast(pa.float64()).to_numpy(), float) if label else None
    cut = {name: np.asarray([str(v) for v in table[name].to_pylist()]) for name in slices}
    return frame, labels, cut, []


if __name__ == "__main__":
    paths = [Path(word) for word in sys.argv[1:]]
    orders = list(zip(paths[::2], paths[1::2], strict=True))
    sys.exit(main(*orders[0]) if len(orders) == 1 else several(orders))
