"""Storms and agencies are neither people nor places."""

import pytest

from crisislens.knowledge.storm_entities import NameRules

TYPES = ("PER", "LOC", "ORG", "MISC")


@pytest.mark.parametrize(
    ("text", "kind", "name", "expected"),
    [
        ("Hurricane Harvey hits. Harvey is strong", "PER", "Harvey", "MISC"),
        ("#HurricaneFlorence and Florence again", "LOC", "Florence", "MISC"),
        ("Cyclone Idai hit Beira", "PER", "Cyclone Idai", "MISC"),
        ("Idai, a cyclone, hit Beira", "PER", "Idai", "MISC"),
        # Michael is a usual given name, and nobody calls him a hurricane here
        ("Michael lost his house in the hurricane", "PER", "Michael", "PER"),
        ("Hurricane Michael took the roof", "PER", "Michael", "MISC"),
        ("Maria Lopez needs help after Hurricane Maria", "PER", "Maria Lopez", "PER"),
        # it says where the typhoon is, and is none
        ("#TyphoonPhilippines please help Philippines", "LOC", "Philippines", "LOC"),
        ("Storm Florida: Florida needs help", "LOC", "Florida", "LOC"),
        ("Florence is a city of art", "LOC", "Florence", "LOC"),
        ("Cyclone Idai hit Beira", "LOC", "Beira", "LOC"),
        ("thanks to FEMA", "PER", "FEMA", "ORG"),
        ("the Red Cross is here", "LOC", "Red Cross", "ORG"),
        ("donate to Oxfam", "PER", "#Oxfam", "ORG"),
        ("Hurricane Harvey Relief Fund", "ORG", "Harvey", "ORG"),
    ],
)
def test_types(text: str, kind: str, name: str, expected: str) -> None:
    assert NameRules(text, TYPES).type_of(kind, name) == expected


def test_an_extractor_without_such_types_keeps_its_own() -> None:
    rules = NameRules("Hurricane Harvey, FEMA", ("PER", "LOC"))
    assert rules.type_of("PER", "Harvey") == "PER"
    assert rules.type_of("PER", "FEMA") == "PER"


def test_types_are_spelled_as_the_extractor_spells_them() -> None:
    assert NameRules("Hurricane Harvey", ("Per", "Misc")).type_of("Per", "Harvey") == "Misc"
