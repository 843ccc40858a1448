"""Names of one event: offered with reasons, and never where something speaks against it."""

from datetime import UTC, datetime, timedelta

import pytest

from crisislens.live.same_event import hazard_of, proper_words, suggestions
from crisislens.store.records import EventName, NamePair

START = datetime(2015, 4, 25, 6, tzinfo=UTC)


def event(name: str, day: float = 0, days: float = 5, posts: int = 100, **places: int) -> EventName:
    """A name whose posts begin some days after the start."""
    first = START + timedelta(days=day)
    return EventName(
        name=name, posts=posts, first_at=first, last_at=first + timedelta(days=days), places=places
    )


SAME = [
    ("another word and order", event("2015_Nepal_Earthquake_en"), event("nepal quake")),
    ("another language", event("Kerala floods"), event("Inundación Kerala 2015")),
    ("only places", event("quake today", kathmandu=80, patan=10), event("bhukamp", kathmandu=9, x=1)),
    ("a gap of two days", event("Chile terremoto", 0, 1), event("2015_Chile_eq_cl", 3, 1)),
    ("a storm by its name", event("Typhoon Hagupit"), event("hagupit_storm_2015")),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_what_is_offered(one: EventName, other: EventName) -> None:
    [pair] = suggestions([one, other], [])
    assert {pair.one.name, pair.other.name} == {one.name, other.name}
    assert len(pair.reasons) >= 3
    first, second = sorted((one.name, other.name))
    for same in (True, False):
        said = NamePair(one=first, other=second, same=same, by="user:ann", at=START)
        assert suggestions([one, other], [said]) == []


APART = [
    ("another hazard", event("Colorado wildfires"), event("Colorado floods")),
    ("no hazard", event("Nepal"), event("nepal relief")),
    ("two hazards", event("Nepal quake landslides"), event("Nepal quake")),
    ("another year", event("Chile earthquake 2014"), event("Chile earthquake 2015")),
    ("weeks later", event("Nepal quake", 0, 2), event("nepal earthquake", 17, 2)),
    ("two storms on one coast", event("Hurricane Irma", pr=90), event("Hurricane Maria", pr=90)),
    ("one place among many", event("quake a1", x=10, y=90), event("quake b2", x=10, z=90)),
    ("nothing shared", event("Manila floods"), event("Alberta floods")),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in APART], ids=[case[0] for case in APART])
def test_what_is_not_offered(one: EventName, other: EventName) -> None:
    assert suggestions([one, other], []) == []


def test_the_best_reasons_come_first_and_the_larger_name_leads() -> None:
    names = [
        event("quake a", x=10),
        event("quake b", x=10, posts=500),
        event("Nepal quake", 1),
        event("nepal eq", 1),
    ]
    found = suggestions(names, [])
    assert [(pair.one.name, pair.other.name) for pair in found] == [
        ("Nepal quake", "nepal eq"),
        ("quake b", "quake a"),
    ]


def test_words_of_names() -> None:
    assert hazard_of("INCENDIOS_2016") == "fire"
    assert hazard_of("") is None
    assert proper_words("Séisme_Haïti_2010 in the north") == {"haiti"}
