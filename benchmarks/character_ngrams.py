r"""Would n-grams beside the encoder help? `python benchmarks/character_ngrams.py DATA --work DIR`.

The default reads texts through one encoder. A logistic regression on TF-IDF of words (1 and 2) and of the
characters of words (2 to 5) is fitted beside it, on what the default's heads may be trained on, and their
logits are added,

$$\ell = \ell_{\text{encoder}} + w\,\ell_{\text{n-grams}} .$$

Asked are the ten classes (macro-F1 on development tweets of HumAID, and the mean over its events that are
never trained on) and "asks for help" (AUROC, and F1 of what is said above one half, on the validation
messages, English and originals, and on the same events; calls among the first n on the half `develop` of the
stress set). All weights are printed and none is chosen. Vectors are kept in `--work`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from later_posts import STRESS, read
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from crisislens.data.text import clean_text
from crisislens.encoders.e5 import E5Text
from crisislens.pipeline.joining import find_bundle
from crisislens.training.crisis_text import CrisisText, read_source

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
from linear_heads import LinearHeads
from need_texts import made_up, settled_appeal
from refit_classes import classes_of, macro_f1, over_events
from train_crisis import gather, outside
from train_open import encode

Array = NDArray[np.float64]
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.7, 1.0)
# sources with many texts and few calls, which would only make the fit long
AT_MOST = {"crisislex_t6": 5_000, "fire2017_nepal": 6_000}
_DEV, _CLASSES, _CALLS = 4_000, 0.5, 1.0


class NGrams:
    """TF-IDF of words and characters, and a logistic regression on it.

    Arguments:
        texts: What it learns from.
        y: Their classes, shape (n,).
        strength: C of the regression.
    """

    def __init__(self, texts: Sequence[str], y: NDArray[np.int64], strength: float) -> None:
        self.parts = (
            TfidfVectorizer(ngram_range=(1, 2), min_df=4, sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=6, sublinear_tf=True),
        )
        x = hstack([part.fit_transform(texts) for part in self.parts]).tocsr()
        self.map = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(x, y)

    def logits(self, texts: Sequence[str]) -> Array:
        """Shape (n,) of two classes, (n, c) of more."""
        x: csr_matrix = hstack([part.transform(texts) for part in self.parts]).tocsr()
        found: Array = self.map.decision_function(x)
        return found


@dataclass(frozen=True)
class Reader:
    """The default's encoder, and where its vectors are kept."""

    bundle: Path
    encoder: E5Text
    work: Path

    def logits(self, question: str, texts: Sequence[str]) -> Array:
        """Of a head of the bundle, shape (n, c)."""
        return LinearHeads.read(self.bundle, question).logits(encode(self.encoder, texts, self.work))


def ten_classes(reader: Reader, data: Path) -> None:
    """Prints macro-F1 by weight."""
    tweets = read_source(data / "crisis_text", "humaid", splits=("train", "dev", "test"))
    inside = [t for t in tweets if t.split == "dev" and not outside(t)]
    dev = [inside[i] for i in np.random.default_rng(0).permutation(len(inside))[:_DEV]]
    away = [t for t in tweets if outside(t)]
    train = [
        t
        for t in gather(data, free=False)
        if t.source == "humaid" and "humanitarian_10" in t.labels and not outside(t)
    ]
    grams = NGrams([t.text for t in train], classes_of(train), _CLASSES)
    both = [
        (reader.logits("humanitarian", [t.text for t in rows]), grams.logits([t.text for t in rows]))
        for rows in (dev, away)
    ]
    print(f"| w | ten classes: {len(dev)} development tweets | {len(away)} of events left out |")
    for w in WEIGHTS:
        (dev_own, dev_grams), (away_own, away_grams) = both
        here = macro_f1(classes_of(dev), dev_own + w * dev_grams)
        there = over_events(classes_of(away), away_own + w * away_grams, [t.event for t in away])
        print(f"| {w:g} | {100 * here:.1f} | {100 * there:.1f} |", flush=True)


def learned_calls(data: Path) -> list[CrisisText]:
    """Texts that say whether somebody asks, the made-up ones as often as they count."""
    draw = np.random.default_rng(1)
    texts = [settled_appeal(t) for t in gather(data, free=False) if not outside(t)]
    told = [t for t in texts if t.labels.get("request") in (0, 1)]
    kept: list[CrisisText] = []
    for source in sorted({t.source for t in told}):
        rows = [t for t in told if t.source == source]
        chosen = draw.permutation(len(rows))[: AT_MOST.get(source, len(rows))]
        kept += [rows[i] for i in chosen]
    return kept + made_up(("request",))


def tested_calls(data: Path) -> dict[str, tuple[list[str], NDArray[np.int64]]]:
    """By name, texts and whether they ask."""
    root = data / "crisis_text"
    sets = {
        "messages, English": read_source(root, "messages_english", splits=("dev", "test")),
        "messages, originals": read_source(root, "messages_original", splits=("dev", "test")),
        "events left out": [
            t for t in read_source(root, "humaid", splits=("train", "dev", "test")) if outside(t)
        ],
    }
    found = {}
    for name, texts in sets.items():
        told = [t for t in texts if t.labels.get("request") in (0, 1)]
        found[name] = [t.text for t in told], np.array([t.labels["request"] for t in told])
    stress = [post for post in read(STRESS / "posts.jsonl") if post["half"] == "develop"]
    calls = np.array([int(post["call"]) for post in stress])
    return found | {"stress set, develop": ([clean_text(post["text"]) for post in stress], calls)}


def asks_for_help(reader: Reader, data: Path) -> None:
    """Prints, by set and weight, AUROC, F1 above one half, and calls among the first n."""
    learned = learned_calls(data)
    y = np.array([t.labels["request"] for t in learned], np.int64)
    grams = NGrams([t.text for t in learned], y, _CALLS)
    request = LinearHeads.read(reader.bundle, "needs").classes.index("request")
    print("| asks for help | w | AUROC | F1 | calls among the first n |")
    for name, (texts, asks) in tested_calls(data).items():
        own, beside = reader.logits("needs", texts)[:, request], grams.logits(texts)
        for w in WEIGHTS:
            both = own + w * beside
            first = asks[np.argsort(-both)[: asks.sum()]].sum()
            scores = f"{100 * roc_auc_score(asks, both):.1f} | {100 * f1_score(asks, both > 0):.1f}"
            print(f"| {name} | {w:g} | {scores} | {first} of {asks.sum()} |", flush=True)


def main() -> None:
    """Fits the n-grams and prints both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundle = find_bundle("crisis-multilingual").folder
    adapter = str(bundle / "adapter.safetensors")
    reader = Reader(bundle, E5Text(max_tokens=128, precision="fp32", adapter=adapter), args.work)
    ten_classes(reader, args.data)
    asks_for_help(reader, args.data)


if __name__ == "__main__":
    main()
