"""What tweets ask for by their words, which of them only sound like it, and what "rescue" means."""

import json
from collections import Counter

import pytest
from later_posts import STRESS, near_to, read
from need_texts import (
    FOLDER,
    LEFT_OUT,
    MADE_UP,
    NEAR_MISSES,
    asking,
    made_up,
    named_needs,
    near_misses,
    offers_and_warnings,
    settled_appeal,
    settled_rescue,
    sought,
)

from crisislens.training.crisis_text import HUMANITARIAN_10, NEEDS, CrisisText

QUIET = dict.fromkeys(NEEDS, 0) | {"request": 0}
DAMAGE = HUMANITARIAN_10.index("infrastructure_and_utility_damage")


def text(words: str, labels: dict[str, int], source: str = "humaid", **more: str) -> CrisisText:
    return CrisisText(
        words, source, more.get("event", "a_flood"), "train", more.get("language", "en"), labels
    )


@pytest.mark.parametrize(
    ("words", "need", "said"),
    [
        ("We need drinking water at the school", "water", 1),
        ("Please send food, water and tents", "water", 1),
        ("Please send food, water and tents", "shelter", 1),
        ("Water is rising, please help, we are stuck on the roof", "water", None),
        ("Water is rising, please help, we are stuck on the roof", "rescue", 1),
        ("Urgent: insulin for two children", "medical", 1),
        ("Tents stand in a row by the lake", "shelter", None),
        ("Please share this map", "food", 0),
    ],
)
def test_a_tweet_that_asks_needs_what_its_words_name(words: str, need: str, said: int | None) -> None:
    assert named_needs(words).get(need) == said


def test_all_tweets_that_name_a_thing_are_taken_and_only_some_of_the_others() -> None:
    named = [text(f"We need food number {i}", {"request": 1}) for i in range(5)]
    silent = [text(f"Please share number {i}", {"request": 1}) for i in range(400)]
    spanish = text("Necesitamos comida", {"request": 1}, "crisisnlp_volunteers", event="2014_Chile_cl")
    message = text("We need food", {"request": 1}, "messages_english")
    drawn = asking([*named, *silent, spanish, message, text("We need food", QUIET)])
    assert {t.source for t in drawn} == {"tweets"}
    assert Counter(t.labels["food"] for t in drawn) == {1: 5, 0: 350}
    assert drawn == asking([*named, *silent])


def test_near_misses_hold_a_word_ask_for_nothing_and_say_no_to_all() -> None:
    flooded = text("Water covers the road", {**QUIET, "humanitarian_10": DAMAGE})
    crews = text("Crews airlifted forty people to the shelter", {"request": 0})
    gifts = text("Donate: they need bottled water", {"request": 0})
    silent = text("The bridge is closed", {**QUIET, "humanitarian_10": DAMAGE})
    abroad = text(
        "El agua tapa la calle", {**QUIET, "humanitarian_10": DAMAGE}, "crisislex_t26", language="es"
    )
    drawn = near_misses([flooded, crews, gifts, silent, abroad])
    assert {t.text for t in drawn} == {flooded.text, crews.text, abroad.text}
    assert all(t.labels[need] == 0 for t in drawn for need in NEEDS)
    assert len({t.text for t in drawn}) == len(drawn)


def test_near_misses_keep_to_their_budget() -> None:
    many = [text(f"Water covers road {i}", {**QUIET, "humanitarian_10": DAMAGE}) for i in range(999)]
    assert len(near_misses(many)) == NEAR_MISSES["water"][0]


@pytest.mark.parametrize(
    ("words", "rescue", "asks", "answer"),
    [
        ("someone is under the rubble, come", 1, 1, 1),
        ("we need help at our street", 1, 1, None),
        ("we are dying of hunger, save us", 0, 1, None),
        ("we have no water", 0, 1, 0),
        ("people were trapped last year", 0, 0, 0),
    ],
)
def test_rescue_stands_where_label_and_words_agree(
    words: str, rescue: int, asks: int, answer: int | None
) -> None:
    labels = {"rescue": rescue, "request": asks, "food": 1}
    message = text(words, labels, "messages_english")
    settled = settled_rescue(message, {})
    assert settled.labels.get("rescue") == answer
    assert settled.labels["food"] == 1
    # the original is judged by its translation
    original = text("tanpri", labels, "messages_original")
    assert settled_rescue(original, {"tanpri": words}).labels.get("rescue") == answer
    assert settled_rescue(text(words, labels), {}).labels == labels


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        ("Ecuador needs our help, donate here", None),
        ("@user please say a word, my country is suffering", None),
        ("donate, share, pray", None),
        # what is lacked is named
        ("Ecuador needs our help, no drinking water in Canoa, please send water", 1),
        ("please donate, the school in Atlixco needs drinking water", 1),
        # no appeal
        ("nobody has come to Oak Street since Monday", 1),
    ],
)
def test_an_appeal_to_everybody_is_no_example_of_asking(words: str, asks: int | None) -> None:
    labels = {"request": 1, "offer": 0}
    assert settled_appeal(text(words, labels, "humaid")).labels.get("request") == asks
    assert settled_appeal(text(words, labels, "humaid")).labels["offer"] == 0
    # messages were sent to a number for help, and what does not ask stays so
    assert settled_appeal(text(words, labels, "messages_english")).labels == labels
    assert settled_appeal(text(words, {"request": 0}, "humaid")).labels == {"request": 0}


