"""Two bundles' heads of calls and needs on the same texts:
`python benchmarks/need_heads.py DATA --bundles BEFORE AFTER --work DIR`.

Each reads the vectors of its own adapter; with one adapter they are the same. Printed as rows of a table: F1
of "asks for help" and of each need, as the bundle says it (at one half), on the validation messages of Haiti,
Pakistan and Sandy, English and originals, and on HumAID's tweets that ask, by their words
(`scripts/need_texts.py`), its test and the events never trained on, with 95 % bootstrap intervals and the
paired difference; "rescue" of the messages also where label and words agree; how often each need is said of
HumAID's development posts that ask for nothing, of those of efforts and of warnings, and of a real feed
(`verification`, which has no labels of need); of which classes the tweets of HumAID are that are said to ask;
and, through the whole product, calls for help among the first and the AUROC of urgency on both halves of the
stress set; how many posts of each half are rightly and wrongly given each need, with the AUROC of the head;
and the ten classes on HumAID's test and on the events never trained on, with paired differences of macro-F1.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from need import auroc, f1, promise, stress_posts
from numpy.typing import NDArray

from crisislens.data.text import clean_text
from crisislens.domain.post import Post
from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from crisislens.evaluation.resampling import interval
from crisislens.pipeline.analyst import Analyst
from crisislens.training.crisis_text import HUMANITARIAN_10, NEEDS, CrisisText, read_source

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
from linear_heads import LinearHeads
from need_texts import named_needs, settled_appeal, settled_rescue
from train_crisis import outside
from train_open import encode, english_of

Array = NDArray[np.float64]
# of the same texts, as the first bundle sees them and as the second does
Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]
_DRAWS, _FEED, _CHUNK, _TEST = 2_000, 600, 64, 4_500
ASKED = ("request", *NEEDS)
SAID = (*ASKED, "offer", "warning")


def logit(heads: LinearHeads, pooled: NDArray[np.float32], need: str) -> Array:
    """Of the need, for each text."""
    found: Array = heads.logits(pooled)[:, heads.classes.index(need)]
    return found


def says(heads: LinearHeads, pooled: NDArray[np.float32], need: str) -> NDArray[np.bool_]:
    """Whether each text is given the need."""
    return logit(heads, pooled, need) > 0


def bounds(values: Sequence[float]) -> str:
    """An interval in brackets."""
    low, high = interval(np.array(values))
    return f"[{low:+.3f}, {high:+.3f}]" if low < 0 else f"[{low:.3f}, {high:.3f}]"


def by_need(before: LinearHeads, after: LinearHeads, texts: Sequence[CrisisText], vectors: Vectors) -> None:
    """Rows of F1 by need, over the texts that answer it and where one says yes."""
    for need in ASKED:
        known = np.array([need in t.labels for t in texts])
        y = np.array([t.labels.get(need, 0) for t in texts])[known]
        if not y.any():
            continue
        rng = np.random.default_rng(0)
        draws = [rng.integers(len(y), size=len(y)) for _ in range(_DRAWS)]
        a, b = says(before, vectors[0][known], need), says(after, vectors[1][known], need)
        first, second = ([f1(y[i], said[i]) for i in draws] for said in (a, b))
        gain = [q - p for p, q in zip(first, second, strict=True)]
        print(
            f"| {need}, {y.sum()} | {f1(y, a):.3f} {bounds(first)} | {f1(y, b):.3f} {bounds(second)} | "
            f"{f1(y, b) - f1(y, a):+.3f} {bounds(gain)} |",
            flush=True,
        )


def elsewhere(before: LinearHeads, after: LinearHeads, name: str, vectors: Vectors) -> None:
    """How often each need is said, in percent."""
    cells = [
        f"{need} {100 * says(before, vectors[0], need).mean():.1f} → "
        f"{100 * says(after, vectors[1], need).mean():.1f}"
        for need in SAID
    ]
    print(f"{name}, {len(vectors[0])}: " + ", ".join(cells), flush=True)


def of_stress(name: str, folder: Path) -> None:
    """Calls first, through the product."""
    made = stress_posts()
    posts = [Post(id=str(p["id"]), text=str(p["text"])) for p in made]
    analyst = Analyst.load([str(folder)])
    found = [a for i in range(0, len(posts), _CHUNK) for a in analyst.assess(posts[i : i + _CHUNK])]
    urgency = np.array([a.urgency for a in found])
    calls, half = np.array([int(bool(p["call"])) for p in made]), np.array([p["half"] for p in made])
    denied = np.array([a.tasks["informativeness"].probabilities["not_informative"] >= 0.9 for a in found])
    for part in ("develop", "test"):
        here = half == part
        n = calls[here].sum()
        first = calls[here][np.argsort(-urgency[here], kind="stable")[:n]].sum()
        area = auroc(calls[here], urgency[here])
        print(
            f"stress, {part}, {name}: {first} of {n} calls first, AUROC {area:.3f}, "
            f"{int((denied & (calls == 1) & here).sum())} calls dismissed at .9",
            flush=True,
        )


def needs_of_stress(before: LinearHeads, after: LinearHeads, vectors: Vectors) -> None:
    """Rows of rightly and wrongly named needs, by half."""
    made = stress_posts()
    for part in ("develop", "test"):
        here = np.array([p["half"] == part for p in made])
        for need in SAID:
            if need == "request":
                asked = np.array([bool(p["call"]) for p in made])[here]
            elif need in ("offer", "warning"):
                asked = np.array([p["kind"] == need for p in made])[here]
            else:
                asked = np.array([need in p["needs"] for p in made])[here]  # type: ignore[operator]
            if not asked.any():
                continue
            cells = []
            for heads, pooled in zip((before, after), vectors, strict=True):
                z = logit(heads, pooled[here], need)
                area = auroc(asked.astype(np.int64), z)
                cells.append(f"{((z > 0) & asked).sum()} found, {((z > 0) & ~asked).sum()} wrong, {area:.3f}")
            print(f"stress, {part}, {need}, {asked.sum()}: {cells[0]} → {cells[1]}", flush=True)


def of_asking(before: LinearHeads, after: LinearHeads, texts: Sequence[CrisisText], vectors: Vectors) -> None:
    """Of which classes of HumAID tweets are that are said to ask, and how many requests stand first.

    Requests that only appeal to everybody (`settled_appeal`) are counted apart: annotators call them so.
    """
    names = np.array([HUMANITARIAN_10[t.labels["humanitarian_10"]] for t in texts])
    appeals = np.array(["request" not in settled_appeal(t).labels for t in texts])
    names[appeals & (names == "requests_or_urgent_needs")] = "appeals among requests"
    asks = names == "requests_or_urgent_needs"
    for when, heads, pooled in zip(("before", "after"), (before, after), vectors, strict=True):
        z = logit(heads, pooled, "request")
        said = ", ".join(
            f"{n} {int((z[names == n] > 0).sum())} of {(names == n).sum()}" for n in np.unique(names)
        )
        first = asks[np.argsort(-z, kind="stable")[: asks.sum()]].sum()
        # appeals are neither right nor wrong here
        area = auroc(asks[~appeals].astype(np.int64), z[~appeals])
        print(f"asks for help, {when}: {first} of {asks.sum()} first, AUROC {area:.3f}; {said}", flush=True)


def tweets(root: Path) -> dict[str, list[CrisisText]]:
    """HumAID's tweets that ask, with the needs that their words name, by what they are kept from."""
    asking = [
        replace(t, labels=named_needs(t.text))
        for split in ("test", "train", "dev")
        for t in read_source(root, "humaid", splits=(split,))
        if t.labels.get("request") == 1 and (outside(t) or split == "test")
    ]
    return {
        "HumAID's test": [t for t in asking if not outside(t)],
        "events never trained on": [t for t in asking if outside(t)],
    }


