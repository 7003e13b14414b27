"""From one incident, release or run to the one before, the one after, and back to the list; also by the keyboard.

These keys are the only ones: they look, and change nothing. What decides has no key.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from console import state
from console.widgets import text
from console.widgets.html import draw, el

# As in many a reader: j goes down the list, k up, u back to it. Streamlit keeps C and R to itself.
NEXT_KEY: Final = "J"
BEFORE_KEY: Final = "K"
LIST_KEY: Final = "U"


def around(keys: Sequence[str], current: str) -> tuple[str, str, str]:
    """Return the key before, the key after (empty at an end), and the place in words; all empty for one not listed."""
    if current not in keys:
        return "", "", ""
    place = keys.index(current)
    before = keys[place - 1] if place else ""
    after = keys[place + 1] if place + 1 < len(keys) else ""
    return before, after, f"{place + 1} of {len(keys)}"


def through(name: str, keys: Sequence[str], current: str, *, what: str, within: Sequence[str] = ()) -> None:
    """Draw the way through a list whose entry stands in the URL as `name`; `keys` in the list's order.

    What was chosen `within` an entry is about that entry alone, and leaves the URL with it.
    """
    def go(key: str) -> None:
        state.drop(*within)
        state.put(name, key)

    before, after, words = around(keys, current)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(f"All {text.escape(what)}", key=f"walk:{name}:list", on_click=state.drop, args=(name, *within),
                  type="tertiary", icon=":material/arrow_back:", shortcut=LIST_KEY)
        if words:
            st.button("Previous", key=f"walk:{name}:before", on_click=go, args=(before,), type="tertiary",
                      icon=":material/keyboard_arrow_up:", disabled=not before, shortcut=BEFORE_KEY)
            st.button("Next", key=f"walk:{name}:after", on_click=go, args=(after,), type="tertiary",
                      icon=":material/keyboard_arrow_down:", disabled=not after, shortcut=NEXT_KEY)
            draw(el("p", words, cls="il il-faint il-place"), width="content")
