"""Named places on crisis posts that other people marked, and where they are:
`python benchmarks/places_on_crisis_posts.py DATA [--language ar] [--half develop] [--entities]
[--errors N]`.

Marks: IDRISI-R, English (Suwaileh et al., 2022): spans of places in tweets of 17 events; of
IDRISI-D (Suwaileh et al., 2023): the same mentions with their point in OpenStreetMap. Rows whose
marks were not published are left out. Halves are those of HumAID, the set that the tweets are from:
its training rows are `develop`, its test rows `test`; its development rows are not used. Rules are
read off `develop` only, and of the events in `UNSEEN` no post was read for that, so that the test
has a part whose events are new. Arabic (seven events) has its authors' random split: its training
rows are `develop`, all others `test`.

A found place is right if it is a marked span (`exact`), or overlaps one (`overlap`). IDRISI does
not mark a place that is only a part of a hashtag (#HurricaneFlorenceNC, #KeralaFloods): we find it,
and it counts as wrong; `overlap, hashtags aside` counts no part of a hashtag, neither marked nor
found.

Where: a marked mention is matched to the found place that overlaps it. `country` is right if the
code is. `place` is right if the country, or the name of the state, is the same; for anything
smaller, within 161 km (100 miles, the usual bound). `161 km` is the distance alone, for every kind;
a country's point is not the same in two gazetteers. All are shares of what is marked; what was not
found is wrong. Intervals: 95 % bootstrap over events, because posts of one event name the same
places.
"""

import argparse
import csv
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crisislens.domain.place import Place, PlaceMention
from crisislens.domain.post import Post
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.knowledge.mentions import find_places
from crisislens.knowledge.name_keys import name_key

UNSEEN = frozenset(
    {
        "cyclone_idai_2019",
        "hurricane_dorian_2019",
        "hurricane_irma_2017",
        "italy_earthquake_aug_2016",
        "maryland_floods_2018",
        # Arabic
        "dragon_storms_2020",
        "jordan_floods_2018",
        "kuwait_floods_2018",
    }
)
HALVES = {"develop": "train", "test": "test"}
RIGHT_KM = 161.0
# OpenStreetMap counts them to the country, GeoNames gives them codes of their own
_TERRITORIES = {"us": ("pr", "vi", "gu", "as", "mp"), "fr": ("gp", "mq", "mf", "bl", "re")}
_HASHTAG = re.compile(r"[#＃]\w+")
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Marked:
    """A post with its marked spans, and its resolved mentions as rows of the table; None where the
    post has none.
    """

    post: Post
    event: str
    spans: Spans
    kinds: list[str]
    resolved: list[dict[str, str]]


