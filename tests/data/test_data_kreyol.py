"""Haitian Creole is told by its words, and nothing else is taken for it."""

import pytest

from crisislens.data.kreyol import is_kreyol
from crisislens.data.language import detect_language

# made up, in the spellings of telephones
KREYOL = [
    "Nou bezwen dlo ak manje, nou bloke nan Delmas 33, pitit mwen malad",
    "TANPRI VOYE YON ANBILANS, MOUN YO BLESE",
    "Eske nou ka jwenn tant? lapli a ap vini",
    "Kay nou kraze, nou se 12 moun nan lari a, pa gen dlo",
    "mwen pa gen anyen pou timoun yo manje",
    "Koman mwen ka jwenn enfomasyon sou paspo mwen",
    "Ki nimewo pou m rele pou distribisyon an",
]
OTHERS = [
    "",
    "mwen",
    "Nous avons besoin d'eau et de nourriture, nous sommes bloqués",
    "We need a map of the lot behind the tent, please send tout suite",
    "Necesitamos agua y comida, hay heridos en la calle",
    "Kailangan namin ng tubig at pagkain, nasa bubong kami",
    "Hum log chhat par phanse hain, paani badh raha hai",
    "Precisamos de água e comida, a ponte caiu",
    # words that end like Kreyòl's
    "Kritikal ang sitwasyon dito, kailangan ng aksyon at donasyon para sa edukasyon",
    "Operasyon ve koordinasyon merkezi istasyon yakınında",
    "Informasi terkini dari posko, tolong bantuan untuk korban",
    # names of places and words of maps
    "Tampa Bay flood map",
    "Half Moon Bay kite fire, lap and nap rooms at Kay Street",
    "La rive est sous l'eau, tant de maisons",
    "https://example.org/mwen/nou/dlo @mwen @nou #nou",
    # two words of many are a quotation
    "He wrote mwen grangou on the wall and the aid workers of the camp asked what it could mean to them",
]


@pytest.mark.parametrize("text", KREYOL)
def test_kreyol_is_told(text: str) -> None:
    assert is_kreyol(text)
    assert detect_language(text) == "ht"


@pytest.mark.parametrize("text", OTHERS)
def test_other_texts_are_not_taken_for_it(text: str) -> None:
    assert not is_kreyol(text)
    assert detect_language(text) != "ht"


def test_accents_and_capitals_make_no_difference() -> None:
    assert (
        is_kreyol("Èske nou ka jwènn dlo")
        == is_kreyol("ESKE NOU KA JWENN DLO")
        == is_kreyol("eske nou ka jwenn dlo")
    )
