"""Every page, for every role, on an empty home, a broken store and a huge one: it draws, and says what is wrong."""

import re

import pytest

from console import navigation
from console.identity import PERSONAS
from tests import huge_home
from tests.console.conftest import Console

PAGES = sorted(navigation.listed())
ROLES = sorted(PERSONAS)


def every_role(console, page, **params):
    """Open a page as each role in turn, and yield what each saw."""
    opened = None
    for role in ROLES:
        console.persona = role
        opened = opened.run() if opened else console.open(page, persona=role, **params)
        assert not opened.exception, f"{page} as {role}: {[e.value for e in opened.exception]}"
        yield role, opened


def shared(name, made, tmp_path_factory, monkeypatch) -> Console:
    """Return the pages over a home that all tests of this file look at; the first makes it."""
    if name not in made:
        made[name] = tmp_path_factory.mktemp(name)
    return Console(made[name], monkeypatch)


@pytest.fixture(scope="module")
def made():
    return {}


@pytest.fixture
def empty(made, tmp_path_factory, monkeypatch):
    return shared("empty", made, tmp_path_factory, monkeypatch)


@pytest.fixture
def broken(made, tmp_path_factory, monkeypatch):
    console = shared("broken", made, tmp_path_factory, monkeypatch) if "broken" not in made else None
    if console:
        console.services.db.engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            (console.home / f"ops.db{suffix}").unlink(missing_ok=True)
        (console.home / "ops.db").write_bytes(b"this is not a database, and long enough to be looked at" * 40)
    return Console(made["broken"], monkeypatch, migrate=False)


@pytest.fixture
def huge(made, tmp_path_factory, monkeypatch):
    if "huge" not in made:
        console = shared("huge", made, tmp_path_factory, monkeypatch)
        console.file.write_text(console.file.read_text() + huge_home.models())
        huge_home.fill(console.services)
    return shared("huge", made, tmp_path_factory, monkeypatch)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_home_is_drawn_for_every_role(empty, page):
    for _, opened in every_role(empty, page):
        words = empty.words(opened)
        assert "cannot be shown" not in words
        assert not re.search(r"\d fine\b", words)
        assert opened.code, "the link to copy is drawn however early the page ends"
        assert any("il-end" in e.proto.body for e in opened.get("html"))


@pytest.mark.parametrize("page", PAGES)
def test_a_broken_store_is_said_in_words_to_every_role_on_every_page(broken, page):
    for role, opened in every_role(broken, page):
        words = broken.words(opened)
        assert "cannot be" in words, role
        assert sum("<h1" in e.proto.body for e in opened.get("html")) == 1, "and it says which page it is"
        assert "Traceback" not in words, role


def test_fifty_things_that_fail_leave_fifteen_open_and_count_the_others(huge):
    page = huge.open("now")
    (fold,) = [each for each in page.expander if each.label == "35 more"]
    assert "50 failing" in huge.words(page)
    assert sum(f"model-{i:02} " in huge.words(fold) for i in range(50)) == 35


@pytest.mark.parametrize("page", PAGES)
def test_a_huge_home_with_hostile_names_is_drawn_without_markup(huge, page):
    for _, opened in every_role(huge, page, model="model-07"):
        for element in opened.get("html"):
            assert "<img" not in element.proto.body
            assert 'href="javascript' not in element.proto.body
        for element in opened.markdown:
            assert "![y](http" not in element.value
