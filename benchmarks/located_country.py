"""To which of several countries a post goes on the map:
`python benchmarks/located_country.py DATA [--half develop] [--any-place] [--crises]`.

Rows: posts whose text names two countries or more (with `--any-place`: names places in two countries
or more), of crises that hit one country: HumAID (Alam et al., 2021), CrisisLexT26 (Olteanu et al.,
2015), CrisisNLP's paid labels (Imran et al., 2016) and IDRISI-R in Arabic (Suwaileh et al., 2022).
Copies of a text within a crisis count once. Right is a point in the crisis's own country, which the
name of the event says (`DEVELOP`, `TEST`). Storms are left out whose names say no country, and so
are two events that hit several: the floods of 2014 in India and Pakistan, and the haze of 2013. A
post that is about another country counts as wrong for every rule alike; `named` is the share of
posts that name the crisis's country or a place in it: no rule can get more of them right.

Halves are whole crises. `DEVELOP` holds those whose posts were read when the fault was found or when
rules of the gazetteer were written, and each second one, in alphabetical order, of the others; the
rule was chosen there. HumAID's test rows of these crises are not used, nor are IDRISI's, because
`places_on_crisis_posts.py` tests on them. A first version of the rule had been chosen by
a script that is lost, and nobody knows on which posts, so posts of `TEST` may have been among them.

Rules: `surest` is the place with the largest confidence times how specific its kind is, the rule
before. All others take, of the places of its kind that are within .1 of its confidence, the one for
which most speaks, and of equal ones the first; what speaks is nothing (`first`), how often the place
is named (`often`), a preposition before it (`ahead`), that it is in a hashtag (`hashtag`). `product`
is `crisislens.knowledge.mentions.locate`.

Intervals: 95 % bootstrap, 2,000 resamples, of crises with all their posts, because the posts of a
crisis name the same countries, and of posts, which tells of these crises only. Each is of the share
that a rule adds to that of `surest`.
"""

import argparse
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from crisislens.domain.place import PlaceMention
from crisislens.domain.post import Post
from crisislens.evaluation.resampling import interval, resample_counts
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.knowledge.mentions import find_places, is_about, locate
from crisislens.training.crisis_text import wording

DEVELOP = {
    "2012_Colorado_wildfires": "US",
    "2012_Guatemala_earthquake": "GT",
    "2012_Italy_earthquakes": "IT",
    "2012_Venezuela_refinery": "VE",
    "2013_Australia_bushfire": "AU",
    "2013_Boston_bombings": "US",
    "2013_Colorado_floods": "US",
    "2013_LA_airport_shootings": "US",
    "2013_Manila_floods": "PH",
    "2013_NY_train_crash": "US",
    "2013_Queensland_floods": "AU",
    "2013_Sardinia_floods": "IT",
    "2013_West_Texas_explosion": "US",
    "2014_Chile_Earthquake_cl": "CL",
    "2014_Chile_Earthquake_en": "CL",
    "2015_Nepal_Earthquake_en": "NP",
    "beirut_explosion_2020": "LB",
    "cairo_bombing_2019": "EG",
    "california_wildfires_2018": "US",
    "canada_wildfires_2016": "CA",
    "ecuador_earthquake_2016": "EC",
    "greece_wildfires_2018": "GR",
    "hafr_albatin_floods_2019": "SA",
    "kaikoura_earthquake_2016": "NZ",
    "kerala_floods_2018": "IN",
    "puebla_mexico_earthquake_2017": "MX",
    "srilanka_floods_2017": "LK",
}
TEST = {
    "2012_Costa_Rica_earthquake": "CR",
    "2012_Philipinnes_floods": "PH",
    "2013_Alberta_floods": "CA",
    "2013_Bohol_earthquake": "PH",
    "2013_Brazil_nightclub_fire": "BR",
    "2013_Glasgow_helicopter_crash": "GB",
    "2013_Lac_Megantic_train_crash": "CA",
    "2013_Pakistan_eq": "PK",
    "2013_Russia_meteor": "RU",
    "2013_Savar_building_collapse": "BD",
    "2013_Spain_train_crash": "ES",
    "2014_California_Earthquake": "US",
    "2014_Hurricane_Odile_Mexico_en": "MX",
    "2014_Philippines_Typhoon_Hagupit_en": "PH",
    "italy_earthquake_aug_2016": "IT",
    "jordan_floods_2018": "JO",
    "kuwait_floods_2018": "KW",
    "maryland_floods_2018": "US",
}
HALVES: Mapping[str, Mapping[str, str]] = {"develop": DEVELOP, "test": TEST}
_TABLES = (
    "humaid/train.tsv",
    "humaid/dev.tsv",
    "humaid/test.tsv",
    "crisislex_t26/labeled.tsv",
    "crisisnlp_workers/labeled.tsv",
    "idrisi_ar/gold.tsv",
)
_LANGUAGES = {"humaid": "en", "idrisi_ar": "ar"}
_SPECIFIC = {"city": 1.0, "county": 0.9, "state": 0.75, "country": 0.6}
_NEAR = 0.1
_RESAMPLES = 2_000