def of_classes(first: Path, second: Path, root: Path, seen_by: Callable[[list[str]], Vectors]) -> None:
    """Macro-F1 of the ten classes, before and after."""
    heads = [LinearHeads.read(folder, "humanitarian") for folder in (first, second)]
    humaid = read_source(root, "humaid", splits=("train", "dev", "test"))
    test = _some([t for t in humaid if t.split == "test"], _TEST)
    seen = [t for t in test if not outside(t)]
    parts = {
        "HumAID's test": test,
        "its trained events alone": seen,
        "events never trained on": [t for t in humaid if outside(t)],
    }
    for name, texts in parts.items():
        y = np.array([t.labels["humanitarian_10"] for t in texts])
        vectors = seen_by([t.text for t in texts])
        said = [h.logits(pooled).argmax(1) for h, pooled in zip(heads, vectors, strict=True)]
        rng = np.random.default_rng(0)
        draws = [rng.integers(len(y), size=len(y)) for _ in range(_DRAWS)]
        scores = [[macro(y[i], one[i]) for i in draws] for one in said]
        gain = [b - a for a, b in zip(*scores, strict=True)]
        values = [f"{macro(y, one):.3f} {bounds(draw)}" for one, draw in zip(said, scores, strict=True)]
        print(f"ten classes, {name}, {len(y)}: {values[0]} → {values[1]}, gain {bounds(gain)}", flush=True)
        for c, title in enumerate(HUMANITARIAN_10):
            cells = " → ".join(f"{f1((y == c).astype(np.int64), one == c):.2f}" for one in said)
            print(f"  {title}, {(y == c).sum()}: {cells}")
    events = np.array([t.event for t in texts])
    logits = heads[1].logits(vectors[1])
    for event in np.unique(events):
        here = events == event
        cells = " → ".join(f"{macro(y[here], one[here]):.3f}" for one in said)
        # of the event itself nothing is chosen, neither temperature nor threshold
        temperature = fit_temperature(logits[~here], y[~here])
        p, others = softmax(logits[here], temperature), softmax(logits[~here], temperature)
        ece = 100 * expected_calibration_error(p, y[here])
        print(f"  {event}, {here.sum()}: {cells}; after: ECE {ece:.1f}", flush=True)
        print(promise(others, y[~here], p, y[here]), flush=True)


