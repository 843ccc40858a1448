"""How often the test of bursts alarms where nothing rises, and how much must rise to be seen.

    python benchmarks/bursts.py --looks 1000 --data ../shared/data/crisis_text

1. **Made-up streams in which nothing rises.** 300 series with means from a heavy-tailed law, 28 blocks of
   six hours of past and one that is asked about. The share of looks with one burst or more is held against
   the 1 % that `live.bursts` states, with the interval of Clopper and Pearson. `poisson` and `clumped` are
   what the derivation supposes; `passed on` (a post brings others over the next hours), `day and night` and
   `both` are not, and show what is left of the 1 % there. `Poisson test` is the plain test without clumping.
2. **Times of real posts.** HumAID's posts carry ids in which their time stands (17 events). The blocks of an
   event are shuffled, all series together, so that clumps and sizes stay as they were and nothing rises by
   plan; then one block is asked about.
3. **What is seen.** One series of 300 is raised in the last block; the share of looks in which it is found.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import beta

from crisislens.live.bursts import LEAST, Series, burst_p, find_bursts

SERIES, BLOCKS, HOURS = 300, 28, 6
Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def poisson(rng: np.random.Generator, means: np.ndarray) -> np.ndarray:
    """Independent posts."""
    return rng.poisson(means[:, None], (len(means), BLOCKS + 1))


def clumped(rng: np.random.Generator, means: np.ndarray) -> np.ndarray:
    """Variance five times the mean, blocks independent."""
    return rng.negative_binomial(means[:, None] / 4 + 1e-9, 1 / 5, (len(means), BLOCKS + 1))


def _hourly(rng: np.random.Generator, rates: np.ndarray, follow: float) -> np.ndarray:
    """Hours of posts; each brings `follow` others on average, over the next hours."""
    posts = rng.poisson(rates)
    waiting = posts.copy()
    for _ in range(6):
        later = np.zeros_like(posts)
        for row, hour in zip(*np.nonzero(waiting), strict=True):
            for _child in range(rng.poisson(follow * waiting[row, hour])):
                when = hour + int(rng.exponential(4.0))
                if when < posts.shape[1]:
                    later[row, when] += 1
        posts = posts + later
        waiting = later
    return posts


def _blocks(hours: np.ndarray) -> np.ndarray:
    """Blocks of six hours, the last first, as the store would cut them."""
    wanted = (BLOCKS + 1) * HOURS
    return hours[:, -wanted:].reshape(len(hours), BLOCKS + 1, HOURS).sum(axis=2)[:, ::-1]


def passed_on(rng: np.random.Generator, means: np.ndarray) -> np.ndarray:
    """Posts that bring others: two in three are such, and they come in the next hours."""
    span = (BLOCKS + 5) * HOURS
    rates = np.repeat(means[:, None] / HOURS / 3, span, axis=1)
    return _blocks(_hourly(rng, rates, 2 / 3))


def _day(rng: np.random.Generator, span: int) -> np.ndarray:
    phase = rng.uniform(0, 24)
    return 1 + 0.8 * np.sin((np.arange(span) + phase) * 2 * np.pi / 24)


def day_and_night(rng: np.random.Generator, means: np.ndarray) -> np.ndarray:
    """Nine times as many by day as by night; the look may fall on any hour."""
    span = (BLOCKS + 5) * HOURS
    return _blocks(rng.poisson(means[:, None] / HOURS * _day(rng, span)[None, :]))


def both(rng: np.random.Generator, means: np.ndarray) -> np.ndarray:
    """Passed on, by day and by night."""
    span = (BLOCKS + 5) * HOURS
    return _blocks(_hourly(rng, means[:, None] / HOURS / 3 * _day(rng, span)[None, :], 2 / 3))


def means_of(rng: np.random.Generator) -> np.ndarray:
    """Most places are quiet, a few are loud: from 0.05 to some dozens a block."""
    return np.minimum(60.0, 0.05 * (1 - rng.random(SERIES)) ** -1.1)


def series_of(blocks: np.ndarray) -> dict[int, Series]:
    """Series of which some post is there, as the store knows them."""
    found = {}
    for i, row in enumerate(blocks.tolist()):
        if any(row):
            found[i] = Series(int(row[0]), tuple(int(count) for count in row[1:]))
    return found


def plain(series: dict[int, Series]) -> bool:
    """The Poisson test with Bonferroni's bound."""
    bound = 0.01 / max(1, len(series))
    return any(one.now >= LEAST and burst_p(one) <= bound for one in series.values())


