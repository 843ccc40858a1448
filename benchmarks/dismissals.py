"""When may a bundle surely say that there is nothing in a post, though a call for help is not excluded?
`python benchmarks/dismissals.py [DATA] [--model crisis-multilingual]`.

`pipeline.agreement` takes "not informative" and "not humanitarian" back where a most urgent label is as
probable as τ or more. For each τ two counts: calls that are still dismissed for sure, and posts that do not
call and are no longer surely set aside. τ = 0.5 is without the rule: what is said at all always wins.

τ was chosen on the half `develop` of the stress set, on development tweets of HumAID (those of its class of
requests, and a draw of all), and on a feed of everyday posts (`need_heads.feed`); DATA is the folder that has
the latter two. The made-up later sets are printed below them and chose nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from later_posts import STRESS, read
from need_heads import feed
from train_crisis import outside

from crisislens.domain.post import Post
from crisislens.pipeline.agreement import most_urgent, outvoted
from crisislens.pipeline.analyst import Analyst
from crisislens.training.crisis_text import HUMANITARIAN_10, read_source

BOUNDS = (0.02, 0.05, 0.1, 0.2, 0.5)
QUESTIONS = {"informativeness": "not_informative", "humanitarian": "not_humanitarian"}
LATER = ("registers", "creoles", "long", "indirect", "groups", "feed", "hardest", "appeals", "offers")
_DRAWN = 1500


def told(analyst: Analyst, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of each text, whether each question would be answered "nothing" for sure, shape (n, 2), and how
    probable the likeliest of the most urgent labels is, shape (n,).
    """
    spaces = {name: task.space for name, task in analyst.bundle.config.tasks.items()}
    found = analyst.assess([Post(id=str(i), text=text) for i, text in enumerate(texts)])
    nothing = [
        [
            one.tasks[question].label == label
            and (not one.tasks[question].abstained or outvoted(one.tasks[question]))
            for question, label in QUESTIONS.items()
        ]
        for one in found
    ]
    probable = [most_urgent(one.tasks, spaces)[0] for one in found]
    return np.array(nothing), np.array(probable)


def row(analyst: Analyst, name: str, texts: Sequence[str], calls: Sequence[bool]) -> str:
    """One line of the table, of either question: calls dismissed, and others set aside, at each bound."""
    nothing, probable = told(analyst, texts)
    asks = np.array(calls, bool)
    cells = []
    for bound in BOUNDS:
        stands = (nothing & (probable < bound)[:, None]).any(axis=1)
        cells.append(f"{(stands & asks).sum()}, {(stands & ~asks).sum()}")
    return f"| {name} | {asks.sum()}, {(~asks).sum()} | " + " | ".join(cells) + " |"


def rows_of_data(analyst: Analyst, data: Path) -> list[str]:
    """The lines of the data sets."""
    tweets = [t for t in read_source(data / "crisis_text", "humaid", splits=("dev",)) if not outside(t)]
    asking = HUMANITARIAN_10.index("requests_or_urgent_needs")
    requests = [t.text for t in tweets if t.labels["humanitarian_10"] == asking]
    others = [t.text for t in tweets if t.labels["humanitarian_10"] != asking]
    drawn = [others[i] for i in np.random.default_rng(0).permutation(len(others))[:_DRAWN]]
    everyday = feed(data)
    tweeted = [True] * len(requests) + [False] * len(drawn)
    return [
        row(analyst, "HumAID, development", [*requests, *drawn], tweeted),
        row(analyst, "everyday feed", everyday, [False] * len(everyday)),
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", help="the folder of the research data")
    parser.add_argument("--model", default="crisis-multilingual", help="a bundle's name or folder")
    args = parser.parse_args()
    analyst = Analyst.load([args.model], annotators=[])
    print("dismissed calls, others set aside, at a bound of " + ", ".join(map(str, BOUNDS)))
    stress = [post for post in read(STRESS / "posts.jsonl") if post["half"] == "develop"]
    print(row(analyst, "stress set, develop", *_texts(stress)), flush=True)
    if args.data is not None:
        print("\n".join(rows_of_data(analyst, args.data)), flush=True)
    for name in LATER:
        print(row(analyst, f"later_{name}", *_texts(read(STRESS / f"later_{name}.jsonl"))), flush=True)


def _texts(posts: Sequence[dict[str, object]]) -> tuple[list[str], list[bool]]:
    return [str(post["text"]) for post in posts], [bool(post["call"]) for post in posts]


if __name__ == "__main__":
    main()
