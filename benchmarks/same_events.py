"""Which names of real events are offered as one, from the names and times of public data sets.

    python benchmarks/same_events.py --data ../shared/data/crisis_text

CrisisLexT6 and T26, CrisisNLP's two sets and HumAID name events each in its own way; their posts carry ids in
which their time stands. Each set's names stand with its own mark, so that one event in two sets is two names.
What is one event was written down from the names (`EVENTS`); no places are used, since the sets have none.
Printed: how many of those pairs are offered, and every other pair that is.
"""

import argparse
import csv
from collections import defaultdict
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from crisislens.live.same_event import proper_words, suggestions
from crisislens.store.records import EventName

SETS = ("humaid", "crisislex_t26", "crisislex_t6", "crisisnlp_workers", "crisisnlp_volunteers")
# names of one event hold one of these word by word, in whatever set; storms by their own name
EVENTS = (
    ("queensland",),
    ("alberta",),
    ("boston",),
    ("west", "texas"),
    ("chile",),
    ("nepal",),
    ("hagupit",),
    ("pam",),
    ("odile",),
    ("landslides",),
)
ONE_YEAR = {"california": ("2014",)}


def named(data: Path) -> list[EventName]:
    """Names with the middle nine tenths of their times: a few ids of most sets lie months away."""
    times: dict[str, list[float]] = defaultdict(list)
    for folder in SETS:
        for file in sorted((data / folder).glob("*.tsv")):
            with file.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                    number = row["tweet_id"].strip("'\"")
                    # ids before November 2010 hold no time
                    if number.isdecimal() and int(number) > 1 << 40:
                        times[f"{row['event']} ({mark(folder)})"].append(
                            ((int(number) >> 22) + 1_288_834_974_657) / 1000
                        )
    found = []
    for name, seconds in sorted(times.items()):
        seconds.sort()
        low, high = seconds[len(seconds) // 20], seconds[-1 - len(seconds) // 20]
        first, last = (datetime.fromtimestamp(each, UTC) for each in (low, high))
        found.append(EventName(name=name, posts=len(seconds), first_at=first, last_at=last, places={}))
    return found


def mark(folder: str) -> str:
    """A set in two letters, which are no word of a name."""
    return {"humaid": "h", "crisislex_t26": "x", "crisislex_t6": "y", "crisisnlp_workers": "w"}.get(
        folder, "v"
    )


def one_event(one: str, other: str) -> bool:
    """Whether two names are one event, by what was written down."""
    words = [set(each.lower().replace("_", " ").split()) for each in (one, other)]
    for event in EVENTS:
        if all(set(event) <= each for each in words):
            return True
    return any(
        all(place in each and set(years) & each for each in words) for place, years in ONE_YEAR.items()
    )


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    names = named(parser.parse_args().data)
    offered = {frozenset((pair.one.name, pair.other.name)) for pair in suggestions(names, [])}
    pairs = [frozenset(pair) for pair in combinations([each.name for each in names], 2)]
    true = {pair for pair in pairs if one_event(*pair)}
    print(f"{len(names)} names, {len(pairs)} pairs; {len(true)} are one event by the list above")
    print(f"offered {len(offered)}: {len(offered & true)} of those, {len(offered - true)} others")
    for title, some in (("missed", true - offered), ("offered beside", offered - true)):
        for pair in sorted(tuple(sorted(each)) for each in some):
            print(f"  {title}: {pair[0]} | {pair[1]}   {sorted(proper_words(pair[0]))}")


if __name__ == "__main__":
    main()
