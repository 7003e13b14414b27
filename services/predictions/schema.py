"""The columns of the prediction log and the label log, and what each means.

Mapping somebody else's log onto these names is done where the log is read; nothing here touches a file.
"""

from typing import Final

# Column -> (Arrow type name, meaning). Feature columns follow, one each, as served.
PREDICTION_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "request_id": ("string", "join key for labels; unique together with variant"),
    "ts": ("timestamp[us, tz=UTC]", "when the prediction was delivered"),
    "model": ("string", "registered model"),
    "model_version": ("string", "its version"),
    "variant": ("string", "champion, canary or shadow"),
    "environment": ("string", "staging or production"),
    "entity_id": ("string", "what the sticky split hashes; may be empty"),
    "latency_ms": ("double", "time to deliver"),
    "status": ("string", "ok or error"),
    "error_type": ("string", "class of the error, else empty"),
    "prediction": ("double", "class label as a number, or the predicted value"),
    "score": ("double", "probability of the positive class; of several classes, of the one said; else empty"),
    "error": ("string", "what an error said and the lines that raised it; else empty"),
}

LABEL_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "request_id": ("string", "the prediction's request_id"),
    "label": ("double", "what happened; empty where absent_reason says that it never will"),
    "label_ts": ("timestamp[us, tz=UTC]", "when the label became known"),
    "absent_reason": ("string", "why a label will never come, such as cancelled; else empty"),
}

CHAMPION: Final = "champion"
CANARY: Final = "canary"
SHADOW: Final = "shadow"
