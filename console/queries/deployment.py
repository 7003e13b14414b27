"""What the five deployment documents say of this installation: who signs, where each environment leads, what serves."""

from typing import Any

import streamlit as st

from console import session
from services.releases.approvals import policy


def signatures() -> list[dict[str, Any]]:
    """Return per model and environment how many people sign; `*` where no model is declared yet."""
    settings = session.settings()
    rows = []
    for model in settings.models or ["*"]:
        for environment in settings.environments:
            found = policy(settings.approvals, model=model, environment=environment)
            rows.append({"model": model, "environment": environment, "start": found.start, "increase": found.increase,
                         "promote": found.promote})
    return rows


@st.cache_data(ttl=15, max_entries=2, show_spinner=False)
def places() -> list[dict[str, Any]]:
    """Return per environment its target, and what each model was last seen to serve there."""
    services, settings = session.services(), session.settings()
    serving: dict[str, list[str]] = {}
    for seen in services.served.at(session.now()):
        shares = ", ".join(f"version {v} {weight:g}%" for v, weight in sorted(seen.weights.items()) if weight)
        serving.setdefault(seen.environment, []).append(f"{seen.model}: {shares or 'nothing'}")
    return [{"environment": name, "target": place.target, "address": place.url or "as the target says",
             "serving": "; ".join(serving.get(name, [])) or "nothing was released here yet"}
            for name, place in settings.environments.items()]
