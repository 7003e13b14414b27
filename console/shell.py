"""Serve the page around every page: Streamlit's own, with a script of ours before its.

The script counts steps of the browser's history and draws nothing; what it is for stands in assets/back.js.
"""

from functools import cache
from pathlib import Path
from typing import Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from console import navigation

SCRIPT: Final = Path(__file__).parent / "assets" / "back.js"
_THEIRS: Final = Path(st.__file__).parent / "static" / "index.html"
_BEFORE: Final = '<script type="module"'  # theirs; ours must have run by then
_OURS: Final = f'<script src="./{SCRIPT.name}"></script>\n    '
_FRESH: Final = {"Cache-Control": "no-cache"}


def routes() -> list[Route]:
    """Return the addresses of every page but the first page's own name, and of the script."""
    names = [row.name for row in navigation.rows() if row.name != navigation.HOME]
    return [Route(f"/{SCRIPT.name}", _script), *(Route(f"/{name}", _page) for name in ("", *names))]


@cache
def page() -> str:
    """Return the page that the browser loads."""
    return _THEIRS.read_text(encoding="utf-8").replace(_BEFORE, _OURS + _BEFORE, 1)


async def _page(_: Request) -> Response:
    return HTMLResponse(page(), headers=_FRESH)


async def _script(_: Request) -> Response:
    return FileResponse(SCRIPT, media_type="text/javascript", headers=_FRESH)
