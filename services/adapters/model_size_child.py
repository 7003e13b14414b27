"""Read the size of one registered version in a process that may be killed at any moment.

Run as `python -m services.adapters.model_size_child REQUEST ANSWER`; both are JSON files. A model that cannot be loaded
is an answer too; what kills the process is noticed by the parent.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.adapters.limited_process import OUT_OF_MEMORY
from services.adapters.with_parent import end_with_parent


def main(request: Path, answer: Path) -> int:
    """Do the request; return the exit status."""
    end_with_parent()
    asked = json.loads(request.read_text(encoding="utf-8"))
    found: dict[str, Any]
    try:
        from services.adapters.model_loading import fetch
        from services.adapters.model_size import read

        found = asdict(read(fetch(asked["model"], asked["version"], tracking_uri=asked["tracking_uri"],
                                  registry_uri=asked["registry_uri"])))
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 -- anything that loading raises is a fact about the model
        words = str(error).strip().splitlines()
        found = {"problem": f"{type(error).__name__}: {words[0][:300] if words else ''}"}
    answer.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
