"""Wherever a question or an answer is taken from outside, one that nobody knows is refused in a sentence that
names what may be given, and not what was.
"""

from typing import Any

import pytest
from serve_site import Person, Site

STRANGE = "zzz-gold"
RULE = {"task": "damage", "label": "severe_damage", "least": 2, "window_min": 30}


@pytest.fixture(scope="module")
def number(site: Site) -> int:
    """A post that was assessed."""
    [made] = site.send({"id": "1", "text": "the bridge is destroyed"})
    site.work()
    return made


@pytest.fixture(scope="module")
def ann(site: Site) -> Person:
    """Who reviews."""
    return site.person("ann")


def review(site: Site, ann: Person, number: int, **said: Any) -> Any:
    return site.client.post(f"/v1/posts/{number}/reviews", json=said, headers=ann.headers)


REVIEWS: list[tuple[str, dict[str, Any], str]] = [
    ("an answer that is none", {"task": "damage", "labels": [STRANGE]}, "expected little_or_no_damage"),
    # a class of the model that ships, and not of the one that answered this post
    (
        "another model's answer",
        {"task": "humanitarian", "labels": ["requests_or_urgent_needs"]},
        "expected affected",
    ),
    ("one of two is none", {"task": "needs", "labels": ["water", STRANGE]}, "expected request, offer"),
    (
        "a question that is none",
        {"task": STRANGE, "labels": ["water"]},
        "expected one of damage, humanitarian",
    ),
    (
        "two answers where one may hold",
        {"task": "damage", "labels": ["severe_damage", "mild_damage"]},
        "not 2",
    ),
    ("no answer where one must hold", {"task": "damage", "labels": []}, "not 0"),
    ("answers beside right", {"task": "damage", "verdict": "right", "labels": ["mild_damage"]}, "send none"),
    ("answers beside not sure", {"task": "damage", "verdict": "unsure", "labels": ["x"]}, "send none"),
    ("answers to no question", {"labels": ["severe_damage"]}, "name it as `task`"),
    ("not sure of everything", {"verdict": "unsure"}, "of which task"),
    ("right of a strange question", {"task": STRANGE, "verdict": "right"}, "expected one of"),
    ("right where nothing was said", {"task": "needs", "verdict": "right"}, "cannot be right"),
    ("a verdict that is none", {"task": "damage", "verdict": STRANGE}, "'right', 'label' or 'unsure'"),
]


@pytest.mark.parametrize(("said", "told"), [c[1:] for c in REVIEWS], ids=[c[0] for c in REVIEWS])
def test_reviews_that_cannot_be(
    site: Site, ann: Person, number: int, said: dict[str, Any], told: str
) -> None:
    answer = review(site, ann, number, **said)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert told in answer.json()["detail"]
    assert STRANGE not in answer.text
    assert site.store.reviews.of(number) == ()


GOOD: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
    ({"task": "damage", "labels": ["mild_damage"]}, {"damage": ["mild_damage"]}),
    ({"task": "needs", "labels": ["water", "food", "water"]}, {"needs": ["water", "food"]}),
    ({"task": "needs", "labels": []}, {"needs": []}),
    ({"task": "damage", "verdict": "right"}, {"damage": ["severe_damage"]}),
    ({"task": "damage", "verdict": "unsure"}, {"damage": []}),
    (
        {"verdict": "right"},
        {
            "damage": ["severe_damage"],
            "humanitarian": ["infrastructure_and_utility_damage"],
            "informativeness": ["informative"],
        },
    ),
]


