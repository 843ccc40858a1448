"""Texts whose language nobody can tell: which are in one of the languages that the default reads, and what it
says of them: `python benchmarks/undecided_languages.py DATA`.

A text is undecided where neither fastText nor Kreyòl's words tell its language (`data.language`). It is read
all the same where the scores of all languages that the default reads come to `LEAST_TOGETHER` or more.

Printed by set, and for the made-up posts by their language, whole and cut to six words: how many texts are
undecided, with names of accounts and without, and how many of the latter are read at several bounds. Of
languages that are not read, the fewer the better. The bound was chosen on these rows. Then, of the validation
messages that are read only since then, how many ask for help, of how many it is said, and how many of these
are right.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from later_posts import STRESS, read

from crisislens.data import language
from crisislens.data.language import detect_language, in_one_of
from crisislens.data.romanized import romanized
from crisislens.data.text import clean_text
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst
from crisislens.training.crisis_text import CrisisText, read_source

BOUNDS = (0.5, 0.6, 0.7, 0.8)
MADE_UP = Path(__file__).resolve().parents[1] / "scripts"
_DRAWN, _WORDS, _LETTERS = 3_000, 6, 15


def with_names(texts: Sequence[str]) -> int:
    """How many are undecided where names of accounts are read, too, as they were at first."""
    kept = language._readings
    language._readings = lambda text: (text,)
    found = len(undecided(texts))
    language._readings = kept
    return found


def undecided(texts: Sequence[str]) -> list[str]:
    """The texts of enough letters whose language nobody can tell."""
    long = [text for text in texts if sum(c.isalpha() for c in text) >= language.MINIMUM_LETTERS]
    return [text for text in long if romanized(text) is None and detect_language(text) is None]


def row(name: str, texts: Sequence[str], known: Sequence[str]) -> str:
    """One line of the table."""
    left, cells = undecided(texts), []
    kept = language.LEAST_TOGETHER
    for bound in BOUNDS:
        language.LEAST_TOGETHER = bound
        cells.append(str(sum(in_one_of(text, known) for text in left)))
    language.LEAST_TOGETHER = kept
    return f"| {name} | {len(texts)} | {with_names(texts)} | {len(left)} | " + " | ".join(cells) + " |"


def made_up_by_language() -> dict[str, list[str]]:
    """The made-up posts, for training and for testing."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in (*sorted(MADE_UP.glob("made_up*.jsonl")), *sorted(STRESS.glob("*.jsonl"))):
        for post in read(path):
            found[post["lang"]].append(clean_text(post["text"]))
    return found


def cut(text: str) -> str:
    """The first words of a text, of one without blanks its first letters."""
    return " ".join(text.split()[:_WORDS]) if " " in text else text[:_LETTERS]


def real_sets(root: Path) -> dict[str, list[CrisisText]]:
    """Real posts by name; of CrisisLexT26 by what its readers' detector said."""
    draw = np.random.default_rng(0)
    tweets = read_source(root, "humaid", splits=("dev",))
    sets = {"HumAID, English": [tweets[i] for i in draw.permutation(len(tweets))[:_DRAWN]]}
    for name, source in (("English", "messages_english"), ("originals", "messages_original")):
        sets[f"messages, {name}"] = read_source(root, source, splits=("dev", "test"))
    for text in read_source(root, "crisislex_t26"):
        sets.setdefault(f"CrisisLexT26, {text.language}", []).append(text)
    return {name: texts for name, texts in sets.items() if len(texts) >= 50}


def said_since(analyst: Analyst, texts: Sequence[CrisisText], known: Sequence[str]) -> str:
    """What is said of the texts that are read only since the rule."""
    waiting = set(undecided([t.text for t in texts]))
    since = [t for t in texts if t.text in waiting and in_one_of(t.text, known)]
    found = analyst.assess([Post(id=str(i), text=t.text) for i, t in enumerate(since)])
    says = ["request" in a.tasks["needs"].labels for a in found]
    asks = [t.labels.get("request") == 1 for t in since]
    right = sum(a and b for a, b in zip(asks, says, strict=True))
    return f"{len(since)} read only since: {sum(asks)} ask, it is said of {sum(says)}, {right} of them right"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    args = parser.parse_args()
    analyst = Analyst.load("crisis-multilingual", annotators=[])
    known = analyst.languages
    print(json.dumps({"read": known}))
    print(
        "| set | texts | undecided with names of accounts | without | "
        + " | ".join(f"read at {bound}" for bound in BOUNDS)
        + " |"
    )
    sets = real_sets(args.data / "crisis_text")
    for name, texts in sets.items():
        print(row(name, [t.text for t in texts], known), flush=True)
    made = made_up_by_language()
    for which, codes in (("read", set(made) & set(known)), ("not read", set(made) - set(known))):
        posts = [text for code in sorted(codes) for text in made[code]]
        print(row(f"made up, languages that are {which}", posts, known))
        print(row("the same, six words", [cut(text) for text in posts], known), flush=True)
    for name in ("messages, English", "messages, originals"):
        print(name, said_since(analyst, sets[name], known), flush=True)


if __name__ == "__main__":
    main()
