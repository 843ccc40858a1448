"""Names of the gazetteer in words, what speaks for a place, and which of several is meant."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import context_of, evidence_of, small_gazetteer, spans_of

from crisislens.domain.place import Place, PlaceMention
from crisislens.domain.post import Post
from crisislens.knowledge.coordinates import EARTH_KM, distance_km, own_point, point_notes
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.mentions import find_places, locate
from crisislens.knowledge.readings import Context, anchors_of, readings
from crisislens.knowledge.spans import contains, known_tag


@pytest.fixture(scope="module")
def world() -> Gazetteer:
    return small_gazetteer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Houston", ["houston"]),
        ("houston, texas", ["houston", "texas"]),
        ("Harris County, TX", ["harris county", "tx"]),
        ("houston tx", ["houston", "tx"]),
        ("Cox's Bazar", ["coxs bazar"]),
        ("Coxs Bazar", ["coxs bazar"]),
        ("Port au Prince", ["port au prince"]),
        ("Port. au Prince", []),
        ("#PortAuPrince", ["portauprince"]),
        ("#portauprince", ["portauprince"]),
        ("#HoustonStrong", ["houston"]),
        ("Nepals army", ["nepal"]),
        ("Nepal's army", ["nepal"]),
        # too small a place, and too short a word, for a lost apostrophe
        ("Winterfells lord", []),
        # a piece of a word that an apostrophe cuts is no name
        ("Houston'x", []),
        ("O'Houston", []),
        ("d'Houston", ["houston"]),
        # a code alone is one only where it can be nothing else
        ("TX", ["tx"]),
        ("tx", []),
        ("T.X.", ["t.x"]),
        ("ZZ", []),
        ("@Houston https://t.co/Houston", []),
    ],
)
def test_names_in_words(text: str, expected: list[str], world: Gazetteer) -> None:
    found = [span.key for span in spans_of(text, world)]
    assert found == [key.replace(".", "") for key in expected]


@given(
    st.lists(
        st.sampled_from(["Houston", "Port", "au", "Prince", "TX", ",", "'s", "#Nepal", "the"]), max_size=9
    )
)
def test_spans_do_not_overlap_and_hold_what_the_gazetteer_knows(words: list[str]) -> None:
    world = small_gazetteer()
    spans = spans_of(" ".join(words), world)
    assert all(a.last < b.first for a, b in itertools.pairwise(spans))
    for span in spans:
        assert span.places
        assert span.first <= span.last
        people = [place.population for place in span.places]
        assert people == sorted(people, reverse=True)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("houston", True),
        ("nepal", True),
        ("texas", True),
        ("winterfell", False),
        ("nowhere", False),
        ("", False),
    ],
)
def test_lower_case_pieces_that_people_write(name: str, known: bool, world: Gazetteer) -> None:
    assert known_tag(name, world) is known


def places(world: Gazetteer) -> list[Place]:
    found = [world.get(name) for name in ("country:US", "state:TX", "county:48201", "city:1", "city:2")]
    return [place for place in found if place is not None]


def test_what_holds_what(world: Gazetteer) -> None:
    us, texas, county, houston, naples = places(world)
    assert [contains(us, place) for place in (us, texas, county, houston, naples)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert [contains(texas, place) for place in (us, texas, county, houston)] == [False, False, True, True]
    assert not any(contains(place, us) for place in (texas, county, houston, naples))
    # a county holds nothing that is known of
    assert not contains(county, houston)


def test_nothing_holds_what_holds_it(world: Gazetteer) -> None:
    for a, b in itertools.product(places(world), repeat=2):
        assert not (contains(a, b) and contains(b, a))


@pytest.mark.parametrize(
    ("plain", "changed", "sign"),
    [
        ("Houston is wet", "in Houston is wet", 1),
        ("Houston is wet", "Houston, Texas is wet", 1),
        ("Houston is wet", "#Houston is wet", 1),
        ("Houston is wet", "Houston area is wet", 1),
        ("Houston is wet", "Houston police is wet", 1),
        ("Houston is wet", "houston is wet", -1),
        ("Houston is wet", "Lake Houston is wet", -1),
        ("Houston is wet", "Gulf of Houston is wet", -1),
        ("Houston is wet", "Houston River is wet", -1),
        ("Houston is wet", "University of Houston is wet", -1),
        ("Houston is wet", "Sam Houston is wet", -1),
        ("Houston is wet", "Houston Texans is wet", -1),
        ("Houston is wet", "Hurricane Houston is wet", -1),
        ("in Texas today", "in texas today", -1),
    ],
)
def test_what_speaks_for_and_against_a_place(plain: str, changed: str, sign: int, world: Gazetteer) -> None:
    name = "texas" if "exas today" in plain else "houston"
    difference = evidence_of(changed, name, world) - evidence_of(plain, name, world)
    assert difference * sign > 0, f"{difference:+.2f}"


def test_larger_places_are_likelier_places(world: Gazetteer) -> None:
    order = ["winterfell", "san marcos", "houston", "texas", "nepal"]
    alone = [evidence_of(name.title(), name, world) for name in order]
    # two words speak for a name, too
    alone[1] -= 0.8
    assert alone == sorted(alone)


def test_a_storm_of_that_name_speaks_against_it_unless_its_region_follows(world: Gazetteer) -> None:
    storms = frozenset({"houston"})
    against = evidence_of("Houston hits", "houston", world, storms)
    assert against == evidence_of("Houston hits", "houston", world) - 6
    beside = evidence_of("Houston, Texas hit", "houston", world, storms)
    assert beside == evidence_of("Houston, Texas hit", "houston", world)


def read(text: str, world: Gazetteer, context: Context | None = None) -> list[tuple[str, float]]:
    """The readings of the first name in a text."""
    spans = spans_of(text, world)
    behind = spans[1] if len(spans) > 1 and spans[1].first == spans[0].last + 1 else None
    context = context or context_of(text)
    return [(place.country, p) for place, p in readings(spans[0], None, behind, context)]


def test_the_most_populous_unless_something_else_is_said(world: Gazetteer) -> None:
    assert read("Naples", world)[0][0] == "IT"
    assert read("Naples, Florida", world)[0][0] == "US"
    assert read("Naples #Florida", world)[0][0] == "US"
    assert read("Naples; Florida", world)[0][0] == "IT", "no comma and no space between"
    assert read("Houston", world) == [("US", 1.0)]


def test_readings_are_shares_of_one(world: Gazetteer) -> None:
    florida = world.get("state:FL")
    assert florida is not None
    cases = [
        context_of("Naples"),
        context_of("Naples", english=True),
        context_of("Naples", point=(26.1, -81.8)),
        context_of("Naples", anchors=(florida,)),
        context_of("Naples", filed=(florida,)),
        context_of("Naples", basin=frozenset({"US"})),
    ]
    shares = []
    for context in cases:
        found = read("Naples", world, context)
        assert math.isclose(sum(p for _, p in found), 1)
        assert found == sorted(found, key=lambda pair: -pair[1])
        shares.append(dict(found)["US"])
    # each of these speaks for Florida
    assert all(share > shares[0] for share in shares[1:])


def test_certain_places_are_anchors(world: Gazetteer) -> None:
    from dataclasses import replace

    [naples, nepal, houston] = spans_of("Naples Nepal; Houston", world)
    sure = [replace(span, evidence=1.0) for span in (naples, nepal, houston)]
    named = [place.name for place in anchors_of(sure)]
    # of two places of one name the larger is one only where it is far larger
    assert named == ["Naples", "Nepal", "Houston"]
    assert [*anchors_of([naples, nepal, houston])] == [], "without evidence nothing is certain"


def test_the_map_prefers_the_sure_and_specific(world: Gazetteer) -> None:
    def mention(identity: str, confidence: float, start: int = 0) -> PlaceMention:
        place = world.get(identity)
        assert place is not None
        return PlaceMention(text="x", start=start, end=start + 1, place=place, confidence=confidence)

    post = Post(id="1", text="x")
    where = locate(post, [mention("country:US", 0.9), mention("city:1", 0.8)])
    assert where is not None
    assert where.place is not None
    assert (where.place.id, where.confidence, where.source) == ("city:1", 0.8, "text")
    # of two alike the first that is named
    where = locate(post, [mention("city:7", 0.8, start=5), mention("city:1", 0.8)])
    assert where is not None
    assert where.place is not None
    assert where.place.id == "city:1"
    # a county without a point cannot be put on the map
    assert locate(post, [mention("county:48201", 1.0)]) is None
    zero = Post(id="1", text="x", lat=0.0, lon=0.0)
    assert locate(zero, []) is None


@given(st.text("HoustonTexas ,#'\n.", max_size=40))
def test_places_stand_where_they_say(text: str) -> None:
    post = Post(id="1", text=f"{text} in Naples, Florida {text}")
    for mention in find_places(post, small_gazetteer()):
        assert post.text[mention.start : mention.end] == mention.text
        assert 0 < mention.confidence <= 1


LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)
POINTS = st.tuples(LATITUDES, LONGITUDES)


@given(POINTS, POINTS, POINTS)
def test_a_distance_is_one(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> None:
    there = distance_km(*a, *b)
    assert 0 <= there <= math.pi * EARTH_KM * (1 + 1e-12)
    assert math.isclose(there, distance_km(*b, *a), abs_tol=1e-6)
    # rounding near antipodes is worth meters
    assert there <= distance_km(*a, *c) + distance_km(*c, *b) + 0.5
    assert distance_km(*a, *a) < 1e-6


def test_distances_by_hand() -> None:
    assert round(distance_km(52.52, 13.405, 48.857, 2.352)) == 877
    assert distance_km(0, 179.9, 0, -179.9) < 23, "across the date line"


@pytest.mark.parametrize(
    ("lat", "lon", "point"),
    [
        (None, None, None),
        (1.0, None, None),
        (0.0, 0.0, None),
        (0.0009, -0.0009, None),
        (0.002, 0.0, (0.002, 0.0)),
        (0.0, 32.5, (0.0, 32.5)),
    ],
)
def test_a_point_of_nothing_is_none(
    lat: float | None, lon: float | None, point: tuple[float, float] | None
) -> None:
    assert own_point(Post(id="1", lat=lat, lon=lon)) == point


@pytest.mark.parametrize(
    ("lat", "lon", "confidence", "told"),
    [
        (29.8, -95.4, 1.0, ""),
        (0.0, 0.0, 1.0, "are 0, 0"),
        # Cox's Bazar lies at 21 north and 92 east; a latitude of 92 is none, so it cannot be exchanged
        (14.27, 40.85, 1.0, "seem to be exchanged"),
        (14.27, 40.85, 0.6, ""),
        (40.85, 14.27, 1.0, ""),
        # far either way
        (-40.0, 100.0, 1.0, ""),
    ],
)
def test_what_is_said_of_a_point(
    lat: float, lon: float, confidence: float, told: str, world: Gazetteer
) -> None:
    place = world.get("city:2")
    assert place is not None
    named = PlaceMention(text="Naples", start=0, end=6, place=place, confidence=confidence)
    notes = point_notes(Post(id="1", lat=lat, lon=lon), [named])
    assert (told in " ".join(notes)) if told else notes == ()
    assert point_notes(Post(id="1"), [named]) == ()