@pytest.mark.parametrize(("said", "kept"), GOOD, ids=[str(i) for i in range(len(GOOD))])
def test_reviews_that_can_be(
    site: Site, ann: Person, number: int, said: dict[str, Any], kept: dict[str, list[str]]
) -> None:
    made = review(site, ann, number, **said)
    assert made.status_code == 201, made.text
    # a whole post has its answers in `answers`, one question in `labels`
    body = made.json()
    assert (body["answers"] if not body["task"] else {body["task"]: body["labels"]}) == kept
    undone = site.client.delete(f"/v1/reviews/{body['id']}", headers=ann.headers).json()
    assert undone["undone_at"] is not None
    assert site.store.posts.get(number).reviews == ()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"label=damage:{STRANGE}", "expected little_or_no_damage"),
        (f"label={STRANGE}:water", "expected informativeness, humanitarian, damage, needs"),
        (f"label={STRANGE}&task=damage", "expected little_or_no_damage"),
        (f"label=damage:severe_damage&label=needs:{STRANGE}", "expected request, offer"),
        (f"not_sure={STRANGE}", "expected informativeness"),
    ],
)
def test_a_filter_by_what_nobody_answers_is_refused_and_not_empty(
    site: Site, number: int, query: str, told: str
) -> None:
    for path in ("/v1/posts", "/v1/export.csv", "/posts", "/queue"):
        answer = site.client.get(f"{path}?{query}", headers=site.key("admin"))
        assert (answer.status_code, told in answer.json()["detail"]) == (422, True), path
        assert STRANGE not in answer.text


def test_answers_of_another_model_that_ships_and_of_ones_own_are_known(fresh: Site) -> None:
    head = fresh.key("viewer")
    shipped = "/v1/posts?label=humanitarian:requests_or_urgent_needs&label=humanitarian:affected"
    assert fresh.client.get(shipped, headers=head).json()["posts"] == []
    own = "/v1/posts?label=roofs:gone"
    assert fresh.client.get(own, headers=head).status_code == 422
    fresh.send({"id": "1", "text": "the roof is gone"})
    said = {"label": "whole", "labels": ("whole",), "confidence": 0.7, "abstained": False}
    chances = {"whole": 0.7, "gone": 0.3}
    fresh.work(tasks={"roofs": {**said, "probabilities": chances}})
    # nobody answered so yet, and the model may
    assert fresh.client.get(own, headers=head).json()["posts"] == []
    assert fresh.client.get("/v1/posts?not_sure=roofs", headers=head).status_code == 200
    refused = fresh.client.get("/v1/posts?label=roofs:blue", headers=head)
    assert refused.json()["detail"] == "this is no answer to 'roofs'; expected whole, gone"


def test_a_rule_that_would_be_silent_for_ever_is_refused(fresh: Site) -> None:
    head = fresh.key("admin")
    made = fresh.client.post("/v1/alert-rules", json={"name": "a", "spec": RULE}, headers=head).json()["id"]
    for spec, told in (
        ({**RULE, "label": STRANGE}, "expected little_or_no_damage"),
        ({**RULE, "task": STRANGE}, "expected informativeness"),
    ):
        answers = [
            fresh.client.post("/v1/alert-rules", json={"name": "b", "spec": spec}, headers=head),
            fresh.client.post("/v1/alert-rules/test", json=spec, headers=head),
            fresh.client.patch(f"/v1/alert-rules/{made}", json={"spec": spec}, headers=head),
        ]
        for answer in answers:
            assert (answer.status_code, told in answer.json()["detail"]) == (422, True)
        form = {"name": "c", "said": f"{spec['task']}={spec['label']}", "least": "2", "window_min": "30"}
        for trial in ("true", "false"):
            page = fresh.client.post("/alerts/rules", data={**form, "trial": trial}, headers=admin(fresh))
            assert (page.status_code, told in page.text) == (422, True)
    assert [rule.spec.label for rule in fresh.store.alert_rules.all()] == ["severe_damage"]


def admin(site: Site) -> dict[str, str]:
    return {**site.people["admin"].headers, "Accept": "text/html"}


@pytest.mark.parametrize("path", ["/v1/posts", "/v1/export.csv", "/v1/export.report.html"])
def test_a_filter_that_there_is_not_does_not_find_everything(site: Site, ann: Person, path: str) -> None:
    answer = site.client.get(f"{path}?lable=needs:rescue", headers=ann.headers)
    assert answer.status_code == 422
    assert "did you mean 'label'?" in answer.json()["detail"]
    answer = site.client.get(f"{path}?{STRANGE}=1", headers=ann.headers)
    assert "there are q, task, label" in answer.json()["detail"]
    assert STRANGE not in answer.text


def test_pages_take_fields_of_their_own(site: Site, ann: Person) -> None:
    assert site.client.get("/posts?page_of_a_later_version=1", headers=ann.headers).status_code == 200
