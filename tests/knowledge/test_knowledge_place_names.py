"""Spellings of place names, longer names, people and storms that are called like places, coordinates."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crisislens.core.errors import DataError
from crisislens.domain.post import Post
from crisislens.knowledge import geonames
from crisislens.knowledge.coordinates import point_notes
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.mentions import find_places, locate
from crisislens.knowledge.name_keys import APOSTROPHES, name_key, other_keys
from crisislens.knowledge.storms import storm_basin, storm_names
from crisislens.knowledge.tokens import split_words


def named(text: str, gazetteer: Gazetteer, **fields: object) -> list[str]:
    found = find_places(Post(id="1", text=text, **fields), gazetteer)  # type: ignore[arg-type]
    return [f"{m.place.name}, {m.place.country}" for m in found]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Adıyaman", "Adıyaman, TR"),
        ("Adiyaman", "Adıyaman, TR"),
        ("ADIYAMAN", "Adıyaman, TR"),
        ("Diyarbakir", "Diyarbakır, TR"),
        ("Sanliurfa", "Şanlıurfa, TR"),
        ("Wroclaw", "Wrocław, PL"),
        ("ŁÓDŹ", "Łódź, PL"),
        ("Tromso", "Tromsø, NO"),
        ("Malmoe", "Malmö, SE"),
        ("Aarhus", "Århus, DK"),
        ("Gießen", "Gießen, DE"),
        ("Giessen", "Gießen, DE"),
        ("Duesseldorf", "Düsseldorf, DE"),
        # decomposed: how macOS writes accents
        ("Sa\u0303o Paulo", "São Paulo, BR"),
        ("Bogota\u0301", "Bogotá, CO"),
    ],
)
def test_letters_that_keyboards_lack_are_folded_both_ways(
    written: str, expected: str, gazetteer: Gazetteer
) -> None:
    assert named(f"Disaster hits {written}, people are trapped", gazetteer) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a compass word is a region only where it says so
        ("Heavy rain as the Southwest monsoon strengthens", []),
        ("strong winds to the south-west", []),
        ("Northwest winds tonight", []),
        ("Clashes in the North-West Province of Cameroon", ["North-West Province, CM", "Cameroon, CM"]),
        ("Clashes in the Southwest Region of Cameroon", ["South-West Province, CM", "Cameroon, CM"]),
        ("floods in the western province of Sri Lanka", ["Western, LK", "Sri Lanka, LK"]),
        ("Floods in North Western Province, Sri Lanka", ["North Western, LK", "Sri Lanka, LK"]),
        ("Floods in Northwest Province, South Africa", ["North-West, ZA", "South Africa, ZA"]),
        # and where the post says in which country
        ("Heavy rain over the northwest region", []),
        ("Flooding in the Northern Province", []),
        ("A court in the Southern District of New York", ["New York, US"]),
        ("terremoto in Italia centrale", ["Italy, IT"]),
        # names that are words of other languages
        ("hamein abhi tak khana nahi mila", []),
        ("bay ti bebe a tete chak jou", []),
        ("mwen se yon moun oriental", []),
        ("la casa se cayó anoche", []),
        ("no quedó Nada", []),
        ("Large Hail expected this evening", []),
        ("Dam Dam Bund is broken", []),
        ("El centro de acopio abre hoy", []),
        ("Shelter open in El Centro, California", ["El Centro, US", "California, US"]),
        ("Quake in El Centro, power is out", ["El Centro, US"]),
        ("Flood in Dam Dam, many trapped", ["Dam Dam, IN"]),
        ("Earthquake in Mila, Algeria", ["Mila, DZ", "Algeria, DZ"]),
        ("Mila earthquake: houses destroyed", ["Mila, DZ"]),
        ("El Centro earthquake: gas leak", ["El Centro, US"]),
        ("Tete floods: 30 dead", ["Tete, MZ"]),
        ("Floods in Tete, Mozambique", ["Tete, MZ", "Mozambique, MZ"]),
        ("Floods in Ha'il", ["Ha'il, SA"]),
        # agencies and parts of the world that hold the name of a country
        ("Quake near Guatemala, says the U.S. Geological Survey", ["Guatemala, GT"]),
        ("El Servicio Sismológico de Estados Unidos lo cifró en 7", []),
        ("O Serviço Geológico dos Estados Unidos informou um tremor no Chile", ["Chile, CL"]),
        ("Séisme au Chili selon le Service géologique des États-Unis", ["Chile, CL"]),
        ("US Army Corps of Engineers works in Haiti", ["Haiti, HT"]),
        ("United States Army Corps of Engineers works in Haiti", ["Haiti, HT"]),
        ("US Army in Haiti", ["United States, US", "Haiti, HT"]),
        ("Lluvias en toda Centro América", []),
        ("Storms all over the Americas", []),
        ("Typhoon in the South China Sea nears Vietnam", ["Vietnam, VN"]),
        ("Chuvas na América do Sul", []),
        ("#CentralAmerica is flooded", []),
        ("Storms across Central America and the United States", ["United States, US"]),
    ],
)
def test_words_and_agencies_are_no_places(text: str, expected: list[str], gazetteer: Gazetteer) -> None:
    assert named(text, gazetteer) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a name of two words is no more meant than one of one
        ("Sismo en Guatemala, El Salvador y Honduras", "Guatemala"),
        ("El Salvador y Guatemala", "El Salvador"),
        # who sends help is not where it is needed
        ("Nepal sends doctors to Bangladesh", "Bangladesh"),
        ("Australia pays for flood relief #Nepal", "Nepal"),
        ("Chile, Nepal; Nepal", "Chile"),
        ("Chile y Perú envían ayuda a Ecuador", "Ecuador"),
        ("La France et la Suisse envoient des secours pour Haïti", "Haiti"),
        ("Cuba ak Chili voye èd nan Ayiti", "Haiti"),
        ("مصر ترسل مساعدات إلى لبنان", "Lebanon"),
        ("from Nepal to Bangladesh", "Bangladesh"),
        # English words that are prepositions elsewhere
        ("Chile earthquake: no Japan tsunami warning", "Chile"),
        ("Chile earthquake, a Japan tsunami is unlikely", "Chile"),
        # what is far surer is taken wherever it stands
        ("Chile: quake in Kathmandu", "Kathmandu"),
    ],
)
def test_the_map_shows_what_a_post_is_about(text: str, expected: str, gazetteer: Gazetteer) -> None:
    post = Post(id="1", text=text)
    where = locate(post, find_places(post, gazetteer))
    assert where is not None
    assert where.place is not None
    assert where.place.name == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("delma 33", "Delmas"),
        ("leyogan", "Léogâne"),
        ("Leogan", "Léogâne"),
        ("Kafou", "Carrefour"),
        ("jakmel", "Jacmel"),
        ("gresye", "Gressier"),
        ("Kwadèbouke", "Croix-des-Bouquets"),
        ("Pòtoprens", "Port-au-Prince"),
        ("gonayiv", "Gonaïves"),
        ("Petion-Ville", "Pétionville"),
        ("Cité Soleil", "Port-au-Prince"),
        ("site soley", "Port-au-Prince"),
        ("Petit-Goâve", "Tigwav"),
        ("fontamara 27", "Port-au-Prince"),
        ("kenscoff", "Kenscoff"),
        ("tigwav", "Tigwav"),
        ("Okap", "Cap-Haïtien"),
        ("wanament", "Ouanaminthe"),
        ("matisan 7", "Port-au-Prince"),
        ("Kafou Fey", "Port-au-Prince"),
    ],
)
def test_haitian_towns_are_known_as_people_write_them(
    written: str, expected: str, gazetteer: Gazetteer
) -> None:
    assert named(f"nou bezwen dlo nan {written}", gazetteer) == [f"{expected}, HT"]


def test_people_who_are_called_like_a_haitian_town_are_no_places(gazetteer: Gazetteer) -> None:
    assert named("Delma Rollins is missing", gazetteer) == []
    assert named("Nou bezwen dlo nan Delma 33", gazetteer) == ["Delmas, HT"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("L'Aquila", "L'Aquila, IT"),
        ("N'Djamena", "N'Djamena, TD"),
        ("Ndjamena", "N'Djamena, TD"),
        ("Cox's Bazar", "Cox’s Bāzār, BD"),
        ("Coxs Bazar", "Cox’s Bāzār, BD"),
        ("Xi'an", "Xi’an, CN"),
        ("Coeur d'Alene", "Coeur d'Alene, US"),
        ("Lee's Summit", "Lee's Summit, US"),
        ("Sana'a", "Sanaa, YE"),
        ("Hawai'i", "Hawaii, US"),
        ("D'Iberville, Mississippi", "D'Iberville, US"),
        ("Land's End", ""),
    ],
)
def test_apostrophes_of_every_kind(written: str, expected: str, gazetteer: Gazetteer) -> None:
    for apostrophe in APOSTROPHES:
        found = named(f"Disaster hits {written.replace(chr(39), apostrophe)}, help", gazetteer)
        assert (found[0] if found else "") == expected, f"with {apostrophe!r}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nepal's army", ["Nepal, NP"]),
        ("Ecuadors army in Quito", ["Ecuador, EC", "Quito, EC"]),
        ("d'Haïti", ["Haiti, HT"]),
        ("Sana'x is no town", []),
        ("the O'Houston family", []),
    ],
)
def test_possessives_and_elisions(text: str, expected: list[str], gazetteer: Gazetteer) -> None:
    assert named(text, gazetteer) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Flood at Mexico Beach, people trapped", []),
        ("Flood at Nevada City, California", ["Nevada City, US", "California, US"]),
        ("Flood in Northern Ireland", ["Northern Ireland, GB"]),
        ("Flood at Virginia Beach", ["Virginia Beach, US"]),
        ("Niger River overflows", []),
        ("Storm over Lake Ontario", []),
        ("Storms in the Gulf of Mexico", []),
        ("Jersey City is under water", ["Jersey City, US"]),
        ("Baja California hit", ["Baja California, MX"]),
        ("Kansas City, Kansas", ["Kansas City, US", "Kansas, US"]),
    ],
)
def test_the_longest_name_counts(text: str, expected: list[str], gazetteer: Gazetteer) -> None:
    assert named(text, gazetteer) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Paris Hilton arrives",
        "Jordan Peterson speaks",
        "Flood at Chad Daybell's house",
        "Bowie said he would come",
    ],
)
def test_people_are_no_places(text: str, gazetteer: Gazetteer) -> None:
    assert named(text, gazetteer) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hurricane Florence is here. Florence is strong", []),
        ("#Florence makes landfall", []),
        ("Cyclone Kenneth hits Mozambique, Kenneth is strong", ["Mozambique, MZ"]),
        ("Idai, the cyclone, in Beira", ["Beira, MZ"]),
        ("after Hurricane Florence, Florence, SC is dry", ["Florence, US", "South Carolina, US"]),
    ],
)
def test_storms_are_no_places(text: str, expected: list[str], gazetteer: Gazetteer) -> None:
    assert named(text, gazetteer) == expected


def test_storm_words_say_which_sea() -> None:
    words = split_words("Typhoon Hagupit hits Samar", lambda name: False)
    assert "hagupit" in storm_names(words)
    assert "PH" in storm_basin(words)
    assert not storm_basin(split_words("Earthquake", lambda name: False))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Naples family after Hurricane Irma", "Naples, US"),
        ("Naples, the earthquake, and all of Italy", "Naples, IT"),
        ("Volunteers from Kerala reach Salem", "Salem, IN"),
        ("Athens, Georgia", "Athens, US"),
        ("Houston TX", "Houston, US"),
        ("flooding in houston tx", "Houston, US"),
        ("#fortmcmurray", "Fort McMurray, CA"),
        ("#FortMcMurray", "Fort McMurray, CA"),
        ("srilanka floods", "Sri Lanka, LK"),
        ("the N.C. coast", "North Carolina, US"),
        ("Butte County", "Butte County, US"),
        ("rain in Northern Samar", "Northern Samar, PH"),
        ("Kerala floods", "Kerala, IN"),
    ],
)
def test_the_rest_of_the_post_says_which(text: str, expected: str, gazetteer: Gazetteer) -> None:
    assert expected in named(text, gazetteer)


def test_the_name_of_the_event_helps(gazetteer: Gazetteer) -> None:
    assert named("Athens is burning", gazetteer) == ["Athens, GR"]
    assert named("Hyderabad under water", gazetteer) == ["Hyderabad, IN"]
    filed = named("Hyderabad under water", gazetteer, event="pakistan_floods_2022")
    assert filed == ["Hyderabad, PK"]


@pytest.mark.parametrize(
    ("text", "without", "event", "expected"),
    [
        # a village, and a name in another spelling
        ("Nou nan Milot", [], "haiti", ["Milot, HT"]),
        ("I am in St Louis du Sud, we need help", [], "Haiti earthquake", ["Saint-Louis du Sud, HT"]),
        ("help us in Petite Riviere de Nippes", [], "séisme_haïti_2010", ["Petite Rivière de Nippes, HT"]),
        # a namesake elsewhere, whose place is not in the gazetteer
        ("St Paul church, we need water", ["Saint Paul, US"], "haiti", []),
        ("Nou nan Kenscoff", ["Kenscoff, HT"], "haiti", ["Kenscoff, HT"]),
        # what is said in so many words stands
        ("we want to reach Canada", ["Canada, CA"], "haiti", ["Canada, CA"]),
        # large cities name their country, cities with a namesake and storms do not
        ("water at Santa Rosa", ["Santa Rosa, US"], "2013_Manila_floods", ["Santa Rosa, PH"]),
        ("water at Santa Rosa", ["Santa Rosa, US"], "Hyderabad floods", ["Santa Rosa, US"]),
        ("water at Santa Rosa", ["Santa Rosa, US"], "typhoon_pablo", ["Santa Rosa, US"]),
        ("fire in Queenstown", ["Queenstown, ZA"], "singapore_haze", []),
        # codes of countries, also as events are filed; "us" in words is nobody's code
        ("fire in Queenstown", ["Queenstown, ZA"], "nz_earthquake_2011", ["Queenstown, NZ"]),
        ("fire in Queenstown", ["Queenstown, ZA"], "NZ earthquake", ["Queenstown, NZ"]),
        ("fire in Queenstown", ["Queenstown, ZA"], "help nz", ["Queenstown, ZA"]),
        ("fire in Queenstown", ["Queenstown, ZA"], "incendios en EE. UU.", []),
    ],
)
def test_the_country_of_an_event_decides(
    text: str, without: list[str], event: str, expected: list[str], gazetteer: Gazetteer
) -> None:
    assert named(text, gazetteer) == without
    assert named(text, gazetteer, event=event) == expected


def test_a_city_of_no_named_country_counts_less(gazetteer: Gazetteer) -> None:
    assert named("Flood in Mati", gazetteer) == ["Mati, PH"]
    assert "Mati, PH" not in named("Flood in Mati, Greece mourns", gazetteer)


def test_zero_zero_is_no_place(gazetteer: Gazetteer) -> None:
    post = Post(id="1", text="Flood in Kathmandu", lat=0.0, lon=0.0)
    found = find_places(post, gazetteer)
    where = locate(post, found)
    assert where is not None
    assert (where.source, where.place and where.place.name) == ("text", "Kathmandu")
    assert "0, 0" in point_notes(post, found)[0]
    assert point_notes(Post(id="2", text="", lat=0.0, lon=32.5), []) == ()


def test_exchanged_coordinates_are_told(gazetteer: Gazetteer) -> None:
    right = Post(id="1", text="Flood in Kathmandu, Nepal", lat=27.7, lon=85.3)
    exchanged = Post(id="2", text="Flood in Kathmandu, Nepal", lat=85.3, lon=27.7)
    elsewhere = Post(id="3", text="Flood in Kathmandu, Nepal", lat=51.5, lon=-0.1)
    assert point_notes(right, find_places(right, gazetteer)) == ()
    assert "exchanged" in point_notes(exchanged, find_places(exchanged, gazetteer))[0]
    assert point_notes(elsewhere, find_places(elsewhere, gazetteer)) == ()
    where = locate(exchanged, [])
    assert where is not None
    assert (where.lat, where.lon) == (85.3, 27.7), "a point is told, never changed"


def test_two_spellings_of_one_key() -> None:
    assert name_key("Ærøskøbing") == name_key("Aeroskobing")
    assert name_key("Đà Nẵng") == name_key("Da Nang")
    assert name_key("Hǝfǝ") == "hefe"
    assert other_keys("Ærøskøbing") == ("aeroeskoebing",)
    assert other_keys("Houston") == ()


def test_data_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {**geonames.DIGESTS, geonames.COUNTRIES: "0" * 64}
    monkeypatch.setattr(geonames, "DIGESTS", digests)
    with pytest.raises(DataError, match=r"not the file of version .* pip install"):
        list(geonames.country_rows())
    monkeypatch.setattr(geonames.importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match="could not be read"):
        list(geonames.county_rows())


def test_the_locale_does_not_matter() -> None:
    """Under plain ASCII, in an interpreter of its own: counties and cities beyond ASCII are there."""
    program = (
        "import json; from crisislens.knowledge.geonames import city_rows, county_rows\n"
        "names = [n for _, n, s in county_rows() if s == 'NM' and n.startswith('Do')]\n"
        "names += [c.name for c in city_rows() if c.id == 'city:325330']\n"
        "print(json.dumps(names))"
    )
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    environment["PYTHONPATH"] = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == ["Doña Ana County", "Adıyaman"]


@pytest.mark.parametrize(
    ("text", "admin"),
    [
        # Tanauan in Batangas has four times the people, and is 500 km away
        ("We are in Tanauan near Tacloban and need water", "08"),
        ("Tacloban and Tanauan are under water", "08"),
        ("We are in Tanauan and need water", "40"),
        ("Marysville is burning, we drive to Seattle", "WA"),
    ],
)
def test_of_towns_of_one_name_the_one_beside_a_named_city_is_meant(
    text: str, admin: str, gazetteer: Gazetteer
) -> None:
    towns = [
        m for m in find_places(Post(id="1", text=text), gazetteer) if m.text in ("Tanauan", "Marysville")
    ]
    assert [m.place.admin for m in towns] == [admin]


def test_a_village_counts_beside_a_city(gazetteer: Gazetteer) -> None:
    # 7,000 inhabitants: alone it may be any word
    assert named("Flooding in Tolosa near Tacloban, send boats", gazetteer) == ["Tolosa, PH", "Tacloban, PH"]


@pytest.mark.parametrize(
    ("text", "country"),
    [
        # each has a small namesake in the country of the other name, a few km from it
        ("Melbourne sends help to Palm Bay", "AU"),
        ("Brisbane sends help to Redwood City", "AU"),
        ("Bogota sends help to New Rochelle", "CO"),
    ],
)
def test_a_household_name_is_not_taken_for_a_village(text: str, country: str, gazetteer: Gazetteer) -> None:
    assert find_places(Post(id="1", text=text), gazetteer)[0].place.country == country


def test_a_code_with_dots_is_a_city_or_a_state(gazetteer: Gazetteer) -> None:
    assert named("A fire in L.A. tonight", gazetteer) == ["Los Angeles, US"]
    assert named("Shreveport, L.A., is dark", gazetteer) == ["Shreveport, US", "Louisiana, US"]
