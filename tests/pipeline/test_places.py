"""Places in `analyze`: named places and the point for every post, the kind of place where the encoder
fits.
"""

from pathlib import Path

import pytest
from PIL import Image

from crisislens.domain.place_types import PLACE_ANSWERS
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst
from crisislens.pipeline.places import Places, PlaceTypes
from tiny_bundles import write_bundle

TEXTS = [
    "Bridge collapsed in San Juan, Puerto Rico",
    "We are at the hospital with the kids, no power here",
    "stay safe everyone",
    "",
]
POSTS = [Post(id=str(i), text=text) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def places() -> Places:
    return Places()


def test_places_and_point_of_each_post(tmp_path: Path, places: Places) -> None:
    analyst = Analyst.load(write_bundle(tmp_path), annotators=[places])
    found = analyst.assess([*POSTS, Post(id="own", text="in Houston", lat=1.0, lon=2.0)])
    assert [[m.place.name for m in a.places] for a in found] == [
        ["San Juan", "Puerto Rico"],
        [],
        [],
        [],
        ["Houston"],
    ]
    assert found[0].location is not None
    assert found[0].location.place is not None
    assert found[0].location.place.name == "San Juan"
    assert found[2].location is None
    assert found[4].location is not None
    assert (found[4].location.lat, found[4].location.source) == (1.0, "post")
    assert analyst.assess(POSTS[:1])[0].places == found[0].places
    assert type(found[0]).model_validate_json(found[0].model_dump_json()) == found[0]


def test_what_other_posts_name_says_nothing_of_a_post(tmp_path: Path, places: Places) -> None:
    """A run's country is not guessed from its posts: "Milot" would lie in Haiti in one run alone."""
    analyst = Analyst.load(write_bundle(tmp_path), annotators=[places])
    post = Post(id="0", text="Nou nan Milot")
    many = [Post(id=str(i), text=f"Street {i} in Port-au-Prince, Haiti") for i in range(1, 9)]
    alone, among = analyst.assess([post])[0], analyst.assess([*many, post])[-1]
    assert alone.model_dump(mode="json") == among.model_dump(mode="json")
    assert among.location is None
    filed = analyst.assess([post.model_copy(update={"event": "haiti"})])[0]
    assert filed.location is not None
    assert filed.location.place is not None
    assert filed.location.place.name == "Milot"


def test_features_of_another_encoder_get_no_kind_of_place(tmp_path: Path) -> None:
    found = Analyst.load(write_bundle(tmp_path), annotators=[PlaceTypes()]).assess(POSTS)
    assert all(a.place_type is None for a in found)
    assert not any("place_types" in note for a in found for note in a.notes)


@pytest.mark.parametrize("bundle", sorted({"crisis-compact", DEFAULT_BUNDLE}))
def test_the_shipped_model_of_an_encoder_answers_with_probabilities_and_abstains(bundle: str) -> None:
    places = PlaceTypes()
    analyst = Analyst.load(bundle, annotators=[places])
    assert places.bundle.config.name == bundle.replace("crisis-", "place-")
    found = analyst.assess(POSTS)
    assert PlaceTypes().bundle.fingerprint() == PlaceTypes().bundle.fingerprint()
    for a in found:
        assert a.place_type is not None, (
            f"train_places.py must be run again: the encoder of {bundle} has changed"
        )
        assert tuple(a.place_type.probabilities) == PLACE_ANSWERS.classes
        assert sum(a.place_type.probabilities.values()) == pytest.approx(1, abs=2e-3)
        assert a.place_type.abstained == (a.place_type.reason is not None)
        assert a.place_type.abstained or a.place_type.label != "unclear"
    # hospitals have few rows, and what is said of them is a guess; airports have many
    airport = analyst.assess(["Stuck at the airport, all flights are cancelled"])[0].place_type
    assert airport is not None
    assert (airport.label, airport.abstained) == ("transport", False)
    assert found[3].place_type is not None
    assert found[3].place_type.abstained
    alone = [analyst.assess([post])[0].place_type for post in POSTS]
    assert alone == [a.place_type for a in found]


@pytest.mark.parametrize("bundle", sorted({"crisis-compact", DEFAULT_BUNDLE}))
def test_no_kind_of_place_is_sure_of_a_text_that_nobody_reads(bundle: str) -> None:
    analyst = Analyst.load(bundle, annotators=[PlaceTypes()])
    text = "Stuck at the airport, all flights are cancelled"
    posts = [
        Post(id="read", text=text),
        Post(id="marked", text=text, lang="sw"),
        Post(id="doubt", text=text, doubt="Letters were lost."),
        Post(id="bengali", text="Amra bonnay atke achi school er chade, nouka lagbe"),
    ]
    read, *others = analyst.assess(posts)
    assert read.place_type is not None
    assert not read.place_type.abstained
    for found in others:
        assert found.place_type is not None
        assert found.place_type.abstained
        reasons = {task.reason for task in found.tasks.values()}
        assert found.place_type.reason in reasons


def test_a_marked_language_is_told_as_marked_and_a_text_without_letters_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "a.png")
    analyst = Analyst.load("crisis-compact", image_root=tmp_path, annotators=[PlaceTypes()])
    # the model of places knows fewer languages than those of the tasks
    monkeypatch.setattr(Analyst, "languages", ("en", "sw"))
    text = "Stuck at the airport, all flights are cancelled"
    posts = [
        Post(id="1", text=text, lang="sw"),
        Post(id="2", text="!!", lang="sw", image=ImageRef(path="a.png")),
    ]
    marked, marks = analyst.assess(posts)
    assert marked.place_type is not None
    assert "is marked as being in another language (sw)" in str(marked.place_type.reason)
    assert marks.place_type is not None
    assert "another language" not in str(marks.place_type.reason)
