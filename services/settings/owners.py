"""Whom does a thing belong to, by the settings: a model, a pipeline, or a data set?"""

from services.settings.sections import Settings


def owner_of(settings: Settings, subject: str) -> str:
    """Return the owner of a model, pipeline or data set; empty where the settings name none.

    A pipeline that no section declares belongs to the model that its name begins with: `fares-refresh` to `fares`.
    """
    model = settings.models.get(subject)
    pipeline = next((p for p in settings.pipelines if p.name == subject), None)
    if owner := (model.owner if model else "") or (pipeline.owner if pipeline else ""):
        return owner
    data = settings.datasets.get(subject)
    named = data.model if data else max((m for m in settings.models if subject.startswith(f"{m}-")), key=len,
                                        default="")
    return settings.models[named].owner if named in settings.models else ""
