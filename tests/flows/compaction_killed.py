"""Compact one log and die by SIGKILL at the given touch of the disk or the store; run by test_compaction.py."""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from services.adapters.log_compaction import LogCompaction
from services.adapters.log_ledger import LogLedger
from services.adapters.ops_db import OpsDb
from services.predictions.compaction import batches

touches = iter(range(int(sys.argv[4]), -1, -1))


def deadly(work):
    def counted(*args, **more):
        if next(touches) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return work(*args, **more)

    return counted


Path.rename, Path.unlink = deadly(Path.rename), deadly(Path.unlink)
LogLedger.swap = deadly(LogLedger.swap)
os.fsync = deadly(os.fsync)
log = LogCompaction(sys.argv[1], Path(sys.argv[2]), LogLedger(OpsDb(sys.argv[3])), time_column="ts")
for batch in batches(log.files(), now=datetime.fromisoformat(sys.argv[5])):
    log.compact(batch)