def test_tweets_of_the_missing_answer_that_question_alone_and_others_stand_for_many() -> None:
    missing, quiet = {"missing_people": 1, "informative": 1}, QUIET
    rows = [text(f"boy number {i} is looked for", missing) for i in range(3)]
    rows += [
        text("still searching for my aunt", missing, "crisisnlp_workers"),
        # CrisisNLP has trapped people in the same class
        text("two men trapped in a lift", missing, "crisisnlp_workers"),
    ]
    rows += [text(f"tower {i} collapsed, nine dead", quiet) for i in range(1400)]
    rows += [text(f"schools stay closed, day {i}", quiet) for i in range(1000)]
    drawn, stands = sought(rows)
    assert len(drawn) == len(stands) == 4 + 700 + 500
    assert {t.source for t in drawn} == {"tweets"}
    assert all(set(t.labels) == {"missing_people"} for t in drawn)
    assert [t.labels["missing_people"] for t in drawn[:4]] == [1] * 4
    assert set(stands[:4]) == {1.0}
    assert set(stands[4:]) == {2.0}
    # in all as many as there are
    assert sum(stands) == 4 + 1400 + 1000


def test_made_up_posts_are_read_as_often_as_they_count_and_say_known_things() -> None:
    stored = {
        name: [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").split("\n") if line]
        for name in MADE_UP
    }
    posts = made_up(("water", "rescue"))
    taken = {name: sum(p["text"] not in LEFT_OUT for p in rows) for name, rows in stored.items()}
    assert sum(map(len, stored.values())) - sum(taken.values()) == len(LEFT_OUT)
    assert len(posts) == sum(taken[name] * times for name, times in MADE_UP.items())
    assert all(set(p.labels) - {"humanitarian_10"} == {"water", "rescue"} for p in posts)
    known = {"request", "offer", "warning", *NEEDS}
    assert all(set(p["says"]) <= known for rows in stored.values() for p in rows)


# posts of the stress set's half `test` that share more than three in ten of their runs of five characters
# with a post that is trained on; four are calls
NEAR_TRAINED = frozenset(
    {
        *("en-63", "es-11", "hi-12", "id-08", "id-12", "ht-17", "ne-01"),
        *("ne-12", "sw-03", "sw-19", "tl-15", "uk-02", "ur-15"),
    }
)


def test_no_further_post_of_the_half_that_measures_is_worded_like_one_that_is_trained_on() -> None:
    posts = read(STRESS / "posts.jsonl")
    near = {*near_to(posts, {t.text for t in made_up(("water",))})}
    assert len(near) == 28
    measuring = [p for p in posts if p["half"] == "test" and p["id"] in near]
    assert {p["id"] for p in measuring} == NEAR_TRAINED
    assert sum(bool(p["call"]) for p in measuring) == 4


def test_no_made_up_post_is_nearly_a_post_of_the_stress_set() -> None:
    stress = (FOLDER.parent / "tests" / "stress" / "posts.jsonl").read_text("utf-8")
    held: dict[str, list[set[str]]] = {}
    for post in (json.loads(line) for line in stress.split("\n") if line):
        held.setdefault(post["lang"], []).append(pieces(post["text"]))
    for words, language in {(t.text, t.language) for t in made_up(("water",))}:
        own = pieces(words)
        near = max(len(own & other) / len(own | other) for other in held[language])
        assert near < 0.15, words


def pieces(words: str) -> set[str]:
    """Runs of eight characters; a text that is shorter is one."""
    plain = " ".join(words.casefold().split())
    return {plain[i : i + 8] for i in range(max(1, len(plain) - 7))}


def test_what_offers_or_warns_answers_these_alone_and_says_for_how_many_it_stands() -> None:
    offers = [text(f"Rooms free, call {i}", {"offer": 1, "warning": 0}, "fire2017_nepal") for i in range(3)]
    others = [text(f"Prayers {i}", {"offer": 0, "request": 0}, "fire2017_nepal") for i in range(6000)]
    warned = [text(f"Leave the shore {i}", {"warning": 1, "offer": 0}) for i in range(4)]
    drawn, stands = offers_and_warnings([*offers, *others, *warned])
    assert len(drawn) == len(stands)
    assert all(len(t.labels) == 1 and t.source == f"{next(iter(t.labels))}s" for t in drawn)
    counts = Counter((t.source, next(iter(t.labels.values()))) for t in drawn)
    # HumAID's tweets that warn are among the 2,500 that offer nothing
    assert counts == {("offers", 1): 3, ("offers", 0): 3004, ("warnings", 1): 4}
    of_fire = [s for t, s in zip(drawn, stands, strict=True) if t.text.startswith("Prayers")]
    assert set(of_fire) == {2.0}


def test_a_message_that_asks_neither_offers_nor_warns_and_news_say_nothing() -> None:
    asks = {"request": 1, "water": 1}
    message = text("We need water", asks, "messages_original", event="haiti", language="ht")
    silent = text("Thank you", {"request": 0}, "messages_original", event="haiti", language="ht")
    news = text("They need water", asks, "messages_english", event="news")
    drawn, _ = offers_and_warnings([message, silent, news])
    assert [(t.text, dict(t.labels)) for t in drawn] == [
        ("We need water", {"offer": 0}),
        ("We need water", {"warning": 0}),
    ]