def tsv(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table without quoting."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)


def marked_posts(data: Path, half: str, language: str = "en") -> list[Marked]:
    """The posts of one half."""
    folder = data / "crisis_text"
    gold = list(tsv(folder / f"idrisi_{language}" / "gold.tsv"))
    if language == "en":
        ids = {row["tweet_id"] for row in tsv(folder / "humaid" / f"{HALVES[half]}.tsv")}
    else:
        ids = {row["tweet_id"] for row in gold if (row["split_random"] == "train") == (half == "develop")}
    resolved: dict[str, list[dict[str, str]]] = {}
    for row in tsv(folder / "idrisi_places" / "resolved.tsv"):
        if row["lang"] == language:
            resolved.setdefault(row["tweet_id"], []).append(row)
    posts = []
    for row in gold:
        # an empty cell: the marks of this row were not published
        if row["tweet_id"] not in ids or not row["locations"]:
            continue
        marks = json.loads(row["locations"])
        posts.append(
            Marked(
                post=Post(id=row["tweet_id"], text=row["text"], lang=language),
                event=row["event"],
                spans=[(m["start"], m["end"]) for m in marks],
                kinds=[m["type"] for m in marks],
                resolved=resolved.get(row["tweet_id"], []),
            )
        )
    return posts


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether two spans share a character."""
    return a[0] < b[1] and b[0] < a[1]


def in_hashtag(span: tuple[int, int], text: str) -> bool:
    """Whether a span is only a part of a hashtag."""
    return any(
        m.start() <= span[0] and span[1] <= m.end() and span[1] - span[0] < m.end() - m.start() - 1
        for m in _HASHTAG.finditer(text)
    )


def span_counts(marked: Marked, found: Spans) -> list[int]:
    """Three times right, found, marked and hit, marked: exact, overlap, overlap with hashtags
    aside.
    """
    gold, text = marked.spans, marked.post.text
    exact = len(set(gold) & set(found))
    counts = [exact, len(found), exact, len(gold)]
    outside = [s for s in found if not in_hashtag(s, text)]
    gold_outside = [s for s in gold if not in_hashtag(s, text)]
    for ours, theirs in ((found, gold), (outside, gold_outside)):
        # what overlaps a mark is right even where the mark itself is set aside
        counts += [_met(ours, gold), len(ours), _met(theirs, ours), len(theirs)]
    return counts


def _met(spans: Spans, others: Spans) -> int:
    """How many spans overlap one of the others."""
    return sum(1 for span in spans if any(overlap(span, other) for other in others))


def km(place: Place, lat: float, lon: float) -> float:
    """Great-circle distance of a place from a point; infinite where it has no point."""
    if place.lat is None or place.lon is None:
        return math.inf
    a, b = math.radians(place.lat), math.radians(lat)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(lon - place.lon) / 2) ** 2
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half)))


def answer(row: dict[str, str], text: str, found: Sequence[PlaceMention]) -> PlaceMention | None:
    """The found place that overlaps a resolved mention."""
    mention = row["mention"].strip("#")
    starts = [m.start() for m in re.finditer(re.escape(mention), text)]
    spans = [(start, start + len(mention)) for start in starts]
    for m in found:
        if any(overlap((m.start, m.end), span) for span in spans):
            return m
    return None


def place_counts(row: dict[str, str], mention: PlaceMention | None) -> list[int]:
    """Found, country right, place right, within 161 km."""
    if mention is None:
        return [0, 0, 0, 0]
    place = mention.place
    country = place.country.lower() in (
        row["country"].lower(),
        *_TERRITORIES.get(row["country"], ()),
    )
    near = km(place, float(row["lat"]), float(row["lon"])) <= RIGHT_KM
    if row["type"] == "Country":
        right = country and place.kind == "country"
    elif row["type"] == "State":
        around = {name_key(part) for part in row["display_name"].split(",")}
        right = country and (name_key(place.name) in around if place.kind != "city" else near)
    else:
        right = near
    return [1, int(country), int(right), int(near)]


def interval(tables: dict[str, np.ndarray], of: Callable[[np.ndarray], np.ndarray]) -> str:
    """A figure in percent with its interval; `of` maps sums of counts to it."""
    sums = np.stack([table.sum(0) for table in tables.values()]).astype(float)
    draws = np.random.default_rng(0).integers(len(sums), size=(2000, len(sums)))
    low, high = np.percentile(100 * of(sums[draws].sum(1)), [2.5, 97.5])
    return f"{float(100 * of(sums.sum(0))):.1f} [{low:.1f}, {high:.1f}]"


def _f1(at: int) -> Callable[[np.ndarray], np.ndarray]:
    def of(s: np.ndarray) -> np.ndarray:
        p = s[..., at] / np.maximum(s[..., at + 1], 1)
        r = s[..., at + 2] / np.maximum(s[..., at + 3], 1)
        return np.asarray(2 * p * r / np.maximum(p + r, 1e-9))

    return of


def _share(top: int, bottom: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda s: s[..., top] / np.maximum(s[..., bottom], 1)


def span_report(posts: Sequence[Marked], found: Sequence[Spans]) -> dict[str, dict[str, str]]:
    """Precision, recall and F1 of spans, by way of counting."""
    rows: dict[str, list[list[int]]] = {}
    for marked, spans in zip(posts, found, strict=True):
        rows.setdefault(marked.event, []).append(span_counts(marked, spans))
    tables = {event: np.array(counts) for event, counts in rows.items()}
    return {
        name: {
            "precision": interval(tables, _share(at, at + 1)),
            "recall": interval(tables, _share(at + 2, at + 3)),
            "f1": interval(tables, _f1(at)),
        }
        for at, name in ((0, "exact"), (4, "overlap"), (8, "overlap, hashtags aside"))
    }


def place_report(posts: Sequence[Marked], found: Sequence[Sequence[PlaceMention]]) -> dict[str, str]:
    """Of the resolved mentions: found, country, place and distance right."""
    rows: dict[str, list[list[int]]] = {}
    for marked, mentions in zip(posts, found, strict=True):
        for row in marked.resolved:
            counts = [1, *place_counts(row, answer(row, marked.post.text, mentions))]
            rows.setdefault(marked.event, []).append(counts)
    tables = {event: np.array(counts) for event, counts in rows.items()}
    return {
        "mentions": str(sum(len(table) for table in tables.values())),
        "found": interval(tables, _share(1, 0)),
        "country": interval(tables, _share(2, 0)),
        "place": interval(tables, _share(3, 0)),
        "161 km": interval(tables, _share(4, 0)),
        "country of found": interval(tables, _share(2, 1)),
        "place of found": interval(tables, _share(3, 1)),
    }


def kinds_report(posts: Sequence[Marked], found: Sequence[Spans]) -> dict[str, str]:
    """Share of the marked spans that are overlapped, by their kind."""
    hits: dict[str, list[bool]] = {}
    for marked, ours in zip(posts, found, strict=True):
        for span, kind in zip(marked.spans, marked.kinds, strict=True):
            hits.setdefault(kind, []).append(any(overlap(span, s) for s in ours))
    return {kind: f"{100 * sum(h) / len(h):.1f} of {len(h)}" for kind, h in sorted(hits.items())}


def entity_spans(posts: Sequence[Marked]) -> list[Spans]:
    """The places that the packaged extractor of entities finds."""
    from crisislens.pipeline.finder import Finder

    finder, spans = Finder.load(relations=None), []
    for at in range(0, len(posts), 64):
        for result in finder.find([marked.post.text for marked in posts[at : at + 64]]):
            # it takes the sign of a hashtag with it, the marks do not
            spans.append(
                [
                    (e.start + len(e.text) - len(e.text.lstrip("#＃")), e.end)
                    for e in result.entities
                    if e.type.upper() == "LOC"
                ]
            )
    return spans


def print_errors(posts: Sequence[Marked], found: Sequence[Sequence[PlaceMention]], most: int) -> None:
    """Posts of the events that may be read, with what is missed, wrong and misplaced."""
    shown = 0
    for marked, mentions in zip(posts, found, strict=True):
        text, spans = marked.post.text, [(m.start, m.end) for m in mentions]
        missed = [text[a:b] for a, b in marked.spans if not any(overlap((a, b), s) for s in spans)]
        wrong = [
            f"{m.text}={m.place.id}"
            for m in mentions
            if not any(overlap((m.start, m.end), s) for s in marked.spans)
            and not in_hashtag((m.start, m.end), text)
        ]
        misplaced = []
        for row in marked.resolved:
            mention = answer(row, text, mentions)
            if mention is not None and not place_counts(row, mention)[2]:
                misplaced.append(f"{row['mention']}={mention.place.id} not {row['display_name']}")
        if (missed or wrong or misplaced) and shown < most:
            shown += 1
            line = {"text": text, "missed": missed, "wrong": wrong, "misplaced": misplaced}
            print(json.dumps(line, ensure_ascii=False), file=sys.stderr)


def main() -> None:
    """Prints a JSON line for each finder and part of the half."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--language", choices=("en", "ar"), default="en")
    parser.add_argument("--half", choices=tuple(HALVES), default="develop")
    parser.add_argument("--entities", action="store_true", help="the extractor of entities too")
    parser.add_argument("--errors", type=int, default=0, help="print so many posts that were not right")
    arguments = parser.parse_args()
    posts, gazetteer = marked_posts(arguments.data, arguments.half, arguments.language), load_gazetteer()
    if arguments.half == "develop":
        posts = [marked for marked in posts if marked.event not in UNSEEN]
    if arguments.errors and arguments.half != "develop":
        parser.error("errors are read on the development half only")
    mentions = [find_places(marked.post, gazetteer) for marked in posts]
    if arguments.errors:
        print_errors(posts, mentions, arguments.errors)
    finders = {"gazetteer": [[(m.start, m.end) for m in found] for found in mentions]}
    if arguments.entities:
        finders["entities-compact"] = entity_spans(posts)
    parts = {"all": [True] * len(posts)}
    if arguments.half == "test":
        parts["unseen events"] = [marked.event in UNSEEN for marked in posts]
    for part, chosen in parts.items():
        rows = [marked for marked, use in zip(posts, chosen, strict=True) if use]
        for name, spans in finders.items():
            ours = [s for s, use in zip(spans, chosen, strict=True) if use]
            line: dict[str, object] = {"half": arguments.half, "part": part, "finder": name}
            line |= {"posts": len(rows), "marked": sum(len(m.spans) for m in rows)}
            line |= {"spans": span_report(rows, ours), "recall by kind": kinds_report(rows, ours)}
            if name == "gazetteer":
                placed = [m for m, use in zip(mentions, chosen, strict=True) if use]
                line["where"] = place_report(rows, placed)
            print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    main()
