"""Which relations are told of two entities, and about which pairs an extractor is asked."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import DataError
from crisislens.data.post_words import placed_words
from crisislens.domain.extraction import MOST_ENTITIES, Mention
from crisislens.features.words import EncodedWords, WordReader
from crisislens.models.extraction import Extractor
from crisislens.pipeline import pairs
from crisislens.pipeline.pairs import PairQuestions
from crisislens.pipeline.telling import CONTAINS, ReadPost, Telling, is_withheld, kinds_of

LIVES = "/per/loc/place_of_residence"
OWN = "embraces"


def read(text: str, context: str = "") -> ReadPost:
    return ReadPost(text, placed_words(text), context)


@pytest.mark.parametrize(
    ("name", "withheld"),
    [
        ("/per/misc/race", True),
        ("/per/misc/religion", True),
        ("PERReligion", True),
        ("personRace", True),
        ("races", True),
        ("ETHNICITY", True),
        ("of_nationality", True),
        ("racial_group", True),
        (LIVES, False),
        (CONTAINS, False),
        # a race that is no race, as part of a word
        ("embraces", False),
        ("traces_of", False),
        ("raced_in", False),
        ("", False),
    ],
)
def test_what_serves_no_response_and_may_harm_is_withheld(name: str, withheld: bool) -> None:
    assert is_withheld(name) is withheld
    assert is_withheld(name.replace("/", "_")) is withheld, "however its parts are joined"


def test_a_post_knows_its_words_and_characters() -> None:
    post = read("Flood in St.Louis, Missouri")
    inner, outer = Mention(2, 5, "LOC"), Mention(6, 7, "LOC")
    assert post.as_posted(inner) == "St.Louis"
    assert post.as_read(inner) == "St . Louis"
    assert post.between(inner, outer) == ", "
    assert post.spelled[:2] == ["Flood", "in"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60))
def test_characters_of_a_mention_are_those_of_the_post(text: str) -> None:
    post = read(text)
    for i in range(len(post.words)):
        for j in range(i, len(post.words)):
            mention = Mention(i, j + 1, "LOC")
            posted = post.as_posted(mention)
            assert posted in text
            assert posted == text[post.words[i].start : post.words[j].end]
            assert len(post.as_read(mention).split(" ")) >= j + 1 - i


@pytest.mark.parametrize(
    ("names", "types", "idle"),
    [
        ((), ("LOC",), ()),
        ((CONTAINS,), ("LOC",), ()),
        ((CONTAINS,), ("loc", "per"), ()),
        ((CONTAINS,), ("PER",), (CONTAINS,)),
        ((LIVES,), ("LOC",), (LIVES,)),
        ((LIVES, CONTAINS), (), (CONTAINS, LIVES)),
        # of a relation whose name says no kinds nothing is known
        ((OWN,), (), ()),
    ],
)
def test_relations_that_no_entities_can_have_are_idle(
    names: tuple[str, ...], types: tuple[str, ...], idle: tuple[str, ...]
) -> None:
    assert Telling(frozenset(names)).idle(types) == idle


def test_only_named_relations_are_told() -> None:
    post, a, b = read("Anna visits Paris"), Mention(0, 1, "PER"), Mention(2, 3, "LOC")
    assert Telling({LIVES}).tells(LIVES, post, a, b)
    assert not Telling({OWN}).tells(LIVES, post, a, b)
    assert not Telling().tells(LIVES, post, a, b)
    # what is not told is not told because the gazetteer should know it too
    assert not Telling((), {CONTAINS}).tells(CONTAINS, post, a, b)


@pytest.mark.parametrize(
    ("text", "head", "tail", "told"),
    [
        ("Flood in Houston, Texas", (4, 5), (2, 3), True),
        ("Flood in Houston, Texas", (2, 3), (4, 5), False),
        # Paris is a city of France for who does not say "Paris, Texas"
        ("Flood in Paris, Texas", (4, 5), (2, 3), True),
        ("Texas sends help to Paris", (0, 1), (4, 5), False),
        ("Paris and Texas", (2, 3), (0, 1), False),
        ("Iran helps Iraq", (0, 1), (2, 3), False),
        ("#Mexico sends help to Jojutla", (1, 2), (5, 6), True),
        ("Nowhereville in Elsewhereland", (2, 3), (0, 1), False),
    ],
)
def test_a_place_contains_another_only_where_the_gazetteer_knows(
    text: str, head: tuple[int, int], tail: tuple[int, int], told: bool
) -> None:
    rules = Telling({CONTAINS}, {CONTAINS})
    assert rules.tells(CONTAINS, read(text), Mention(*head, "LOC"), Mention(*tail, "LOC")) is told


class Words(WordReader):
    """A reader that keeps what it is asked, and cannot see behind a word."""

    def __init__(self, reach: int = 1000) -> None:
        self.reach, self.asked = reach, list[tuple[Mention, Mention]]()

    def read(self, words: Sequence[str], *, context: str = "", pair: Any = None) -> Any:
        if max(m.end for m in pair) > self.reach:
            raise DataError("the pair stands behind what is read")
        self.asked.append(pair)
        return EncodedWords((1,), (0,), ())


def questions(told: Sequence[str], names: Sequence[str], reader: Words) -> PairQuestions:
    extractor = create_autospec(Extractor, instance=True)
    extractor.spec = SimpleNamespace(relations=tuple(names))
    return PairQuestions(extractor, reader, told)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The answers that were allowed, when all pairs were asked about; each pair gets its last one."""
    kept: list[list[int]] = []

    def answer(extractor: Any, encoded: Sequence[object], allowed: Sequence[Sequence[int]]) -> Any:
        kept.extend([*places] for places in allowed)
        names = extractor.spec.relations
        return [(names[places[-1]] if places[-1] else "", 0.6 + 0.1 * i) for i, places in enumerate(allowed)]

    monkeypatch.setattr(pairs, "relations_of_pairs", answer)
    return kept


