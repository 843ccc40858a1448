"""A small world of places, pages of a wiki, and a run over posts: what is found, kept and given up."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import ENTRIES, small_gazetteer

from crisislens.core.http import RequestError
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.knowledge.base import KnowledgeSource, Page
from crisislens.knowledge.entries import _city_names, _middles
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.geonames import DIGESTS, Entry, data_version
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.run import KnowledgeRecord, KnowledgeRun, know_posts, run_knowledge
from crisislens.knowledge.wikipedia import _found
from crisislens.runs.sinks import InMemory


@pytest.fixture(scope="module")
def world() -> Gazetteer:
    return small_gazetteer()


def test_every_place_is_found_by_its_name_and_by_its_id(world: Gazetteer) -> None:
    assert len(world) == len(ENTRIES)
    for entry in ENTRIES:
        place = world.get(entry.id)
        assert place is not None
        assert place in world.find(name_key(entry.name))
        assert name_key(entry.name) in world
    assert world.get("city:0") is None
    assert world.find("nowhere") == ()
    assert "nowhere" not in world


def test_of_one_name_the_most_populous_comes_first(world: Gazetteer) -> None:
    assert [place.country for place in world.find("naples")] == ["IT", "US"]
    assert world.find("naples") is world.find("naples"), "made once"


@pytest.mark.parametrize(
    ("first", "words"),
    [("port", 3), ("united", 2), ("naples", 1), ("cox", 3), ("san", 2), ("au", 0), ("", 0)],
)
def test_how_long_names_are_that_begin_with_a_word(first: str, words: int, world: Gazetteer) -> None:
    assert world.longest(first) == words


def test_well_known_names_are_known_written_as_one_word(world: Gazetteer) -> None:
    assert [place.name for place in world.find("portauprince")] == ["Port-au-Prince"]
    assert [place.name for place in world.find("unitedstates")] == ["United States"]
    assert world.longest("unitedstates") == 1
    # a county is not asked for so
    assert world.find("harriscounty") == ()


def test_a_joined_name_never_hides_a_name_of_its_own() -> None:
    small = Gazetteer(
        [
            (Entry("city:1", "Big Timber", "city", "US", "MT", population=900_000), ("Big Timber",)),
            (Entry("city:2", "Bigtimber", "city", "CA", "01", population=10), ("Bigtimber",)),
        ]
    )
    assert [place.id for place in small.find("bigtimber")] == ["city:2"]


def test_a_place_has_all_its_names_and_none_twice() -> None:
    one = Entry("city:1", "Malmö", "city", "SE", "27", population=300_000)
    small = Gazetteer([(one, ("Malmö", "Malmø", "MALMÖ"))])
    for key in ("malmo", "malmoe"):
        assert [place.id for place in small.find(key)] == ["city:1"]
    assert len(small) == 1


@pytest.mark.parametrize(
    ("outer", "inner", "known", "adjacent"),
    [
        ("Texas", "Houston", True, True),
        ("United States", "Texas", True, True),
        ("United States", "Houston", True, True),
        ("Italy", "Naples", True, True),
        # the most populous one is meant, unless the region follows at once
        ("Florida", "Naples", False, True),
        ("Texas", "Naples", False, False),
        ("Houston", "Texas", False, False),
        ("Texas", "United States", False, False),
        ("Texas", "Texas", False, False),
        ("Nepal", "Italy", False, False),
        ("nowhere", "Houston", False, False),
        ("Texas", "nowhere", False, False),
        ("texas", "harris county", True, True),
    ],
)
def test_what_lies_in_what(outer: str, inner: str, known: bool, adjacent: bool, world: Gazetteer) -> None:
    assert world.contains(outer, inner) is known
    assert world.contains(outer, inner, adjacent=True) is adjacent


NAMES = st.sampled_from([entry.name for entry in ENTRIES])


@given(NAMES, NAMES)
def test_a_place_that_is_known_to_lie_in_another_may_follow_it(outer: str, inner: str) -> None:
    world = small_gazetteer()
    if world.contains(outer, inner):
        assert world.contains(outer, inner, adjacent=True)
        assert not world.contains(inner, outer)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("Cebu City", ("Cebu City", "Cebu", "Cebu City")),
        ("Manila", ("Manila", "Manila", "Manila City")),
        # Quezon is a province elsewhere
        ("Quezon City", ("Quezon City",)),
    ],
)
def test_cities_of_the_philippines_are_called_with_and_without_the_word(
    name: str, names: tuple[str, ...]
) -> None:
    assert _city_names(Entry("city:1", name, "city", "PH")) == names


def city(lat: float, lon: float, people: int) -> Entry:
    return Entry("city:1", "x", "city", "FJ", "01", lat, lon, people)


def test_the_middle_of_a_region_lies_where_its_people_are() -> None:
    cities = [city(10, 20, 3_000_000), city(40, 20, 1_000), city(0, 0, 0)]
    found = _middles(cities, ["a", "a", "b"])
    assert found["b"] == (None, None, 0), "nobody lives there, so it has no middle"
    lat, lon, people = found["a"]
    assert lat is not None
    assert lon is not None
    assert math.isclose(lat, 10, abs_tol=0.02)
    assert lon == 20
    assert people == 3_001_000


def test_the_middle_across_the_date_line_lies_on_it() -> None:
    _, lon, _ = _middles([city(-17, 179, 100), city(-17, -179, 100)], ["a", "a"])["a"]
    assert lon is not None
    assert abs(lon) == 180


@given(st.lists(st.builds(city, st.floats(-80, 80), st.floats(-179, 179), st.integers(1, 10**7)), min_size=1))
def test_a_middle_is_a_point_of_the_earth(cities: list[Entry]) -> None:
    lat, lon, people = _middles(cities, ["a"] * len(cities))["a"]
    assert lat is not None
    assert lon is not None
    assert -90 <= lat <= 90
    assert -180 <= lon <= 180
    assert people == sum(entry.population for entry in cities)


def test_the_version_of_the_data_is_that_of_its_files() -> None:
    assert len(data_version()) == 16
    assert all(len(digest) == 64 for digest in DIGESTS.values())


def page(title: object, extract: object, **more: object) -> dict[str, object]:
    return {"query": {"pages": [{"title": title, "extract": extract, **more}]}}


@pytest.mark.parametrize(
    ("answer", "mention", "title"),
    [
        (page("Puerto Rico", "An island."), "puerto rico", "Puerto Rico"),
        # one word in common of three letters or more
        (page("University of Puerto Rico", "A school."), "Rico", "University of Puerto Rico"),
        (page("University of Texas", "A school."), "of Rico", None),
        (page("Mercury", "Many.", pageprops={"disambiguation": ""}), "Mercury", None),
        (page("Mercury", "A planet.", pageprops={}), "Mercury", "Mercury"),
        (page("Mercury", "A planet.", pageprops=None), "Mercury", "Mercury"),
        (page(None, "x"), "Mercury", None),
        (page("Mercury", 3), "Mercury", None),
        ({"query": {"pages": []}}, "Mercury", None),
        ({"query": {"pages": {"1": {}}}}, "Mercury", None),
        ({"query": {"pages": ["Mercury"]}}, "Mercury", None),
        ({"query": "Mercury"}, "Mercury", None),
        ({}, "Mercury", None),
    ],
)
def test_pages_that_count(answer: object, mention: str, title: str | None) -> None:
    assert _found(answer, mention).get("title") == title


@pytest.mark.parametrize(
    ("answer", "transient"),
    [
        ({"error": {"code": "maxlag", "info": "busy"}}, True),
        ({"error": {"code": "readonly", "info": "busy"}}, True),
        ({"error": {"code": "badvalue", "info": "odd"}}, False),
        ({"error": {}}, False),
        ([], False),
        (None, False),
    ],
)
def test_answers_that_are_errors(answer: object, transient: bool) -> None:
    with pytest.raises(RequestError) as caught:
        _found(answer, "Mercury")
    assert caught.value.transient is transient


@dataclass
class Pages(KnowledgeSource):
    """Knows capitalized words; cannot be reached about some."""

    name: str = "pages"
    down: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def pages(self, text: str) -> list[Page]:
        self.asked.append(text)
        if text in self.down:
            raise RequestError("no answer")
        return [Page(word, f"{word} is known.", word) for word in text.split() if word[:1].isupper()]


def posts(*texts: str) -> list[Post]:
    return [Post(id=str(i), text=text) for i, text in enumerate(texts)]


def test_equal_texts_are_looked_up_once_and_each_post_has_a_record() -> None:
    source = Pages()
    records = know_posts(posts("in Ponce", "in Ponce", "nothing", "Rome Oslo"), source)
    assert source.asked == ["in Ponce", "nothing", "Rome Oslo"]
    assert [(r.id, r.text) for r in records] == [
        ("0", "Ponce is known."),
        ("1", "Ponce is known."),
        ("2", ""),
        ("3", "Rome is known. Oslo is known."),
    ]
    assert (records[3].titles, records[3].mentions, records[3].source) == (("Rome", "Oslo"),) * 2 + ("pages",)


def test_rows_are_counted_by_what_became_of_them() -> None:
    memory: InMemory[KnowledgeRecord] = InMemory()
    rows = [*posts("in Ponce", "down", "nothing"), FailedPost(row=3, reason="bad")]
    run = run_knowledge(rows, Pages(down=("down",)), [memory])
    assert run == KnowledgeRun(posts=3, found=1, unanswered=1, failed=1)
    assert [record.reason for record in memory.records] == [None, "no answer", None]
    assert len(memory.failures) == 1


@pytest.mark.parametrize("between", [(), ("fine",)])
def test_several_failures_in_a_row_end_the_run(between: Sequence[str]) -> None:
    texts = ["a", "b", *between, "c"]
    memory: InMemory[KnowledgeRecord] = InMemory()
    source = Pages(down=("a", "b", "c"))
    if between:
        assert run_knowledge(posts(*texts), source, [memory]).unanswered == 3
        return
    with pytest.raises(RequestError, match="no answer"):
        run_knowledge(posts(*texts), source, [memory])
    assert memory.records == [], "nothing half done stays"


def test_a_post_that_was_not_answered_is_asked_about_again() -> None:
    source = Pages(down=("down",))
    know_posts(posts("down", "fine", "down"), source)
    assert source.asked == ["down", "fine", "down"]


def test_places_of_one_name_differ_by_more_than_their_name(world: Gazetteer) -> None:
    for entry in ENTRIES:
        for a, b in itertools.combinations(world.find(name_key(entry.name)), 2):
            assert a.id != b.id
