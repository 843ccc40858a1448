"""An example of every body that the API takes and gives, made from its own document.

A value is chosen by the name of its field, where that is one of the list below and fits, else by its type, so
an example can never fall behind what it is an example of. A test holds each against its schema.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from crisislens.domain.meanings import MEANINGS
from crisislens.domain.samples import CALL, QUESTION

__all__ = ["add_examples", "example_of"]

_DEPTH = 8
_TIME = "2026-03-06T14:05:00Z"
_BY_NAME: dict[str, tuple[Any, ...]] = {
    "text": ("Water is up to the first floor in Rue Capois, two people on the roof #flood",),
    "external_id": ("1571",),
    "source": ("radio",),
    "name": ("radio",),
    "user": ("ann",),
    "by": ("ann",),
    "author": ("@someone",),
    "event": ("storm_ilva",),
    "lang": ("en",),
    "language": ("en",),
    "place": ("city:3718426",),
    "place_name": ("Port-au-Prince",),
    "lat": (18.54,),
    "lon": (-72.34,),
    "map_lat": (18.54,),
    "map_lon": (-72.34,),
    "task": (QUESTION,),
    "label": (CALL,),
    "meaning": (MEANINGS[0].name,),
    "labels": ([CALL],),
    "model_labels": ([CALL],),
    "answers": (
        {QUESTION: {"labels": [CALL], "confidence": 0.86, "not_sure": False}},
        {},
        [list(answer) for answer in MEANINGS[0].answers],
    ),
    "model": ("e5277a37fc550da2",),
    "urgency": (0.94,),
    "uncertainty": (0.14,),
    "confidence": (0.86,),
    "url": ("https://social.example/1571",),
    "query": ("label=humanitarian%3Arequests_or_urgent_needs",),
    "prefix": ("cl_fb8b87b4",),
    "key": ("cl_fb8b87b4_…",),
    "hash": ("9f2c",),
    "actor": ("user:ann",),
    "object": ("post:1571",),
    "thing": ("post:1571",),
    "action": ("review.add",),
    "reason": (None, "asked for by its author"),
    "unread": (None,),
    "undone_at": (None,),
    "note": ("two people on the roof", None),
    "state": ("done", "queued"),
    "id": (1571, "1571"),
    "post_id": (1571,),
    "post_ids": ([1571, 1574],),
    "posts": (8,),
    "next": ("WyJ0aW1lIiwi…", None),
}
_TEXTS = {
    "text/csv": "id,source,external_id,created_at,text,urgency\r\n1571,radio,1571,2026-03-06T14:05:00Z,"
    '"Two people on the roof",0.94\r\n',
    "application/x-ndjson": '{"id": 1571, "source": "radio", "text": "Two people on the roof"}\n',
    "application/geo+json": '{"type": "FeatureCollection", "features": [\n{"type": "Feature", "id": 1571, '
    '"geometry": {"type": "Point", "coordinates": [-72.34, 18.54]}, "properties": {"source": "radio"}}\n]}\n',
    "text/event-stream": 'id: 42\nevent: assessed\ndata: {"seq": 42, "post_id": 1571, "urgency": 0.94}\n\n',
    "application/atom+xml": '<feed xmlns="http://www.w3.org/2005/Atom"><title>Alerts</title></feed>',
    "application/cap+xml": '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"/>',
}
_FREE: dict[str, Any] = {
    "/v1/posts/{post_id}/assessment": {
        "post": {"id": "1571", "text": "Two people on the roof"},
        "tasks": {QUESTION: {"label": CALL, "confidence": 0.86}},
        "urgency": 0.94,
    },
    "/readyz": {"ok": True, "reason": "", "database": "sqlite"},
}
_PROBLEM = "application/problem+json"


def add_examples(document: dict[str, Any]) -> None:
    """Puts an example beside every body that has none.

    Arguments:
        document: The OpenAPI document; changed in place.
    """
    schemas = document.get("components", {}).get("schemas", {})
    for path, methods in document["paths"].items():
        for call in methods.values():
            _describe_free_ones(path, call["responses"])
            for status, answer in call["responses"].items():
                _as_problem(status, answer)
            bodies = [call.get("requestBody", {}), *call["responses"].values()]
            for media, content in (pair for body in bodies for pair in body.get("content", {}).items()):
                if "example" in content or "examples" in content:
                    continue
                if media in _TEXTS:
                    content["example"] = _TEXTS[media]
                elif media == "application/json" and content.get("schema"):
                    content["example"] = example_of(content["schema"], schemas)


def _describe_free_ones(path: str, answers: dict[str, Any]) -> None:
    """Answers without a schema: a record whose schema the reference prints, and one without a body."""
    if path in _FREE and "200" in answers:
        answers["200"]["content"]["application/json"]["example"] = _FREE[path]
    if path.endswith("/retry"):
        answers["202"].pop("content", None)


def _as_problem(status: str, answer: dict[str, Any]) -> None:
    """Errors have one media type, which FastAPI writes without the schema and beside another one."""
    content = answer.get("content", {})
    if _PROBLEM not in content or not status.isdecimal():
        return
    told = {
        "type": "about:blank",
        "title": HTTPStatus(int(status)).phrase,
        "status": int(status),
        "detail": answer.get("description", ""),
        "request_id": "4f1c2d",
        "errors": [{"where": "body.lat", "what": "Input should be a number"}] if status == "422" else [],
    }
    schema = content.pop("application/json", {}).get("schema") or content[_PROBLEM].get("schema", {})
    content[_PROBLEM] = {"schema": schema, "example": told}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value that a schema allows.

    >>> example_of({"type": "object", "properties": {"urgency": {"type": "number"}}}, {})
    {'urgency': 0.94}

    Arguments:
        schema: A JSON schema of this document.
        schemas: The named ones that it may refer to.
        name: The field that the value is of.
        depth: How deep it lies; from some depth on lists are empty.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas, name, depth)
    if schema.get("examples"):
        return schema["examples"][0]
    for value in _BY_NAME.get(name, ()):
        if _fits(value, schema):
            return value
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _of_several(schema[choice], schemas, name, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _of_type(schema, schemas, name, depth)


def _of_several(options: list[Mapping[str, Any]], schemas: Mapping[str, Any], name: str, depth: int) -> Any:
    """The first that is not null; a null only where there is nothing else."""
    for value in _BY_NAME.get(name, ()):
        if any(_fits(value, option) for option in options):
            return value
    telling = [option for option in options if option.get("type") != "null"] or list(options)
    return example_of(telling[0], schemas, name, depth)


def _of_type(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        fields = schema.get("properties", {})
        return {field: example_of(each, schemas, field, depth + 1) for field, each in fields.items()}
    if kind == "array" and "prefixItems" in schema:
        return [example_of(each, schemas, _singular(name), depth + 1) for each in schema["prefixItems"]]
    if kind == "array":
        items = schema.get("items")
        if depth > _DEPTH or not items:
            return []
        return [example_of(items, schemas, _singular(name), depth + 1)]
    if kind == "string":
        return _words(schema)
    if kind == "boolean":
        return bool(schema.get("default", False))
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        return max(least, 1) if kind == "integer" else max(float(least), 0.5)
    return None


def _words(schema: Mapping[str, Any]) -> str:
    by_format = {"date-time": _TIME, "uri": "https://example.org/", "email": "ann@example.org"}
    if schema.get("format") in by_format:
        return by_format[schema["format"]]
    default = schema.get("default")
    return (
        default if isinstance(default, str) and default else "x" * max(1, min(schema.get("minLength", 1), 40))
    )


def _singular(name: str) -> str:
    return name.removesuffix("s") if name not in ("posts", "labels", "answers") else ""


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value of the list is of the type that a schema asks for."""
    if any(word in schema for word in ("const", "enum", "$ref")):
        return value in schema.get("enum", ()) or (value == schema.get("const", value) and "const" in schema)
    kinds: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "array": list,
        "object": dict,
    }
    kind = schema.get("type")
    if kind == "null":
        return value is None
    if kind is None or kind not in kinds or isinstance(value, bool):
        return False
    if kind == "object" and isinstance(value, dict):
        return "additionalProperties" in schema and _entries_fit(value, schema["additionalProperties"])
    if kind == "array" and isinstance(value, list) and "prefixItems" in schema:
        parts = schema["prefixItems"]
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if kind == "array" and isinstance(value, list):
        return all(_fits(each, schema.get("items", {})) for each in value)
    return isinstance(value, kinds[kind]) and _within(value, schema)


def _entries_fit(value: Mapping[str, Any], schema: Any) -> bool:
    """What a mapping holds: one of the list is only given where it is empty or the schema has a name."""
    if not isinstance(schema, Mapping):
        return bool(schema) or not value
    named = str(schema.get("$ref", "")).endswith("/Answer")
    return named if value else not named


def _within(value: Any, schema: Mapping[str, Any]) -> bool:
    if isinstance(value, str):
        return len(value) <= schema.get("maxLength", 10_000) and schema.get("format") in (None, "uri")
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
