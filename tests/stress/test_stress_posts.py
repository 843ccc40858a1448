"""The stress set is what its page says, and its halves are alike."""

import json
from collections import Counter
from pathlib import Path

from later_posts import near_to

from crisislens.training.crisis_text import NEEDS, wording

POSTS = [
    json.loads(line)
    for line in (Path(__file__).parent / "posts.jsonl").read_text(encoding="utf-8").split("\n")
    if line
]
CALLS = {"rescue", "medical", "water_or_food", "shelter", "missing_or_found", "other_call"}


def test_it_is_large_enough_and_in_many_languages() -> None:
    assert len(POSTS) >= 400
    assert len({p["lang"] for p in POSTS}) >= 14
    assert all(count >= 15 for count in Counter(p["lang"] for p in POSTS).values())


def test_ids_and_wordings_are_unique() -> None:
    assert len({p["id"] for p in POSTS}) == len(POSTS)
    assert len({wording(p["text"]) for p in POSTS}) == len(POSTS)


def test_a_call_asks_and_nothing_else_does() -> None:
    for post in POSTS:
        assert post["call"] == (post["kind"] in CALLS)
        assert set(post["needs"]) <= ({*NEEDS} if post["call"] else {"offer"})
        assert bool(post["needs"]) == (post["call"] or post["kind"] == "offer")


def test_the_halves_are_alike() -> None:
    halves = Counter((p["half"], p["call"]) for p in POSTS)
    assert {p["half"] for p in POSTS} == {"develop", "test"}
    assert abs(halves["develop", True] - halves["test", True]) <= 2
    by_language = Counter((p["lang"], p["half"]) for p in POSTS if p["call"])
    assert all(abs(by_language[code, "develop"] - n) <= 1 for (code, _), n in by_language.items())


def test_the_later_posts_are_of_their_own_words() -> None:
    folder = Path(__file__).parent
    lines = (folder / "later.jsonl").read_text(encoding="utf-8").split("\n")
    later = [json.loads(line) for line in lines if line]
    assert len({p["id"] for p in later}) == len(later) == 57
    assert all(p["call"] or not p["rescue"] for p in later)
    offers = [json.loads(line) for line in (folder / "later_offers.jsonl").read_text("utf-8").splitlines()]
    assert len({p["id"] for p in offers}) == len(offers) == 191
    assert Counter(bool(p["call"]) for p in offers) == {True: 64, False: 127}
    assert sum(p["offer"] for p in offers) == 50
    assert sum(p["warning"] for p in offers) == 30
    hard = [json.loads(line) for line in (folder / "later_hard.jsonl").read_text("utf-8").splitlines()]
    assert len({p["id"] for p in hard}) == len(hard) == 145
    assert Counter(bool(p["call"]) for p in hard) == {True: 57, False: 88}
    assert Counter(p["kind"] for p in hard if not p["call"])["ended"] == 16
    harder = [json.loads(line) for line in (folder / "later_harder.jsonl").read_text("utf-8").splitlines()]
    assert len({p["id"] for p in harder}) == len(harder) == 132
    assert Counter(bool(p["call"]) for p in harder) == {True: 48, False: 84}
    assert Counter(p["kind"] for p in harder if not p["call"])["ended"] == 19
    hardest = [json.loads(line) for line in (folder / "later_hardest.jsonl").read_text("utf-8").splitlines()]
    assert len({p["id"] for p in hardest}) == len(hardest) == 129
    assert Counter(bool(p["call"]) for p in hardest) == {True: 45, False: 84}
    appeals = [json.loads(line) for line in (folder / "later_appeals.jsonl").read_text("utf-8").splitlines()]
    assert len({p["id"] for p in appeals}) == len(appeals) == 60
    assert Counter(p["kind"] for p in appeals) == {"call": 24, "appeal": 36}
    feed = [json.loads(line) for line in (folder / "later_feed.jsonl").read_text("utf-8").splitlines()]
    assert len({p["id"] for p in feed}) == len(feed) == 153
    assert Counter(bool(p["call"]) for p in feed) == {True: 44, False: 109}
    counts = {"groups": (161, 53), "registers": (140, 70), "creoles": (140, 60), "long": (110, 55)}
    newer = []
    for name, (count, calls) in (counts | {"indirect": (150, 75)}).items():
        read = [json.loads(line) for line in (folder / f"later_{name}.jsonl").read_text("utf-8").splitlines()]
        assert len({p["id"] for p in read}) == len(read) == count
        assert sum(p["call"] for p in read) == calls
        newer += read
    made_up = (folder.parents[1] / "scripts").glob("made_up_*.jsonl")
    trained = [json.loads(line) for f in made_up for line in f.read_text("utf-8").split("\n") if line]
    known = {wording(p["text"]) for p in [*POSTS, *trained]}
    newest = [*hardest, *appeals, *feed, *newer]
    assert not {wording(p["text"]) for p in [*later, *offers, *hard, *harder, *newest]} & known
    assert not {wording(p["text"]) for p in later} & {wording(p["text"]) for p in offers}
    # the older sets were so when they were written, and later training posts are near some of them
    assert near_to(newest, [p["text"] for p in [*POSTS, *trained]]) == []


def test_a_short_post_that_stands_whole_in_a_long_one_is_near_it() -> None:
    short = {"id": "a", "text": "We have no water on Oak Street"}
    long = "Good evening all. We have no water on Oak Street, and nobody knows when the pump will be mended."
    assert near_to([short], [long]) == ["a"]
    assert near_to([{"id": "b", "text": long}], [short["text"]]) == []
    assert near_to([short], ["Der Zug kommt heute später"]) == []