def interval(hits: int, looks: int) -> str:
    """A share with its 95 % interval of Clopper and Pearson."""
    low = beta.ppf(0.025, hits, looks - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, looks - hits) if hits < looks else 1.0
    return f"{hits / looks:7.2%} [{low:.2%}, {high:.2%}]"


def made_up(looks: int, seed: int) -> None:
    """Part 1."""
    print(f"nothing rises: looks with a burst, of {looks}")
    kinds: dict[str, Draw] = {
        "poisson": poisson,
        "clumped": clumped,
        "passed on": passed_on,
        "day and night": day_and_night,
        "both": both,
    }
    for name, draw in kinds.items():
        rng = np.random.default_rng(seed)
        # posts that bring others are drawn one by one
        count = looks if draw in (poisson, clumped, day_and_night) else max(50, looks // 4)
        ours = naive = 0
        for _ in range(count):
            series = series_of(draw(rng, means_of(rng)))
            ours += bool(find_bursts(series))
            naive += plain(series)
        print(f"  {name:14} ours {interval(ours, count)}   Poisson test {interval(naive, count)}   ({count})")


def times(data: Path) -> dict[str, dict[str, list[int]]]:
    """By event and label: the six hours, counted from the first, in which posts were posted."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for part in ("train", "dev", "test"):
        with (data / "humaid" / f"{part}.tsv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["tweet_id"].isdecimal():
                    # Twitter's ids hold milliseconds since 4 November 2010
                    second = ((int(row["tweet_id"]) >> 22) + 1_288_834_974_657) / 1000
                    found[row["event"]][row["label"]].append(int(second // (HOURS * 3600)))
    return found


def real(data: Path, looks: int, seed: int) -> None:
    """Part 2."""
    rng = np.random.default_rng(seed)
    print(f"times of real posts, blocks shuffled: looks with a burst, of {looks} an event")
    ours_all = naive_all = whole = 0
    for event, labels in sorted(times(data).items()):
        first = min(min(hours) for hours in labels.values())
        last = max(max(hours) for hours in labels.values())
        count = last - first + 1
        if count < 8:
            continue
        table = np.zeros((len(labels), count), dtype=int)
        for i, hours in enumerate(labels.values()):
            np.add.at(table[i], np.array(hours) - first, 1)
        ours = naive = 0
        for _ in range(looks):
            blocks = table[:, rng.permutation(count)[: BLOCKS + 1]]
            series = series_of(blocks)
            ours += bool(find_bursts(series, kinds={i: i for i in series}))
            naive += plain(series)
        began = datetime.fromtimestamp(first * HOURS * 3600, UTC)
        posts = int(table.sum())
        print(
            f"  {event:32} {posts:6} posts, {count:4} blocks from {began:%Y-%m-%d}: "
            f"ours {ours / looks:6.1%}  Poisson test {naive / looks:6.1%}"
        )
        ours_all, naive_all, whole = ours_all + ours, naive_all + naive, whole + looks
    print(f"  together: ours {interval(ours_all, whole)}, Poisson test {interval(naive_all, whole)}")


def seen(looks: int, seed: int) -> None:
    """Part 3."""
    print(f"one series of {SERIES} rises: share of {looks} looks in which it is found")
    for name, draw in (("poisson", poisson), ("clumped", clumped)):
        for mean in (0.2, 1.0, 5.0, 20.0):
            rates = []
            for times_as_many in (2, 3, 5, 10):
                rng = np.random.default_rng(seed)
                hits = 0
                for _ in range(looks):
                    means = means_of(rng)
                    means[0] = mean
                    blocks = draw(rng, means)
                    raised = draw(rng, np.array([mean * times_as_many]))
                    blocks[0, 0] = raised[0, 0]
                    hits += any(one.key == 0 for one in find_bursts(series_of(blocks)))
                rates.append(f"x{times_as_many} {hits / looks:4.0%}")
            print(f"  {name:8} usual {mean:4.1f} a block: {', '.join(rates)}")


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--looks", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="The folder that holds humaid/.")
    given = parser.parse_args()
    made_up(given.looks, given.seed)
    if given.data is not None:
        real(given.data, given.looks // 2, given.seed)
    seen(max(20, given.looks // 10), given.seed)


if __name__ == "__main__":
    main()
