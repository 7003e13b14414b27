"""Find the typeface of PDF reports: DejaVu, which matplotlib brings, as PDF's own fonts know Latin letters only."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from services.errors import SourceUnavailable

_FILES: Final = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}


def faces() -> dict[str, str]:
    """Return the font file of each style: regular and bold. Matplotlib is located, never imported.

    Raises:
        SourceUnavailable: the files are not there.
    """
    found = find_spec("matplotlib")
    folder = Path(str(found.origin)).parent / "mpl-data" / "fonts" / "ttf" if found else Path()
    files = {style: folder / name for style, name in _FILES.items()}
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        raise SourceUnavailable(f"the PDF's typeface {missing[0]} is missing: install matplotlib, or take another "
                                "format", retryable=False)
    return {style: str(file) for style, file in files.items()}
