"""The page around every page: Streamlit's own, with ours before its."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from console import navigation, shell


def get(path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=Starlette(routes=shell.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_our_script_runs_before_theirs():
    page = shell.page()
    assert page.count("back.js") == 1
    assert page.index("back.js") < page.index('<script type="module"')


@pytest.mark.parametrize("name", ["", *(row.name for row in navigation.rows() if row.name != navigation.HOME)])
def test_every_address_of_a_page_answers_with_it_and_is_asked_for_anew(name: str):
    answer = get(f"/{name}?model=flight-delay")
    assert answer.text == shell.page()
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"


def test_the_script_is_served_where_the_page_looks_for_it():
    answer = get("/back.js")
    assert answer.text == shell.SCRIPT.read_text(encoding="utf-8")
    assert answer.headers["content-type"].startswith("text/javascript")
