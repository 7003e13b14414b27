"""The only road from our data to HTML: elements are built, never written, so that every text is escaped on the way.

Streamlit sanitizes once more in the browser. Images, styles, scripts and frames cannot be built here at all.
"""

import html
from typing import Final, Literal
from urllib.parse import urlsplit

import streamlit as st

_TAGS: Final = frozenset({
    "a", "b", "br", "caption", "code", "dd", "details", "div", "dl", "dt", "h1", "h2", "h3", "i", "li", "ol", "p",
    "pre", "section", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "time", "tr", "ul",
})
_ATTRIBUTES: Final = frozenset({
    "class", "title", "scope", "colspan", "datetime", "role", "aria-label", "aria-hidden", "data-label", "id",
    "tabindex",
})


class Html(str):
    """Text that is markup already: made by `el` only."""

    __slots__ = ()


def el(tag: str, *children: object, cls: str = "", href: str = "", **attributes: object) -> Html:
    """Return one element; children that are not `Html` are escaped, underscores in attribute names become hyphens.

    Raises:
        ValueError: a tag or attribute that the console does not build, or a link that is neither https nor a page.
    """
    if tag not in _TAGS:
        raise ValueError(f"the console builds no <{tag}>")
    pairs = {"class": cls, **{name.replace("_", "-"): value for name, value in attributes.items()}}
    if unknown := pairs.keys() - _ATTRIBUTES:
        raise ValueError(f"the console sets no attribute {', '.join(sorted(unknown))}")
    if href:
        pairs |= _link(href)
    opened = "".join(f' {name}="{_safe(value)}"' for name, value in pairs.items() if value not in ("", None))
    return Html(f"<{tag}{opened}>{join(*children)}</{tag}>")


def coded(words: str) -> Html:
    """Return a line of a document: what stands between backticks as code, all else as it is."""
    return join(*(el("code", part) if place % 2 else part for place, part in enumerate(words.split("`"))))


def join(*children: object) -> Html:
    """Return children one after another, escaped where they are not markup; None is nothing."""
    return Html("".join(c if isinstance(c, Html) else _safe(c) for c in children if c is not None))


def draw(markup: Html, *, width: Literal["stretch", "content"] = "stretch") -> None:
    """Put markup that `el` built on the page; `content` keeps it as narrow as its words beside others.

    Raises:
        TypeError: plain text, which would reach the page unescaped.
    """
    if not isinstance(markup, Html):
        raise TypeError("draw takes what el built; write text with el('p', text)")
    st.html(markup, width=width)


def safe_url(url: str) -> bool:
    """Tell whether a link may be drawn at all: https without credentials."""
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.netloc) and "@" not in parts.netloc


def _link(href: str) -> dict[str, str]:
    if href.startswith("/") and not href.startswith("//") and "\\" not in href:
        return {"href": href, "target": "_self"}
    if safe_url(href):
        return {"href": href, "target": "_blank", "rel": "noopener noreferrer"}
    raise ValueError(f"{href[:80]} is neither an https address nor a page of the console")


def _safe(value: object) -> str:
    # Non-printing characters can reorder or hide text (U+202E and its kin); line ends and no-break spaces do neither.
    shown = (c if c.isprintable() or c in "\n\u00a0" else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return html.escape("".join(shown))
