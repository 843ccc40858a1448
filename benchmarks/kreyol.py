"""How much Haitian Creole is found by its words, and what the default then says of it:
`python benchmarks/kreyol.py DATA`.

Printed: of the validation messages of Haiti 2010 in their original (most are Kreyòl, some French or English;
which is which nobody marked) how many are told to be Kreyòl by fastText alone and by words (`data.kreyol`);
how many texts of sources without Haiti are taken for Kreyòl; and of the messages that a model reads only
since then, precision, recall and F1 of "asks for help". The words were chosen on the training messages.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

from crisislens.data import language
from crisislens.data.kreyol import is_kreyol
from crisislens.data.text import clean_text
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

_OTHERS = (
    "humaid/dev.tsv",
    "crisislex_t26/labeled.tsv",
    "cresci_italian/labeled.tsv",
    "crisisnlp_volunteers/labeled.tsv",
    "fire2017_nepal/labeled.tsv",
)
_READ = frozenset({"en", "ht", "es", "it", "fr", "pt", "hi", "ne"})


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table without quotation marks."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")


def by_detector(text: str) -> str | None:
    """What fastText alone says of a text; nothing of a short one or below one half, as `detect_language`."""
    if sum(c.isalpha() for c in text) < language.MINIMUM_LETTERS:
        return None
    names, scores = language._detector().predict(language._one_line(text), k=1)
    sure = bool(names) and scores[0] >= language.MINIMUM_SCORE
    return str(names[0]).removeprefix("__label__") if sure else None


def main() -> None:
    """Reads the arguments and prints what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--most", type=int, default=400, help="messages that the default is asked about")
    args = parser.parse_args()
    root = args.data / "crisis_text"
    csv.field_size_limit(2**24)
    messages = rows(root / "disaster_response_messages" / "validation.tsv")
    haiti = [row for row in messages if "haiti" in row["event"].lower() and row["original"]]
    texts = [clean_text(row["original"]) for row in haiti]
    before, found = [by_detector(text) for text in texts], [is_kreyol(text) for text in texts]
    told, open_ = before.count("ht"), before.count(None)
    print(f"{len(texts)} messages: fastText says Kreyòl of {told}, nothing of {open_}")
    print(f"their words say Kreyòl of {sum(found)}")
    for name in _OTHERS:
        taken = [row["text"] for row in rows(root / name) if is_kreyol(clean_text(row["text"]))]
        print(f"{name}: {len(taken)} taken for Kreyòl {taken[:3]}")
    since = [i for i, hit in enumerate(found) if hit and before[i] not in _READ][: args.most]
    assessed = Analyst.load("crisis-multilingual").assess(
        [Post(id=str(i), text=haiti[i]["original"]) for i in since]
    )
    asks = [haiti[i]["request"] == "1" for i in since]
    says = ["request" in a.tasks["needs"].labels for a in assessed]
    right = sum(a and b for a, b in zip(asks, says, strict=True))
    precision, recall = right / max(1, sum(says)), right / max(1, sum(asks))
    f1 = 2 * right / max(1, sum(says) + sum(asks))
    print(
        f"{len(since)} messages read only since: {sum(asks)} ask for help, it is said of {sum(says)}, "
        f"precision {precision:.2f}, recall {recall:.2f}, F1 {f1:.2f}"
    )


if __name__ == "__main__":
    main()
