r"""Calls for help in a language that a head never saw:
`python benchmarks/leave_language_out.py DATA --work DIR`.

multilingual-e5-small as it is published (nothing adapted, so no layer has seen a crisis post), and on its
frozen pooled vectors a logistic regression for "asks for help". For each language the head is trained on
everything in other languages: the messages' training rows, IDRISI-R, CrisisNLP, FIRE 2017 and the stress
set's half `develop`, and tested on what is in that language: the originals of the messages' validation rows
(other messages than those whose English was trained on), CrisisNLP's posts, and made-up posts of both halves
of the stress set.

The promised recall: a threshold that keeps nine in ten calls among the training rows, each judged by a head
that did not see its language group; what share of calls it then finds in the language left out, and how many
posts that ask for nothing it takes along.

Detectors take Kreyòl for French or for nothing: Haiti's originals are told apart by small words, and where
one of the two is left out, none of Haiti's originals is trained on. Nothing is chosen here. Vectors are kept
in `--work`.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from need import auroc, encode, stress_posts
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from crisislens.data.text import clean_text
from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.resampling import interval
from crisislens.training.crisis_text import CrisisText, read_source, wording

# small words that one of the two languages has and the other has not
FRENCH, KREYOL = (
    frozenset(words.split())
    for words in (
        "nous vous pour dans les des est une avec pas sont du au aux ce je mon notre ici sur",
        "nou mwen pou nan ki gen yo tanpri ap pa ak se sa ou li nap kote bezwen map anpil",
    )
)
LANGUAGES = {"es": "Spanish", "it": "Italian", "fr": "French", "ht": "Kreyòl", "ar": "Arabic"}
SOURCES = ("messages_english", "messages_original", "idrisi_en", "crisisnlp_volunteers", "fire2017_nepal")
PROMISED = 0.9
PENALTY = 0.01
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Texts with their vectors.

    Attributes:
        x: Pooled vectors, shape (n, 384).
        asks: Whether each asks for help.
        language: What language each is in.
        made_up: Whether it is of the stress set.
        held: Whether it may only be tested on: validation rows and the stress set's half `test`.
        haiti: Whether it is an original of Haiti.
        original: Whether it is an original of the messages.
    """

    x: Array
    asks: NDArray[np.bool_]
    language: NDArray[np.str_]
    made_up: NDArray[np.bool_]
    held: NDArray[np.bool_]
    haiti: NDArray[np.bool_]
    original: NDArray[np.bool_]


def of_haiti(text: CrisisText) -> bool:
    """Whether a text is an original of the messages from Haiti."""
    return text.source == "messages_original" and text.event == "haiti_earthquake"


def language_of(text: CrisisText) -> str:
    """The language of a text as well as it can be known; `und` where nobody can tell."""
    if not of_haiti(text) or text.language in ("es", "en"):
        return text.language or "und"
    words = re.findall(r"\w+", text.text.casefold())
    french, kreyol = (sum(word in known for word in words) for known in (FRENCH, KREYOL))
    return "fr" if french > kreyol else "ht" if kreyol else "und"


def texts_of(data: Path, most: int) -> list[CrisisText]:
    """What heads are trained and tested on: all calls, and at most `most` other texts of each source."""
    root, rng, seen = data / "crisis_text", np.random.default_rng(0), set[str]()
    kept: list[CrisisText] = []
    for source in SOURCES:
        splits = ("train", "test") if source == "messages_original" else ("train",)
        rows = [t for t in read_source(root, source, splits=splits) if "request" in t.labels]
        rows = [t for t in rows if not (source == "messages_english" and t.event == "news")]
        others = [t for t in rows if not t.labels["request"] and t.split == "train"]
        drawn = [others[i] for i in rng.permutation(len(others))[:most]]
        for text in [t for t in rows if t.labels["request"] or t.split == "test"] + drawn:
            words = wording(text.text)
            if words and words not in seen:
                seen.add(words)
                kept.append(text)
    made_up = [
        CrisisText(
            clean_text(str(p["text"])),
            "stress",
            "",
            str(p["half"]),
            str(p["lang"]),
            {"request": int(bool(p["call"]))},
        )
        for p in stress_posts()
    ]
    return [*kept, *made_up]