PLACES = (Mention(0, 1, "PER"), Mention(2, 3, "LOC"), Mention(4, 5, "LOC"))


def test_pairs_whose_kinds_join_are_asked_about_and_no_others(asked: list[list[int]]) -> None:
    reader = Words()
    some = questions([LIVES, CONTAINS], ["None", LIVES, CONTAINS], reader)
    some.add(0, read("Anna visits Paris near Reims"), PLACES)
    assert reader.asked == [
        (PLACES[0], PLACES[1]),
        (PLACES[0], PLACES[2]),
        (PLACES[1], PLACES[2]),
        (PLACES[2], PLACES[1]),
    ]
    found = list(some.ask(0.75))
    # "none" may always be answered, and only relations of these kinds besides
    assert asked == [[0, 1], [0, 1], [0, 2], [0, 2]]
    assert [(row, link[:3]) for row, link in found] == [(0, (1, 2, CONTAINS)), (0, (2, 1, CONTAINS))]
    assert all(link[3] >= 0.75 for _, link in found)


def test_a_relation_without_kinds_may_join_any_pair(asked: list[list[int]]) -> None:
    reader = Words()
    some = questions([OWN], ["None", LIVES, OWN], reader)
    some.add(3, read("Anna visits Paris near Reims"), PLACES)
    assert len(reader.asked) == 6
    assert {row for row, _ in some.ask(0.0)} == {3}
    # from a person to a place either of the two may hold
    assert asked[0] == [0, 1, 2]
    assert asked[3] == [0, 2]


def test_a_pair_out_of_reach_costs_itself_alone(asked: list[list[int]]) -> None:
    reader = Words(reach=3)
    some = questions([OWN], ["None", OWN], reader)
    some.add(0, read("Anna visits Paris near Reims"), PLACES)
    # the last two are read without what stands before them; the first and the last are too far apart
    moved = (Mention(0, 1, "LOC"), Mention(2, 3, "LOC"))
    assert reader.asked == [(PLACES[0], PLACES[1]), (PLACES[1], PLACES[0]), moved, moved[::-1]]
    found = [(row, link[:2]) for row, link in some.ask(0.0)]
    assert found == [(0, (0, 1)), (0, (1, 0)), (0, (1, 2)), (0, (2, 1))]


def test_a_post_that_lists_hundreds_of_names_stays_cheap(asked: list[list[int]]) -> None:
    reader = Words()
    many = [Mention(i, i + 1, "LOC") for i in range(300)]
    some = questions([CONTAINS], ["None", CONTAINS], reader)
    some.add(0, read("x " * len(many)), many)
    # the first ones with all others of them, the next ones with two neighbors on either side
    assert len(reader.asked) == MOST_ENTITIES * (MOST_ENTITIES - 1) + 4 * (64 - MOST_ENTITIES)
    assert len(set(reader.asked)) == len(reader.asked)
    assert max(m.end for pair in reader.asked for m in pair) == 64
    later = [pair for pair in reader.asked if max(m.start for m in pair) >= MOST_ENTITIES]
    assert all(abs(a.start - b.start) <= 2 for a, b in later)


def test_kinds_are_compared_as_the_relations_spell_them() -> None:
    assert kinds_of(Mention(0, 1, "Loc"), Mention(1, 2, "per")) == ("LOC", "PER")
