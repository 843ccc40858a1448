"""Words of a post: where they stand, what joins them, and how hashtags are taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.knowledge.name_keys import APOSTROPHES, name_key, name_keys, other_keys
from crisislens.knowledge.names import mentions, words_of_hashtag
from crisislens.knowledge.storms import named_storms, storm_basin, storm_names
from crisislens.knowledge.tokens import split_words
from crisislens.knowledge.word_lists import affixes, agencies, cue_words, cues_of, is_compass, word_list

KNOWN = frozenset({"nepal", "houston", "srilanka", "usa"})


def split(text: str) -> list[str]:
    return [word.text for word in split_words(text, lambda name: name in KNOWN)]


def joined(text: str) -> list[str]:
    """The words, with + between two that may be one name."""
    found: list[str] = []
    for word in split_words(text, lambda name: name in KNOWN):
        if word.joins:
            found[-1] += f"+{word.text}"
        else:
            found.append(word.text)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! … 😀", []),
        ("#", []),
        ("Köln, Łódź", ["Köln", "Łódź"]),
        # a combining accent belongs to its letter
        ("Sa\u0303o Paulo", ["Sa\u0303o", "Paulo"]),
        ("see https://t.co/Paris now", ["see", "now"]),
        ("pic.twitter.com/Houston", []),
        ("@Houston: flood", ["flood"]),
        ("U.S. and N.C", ["U.S", "and", "N.C"]),
        ("a_b", ["a", "b"]),
        ("東京 大雨", ["東京", "大雨"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("#HoustonStrong", ["Houston", "Strong"]),
        ("#HOUSTON", ["HOUSTON"]),
        ("#houston", ["houston"]),
        ("#NASAFlood", ["NASA", "Flood"]),
        ("#Flood2017", ["Flood", "2017"]),
        ("#nepalearthquake", ["nepal", "earthquake"]),
        ("#prayfornepal", ["prayfor", "nepal"]),
        ("#srilanka", ["srilanka"]),
        ("#unknownthing", ["unknownthing"]),
        # letters, digits, letters is no name with a year
        ("#pray4houston", ["pray4", "houston"]),
        # a known name is shorter than four letters: no cut
        ("#usaflood", ["usaflood"]),
        ("＃Houston", ["Houston"]),
    ],
)
def test_hashtags(tag: str, parts: list[str]) -> None:
    assert split(tag) == parts
    words = split_words(tag, lambda name: name in KNOWN)
    assert all(word.tag and word.owner == 0 for word in words)
    assert [word.joins for word in words] == [False] + [True] * (len(words) - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("New York", ["New+York"]),
        ("New  \tYork", ["New+York"]),
        ("New, York", ["New", "York"]),
        ("New. York", ["New", "York"]),
        ("New\nYork", ["New", "York"]),
        ("Port-au-Prince", ["Port+au+Prince"]),
        ("Quake–hit Nepal", ["Quake+hit+Nepal"]),
        ("St. John", ["St+John"]),
        ("U.S. Virgin", ["U.S+Virgin"]),
        ("en EE.UU. y EE. UU", ["en+EE+UU", "y+EE+UU"]),
        ("lost. John", ["lost", "John"]),
        ("#Puerto #Rico", ["Puerto+Rico"]),
        ("San https://t.co/x Juan", ["San", "Juan"]),
        ("San @who Juan", ["San", "Juan"]),
        ("Cox's", ["Cox+s"]),
    ],
)
def test_what_may_be_one_name(text: str, expected: list[str]) -> None:
    assert joined(text) == expected


@pytest.mark.parametrize("apostrophe", APOSTROPHES)
def test_only_an_apostrophe_glues(apostrophe: str) -> None:
    [cox, s] = split_words(f"Cox{apostrophe}s", lambda _: False)
    assert (cox.glued, s.glued, s.text) == (False, True, "s")
    [cox, s] = split_words(f"Cox {apostrophe} s", lambda _: False)
    assert not s.glued


PIECES = st.sampled_from(
    ["Houston", "st. ", "#Nepal", "#pray4", "@a", "https://t.co/X ", "'", "-", " ", "\n", "é"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_every_word_stands_where_it_says(text: str) -> None:
    end = 0
    for word in split_words(text, lambda name: name in KNOWN):
        assert text[word.start : word.end] == word.text
        assert word.start >= end, "in order, none over another"
        assert word.tag == (word.owner >= 0)
        assert not word.glued or word.joins
        end = word.end


@given(st.text(max_size=30))
def test_a_key_is_its_own_key(name: str) -> None:
    key = name_key(name)
    assert key == key.strip()
    assert "  " not in key
    assert next(name_keys([key])) == name_key(key)


@given(st.text("abcdefghijklmnop ABCDEFG-'.", max_size=20))
def test_case_points_and_apostrophes_do_not_count(name: str) -> None:
    assert name_key(name.upper()) == name_key(name.lower()) == name_key(name)
    assert name_key(name.replace("'", "’")) == name_key(name.replace("'", "")) == name_key(name)
    assert name_key(name.replace("-", " ")) == name_key(name)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("St Louis", "saint louis"),
        ("st. john's", "saint johns"),
        ("Mt. Pleasant", "mount pleasant"),
        ("Ft Worth", "fort worth"),
        ("Ste-Marie", "sainte marie"),
        ("Þórshöfn", "thorshofn"),
        ("Ærø", "aero"),
        ("  ", ""),
        ("", ""),
        ("İstanbul", "istanbul"),
        ("Đà Nẵng", "da nang"),
    ],
)
def test_keys_by_hand(name: str, key: str) -> None:
    assert name_key(name) == key


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("Köln", ("koeln",)),
        ("Ko\u0308ln", ("koeln",)),
        ("Ålesund", ("aalesund",)),
        ("Bogotá", ()),
        ("Ulm", ()),
    ],
)
def test_the_second_spelling(name: str, keys: tuple[str, ...]) -> None:
    assert other_keys(name) == keys


@pytest.mark.parametrize("kind", ["tag_behind", "tag_before"])
def test_the_longest_affix_is_tried_first(kind: str) -> None:
    found = affixes(kind)
    assert [len(word) for word in found] == sorted((len(word) for word in found), reverse=True)
    assert frozenset(found) == cue_words(kind)


def test_word_lists_hold_keys() -> None:
    for name in ("weak", "names", "given", "storms", "local", "compass"):
        words = word_list(name)
        assert words
        assert all(name_key(word) == word for word in words), name
    assert agencies()
    assert cues_of("storms", "titles") == cue_words("storms") | cue_words("titles")
    with pytest.raises(KeyError):
        cue_words("no such kind")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hurricane Maria", {"maria"}),
        ("hurricane MARIA and typhoon Ompong", {"maria", "ompong"}),
        ("#HurricaneIrma", {"irma"}),
        ("hurricane season", set()),
        ("Hurricane, Maria", set()),
        ("a hurricane", set()),
        ("Maria", set()),
        ("", set()),
    ],
)
def test_names_behind_the_word_storm(text: str, named: set[str]) -> None:
    words = split_words(text, lambda _: False)
    assert named_storms(words) == named
    assert named <= storm_names(words)


def test_a_list_of_storm_names_counts_only_where_a_storm_is_spoken_of() -> None:
    [known, *_] = sorted(word_list("storms"))
    assert known not in storm_names(split_words(f"{known} is here", lambda _: False))
    assert known in storm_names(split_words(f"{known} is here after the storm hurricane", lambda _: False))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("typhoon", "PH", "US"),
        ("el huracán", "MX", "PH"),
        ("#CycloneFani", "IN", "US"),
        # the first word counts
        ("hurricane, not typhoon", "US", "JP"),
    ],
)
def test_storm_words_name_a_sea(text: str, inside: str, outside: str) -> None:
    basin = storm_basin(split_words(text, lambda _: False))
    assert inside in basin
    assert outside not in basin


def test_no_storm_no_sea() -> None:
    assert storm_basin(split_words("an earthquake", lambda _: False)) == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the ends of a run are cut back to the name
        ("Breaking News The Red Cross Helps", ["Red Cross Helps"]),
        ("Houston’s Mayor", ["Houston Mayor"]),
        ("Bank of America", ["Bank of America"]),
        ("Of The", []),
        ("Forest Fire", ["Forest Fire"]),
        ("2017 #2017", []),
        ("#Red_Cross", ["Red Cross"]),
    ],
)
def test_candidates_for_an_encyclopedia(text: str, expected: list[str]) -> None:
    assert mentions(text) == expected


@given(st.text(max_size=80), st.integers(1, 8))
def test_candidates_are_few_and_different(text: str, most: int) -> None:
    found = mentions(text, most=most)
    assert len(found) <= most
    assert len({name.casefold() for name in found}) == len(found)


@given(st.text("abcXYZ019_", min_size=1, max_size=15))
def test_no_letter_of_a_hashtag_is_lost(tag: str) -> None:
    assert words_of_hashtag(tag).replace(" ", "") in (tag.replace("_", ""), tag)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("north west", True),
        ("central region", True),
        ("southwest province", True),
        ("southern district", True),
        ("west bengal", False),
        ("province", False),
        ("region", False),
    ],
)
def test_parts_of_the_sky(key: str, expected: bool) -> None:
    assert is_compass(key) is expected