def rows_of(texts: Sequence[CrisisText], x: Array) -> Rows:
    """Texts and vectors as arrays."""
    return Rows(
        x=x,
        asks=np.array([t.labels["request"] == 1 for t in texts]),
        language=np.array([language_of(t) for t in texts]),
        made_up=np.array([t.source == "stress" for t in texts]),
        held=np.array([t.split == "test" for t in texts]),
        haiti=np.array([of_haiti(t) for t in texts]),
        original=np.array([t.source == "messages_original" for t in texts]),
    )


def fitted(x: Array, asks: NDArray[np.bool_]) -> LogisticRegression:
    """The head: calls and others weigh the same."""
    return LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=500).fit(x, asks)


def threshold(x: Array, asks: NDArray[np.bool_], groups: NDArray[np.str_]) -> float:
    """What nine in ten calls of the training rows exceed, each group judged by a head of the others."""
    said = np.full(len(x), np.nan)
    for group in np.unique(groups):
        here = groups == group
        if asks[here].any() and asks[~here].any():
            said[here] = fitted(x[~here], asks[~here]).decision_function(x[here])
    judged = said[asks & ~np.isnan(said)]
    return float(np.quantile(judged, 1 - PROMISED))


def group(language: NDArray[np.str_]) -> NDArray[np.str_]:
    """Languages that have enough rows for a group of their own; all others together."""
    return np.where(np.isin(language, ("en", "ht", "fr", "ur", "und")), language, "other")


def line(name: str, asks: NDArray[np.bool_], said: Array, bound: float) -> str:
    """A row of the table: AUROC and recall with intervals, and what is taken along."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(asks), size=len(asks)) for _ in range(1000)]
    y = asks.astype(np.int64)
    areas = np.array([auroc(y[i], said[i]) for i in draws])
    recalls = np.array([(said[i][asks[i]] > bound).mean() for i in draws if asks[i].any()])
    low, high = interval(areas[~np.isnan(areas)])
    under, over = interval(recalls)
    found, along = (said[asks] > bound).mean(), (said[~asks] > bound).mean()
    area = f"{auroc(y, said):.3f} [{low:.3f}, {high:.3f}]"
    share = f"{100 * found:.0f} % [{100 * under:.0f}, {100 * over:.0f}]"
    return f"| {name} | {asks.sum()} of {len(asks)} | {area} | {share} | {100 * along:.0f} % |"


def measured(rows: Rows, code: str) -> list[str]:
    """Lines of one language: real posts, where there are any, and made-up ones."""
    left = rows.language == code
    train = ~left & ~rows.held & ~(rows.haiti if code in ("fr", "ht") else np.zeros_like(left))
    center, scale = rows.x[train].mean(0), rows.x[train].std(0) + 1e-6
    x = (rows.x - center) / scale
    head = fitted(x[train], rows.asks[train])
    bound = threshold(x[train], rows.asks[train], group(rows.language[train]))
    lines = []
    # a message that is trained on in English is not tested on in another language
    apart = rows.held | ~rows.original
    for kind, chosen in (("real", left & ~rows.made_up & apart), ("made up", left & rows.made_up)):
        if 5 <= rows.asks[chosen].sum() < chosen.sum():
            said = head.decision_function(x[chosen])
            lines.append(line(f"{LANGUAGES[code]}, {kind}", rows.asks[chosen], said, bound))
    return lines


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--most", type=int, default=1000, help="texts of a source that ask for nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    texts = texts_of(args.data, args.most)
    plain = E5Text(max_tokens=128, precision="fp32")
    rows = rows_of(texts, encode(plain, texts, args.work / "languages.npz"))
    print("| left out | calls | AUROC | calls found at a promise of 90 % | others taken along |")
    for code in LANGUAGES:
        print("\n".join(measured(rows, code)), flush=True)


if __name__ == "__main__":
    main()
