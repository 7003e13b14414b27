"""Turn rows of the release tables into what the subject knows, and back."""

from dataclasses import fields
from typing import Any

from sqlalchemy import Row

from services.releases.plan import Plan, Step
from services.releases.release import Approval, Kind, Pause, Place, Release, State, Sync


def release(row: Row[Any]) -> Release:
    """Return the release that a row holds."""
    values = {field.name: getattr(row, field.name) for field in fields(Release)}
    steps = tuple(Step(**step) for step in row.plan["steps"])
    return Release(**{
        **values, "plan": Plan(**{**row.plan, "steps": steps}), "state": State(row.state), "sync": Sync(row.sync),
        "kind": Kind(row.kind), "pause": Pause(row.pause), "break_glass": bool(row.break_glass),
    })


def release_values(found: Release) -> dict[str, Any]:
    """Return the columns of a release."""
    values = {field.name: getattr(found, field.name) for field in fields(Release)}
    return {
        **values, "plan": found.plan.to_json(), "state": str(found.state), "sync": str(found.sync),
        "kind": str(found.kind), "pause": str(found.pause), "break_glass": int(found.break_glass),
        "subject": dict(found.subject), "evidence": dict(found.evidence),
    }


def approval(row: Row[Any]) -> Approval:
    """Return the signature that a row holds."""
    return Approval(**{field.name: getattr(row, field.name) for field in fields(Approval)})


def place(row: Row[Any]) -> Place:
    """Return the place that a row holds."""
    return Place(**{**{field.name: getattr(row, field.name) for field in fields(Place)}, "sync": Sync(row.sync)})


def place_values(found: Place) -> dict[str, Any]:
    """Return the columns of a place."""
    values = {field.name: getattr(found, field.name) for field in fields(Place)}
    return {**values, "sync": str(found.sync), "weights": dict(found.weights), "observed": dict(found.observed)}
