"""Precision and recall of named places on hand-checked tweets:
`python benchmarks/gazetteer.py DATA [--half tune] [--errors]`.

`gazetteer_tweets.tsv` holds ids and expected places, never a text. Strata: `random` are tweets
drawn at random from five sets, `trap` were searched for names that deceive (Turkey, Jordan,
#HoustonStrong, Mexico City and New Mexico, Washington Post, …), `fresh` were drawn and labeled
after the rules were finished. The half `tune` was used to set weights, `held` was not.

How to read `places`: one entry a place; `a|b` takes either; `?a` is neither asked for nor counted
as wrong (a place inside the name of an organization, a wordplay); `other:NAME` is a place that the
gazetteer does not have (a province, a sea). A mention counts once a post. Precision is over all
places found; recall over all places asked for, and over those that the gazetteer has. Intervals: 95
% bootstrap over tweets.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

from crisislens.domain.post import Post
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.knowledge.mentions import find_places

LIST = Path(__file__).with_name("gazetteer_tweets.tsv")


def texts(data: Path) -> dict[str, str]:
    """The texts of all sets that the list draws from, by id."""
    found: dict[str, str] = {}

    def tsv(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", errors="replace", newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))

    for path in sorted((data / "crisismmd" / "agreed").glob("task_informative_*.tsv")):
        found |= {row["image_id"]: row["tweet_text"] for row in tsv(path)}
    found |= {row["tweetId"]: row["tweetText"] for row in tsv(data / "verification" / "tweets.tsv")}
    for name in ("nepal_2015", "hagupit_2014"):
        with (data / "rationales" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            found |= {row["tweet_id"].strip("'"): row["tweet_text"] for row in csv.DictReader(stream)}
    return found | {
        row["file"]: row["text"] for row in tsv(data / "photos" / "manifest.tsv") if row["set"] == "everyday"
    }


def counts(places: str, found: set[str]) -> tuple[int, int, int, int, int]:
    """Right, wrong, asked for and had, asked for and had by the gazetteer, all asked for by it."""
    asked = [set(entry.split("|")) for entry in places.split() if not entry.startswith("?")]
    optional = [set(entry[1:].split("|")) for entry in places.split() if entry.startswith("?")]
    named = set[str]().union(*asked)
    wrong = len(found - named.union(*optional))
    hit = [bool(entry & found) for entry in asked]
    covered = [_is_covered(entry) for entry in asked]
    both = sum(h and c for h, c in zip(hit, covered, strict=True))
    return len(found & named), wrong, sum(hit), both, sum(covered)


def _is_covered(entry: set[str]) -> bool:
    """Whether the gazetteer has the place; `other:` marks what it cannot have, as a bridge."""
    return not any(name.startswith("other:") for name in entry)


def summary(rows: list[tuple[int, int, int, int, int, int]], seed: int = 0) -> dict[str, str]:
    """Precision, recall and recall of what the gazetteer has, in percent with intervals."""
    table = np.array(rows, float)
    draws = np.random.default_rng(seed).integers(len(rows), size=(2000, len(rows)))

    def share(top: int, bottom: tuple[int, ...]) -> str:
        def of(t: np.ndarray) -> np.ndarray:
            return 100 * t[..., top] / np.maximum(t[..., list(bottom)].sum(-1), 1)

        low, high = np.percentile(of(table[draws].sum(1)), [2.5, 97.5])
        return f"{float(of(table.sum(0))):.1f} [{low:.1f}, {high:.1f}]"

    return {
        "precision": share(0, (0, 1)),
        "recall": share(2, (5,)),
        "recall of covered": share(3, (4,)),
    }


def main() -> None:
    """Prints a JSON line for each stratum and half."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=("tune", "held"))
    parser.add_argument(
        "--errors", action="store_true", help="print the texts of posts that were not all right"
    )
    arguments = parser.parse_args()
    known, gazetteer = texts(arguments.data), load_gazetteer()
    groups: dict[tuple[str, str], list[tuple[int, int, int, int, int, int]]] = {}
    with LIST.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if arguments.half not in (None, row["half"]):
                continue
            mentions = find_places(Post(id=row["id"], text=known[row["id"]]), gazetteer)
            found = {m.place.id for m in mentions}
            result = counts(row["places"], found)
            asked = sum(not entry.startswith("?") for entry in row["places"].split())
            for group in ((row["stratum"], row["half"]), ("all", row["half"])):
                groups.setdefault(group, []).append((*result, asked))
            if arguments.errors and (result[1] or result[3] < result[4]):
                named = [
                    f"{m.text}={m.place.id}/{m.place.name},{m.place.admin} {m.confidence}" for m in mentions
                ]
                print(
                    row["id"],
                    row["places"],
                    "|",
                    known[row["id"]].replace("\n", " ")[:200],
                    "=>",
                    named,
                    file=sys.stderr,
                )
    for (stratum, half), rows in sorted(groups.items()):
        print(
            json.dumps(
                {
                    "stratum": stratum,
                    "half": half,
                    "tweets": len(rows),
                    "places": sum(r[5] for r in rows),
                    **summary(rows),
                }
            )
        )


if __name__ == "__main__":
    main()
