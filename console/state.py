"""What a page is looking at, kept in the URL so that the address alone shows the same page to someone else.

Values are short plain texts, checked against what is allowed; never pickled, never trusted. The model, environment and
time range chosen on one page are carried to the next; which run or incident was open is not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

_CARRIED: Final = "carried"
_KEPT: Final = frozenset({"model", "environment", "window"})
_LONGEST: Final = 200


def announce() -> None:
    """Tell the browser which parameters this run was asked for; a browser that shows them already does nothing.

    A link to the page that is open already hands its parameters to the script alone. The address would stay as it was,
    and the next click would ask for the old ones.
    """
    st.query_params.from_dict(st.query_params.to_dict())


def get(name: str, default: str = "", *, allowed: Sequence[str] | None = None) -> str:
    """Return a parameter: from the URL, else carried from the last page, else the default; and write it to the URL.

    A value that is not allowed counts as absent.
    """
    def fits(value: str) -> bool:
        return bool(value) and len(value) <= _LONGEST and (allowed is None or value in allowed)

    given = st.query_params.get(name, "")
    carried = str(_carried().get(name, "")) if name in _KEPT else ""
    value = next((v for v in (given, carried) if fits(v)), default)
    if value:
        put(name, value)
    elif given:
        drop(name)
    return value


def put(name: str, value: str) -> None:
    """Set a parameter in the URL, and carry it to the next page where it is one that is kept."""
    if name in _KEPT:
        _carried()[name] = value
    if st.query_params.get(name) != value:
        st.query_params[name] = value


def drop(*names: str) -> None:
    """Remove parameters from the URL and from what is carried."""
    for name in names:
        _carried().pop(name, None)
        if name in st.query_params:
            del st.query_params[name]


def shown() -> Mapping[str, str]:
    """Return the parameters that the page is showing, for exports and links."""
    return dict(sorted(st.query_params.items()))


def _carried() -> dict[str, str]:
    carried: dict[str, str] = st.session_state.setdefault(_CARRIED, {})
    return carried