Rule = Callable[[Post, Sequence[PlaceMention]], PlaceMention]
Sign = Callable[[PlaceMention, Post, Sequence[PlaceMention]], int]


@dataclass(frozen=True)
class Row:
    """A post with the places that it names.

    Attributes:
        crisis: The event as its source names it, a key of `DEVELOP` or `TEST`.
        post: The post.
        found: The places with a point.
    """

    crisis: str
    post: Post
    found: list[PlaceMention]

    def countries(self, *, any_place: bool) -> set[str]:
        """The codes of the countries that it names, or of the places in them too."""
        return {m.place.country for m in self.found if any_place or m.place.kind == "country"}


def _weight(mention: PlaceMention) -> float:
    return mention.confidence * _SPECIFIC[mention.place.kind]


def surest(post: Post, found: Sequence[PlaceMention]) -> PlaceMention:
    """The surest and most specific place, the first of equal ones."""
    return max(found, key=lambda m: (_weight(m), -m.start))


def often(mention: PlaceMention, post: Post, near: Sequence[PlaceMention]) -> int:
    """How often the place is named."""
    return sum(1 for m in near if m.place.id == mention.place.id)


def ahead(mention: PlaceMention, post: Post, near: Sequence[PlaceMention]) -> int:
    """Whether a preposition stands before it."""
    words = re.findall(r"\w+", post.text[: mention.start])
    between = re.search(r"[^\w]*$", post.text[: mention.start])
    plain = between is not None and not set(between[0]) - set(' \t\n-#＃@"(')
    return int(plain and bool(words) and is_about(words[-1].lower(), post.text))


def hashtag(mention: PlaceMention, post: Post, near: Sequence[PlaceMention]) -> int:
    """Whether it is a hashtag, or in one."""
    return int(re.search(r"[#＃]\w*$", post.text[: mention.start]) is not None)


def rule_of(*signs: Sign) -> Rule:
    """The rule that counts these signs."""

    def rule(post: Post, found: Sequence[PlaceMention]) -> PlaceMention:
        best = surest(post, found)
        near = [
            m for m in found if m.place.kind == best.place.kind and m.confidence >= best.confidence - _NEAR
        ]
        return max(near, key=lambda m: (sum(sign(m, post, near) for sign in signs), -m.start))

    return rule


RULES: dict[str, Rule] = {
    "surest": surest,
    "first": rule_of(),
    "often": rule_of(often),
    "hashtag": rule_of(hashtag),
    "ahead": rule_of(ahead),
    "ahead, hashtag": rule_of(ahead, hashtag),
    "often, ahead, hashtag": rule_of(often, ahead, hashtag),
}


