"""Keep a small JSON document on the disk so that no kill and no power cut can leave half of it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.errors import SourceMalformed, SourceUnavailable


class JsonFile:
    """One JSON document. The folder is made when it is first written."""

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        """Use the given path; only the owner may read it unless `mode` says otherwise."""
        self._path = path
        self._mode = mode

    def read(self) -> Any:
        """Return the document, or None when there is none.

        Raises:
            SourceMalformed: it is not JSON.
            SourceUnavailable: it cannot be read.
        """
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceUnavailable(f"{self._path} cannot be read: {error.strerror}. Mend its permissions") from error
        except ValueError as error:
            raise SourceMalformed(f"{self._path} is not valid JSON: {error}. Restore it from a backup, or move it away "
                                  "to start from the aliases") from error

    def write(self, document: Mapping[str, Any]) -> None:
        """Replace the document; it is on the disk when this returns.

        Raises:
            SourceUnavailable: it cannot be written; the old document is still there.
        """
        hidden = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, self._mode)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            hidden.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            hidden.unlink(missing_ok=True)
            raise SourceUnavailable(f"{self._path} cannot be written: {error.strerror}. Free space or mend its "
                                    "permissions; nothing was changed") from error
