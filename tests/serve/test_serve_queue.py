"""Review: what a person says stands beside the model, can be taken back, and no two hold one post."""

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from serve_site import QUICK, Person, Site, open_site

from crisislens.serve.task_views import usual_title
from crisislens.store.records import PostFilter

HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Site]:
    """The folder of a service that has ended, with thirty posts that were assessed."""
    folder = tmp_path_factory.mktemp("filled")
    with open_site(folder, QUICK) as site:
        ids = site.send(*({"id": f"p{i}", "text": f"bridge {i} is destroyed " * (i + 1)} for i in range(30)))
        assert site.work() == 30
        # near-duplicates are folded, so keep each by itself
        for number in ids:
            row = site.store.posts.get(number)
            if row.cluster_size > 1:
                site.store.clusters.split(number, actor="cli")
    return folder, site


@pytest.fixture
def fresh(filled: tuple[Path, Site], tmp_path: Path) -> Iterator[Site]:
    """A service over a copy of its store: nobody has judged a post or holds one."""
    folder, before = filled
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with open_site(tmp_path, QUICK, before=before) as site:
        yield site


def take(site: Site, person: Person, query: str = "") -> list[int]:
    answer = site.client.post(f"/queue/take{query}", headers={**person.headers, **HTMX})
    assert answer.status_code == 200, answer.text
    return [int(number) for number in re.findall(r'data-id="(\d+)"', answer.text)]


def say(site: Site, person: Person, number: int, choice: str, **more: str) -> Any:
    form = {"choice": choice, **more}
    return site.client.post(f"/queue/{number}/review", data=form, headers={**person.headers, **HTMX})


def test_two_reviewers_never_hold_one_post(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    hands = [take(fresh, ann), take(fresh, ben), take(fresh, ann), take(fresh, ben)]
    given = [number for hand in hands for number in hand]
    assert len(given) == len(set(given)) == 30
    assert [len(hand) for hand in hands] == [10, 10, 10, 0]


def test_the_most_urgent_come_first(fresh: Site) -> None:
    hand = take(fresh, fresh.person("ann"))
    urgency = [fresh.store.posts.get(number).urgency or 0 for number in hand]
    assert urgency == sorted(urgency, reverse=True)
    every = [row.urgency or 0 for row in fresh.store.posts.find(PostFilter(limit=200)).rows]
    assert urgency[0] == max(every)


def test_what_is_in_hand_is_there_after_a_reload(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    hand = take(fresh, ann)
    page = fresh.client.get("/queue", headers=ann.headers).text
    assert {int(n) for n in re.findall(r'data-id="(\d+)"', page)} == set(hand)
    assert not re.findall(r'data-id="(\d+)"', fresh.client.get("/queue", headers=ben.headers).text)


def test_a_correction_stands_beside_the_model(fresh: Site) -> None:
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)
    answer = say(fresh, ann, number, "humanitarian=affected", note="two people <b>")
    assert answer.status_code == 200
    assert "You said: Affected, injured or missing people." in answer.text
    # the model's own answer is still there, and the note is text
    assert "Infrastructure and utility damage" in answer.text
    assert "two people &lt;b&gt;" in answer.text
    row = fresh.store.posts.get(number)
    assert row.answers["humanitarian"].labels == ("infrastructure_and_utility_damage",)
    [review] = row.reviews
    assert (review.user, review.labels, review.note) == ("ann", ("affected",), "two people <b>")
    # a reviewed post comes to nobody again
    assert number not in take(fresh, fresh.person("ben")) + take(fresh, ann)


def test_right_says_so_of_every_answer(fresh: Site) -> None:
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)
    answer = say(fresh, ann, number, "right")
    assert "The model is right" in answer.text
    [review] = fresh.store.posts.get(number).reviews
    assert (review.verdict, review.task) == ("right", "")
    assert set(review.said) == {"informativeness", "humanitarian", "damage"}
    # beside every answer, and on the page of the post as one line
    assert answer.text.count("✓") == 3
    page = fresh.client.get(f"/posts/{number}", headers=ann.headers).text
    assert page.count("<strong>the model is right</strong>") == 1


def test_undo_takes_all_of_it_back_and_the_post_in_hand(fresh: Site) -> None:
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)
    answer = say(fresh, ann, number, "right")
    kept = re.search(r'name="review" value="(\d+)"', answer.text)
    assert kept is not None
    undone = fresh.client.post(
        f"/queue/{number}/undo", data={"review": kept[1]}, headers={**ann.headers, **HTMX}
    )
    assert undone.status_code == 200
    assert 'value="right"' in undone.text
    assert fresh.store.posts.get(number).reviews == ()
    assert [review.undone_at is not None for review in fresh.store.reviews.of(number)] == [True]
    held = {each.post_id for each in fresh.store.reviews.held() if each.user == "ann"}
    assert number in held


