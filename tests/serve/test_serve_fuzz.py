"""Requests drawn from the API's own document end in no 5xx; `benchmarks/serve_fuzz.py` draws many more.

Without schemathesis, which brings thirty packages: hypothesis draws values that fit a parameter or a field
loosely by its type, which is enough to meet NUL bytes, numbers out of range and wrong types.
"""

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serve_site import Site

ODD = st.one_of(
    st.text(max_size=12),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["", "\x00", "..", "0", "nan", "1e400", "2026-13-01", "💧", "a" * 300, "%00", "-1"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), ODD),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ODD, inner, max_size=3)),
    max_leaves=6,
)
WITHOUT_END = "/v1/events"


def calls(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every call."""
    found = []
    for path, methods in document["paths"].items():
        found += [(method, path, call) for method, call in methods.items() if path != WITHOUT_END]
    return found


@settings(
    max_examples=80,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_no_call_ends_in_a_fault_of_the_server(site: Site, data: st.DataObject) -> None:
    document = site.app.openapi()
    method, path, call = data.draw(st.sampled_from(calls(document)))
    query: dict[str, str] = {}
    for parameter in call.get("parameters", ()):
        if parameter["in"] == "path":
            # some of the time one that is there
            value = data.draw(st.one_of(st.just("1"), ODD)) or "x"
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        elif data.draw(st.booleans()):
            query[parameter["name"]] = data.draw(ODD)
    body: dict[str, Any] = {}
    if "requestBody" in call:
        content = call["requestBody"].get("content", {}).get("application/json", {})
        good = content.get("example")
        sent = data.draw(st.one_of(VALUES, _changed(good)) if isinstance(good, dict) else VALUES)
        body = {"content": json.dumps(sent).encode(), "headers": {"Content-Type": "application/json"}}
    headers = {**site.key("admin"), **body.pop("headers", {})}
    answer = site.client.request(method, path, params=query, headers=headers, **body)
    assert answer.status_code < 500, (method, path, query, body, answer.text)
    if answer.status_code >= 400:
        assert "json" in answer.headers["content-type"]


def _changed(good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The example with one field changed."""
    return st.tuples(st.sampled_from(sorted(good)), VALUES).map(lambda pair: {**good, pair[0]: pair[1]})