def texts(data: Path, half: str) -> Iterator[tuple[str, str | None, str]]:
    """Crisis, language and text of each post of a half, copies within a crisis once."""
    seen: set[tuple[str, str]] = set()
    for table in _TABLES:
        folder = table.partition("/")[0]
        with (data / "crisis_text" / table).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                tested = table == "humaid/test.tsv" or row.get("split_random", "train") != "train"
                if row["event"] not in HALVES[half] or (tested and half == "develop"):
                    continue
                key = (row["event"], wording(row["text"]))
                if key in seen:
                    continue
                seen.add(key)
                language = _LANGUAGES.get(folder) or row["lang_guess"]
                yield row["event"], None if language == "und" else language, row["text"]


def rows_of(data: Path, half: str, *, any_place: bool) -> list[Row]:
    """The posts of a half that name several countries."""
    gazetteer, rows = load_gazetteer(), []
    for crisis, language, text in texts(data, half):
        post = Post(id="1", text=text, lang=language)
        placed = [m for m in find_places(post, gazetteer) if m.place.lat is not None]
        row = Row(crisis, post, placed)
        if len(row.countries(any_place=any_place)) > 1:
            rows.append(row)
    return rows


def outcomes(row: Row, country: str) -> list[bool]:
    """Whether each rule, the product, and the best that any rule could do are right."""
    where = locate(row.post, row.found)
    product = where is not None and where.place is not None and where.place.country == country
    ours = [rule(row.post, row.found).place.country == country for rule in RULES.values()]
    return [*ours, product, country in row.countries(any_place=True)]


def one_crisis(event: str) -> str:
    """The crisis of an event; CrisisNLP files the Spanish posts of one as an event of their own."""
    return event.removesuffix("_cl").removesuffix("_en")


def gains(counts: Float[np.ndarray, "g k"]) -> Float[np.ndarray, "r k"]:
    """What each rule adds to the share of the first one over resamples of groups, in percent; the
    last column of `counts` is the number of posts.
    """
    drawn = resample_counts(counts, resamples=_RESAMPLES, seed=0)
    return 100 * (drawn[:, :-1] - drawn[:, :1]) / drawn[:, -1:]


def report(rows: Sequence[Row], half: str) -> list[dict[str, object]]:
    """For each rule the share of posts that it puts into the crisis's country, in percent, and what
    it adds to `surest`.
    """
    right = np.array([[*outcomes(row, HALVES[half][row.crisis]), True] for row in rows], float)
    crises = np.array([one_crisis(row.crisis) for row in rows])
    by_crisis = np.array([right[crises == crisis].sum(0) for crisis in np.unique(crises)])
    of_crises, of_posts = gains(by_crisis), gains(right)
    share = 100 * right.mean(0)
    lines: list[dict[str, object]] = []
    for i, name in enumerate((*RULES, "product", "named")):
        line: dict[str, object] = {"rule": name, "right": round(float(share[i]), 1)}
        line["posts right"] = int(right[:, i].sum())
        for unit, drawn in (("crises", of_crises), ("posts", of_posts)):
            low, high = interval(drawn[:, i])
            line[f"gain, {unit}"] = f"{share[i] - share[0]:+.1f} [{low:+.1f}, {high:+.1f}]"
        lines.append(line)
    return lines


def main() -> None:
    """Prints a JSON line a rule; with `--crises` one a crisis too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--half", choices=tuple(HALVES), default="develop")
    parser.add_argument("--any-place", action="store_true", help="a town in a country names it too")
    parser.add_argument("--crises", action="store_true", help="posts and posts right, crisis by crisis")
    arguments = parser.parse_args()
    rows = rows_of(arguments.data, arguments.half, any_place=arguments.any_place)
    crises = sorted({row.crisis for row in rows})
    print(
        json.dumps({"half": arguments.half, "posts": len(rows), "crises": len(set(map(one_crisis, crises)))})
    )
    for line in report(rows, arguments.half):
        print(json.dumps(line))
    if arguments.crises:
        for crisis in crises:
            of = [outcomes(row, HALVES[arguments.half][crisis]) for row in rows if row.crisis == crisis]
            right = dict(zip((*RULES, "product", "named"), np.sum(of, 0).tolist(), strict=True))
            print(json.dumps({"crisis": crisis, "posts": len(of), **right}))


if __name__ == "__main__":
    main()
