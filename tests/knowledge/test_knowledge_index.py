"""The gazetteer in arrays, and the file that keeps it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import DataError
from crisislens.knowledge import gazetteer as room
from crisislens.knowledge.gazetteer import Gazetteer, index_of, load_gazetteer
from crisislens.knowledge.geonames import DIGESTS, Entry, check_data
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.place_index import PlaceIndex, Texts, pack, read_index, write_index

PLACES = [
    (Entry("city:1", "San José", "city", "CR", "08", 9.93, -84.08, 335_007), ("San José",)),
    (Entry("city:2", "San Jose", "city", "US", "CA", 37.34, -121.89, 997_368), ("San Jose",)),
    (Entry("country:CR", "Costa Rica", "country", "CR"), ("Costa Rica",)),
    (Entry("county:IN.1", "Cox's Bazar", "county", "BD", "", 21.4, 91.9, 10), ("Cox's Bazar", "Cox Bazar")),
]


def test_places_come_back_as_they_went_in() -> None:
    index = index_of(PLACES)
    assert [index.place(at).model_dump() for at in range(4)] == [entry._asdict() for entry, _ in PLACES]


def test_a_name_finds_its_places_the_most_populous_first() -> None:
    places = Gazetteer(PLACES)
    assert [place.id for place in places.find("san jose")] == ["city:2", "city:1"]
    # twice, since the second answer is remembered
    assert [place.id for place in places.find("san jose")] == ["city:2", "city:1"]
    assert [place.id for place in places.find("costarica")] == ["country:CR"], "well-known, in one word"
    assert (places.find("san"), "san" in places, "san jose" in places, 7 in places) == (
        (),
        False,
        True,
        False,
    )
    assert (places.longest("san"), places.longest("cox"), places.longest("jose")) == (2, 3, 0)
    assert places.get("city:1") == places.find("san jose")[1]
    assert places.get("city:9") is None
    assert len(places) == 4


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=12), st.integers(0, 10**6)), min_size=1, max_size=8),
    st.text(max_size=6),
)
def test_any_names_are_found_and_no_others(named: list[tuple[str, int]], other: str) -> None:
    entries = [
        Entry(f"city:{i}", name, "city", "US", "", None, None, people)
        for i, (name, people) in enumerate(named)
    ]
    places = Gazetteer((entry, (entry.name,)) for entry in entries)
    for entry in entries:
        found = places.find(name_key(entry.name))
        assert entry.id in {place.id for place in found}
        assert [place.population for place in found] == sorted((p.population for p in found), reverse=True)
    keys = {name_key(entry.name) for entry in entries}
    joined = {key.replace(" ", "") for key in keys}
    assert bool(places.find(other)) <= (other in keys | joined or not other.isascii() or "'" in "".join(keys))


def test_strings_in_one_array() -> None:
    index = pack([entry for entry, _ in PLACES], {}, {})
    names = Texts(index.names, index.name_ends)
    assert [names[i] for i in range(len(names))] == ["San José", "San Jose", "Costa Rica", "Cox's Bazar"]


def equal(a: PlaceIndex, b: PlaceIndex) -> bool:
    return all(
        (x == y).all() or (x != x).any() for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
    )


def test_an_index_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "places.npz"
    assert read_index(path) is None
    index = index_of(PLACES)
    assert write_index(index, path)
    again = read_index(path)
    assert again is not None
    assert equal(again, index)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_file_is_not_taken(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "places.npz"
    write_index(index_of(PLACES), path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "foreign": b"x" * 200,
        }[damage]
    )
    assert read_index(path) is None


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not write_index(index_of(PLACES), tmp_path / "file" / "places.npz")


def test_the_gazetteer_is_made_once_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def few() -> list[tuple[Entry, tuple[str, ...]]]:
        made.append(1)
        return PLACES

    monkeypatch.setenv("CRISISLENS_CACHE", str(tmp_path))
    monkeypatch.setattr(room, "all_entries", few)
    build = load_gazetteer.__wrapped__
    assert len(build()) == len(build()) == 4
    assert made == [1]
    [kept] = tmp_path.iterdir()
    kept.write_bytes(b"damaged")
    assert len(build()) == 4
    assert made == [1, 1]
    # other rules or data are another file
    monkeypatch.setattr(room, "data_version", lambda: "other")
    build()
    assert made == [1, 1, 1]
    assert len(list(tmp_path.iterdir())) == 2


def test_other_data_than_the_known_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_data()
    monkeypatch.setitem(DIGESTS, "countries.json", "0" * 64)
    with pytest.raises(DataError, match="pip install --force-reinstall"):
        check_data()
