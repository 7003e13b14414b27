"""The base of every page test: a temporary home with settings and a migrated store, and pages opened in it."""

import gc
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console import session
from console.widgets import charting
from services import bootstrap
from services.settings import load
from tests.demo_fixtures import DemoHome, demo_home  # noqa: F401 -- a fixture
from tests.migrated import migrated

APP = Path(session.__file__).with_name("app.py")

SETTINGS = """
[home]
path = "home"

[console]
sign_in = "demo"

[models.flight-delay]
task = "binary"
log = "home/predictions/flight-delay"
labels = "home/labels/flight-delay"
features = ["carrier", "origin", "dep_hour", "wind_speed"]
slices = ["origin"]

[models.air-time]
task = "regression"
log = "home/predictions/air-time"
labels = "home/labels/air-time"

[[pools]]
name = "machine-cpu"
resource = "cpu"
limit = 2

[on_call]
people = [{ name = "on-call" }]
"""


class Console:
    """Opens pages of the real app on one home."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str = SETTINGS, *,
                 migrate: bool = True) -> None:
        """Write settings into a folder, unless it has some, and set up their store."""
        self.file = folder / "interlock.toml"
        if not self.file.exists():
            self.file.write_text(settings)
        monkeypatch.setenv("INTERLOCK_CONFIG", str(self.file))
        # AppTest has no cookies.
        monkeypatch.setattr(session, "cookie", lambda name: self.persona if name == session.PERSONA_COOKIE else "")
        self.persona = "viewer"
        self.services = bootstrap.build(load(str(self.file)))
        if migrate:
            migrated(self.services.db)
        self.home = self.services.settings.home_path

    def open(self, page: str = "now", *, persona: str = "viewer", **params: str) -> AppTest:
        """Open a page as a persona with URL parameters, and run it."""
        self.persona = persona
        at = AppTest.from_file(str(APP), default_timeout=120)
        at.query_params.update(params)
        if page != "now":  # without a first run AppTest goes by the file's name, which is the page's address
            at.switch_page(f"app_pages/{page}.py")
        return at.run()

    @staticmethod
    def words(at: Any) -> str:
        """Return all text of a page or a part of it, HTML as its text, Markdown without its escapes."""
        found: list[str] = []

        def walk(node: Any) -> None:
            proto = getattr(node, "proto", None)
            kind = getattr(node, "type", "")
            if kind == "html" and proto is not None:
                body = proto.body
                if not body.lstrip().startswith("<style"):
                    found.append(html.unescape(re.sub(r"<[^>]+>", " ", body)))
            elif kind == "page_link" and proto is not None:
                found.append(proto.label)
            else:
                for name in ("label", "value"):
                    value = getattr(node, name, None)
                    if isinstance(value, str):
                        found.append(re.sub(r"\\([^\w\s])", r"\1", value).replace("\u2060", ""))
            for child in getattr(node, "children", {}).values():
                walk(child)

        walk(getattr(at, "_tree", at))
        return re.sub(r"\s+", " ", " ".join(found))

    @staticmethod
    def button(at: AppTest, label: str) -> Any:
        """Return the button of that label; fails by naming those that are there."""
        found = [b for b in at.button if b.label == label]
        assert found, f"no button {label!r}; there are {[b.label for b in at.button]}"
        return found[0]


@pytest.fixture(autouse=True, scope="module")
def _what_is_imported_is_no_garbage() -> Iterator[None]:
    """A page's garbage is collected after each run: looking through what other tests imported took half a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _no_caches() -> Iterator[None]:
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def _charts_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold every chart that is drawn against Vega-Lite's schema, which the console itself has no time for."""
    monkeypatch.setattr(charting, "CHECKED", True)


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console(tmp_path, monkeypatch)


@pytest.fixture
def demo_console(demo_home: DemoHome, monkeypatch: pytest.MonkeyPatch) -> Console:  # noqa: F811
    """The pages over the seeded demo; for looking only. Its charts are checked once for all roles."""
    monkeypatch.setattr(charting, "CHECKED", False)
    return Console(demo_home.folder, monkeypatch)
