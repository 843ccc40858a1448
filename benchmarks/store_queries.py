"""How long each page's query takes with many posts in the store, and which index it walks.

    python benchmarks/store_queries.py --posts 1000000 --db /tmp/million.db
    python benchmarks/store_queries.py --posts 1000000 --db postgresql://… --blobs /tmp/blobs

Posts are made up and written row by row into the tables, past the queue: 2,000 places of which few have most
posts, five sources, ninety days of which the last is the busiest, one post in ten a near-duplicate, 20,000
reviewed. Each query is run through the repository that the pages call, rows and all; the median of five runs
is told, after one that is not counted.
"""

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from crisislens.store import Store, open_store
from crisislens.store.models import Answer, Cluster, Media, Place, Post, Review, Source, Tally
from crisislens.store.records import Box, PostFilter
from crisislens.store.tallies import Counted, count_post
from crisislens.store.transaction import Transaction, hour_of

END = datetime(2026, 11, 1, tzinfo=UTC)
TEXT = "water bridge flood help road school hospital food boat power people need rescue storm damage"
WORDS = TEXT.split(" ")
NEEDS = ["rescue", "medical", "water", "food", "shelter"]
CATEGORIES = [
    "affected",
    "infrastructure_and_utility_damage",
    "other_relevant_information",
    "not_humanitarian",
]
STEP = 5_000
RUNS = 5


