"""The description of an invocation for OpenAPI: it goes past the framework, which cannot describe it itself."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_ROW: Final = {"type": "object"}
_IDS: Final = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 256}}
_BESIDE: Final = {
    "params": {"type": "object"},
    "interlock": {"type": "object", "additionalProperties": False,
                  "properties": {"request_ids": _IDS, "entity_ids": _IDS}},
}


def _form(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: schema, **_BESIDE}}


_BODY: Final = {"oneOf": [
    _form("dataframe_split", {"type": "object", "required": ["data"], "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "array", "items": {"type": "array"}}}}),
    _form("dataframe_records", {"type": "array", "items": _ROW}),
    _form("instances", {"type": "array"}),
    _form("inputs", {"oneOf": [{"type": "array"}, {"type": "object"}]}),
]}

_ERROR: Final = {"type": "object", "required": ["error_code", "message"], "properties": {
    "error_code": {"type": "string"}, "message": {"type": "string"}}}

_TOLD: Final = {
    400: "The body or a header cannot be used; the message says why.", 404: "No such model is served here.",
    408: "The body came too slowly.",
    413: "The body is too large.", 415: "Neither JSON nor CSV.", 429: "The queue is full; see Retry-After.",
    500: "The model raised.", 503: "No version can answer now.", 504: "The model took too long.",
}


def _id_header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text,
            "schema": {"type": "string", "maxLength": 256}}


_INVOCATION: Final[dict[str, Any]] = {
    "parameters": [_id_header("X-Request-Id", "The join key for labels; made here when absent."),
                   _id_header("X-Entity-Id", "What the sticky split hashes; the request id when absent.")],
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY},
                                                  "text/csv": {"schema": {"type": "string"}}}},
    "responses": {
        "200": {"description": "One prediction per row.", "content": {"application/json": {"schema": {
            "type": "object", "required": ["predictions"], "properties": {
                "predictions": {"type": "array"}, "scores": {"type": "array"}, "versions": {"type": "array"}}}}}},
        **{str(status): {"description": text, "content": {"application/json": {"schema": _ERROR}}}
           for status, text in _TOLD.items()},
    },
}


def described(app: FastAPI) -> dict[str, Any]:
    """Return the description of the whole gateway; the last one that was made where there is one."""
    if app.openapi_schema is None:
        whole = get_openapi(title=app.title, version=app.version, routes=app.routes)
        path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in ("environment", "model")]
        whole["paths"]["/invocations"] = {"post": _INVOCATION | {
            "summary": "Answer rows where one route only is served, or one only in production."}}
        whole["paths"]["/{environment}/{model}/invocations"] = {"post": _INVOCATION | {
            "summary": "Answer rows with the version that the split gives them.",
            "parameters": [*path, *_INVOCATION["parameters"]]}}
        app.openapi_schema = whole
    return app.openapi_schema
