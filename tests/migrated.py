"""A migrated ops store as a file to copy: every test has a store of its own, and none pays for the migrations again."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import make_url

from services.adapters.ops_db import OpsDb


def migrated(store: OpsDb) -> OpsDb:
    """Give a SQLite store that has no file yet the newest schema; any other is migrated as it stands."""
    file = Path(make_url(store.url).database or "")
    if store.is_sqlite and not file.exists():
        shutil.copyfile(_template(), file)
    else:
        store.migrate()
    return store


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="il-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = OpsDb(f"sqlite:///{folder}/ops.db")
    store.migrate()
    store.engine.dispose()  # the last connection that closes folds the write-ahead log into the file
    return folder / "ops.db"