def made_up(
    first: int, count: int, rng: random.Random
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Posts with their answers."""
    for number in range(first, first + count):
        at = END - timedelta(days=min(90.0, rng.expovariate(1 / 12)), seconds=rng.random() * 86_400)
        place = min(1_999, int(rng.paretovariate(0.7)) - 1)
        urgency, doubt = round(rng.betavariate(1, 4), 4), round(rng.random(), 4)
        follower = number % 10 == 9
        rare = f" rare{number % 5_000}" if number % 100 == 0 else ""
        row = {
            "id": number,
            "source_id": 1 + number % 5,
            "external_id": str(number),
            "digest": "d" * 16,
            "text": " ".join(rng.choices(WORDS, k=14)) + rare,
            "author": f"author{number % 70_000}",
            "lang": "en",
            "created_at": at,
            "at": at,
            "received_at": at,
            "state": "done",
            "stage": 0,
            "tries": 0,
            "model": "a" * 16,
            "assessed_at": at,
            "urgency": urgency,
            "uncertainty": doubt,
            "language": rng.choices(["en", "es", "fr"], [90, 8, 2])[0],
            "unread": "no model reads this" if number % 50 == 0 else None,
            "place": f"city:{place}",
            "place_name": f"Town {place}",
            "map_lat": 10 + place % 50 * 0.3,
            "map_lon": -90 + place // 50 * 0.4,
            "cluster_id": number - number % 10 if number % 10 in (8, 9) and number > 9 else None,
            "lead": not follower,
            "reviews": 1 if number % 50 == 7 else 0,
        }
        said = [("informativeness", "informative"), ("humanitarian", rng.choice(CATEGORIES))]
        said.append(("damage", "severe_damage" if urgency > 0.4 else "little_or_no_damage"))
        said += [("needs", need) for need in NEEDS if rng.random() < 0.05]
        answers = [
            {
                "post_id": number,
                "task": task,
                "label": label,
                "confidence": round(1 - doubt / 2, 4),
                "abstained": doubt > 0.9 and task == "damage",
                "at": at,
                "urgency": urgency,
                "uncertainty": doubt,
            }
            for task, label in said
        ]
        yield row, answers


def fill(store: Store, posts: int) -> None:
    """Writes made-up posts into the tables."""
    rng = random.Random(7)
    if store.database.sqlite:
        store.database.outside(hurry)
    user = store.users.add("ann", "reviewer", actor="cli")

    def start(tx: Transaction) -> None:
        sources = [{"kind": "api", "name": f"source {i}", "config": {}, "made_at": END} for i in range(5)]
        tx.connection.execute(insert(Source), sources)
        places = [
            {"id": f"city:{i}", "name": f"Town {i}", "lat": 10 + i % 50 * 0.3, "lon": -90 + i // 50 * 0.4}
            for i in range(2_000)
        ]
        tx.connection.execute(insert(Place), places)

    store.database.write(start)
    tallies: Counter[tuple[datetime, str, str, str]] = Counter()

    def add(at: datetime, task: str, label: str, place: str, by: int) -> None:
        tallies[hour_of(at), task, label, place] += by

    for first in range(1, posts + 1, STEP):
        made = list(made_up(first, min(STEP, posts + 1 - first), rng))
        rows = [row for row, _ in made]
        answers = [answer for _, several in made for answer in several]
        for i, (row, several) in enumerate(made):
            said = [(a["task"], a["label"], a["confidence"], a["abstained"]) for a in several]
            unread = row["unread"] is not None
            counted = Counted(row["at"], row["place"], row["language"], unread, i % 4 == 0, said)
            count_post(add, counted, 1)
        reviewed = [row for row in rows if row["reviews"]]

        def step(tx: Transaction, rows: Any = rows, answers: Any = answers, reviewed: Any = reviewed) -> None:
            tx.connection.execute(insert(Post), rows)
            tx.connection.execute(insert(Answer), answers)
            photos = [{"post_id": row["id"], "sha256": "0" * 64, "state": "stored"} for row in rows[::4]]
            tx.connection.execute(insert(Media), photos)
            clusters = [
                {"id": row["cluster_id"], "lead_post_id": row["id"], "size": 2, "kind": "text"}
                for row in rows
                if row["cluster_id"] and row["lead"]
            ]
            tx.connection.execute(insert(Cluster), clusters)
            reviews = [
                {
                    "post_id": row["id"],
                    "user_id": user.id,
                    "verdict": "right",
                    "task": "damage",
                    "labels": ["severe_damage"],
                    "model_labels": ["severe_damage"],
                    "at": row["at"],
                }
                for row in reviewed
            ]
            tx.connection.execute(insert(Review), reviews)

        store.database.write(step)
        if first // STEP % 20 == 0:
            print(f"{first:,}", flush=True)
    rows = [
        {"hour": hour, "task": task, "label": label, "place": place, "posts": n}
        for (hour, task, label, place), n in tallies.items()
    ]
    print(f"{len(rows):,} tallies", flush=True)
    for first in range(0, len(rows), 20_000):
        part = rows[first : first + 20_000]
        store.database.write(lambda tx, part=part: tx.connection.execute(insert(Tally), part).rowcount)  # type: ignore[misc]
    finish(store)


def hurry(raw: Any) -> None:
    """Filling need not survive a power cut."""
    for pragma in ("synchronous=OFF", "cache_size=-2000000", "wal_autocheckpoint=200000"):
        raw.execute(f"PRAGMA {pragma}")


def finish(store: Store) -> None:
    """Indexes of words, and what the planners know."""

    def tidy(raw: Any) -> None:
        if store.database.sqlite:
            raw.execute("INSERT INTO post_words (post_words) VALUES ('rebuild')")
            raw.execute("ANALYZE")
        else:
            raw.execute("VACUUM ANALYZE")

    store.database.outside(tidy)


def pages(store: Store) -> dict[str, Callable[[], object]]:
    """Every query of a page, by what it is."""
    find = store.posts.find
    queue = {"reviewed": False, "folded": True, "free_for": 2}
    severe, water = ("damage", "severe_damage"), ("needs", "water")
    small = Box(west=-90.1, south=9.9, east=-89.5, north=10.7)
    large = Box(west=-180, south=-90, east=180, north=90)
    day, week = END - timedelta(days=1), END - timedelta(days=7)
    wanted = {
        "queue by urgency": PostFilter(order="urgency", **queue),
        "queue by uncertainty": PostFilter(order="uncertainty", **queue),
        "queue, diverse": PostFilter(order="diverse", **queue),
        "queue, severe damage": PostFilter(order="urgency", labels=(severe,), **queue),
        "queue, severe damage and water": PostFilter(order="urgency", labels=(severe, water), **queue),
        "queue, one source": PostFilter(order="urgency", source="source 3", **queue),
        "queue, what no model read": PostFilter(order="time", unread=True, reviewed=False),
        "queue, not sure of damage": PostFilter(order="urgency", not_sure="damage", **queue),
        "newest": PostFilter(),
        "newest, one day": PostFilter(since=day),
        "oldest week": PostFilter(until=END - timedelta(days=80)),
        "newest of a small place": PostFilter(place="city:1500"),
        "newest of the largest place": PostFilter(place="city:0"),
        "urgent of a small place": PostFilter(place="city:1500", order="urgency"),
        "water in the largest place, urgent": PostFilter(labels=(water,), place="city:0", order="urgency"),
        "severe in a small place, newest": PostFilter(labels=(severe,), place="city:1500"),
        "small box, urgent": PostFilter(box=small, order="urgency"),
        "the whole world, urgent": PostFilter(box=large, order="urgency"),
        "a rare word": PostFilter(words="rare77"),
        "a word of most posts, newest": PostFilter(words="water"),
        "a word of most posts, urgent": PostFilter(words="water bridge", order="urgency"),
        "a word and a label": PostFilter(words="boat", labels=(severe,), order="urgency"),
        "French": PostFilter(language="fr"),
        "French, urgent": PostFilter(language="fr", order="urgency"),
        "reviewed": PostFilter(reviewed=True),
        "with a photo, urgent": PostFilter(has_photo=True, order="urgency"),
        "urgent of a day": PostFilter(since=day, order="urgency"),
        "urgent severe of a day": PostFilter(since=day, order="urgency", labels=(severe,)),
    }
    found: dict[str, Callable[[], object]] = {
        name: lambda wanted=one: find(wanted)  # type: ignore[misc]
        for name, one in wanted.items()
    }
    after = PostFilter(order="urgency", limit=200)
    for _ in range(20):
        after = after.model_copy(update={"after": find(after).next})
    found["queue by urgency, page 20"] = lambda: find(after)
    found["count, severe damage"] = lambda: store.posts.count(PostFilter(labels=(severe,)))
    found["one post"] = lambda: store.posts.detail(1_008)
    found["situation of a day"] = lambda: store.statistics.counts(day, END)
    found["situation of a week"] = lambda: store.statistics.counts(week, END)
    found["map of a week"] = lambda: store.statistics.places(week, END)
    found["days, a month"] = lambda: store.statistics.days(30, until=END)
    found["queue depth"] = lambda: store.queue.depth()
    found["sources"] = lambda: store.sources.all()
    found["who holds what"] = lambda: store.reviews.held()
    found["audit"] = lambda: store.audit.list()
    found["reviews, newest"] = lambda: store.reviews.newest(100)
    return found


def main() -> None:
    """Fills a store where it is empty, and times its pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--db", required=True)
    parser.add_argument("--blobs", type=Path, default=Path("/tmp/blobs"))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with open_store(given.db, blobs=given.blobs, least_free_bytes=0) as store:
        if store.posts.count(PostFilter(), most=1) == 0:
            began = time.perf_counter()
            fill(store, given.posts)
            print(f"filled in {time.perf_counter() - began:.0f} s")
        print(store.health().database)
        for name, run in pages(store).items():
            if given.only not in name:
                continue
            took = []
            for _ in range(RUNS + 1):
                began = time.perf_counter()
                run()
                took.append((time.perf_counter() - began) * 1000)
            print(f"{statistics.median(took[1:]):9.1f} ms  (first {took[0]:8.1f})  {name}", flush=True)


if __name__ == "__main__":
    main()