def macro(y: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    """Mean F1 of the classes that occur."""
    return float(np.mean([f1((y == c).astype(np.int64), said == c) for c in np.unique(y)]))


def _some(texts: list[CrisisText], count: int) -> list[CrisisText]:
    # the draw of `need.py`
    chosen = np.random.default_rng(0).permutation(len(texts))[:count]
    return [texts[i] for i in np.sort(chosen)]


def feed(data: Path) -> list[str]:
    """Texts of the real feed, drawn with a fixed seed."""
    csv.field_size_limit(2**24)
    path = data / "verification" / "tweets.tsv"
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        texts = [clean_text(row["tweetText"]) for row in rows]
    texts = [text for text in texts if text]
    return [texts[i] for i in np.random.default_rng(3).permutation(len(texts))[:_FEED]]


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--bundles", type=Path, nargs=2, required=True, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    first, second = args.bundles
    encoders = [
        E5Text(max_tokens=128, precision="fp32", adapter=str(folder / "adapter.safetensors"))
        for folder in args.bundles
    ]

    def seen_by(texts: list[str]) -> Vectors:
        mine, theirs = (encode(encoder, texts, args.work) for encoder in encoders)
        return mine, theirs

    before, after = (LinearHeads.read(folder, "needs") for folder in (first, second))
    root = args.data / "crisis_text"
    english = english_of(root, split="validation")
    for source in ("messages_english", "messages_original"):
        texts = [t for t in read_source(root, source, splits=("test",)) if t.event != "news"]
        print(f"{source}, {len(texts)} messages, F1 before, after, gain")
        vectors = seen_by([t.text for t in texts])
        by_need(before, after, texts, vectors)
        settled = [settled_rescue(t, english) for t in texts]
        only = [replace(t, labels={q: y for q, y in t.labels.items() if q == "rescue"}) for t in settled]
        print("the same, rescue where label and words agree")
        by_need(before, after, only, vectors)
    for name, texts in tweets(root).items():
        print(f"tweets that ask, {name}, {len(texts)}, F1 before, after, gain")
        by_need(before, after, texts, seen_by([t.text for t in texts]))
    ask = HUMANITARIAN_10.index("requests_or_urgent_needs")
    quiet = [t for t in read_source(root, "humaid", splits=("dev",)) if t.labels["humanitarian_10"] != ask]
    quiet = [quiet[i] for i in np.random.default_rng(2).permutation(len(quiet))[:_FEED]]
    elsewhere(
        before,
        after,
        "HumAID's development posts that ask for nothing, said of %",
        seen_by([t.text for t in quiet]),
    )
    elsewhere(before, after, "the feed, said of %", seen_by(feed(args.data)))
    for name in ("rescue_volunteering_or_donation_effort", "caution_and_advice"):
        at = HUMANITARIAN_10.index(name)
        mine = [t for t in read_source(root, "humaid", splits=("dev",)) if t.labels["humanitarian_10"] == at]
        told = f"HumAID's development posts of {name}, said of %"
        elsewhere(before, after, told, seen_by([t.text for t in mine]))
    asks = [t for t in read_source(root, "humaid") if not outside(t)]
    asks += read_source(root, "crisisnlp_volunteers")
    asks = [t for t in asks if t.labels.get("request") == 1]
    appeals = sum("request" not in settled_appeal(t).labels for t in asks)
    print(f"training tweets that ask, {len(asks)}: mere appeals {appeals}")
    for split, name in (("test", "HumAID's test"), ("", "events never trained on")):
        humaid = read_source(root, "humaid", splits=("train", "dev", "test"))
        mine = [t for t in humaid if (t.split == split and not outside(t) if split else outside(t))]
        mine = _some(mine, _TEST) if split else mine
        print(f"{name}, {len(mine)}")
        of_asking(before, after, mine, seen_by([t.text for t in mine]))
    stress = [clean_text(str(p["text"])) for p in stress_posts()]
    needs_of_stress(before, after, seen_by(stress))
    of_classes(first, second, root, seen_by)
    of_stress("before", first)
    of_stress("after", second)


if __name__ == "__main__":
    main()
