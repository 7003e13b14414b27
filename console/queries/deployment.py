"""What the five deployment documents say of this installation: who signs, where each environment leads, what serves."""

from collections import Counter
from typing import Any

import streamlit as st

from console import session
from services.releases.approvals import policy


def signatures() -> list[dict[str, Any]]:
    """Return per environment how many people sign: models that ask for other numbers first, then all the others."""
    settings, rows = session.settings(), list[dict[str, Any]]()
    for environment in settings.environments:
        asked = {model: policy(settings.approvals, model=model, environment=environment)
                 for model in settings.models or ["*"]}
        numbers = {model: (found.start, found.increase, found.promote) for model, found in asked.items()}
        usual, often = Counter(numbers.values()).most_common(1)[0]
        same = often > 1 or len(numbers) == 1
        told = {model: asked_here for model, asked_here in numbers.items() if not same or asked_here != usual}
        if same:
            told["every model" if not told else "every other model"] = usual
        rows += [{"model": model, "environment": environment, "start": start, "increase": increase,
                  "promote": promote} for model, (start, increase, promote) in told.items()]
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
