"""Documents drawn from the code are what the code would draw; links in documents lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.house.documents import DOCS, DRAWN

ROOT = DOCS.parent
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


@pytest.mark.parametrize("name", DRAWN)
def test_a_document_drawn_from_the_code_is_up_to_date(name):
    assert (DOCS / name).read_text() == DRAWN[name](), "run: python -m tests.house.documents"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
    assert [t for t in targets if not (page.parent / t).exists()] == []
