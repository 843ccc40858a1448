"""The API's document has an example of every body, and each is one of its own schema."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from serve_site import Site

from crisislens.domain.samples import CALL
from crisislens.serve.api.examples import example_of

PAIR = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "string"}]}


def bodies(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Where a body stands, its media type, and what is said of it."""
    found = []
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            parts = {"in": call.get("requestBody", {}), **call["responses"]}
            for where, part in parts.items():
                for media, content in part.get("content", {}).items():
                    found.append((f"{method} {path} {where}", media, content))
    return found


def test_every_body_has_an_example_of_its_own_schema(site: Site) -> None:
    document = site.client.get("/openapi.json").json()
    without, wrong = [], []
    for where, media, content in bodies(document):
        examples = [content["example"]] if "example" in content else []
        examples += [each["value"] for each in content.get("examples", {}).values()]
        if not examples and not content.get("schema", {}).get("examples"):
            without.append(f"{where} {media}")
        if "json" not in media or "ndjson" in media or "geo" in media:
            continue
        schema = {**content.get("schema", {}), "components": document["components"]}
        for example in examples:
            problems = list(Draft202012Validator(schema).iter_errors(example))
            wrong += [f"{where}: {problem.message[:100]}" for problem in problems]
    assert wrong == []
    # a file of bytes and a form with photos have none
    assert {line for line in without if "parquet" not in line and "multipart" not in line} == set()


def test_the_example_of_posting_is_taken(site: Site) -> None:
    document = site.client.get("/openapi.json").json()
    example = document["components"]["schemas"]["IncomingPost"]["examples"][0]
    answer = site.client.post("/v1/posts", json=example, headers=site.key("reviewer"))
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("schema", "name", "expected"),
    [
        ({"type": "string", "format": "date-time"}, "at", "2026-03-06T14:05:00Z"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "reason", None),
        ({"type": "integer", "minimum": 3}, "n", 3),
        ({"type": "string", "enum": ["a", "b"]}, "state", "a"),
        ({"type": "string", "maxLength": 2}, "external_id", "x"),
        ({"type": "array", "items": {"type": "string"}}, "labels", [CALL]),
        ({"$ref": "#/components/schemas/Deep"}, "", {"deep": []}),
        # pairs: each part has its own example, and one of the list is only given where its parts fit
        ({"type": "array", "items": PAIR}, "answers", [["humanitarian", CALL], ["needs", "request"]]),
        ({"type": "array", "items": PAIR}, "pairs", [["x", "x"]]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, PAIR]}, "", [1, ["x", "x"]]),
    ],
)
def test_values_fit_their_fields(schema: dict[str, Any], name: str, expected: Any) -> None:
    schemas = {"Deep": {"type": "object", "properties": {"deep": {"type": "array"}}}}
    assert example_of(schema, schemas, name) == expected
