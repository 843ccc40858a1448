"""How the benchmark of the map's point counts: whole crises a half, copies once, and the rule that the
product has beside those that it was chosen from.
"""

from pathlib import Path

import located_country as bench
import numpy as np
import pytest

from crisislens.domain.place import Place, PlaceMention
from crisislens.domain.post import Post
from crisislens.knowledge.mentions import locate


def country(name: str, text: str, code: str, confidence: float = 0.95) -> PlaceMention:
    """The first place where a text names a country."""
    start = text.index(name)
    place = Place(id=f"country:{code}", name=name, kind="country", country=code, admin="", lat=1.0, lon=1.0)
    return PlaceMention(
        text=name, start=start, end=start + len(name), place=place, confidence=confidence, alternatives=()
    )


def test_no_crisis_stands_in_both_halves() -> None:
    develop = set(map(bench.one_crisis, bench.DEVELOP))
    assert not develop & set(map(bench.one_crisis, bench.TEST))
    # two languages of one crisis are one
    assert len(develop) == len(bench.DEVELOP) - 1


@pytest.mark.parametrize(
    ("text", "surer", "expected"),
    [
        # what is surest, the first, the one behind a preposition, and the one in a hashtag
        ("Chile and Peru", "PE", {"surest": "PE", "first": "CL", "ahead": "CL", "hashtag": "CL"}),
        ("Chile helps in Peru", "CL", {"surest": "CL", "first": "CL", "ahead": "PE", "hashtag": "CL"}),
        ("Chile, now #PrayPeru", "CL", {"surest": "CL", "first": "CL", "ahead": "CL", "hashtag": "PE"}),
        # a sentence ends before it
        ("Chile. Look at. Peru", "CL", {"surest": "CL", "ahead": "CL"}),
    ],
)
def test_what_each_rule_takes(text: str, surer: str, expected: dict[str, str]) -> None:
    found = [
        country(name, text, code, 0.95 + 0.02 * (code == surer))
        for name, code in (("Chile", "CL"), ("Peru", "PE"))
    ]
    post = Post(id="1", text=text)
    assert {name: bench.RULES[name](post, found).place.country for name in expected} == expected
    where = locate(post, found)
    assert where is not None
    assert where.place == bench.RULES["ahead, hashtag"](post, found).place


def test_a_place_that_is_far_surer_is_taken_by_every_rule() -> None:
    text = "Chile helps in #Peru"
    found = [country("Chile", text, "CL", 0.95), country("Peru", text, "PE", 0.6)]
    post = Post(id="1", text=text)
    assert {rule(post, found).place.country for rule in bench.RULES.values()} == {"CL"}


def table(path: Path, header: str, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")


def test_rows_of_a_half_are_unread_or_of_its_crises(tmp_path: Path) -> None:
    folder = tmp_path / "crisis_text"
    for split in ("train", "dev", "test"):
        table(
            folder / "humaid" / f"{split}.tsv",
            "event\ttweet_id\ttext",
            f"kerala_floods_2018\t1\tIndia {split}",
            f"maryland_floods_2018\t2\tUS {split}",
            "hurricane_irma_2017\t3\tCuba",
            f"kerala_floods_2018\t4\t@user India, {split}!",
        )
    for name in ("crisislex_t26", "crisisnlp_workers"):
        table(folder / name / "labeled.tsv", "event\tlang_guess\ttext", "2013_Manila_floods\tund\tManila")
    table(
        folder / "idrisi_ar" / "gold.tsv",
        "event\tsplit_random\ttext",
        "cairo_bombing_2019\ttrain\tone",
        "cairo_bombing_2019\ttest\ttwo",
    )
    assert list(bench.texts(tmp_path, "develop")) == [
        # of a crisis that is read: no test rows, and copies once
        ("kerala_floods_2018", "en", "India train"),
        ("kerala_floods_2018", "en", "India dev"),
        ("2013_Manila_floods", None, "Manila"),
        ("cairo_bombing_2019", "ar", "one"),
    ]
    assert [text for _, _, text in bench.texts(tmp_path, "test")] == ["US train", "US dev", "US test"]


def test_gains_are_beside_the_first_rule() -> None:
    text = "Chile helps in Peru"
    found = [country("Chile", text, "CL", 0.97), country("Peru", text, "PE")]
    row = bench.Row("2013_Pakistan_eq", Post(id="1", text=text), found)
    lines = {line["rule"]: line for line in bench.report([row, row], "test")}
    # the crisis's own country is in neither
    assert lines["named"]["right"] == 0.0
    rows = [bench.Row("maryland_floods_2018", row.post, found)]
    assert bench.outcomes(rows[0], "PE")[-2:] == [True, True]
    # two crises, one better by all and one by none: 0, 50 or 100 points
    drawn = bench.gains(np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    assert set(np.unique(drawn[:, 1])) == {0.0, 50.0, 100.0}
    assert not drawn[:, 0].any()
