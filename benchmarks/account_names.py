"""What names of accounts do to answers: `python benchmarks/account_names.py HUMAID_TEST.tsv`.

Data sets of tweets call every account `@user`, and models learn from that; real posts name thousands. Texts
of HumAID's test that name one are judged as they stand, and with names that are drawn (letters and digits
that no account is known by), both with the names kept and written alike (`CleaningRules.names`). The same is
done with the made-up posts of `tests/stress` in languages that the models read, passed on (`RT @name: …`) and
addressed to two accounts (`… @name @name`), as calls for help often are.
"""

import argparse
import csv
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

from sklearn.metrics import f1_score

from crisislens.data.text import CleaningRules
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

STRESS = Path(__file__).parents[1] / "tests" / "stress"
READ = ("en", "ht", "es", "it", "fr", "pt", "hi", "ne")
ASKS = "requests_or_urgent_needs"
CHUNK = 256


def drawn(rng: random.Random) -> str:
    """A name of 5 to 12 letters, sometimes with digits behind."""
    name = "".join(rng.choice("abcdefghijklmnoprstuvy_") for _ in range(rng.randint(5, 12)))
    return f"@{name}{rng.choice(['', '', '', str(rng.randint(1, 99))])}"


def judged(analyst: Analyst, texts: Sequence[str], names: str) -> list[Assessment]:
    """The assessments of texts, their names kept or written alike."""
    analyst.encoder.rules = CleaningRules.model_validate({"names": names})
    posts = [Post(id=str(i), text=text) for i, text in enumerate(texts)]
    starts = range(0, len(posts), CHUNK)
    return [found for at in starts for found in analyst.assess(posts[at : at + CHUNK])]


def asks(found: Assessment) -> bool:
    """Whether it is said for sure that help is asked for."""
    needs = found.tasks["needs"]
    return "request" in needs.labels and not needs.abstained


def of_tweets(analyst: Analyst, rows: Sequence[dict[str, str]], rng: random.Random) -> None:
    """Prints a line for each way to write and to read the names in tweets."""
    truth = [row["label"] for row in rows]
    classes = sorted(analyst.assess([Post(id="0", text="x")])[0].tasks["humanitarian"].probabilities)
    written = {
        "@user": [row["text"] for row in rows],
        "drawn": [re.sub("@user", lambda _: drawn(rng), row["text"]) for row in rows],
    }
    for names in ("keep", "user"):
        for how, texts in written.items():
            found = judged(analyst, texts, names)
            said = [one.tasks["humanitarian"].label for one in found]
            macro = f1_score(truth, said, average="macro", labels=classes, zero_division=0)
            f1 = f1_score([label == ASKS for label in truth], [asks(one) for one in found])
            print(
                f"tweets, names {how}, {names}: macro-F1 {macro:.4f}, asks for help F1 {f1:.3f}", flush=True
            )


def of_stress(analyst: Analyst, rng: random.Random) -> None:
    """Prints how many made-up calls, and how many other posts, are said to ask for help."""
    lines = [
        line for name in ("posts", "later") for line in (STRESS / f"{name}.jsonl").open(encoding="utf-8")
    ]
    made = [post for post in map(json.loads, lines) if post["lang"] in READ]
    ways = {
        "as they stand": [post["text"] for post in made],
        "passed on": [f"RT {drawn(rng)}: {post['text']}" for post in made],
        "addressed": [f"{post['text']} {drawn(rng)} {drawn(rng)}" for post in made],
    }
    for names in ("keep", "user"):
        for how, texts in ways.items():
            said = [
                post["call"]
                for post, one in zip(made, judged(analyst, texts, names), strict=True)
                if asks(one)
            ]
            calls = sum(post["call"] for post in made)
            rest = f"{len(said) - sum(said)} of {len(made) - calls} others"
            print(f"made up, {how}, {names}: {sum(said)} of {calls} calls, {rest}")


def main() -> None:
    """Reads the arguments and prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tweets", type=Path, help="HumAID's test, with the columns text and label")
    parser.add_argument("--model", default="crisis-multilingual", help="a bundle's name or folder")
    parser.add_argument("--most", type=int, default=1500, help="tweets that are drawn")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with given.tweets.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if "@user" in row["text"]
        ]
    rng.shuffle(rows)
    analyst = Analyst.load([given.model], annotators=[])
    of_stress(analyst, rng)
    of_tweets(analyst, rows[: given.most], rng)


if __name__ == "__main__":
    main()
