"""Taxonomies of places: mappings are total and lead into their target; every class can be said in a
sentence.
"""

import pytest

from crisislens.core.errors import DataError, NotRegisteredError
from crisislens.domain.place_types import (
    PLACE_ANSWERS,
    PLACE_CRISIS,
    PLACE_MAPPINGS,
    PLACE_PAPER,
    PLACE_POI,
    PLACE_SCENE,
    map_place,
    place_prompts,
)
from crisislens.domain.tasks import TASKS


@pytest.mark.parametrize("name", PLACE_MAPPINGS)
def test_mappings_name_every_class_and_lead_into_the_target(name: str) -> None:
    start, end = (TASKS[part] for part in name.split("->"))
    assert set(PLACE_MAPPINGS[name]) == set(start.classes)
    assert {c for c in PLACE_MAPPINGS[name].values() if c is not None} <= set(end.classes)


def test_scene_to_paper_goes_through_crisis() -> None:
    for scene in PLACE_SCENE.classes:
        direct, crisis = (
            map_place(scene, PLACE_SCENE, PLACE_PAPER),
            map_place(scene, PLACE_SCENE, PLACE_CRISIS),
        )
        assert crisis is not None
        assert direct is None or direct == map_place(crisis, PLACE_CRISIS, PLACE_PAPER)


def test_by_hand() -> None:
    assert map_place("kitchen", PLACE_SCENE, PLACE_CRISIS) == "home"
    assert map_place("restaurant", PLACE_CRISIS, PLACE_POI) == "food"
    assert map_place("collapsed_building", PLACE_CRISIS, PLACE_POI) is None
    assert map_place("work", PLACE_PAPER, PLACE_PAPER) == "work"
    assert set(PLACE_ANSWERS.classes) - set(PLACE_CRISIS.classes) == {"unclear"}


def test_says_what_is_wrong() -> None:
    with pytest.raises(DataError, match="'pub' is not a class of place_poi; expected one of arts_and"):
        map_place("pub", PLACE_POI, PLACE_CRISIS)
    with pytest.raises(NotRegisteredError, match="no place mapping named 'place_poi->place_crisis'"):
        map_place("food", PLACE_POI, PLACE_CRISIS)


def test_every_class_has_sentences() -> None:
    prompts = place_prompts()
    assert tuple(prompts) == PLACE_CRISIS.classes
    assert all(len(set(sentences)) == len(sentences) >= 4 for sentences in prompts.values())