def test_nobody_undoes_for_another(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    [number, *_] = take(fresh, ann)
    say(fresh, ann, number, "humanitarian=affected")
    [review] = fresh.store.posts.get(number).reviews
    answer = fresh.client.post(
        f"/queue/{number}/undo", data={"review": str(review.id)}, headers={**ben.headers, **HTMX}
    )
    assert answer.status_code == 404
    assert len(fresh.store.posts.get(number).reviews) == 1


def test_a_post_that_another_holds_cannot_be_judged(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    [number, *_] = take(fresh, ann)
    answer = say(fresh, ben, number, "humanitarian=affected")
    assert answer.status_code == 409
    assert "ann is reviewing" in answer.json()["detail"]


def test_later_gives_the_post_to_others_but_not_back_at_once(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    [number, *_] = take(fresh, ann)
    assert "went back to the queue" in say(fresh, ann, number, "later").text
    assert number not in take(fresh, ann)
    assert number in take(fresh, ben)


def test_posts_unlike_each_other_are_given_on_request(fresh: Site) -> None:
    for number in range(20):
        fresh.send({"id": f"same{number}", "text": f"the old road is closed {number}"}, source="copies")
    fresh.send(
        {"id": "odd", "text": "my cat slept all afternoon on the warm roof of the bakery"}, source="copies"
    )
    fresh.work()
    ann, ben = fresh.person("ann"), fresh.person("ben")
    hand = take(fresh, ann, "?source=copies&order=diverse")
    posts = [fresh.store.posts.get(number) for number in hand]
    # near-duplicates are folded; of those that are left the odd one is among the first two
    assert "odd" in [post.external_id for post in posts[:2]]
    assert not set(hand) & set(take(fresh, ben, "?source=copies&order=diverse"))
    assert not set(hand) & set(take(fresh, ann, "?source=copies&order=diverse"))


def test_what_is_held_beside_a_filter_is_said_and_given_back(fresh: Site) -> None:
    ann = fresh.person("ann")
    hand = take(fresh, ann)
    page = fresh.client.get("/queue?source=nowhere", headers=ann.headers).text
    assert 'data-id="' not in page
    assert "You hold 10 more posts that do not fit this filter" in page
    answer = fresh.client.post("/queue/give-back?source=nowhere", headers=ann.headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?source=nowhere")
    assert fresh.store.reviews.held() == ()
    assert set(take(fresh, fresh.person("ben"))) == set(hand)


def test_not_sure_is_an_answer(fresh: Site) -> None:
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)
    say(fresh, ann, number, "humanitarian=not_sure")
    [review] = fresh.store.posts.get(number).reviews
    assert (review.verdict, review.labels) == ("unsure", ())


@pytest.mark.parametrize(
    "choice", ["", "x", "=", "no_such_task=yes", "humanitarian=", "right=right", "damage=gold"]
)
def test_a_choice_that_is_none_is_refused(fresh: Site, choice: str) -> None:
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)
    assert say(fresh, ann, number, choice).status_code in (404, 422)
    assert fresh.store.posts.get(number).reviews == ()


def test_without_scripts_the_forms_lead_back(fresh: Site) -> None:
    ann = fresh.person("ann")
    answer = fresh.client.post("/queue/take?q=bridge", headers=ann.headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?q=bridge")
    [number, *_] = [each.post_id for each in fresh.store.reviews.held()]
    answer = fresh.client.post(f"/queue/{number}/review", data={"choice": "right"}, headers=ann.headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")


def test_without_scripts_every_form_of_the_queue_keeps_its_filter(fresh: Site) -> None:
    fresh.send({"id": "hi", "text": "मदद"}, source="volunteers")
    fresh.work(unread="no model reads Hindi", language="hi")
    ann = fresh.person("ann")
    here = "/queue?source=volunteers&lane=unread"

    def press(action: str, **form: str) -> None:
        """Sends a form of the page as a browser without scripts does."""
        page = fresh.client.get(here, headers=ann.headers).text
        actions = re.findall(r'<form method="post" action="([^"]+)"', page)
        [path] = [html.unescape(path) for path in actions if urlsplit(html.unescape(path)).path == action]
        answer = fresh.client.post(path, data=form, headers=ann.headers)
        assert (answer.status_code, answer.headers["location"]) == (303, here)

    press("/queue/take")
    [held] = fresh.store.reviews.held()
    assert fresh.store.posts.get(held.post_id).external_id == "hi"
    press(f"/queue/{held.post_id}/review", choice="humanitarian=affected")
    assert len(fresh.store.posts.get(held.post_id).reviews) == 1
    press("/queue/undo")
    assert fresh.store.posts.get(held.post_id).reviews == ()


def test_the_first_button_of_an_answer_is_none(fresh: Site) -> None:
    """Enter in a field presses the first button that submits, also without scripts."""
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)
    for path in ("/queue", f"/posts/{number}"):
        page = fresh.client.get(path, headers=ann.headers).text
        form = page.partition(f'action="/queue/{number}/review"')[2].partition("</form>")[0]
        first = re.findall(r"<button[^>]*>", form)[0]
        assert first == '<button type="submit" disabled hidden>'


def test_new_posts_are_taken_by_who_reviews_and_shown_to_who_reads(fresh: Site) -> None:
    def told(person: Person) -> str:
        page = fresh.client.get("/queue", headers=person.headers).text
        [line] = re.findall(r'<p id="fresh" class="fresh" hidden>.*?</p>', page)
        assert "<span>" in line
        return str(line)

    mine = told(fresh.person("ann"))
    assert 'form="take"' in mine
    assert "data-reload" not in mine
    assert "posts were assessed" in mine
    assert "data-reload" in told(fresh.people["viewer"])


def test_what_no_model_reads_has_a_lane_of_its_own(fresh: Site) -> None:
    fresh.send({"id": "hi", "text": "मदद"}, source="radio")
    fresh.work(unread="no model reads Hindi", language="hi")
    ann = fresh.person("ann")
    page = fresh.client.get("/queue?lane=unread", headers=ann.headers).text
    assert "Hindi" in page
    assert "1 of them" in fresh.client.get("/queue", headers=ann.headers).text
    hand = take(fresh, ann, "?lane=unread")
    assert [fresh.store.posts.get(number).external_id for number in hand] == ["hi"]


def test_the_queue_keeps_to_its_filter(fresh: Site) -> None:
    fresh.send({"id": "other", "text": "school is open"}, source="volunteers")
    fresh.work()
    hand = take(fresh, fresh.person("ann"), "?source=volunteers")
    assert [fresh.store.posts.get(number).source for number in hand] == ["volunteers"]


def test_reviews_by_api_are_peoples(fresh: Site) -> None:
    ann = fresh.person("ann")
    number = fresh.store.posts.by_key("radio", "p1")
    assert number is not None
    body = {"task": "humanitarian", "labels": ["affected"]}
    by_key = fresh.client.post(f"/v1/posts/{number.id}/reviews", json=body, headers=fresh.key("admin"))
    assert by_key.status_code == 403
    made = fresh.client.post(f"/v1/posts/{number.id}/reviews", json=body, headers=ann.headers)
    assert made.status_code == 201
    assert made.json()["by"] == "ann"
    undone = fresh.client.delete(f"/v1/reviews/{made.json()['id']}", headers=ann.headers)
    assert undone.json()["undone_at"] is not None
    listed = fresh.client.get(f"/v1/posts/{number.id}/reviews", headers=fresh.key("viewer")).json()
    assert [row["undone_at"] is not None for row in listed] == [True]


@pytest.mark.parametrize(
    ("question", "label", "words"),
    [
        ("humanitarian", "requests_or_urgent_needs", "Call for help"),
        # a class of a coarser task with the same question
        ("humanitarian", "affected", "Affected, injured or missing people"),
        ("somebody's own", "roof_gone", "Roof gone"),
    ],
)
def test_answers_have_words_whichever_task_they_are_of(question: str, label: str, words: str) -> None:
    assert usual_title(question, label) == words


def test_several_answers_where_several_may_hold(fresh: Site) -> None:
    ann = fresh.person("ann")
    [number, *_] = take(fresh, ann)

    def these(*labels: str) -> Any:
        form = {"choice": "needs=these", "several": list(labels)}
        return fresh.client.post(f"/queue/{number}/review", data=form, headers={**ann.headers, **HTMX})

    assert (
        "You said: Water needed, Food needed."
        in these("needs=water", "needs=food", "damage=mild_damage").text
    )
    [review] = fresh.store.posts.get(number).reviews
    assert (review.task, review.labels) == ("needs", ("water", "food"))
    assert "You said: none of these." in these().text
    assert fresh.store.posts.get(number).reviews[0].labels == ()
    assert these("needs=gold").status_code == 422
    assert these("water").status_code == 422
    # one answer alone where one alone may hold
    assert say(fresh, ann, number, "damage=these").status_code == 422


def test_the_last_review_is_undone_also_after_a_reload(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    assert fresh.client.post("/queue/undo", headers={**ann.headers, **HTMX}).status_code == 404
    first, second, *_ = take(fresh, ann)
    say(fresh, ann, first, "right")
    say(fresh, ann, second, "humanitarian=affected")
    answer = fresh.client.post("/queue/undo", headers={**ann.headers, **HTMX})
    assert f'id="item-{second}"' in answer.text
    assert fresh.store.posts.get(second).reviews == ()
    assert len(fresh.store.posts.get(first).reviews) == 1
    # somebody else has said nothing that could be undone
    assert fresh.client.post("/queue/undo", headers={**ben.headers, **HTMX}).status_code == 404


def test_a_post_is_reviewed_on_its_own_page_unless_another_holds_it(fresh: Site) -> None:
    ann, ben = fresh.person("ann"), fresh.person("ben")
    [number, *_] = take(fresh, ann)
    mine = fresh.client.get(f"/posts/{number}", headers=ann.headers).text
    assert f'action="/queue/{number}/review"' in mine
    theirs = fresh.client.get(f"/posts/{number}", headers=ben.headers).text
    assert f'action="/queue/{number}/review"' not in theirs
    assert "held by <bdi>ann</bdi>" in theirs
