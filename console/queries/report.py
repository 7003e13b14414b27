"""Quota reports for the page: previews of a month, and those that were issued."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from console import session
from services import bootstrap
from services.adapters.report_table import Report
from services.quota.report import build, month_window


@st.cache_data(ttl=120, max_entries=24, show_spinner=False)
def preview(month: str, hour: datetime) -> dict[str, Any]:
    """Return the report of a month as it would be issued now; `hour` makes the answer grow old."""
    return build(month, bootstrap.report_inputs(session.services()), now=max(hour, month_window(month).start))


@st.cache_data(ttl=15, max_entries=24, show_spinner=False)
def issued(month: str) -> Sequence[Report]:
    """Return the issued reports of a month, newest first."""
    return session.services().reports.issued(month)


def months(now: datetime, *, count: int = 13) -> list[str]:
    """Return the last months, the last whole one first, then this one, then older ones."""
    found, moment = [], now.replace(day=1)
    for _ in range(count):
        found.append(f"{moment:%Y-%m}")
        moment = (moment - timedelta(days=1)).replace(day=1)
    return [found[1], found[0], *found[2:]]
