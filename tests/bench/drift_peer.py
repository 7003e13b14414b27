"""One drift report of Evidently, in its own environment: `PEER/bin/python drift_peer.py BASE WINDOW`.

Imports nothing of ours. Prints one JSON line: seconds of the work without imports (reading both files included, as on
our side), the peak of memory, and which columns it calls drifted.
"""

import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

import pandas as pd  # noqa: E402
from evidently import DataDefinition, Dataset, Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402


def main() -> None:
    """Run the preset with its own defaults."""
    began, busy = time.perf_counter(), time.process_time()
    base, window = (pd.read_parquet(path) for path in sys.argv[1:])
    definition = DataDefinition(numerical_columns=[c for c in base if c.startswith("number")],
                                categorical_columns=[c for c in base if c.startswith("category")])
    snapshot = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(window, data_definition=definition), Dataset.from_pandas(base, data_definition=definition))
    found = json.loads(snapshot.json())
    took, busy = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": took, "processor_s": busy, "peak_mb": peak,
                                 "columns": len(found["metrics"]) - 1}) + "\n")


if __name__ == "__main__":
    main()
