"""Two bundles' heads of calls and needs on the same vectors:
`python benchmarks/need_heads.py DATA --bundles BEFORE AFTER --work DIR`.

Both must have the same encoder with the same adapter. Printed as rows of a table: F1 of each need, as the
bundle says it (at one half), on the validation messages of Haiti, Pakistan and Sandy, English and originals,
with 95 % bootstrap intervals and the paired difference; how often each need is said of HumAID's development
posts that ask for nothing and of a real feed (`verification`, which has no labels of need); and, through the
whole product, calls for help among the first and the AUROC of urgency on both halves of the stress set; and
how many posts of that set are rightly and wrongly given each need.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from need import auroc, f1, stress_posts
from numpy.typing import NDArray

from crisislens.data.text import clean_text
from crisislens.domain.post import Post
from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.resampling import interval
from crisislens.models.artifact import load_artifact
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.bundle import Bundle
from crisislens.training.crisis_text import HUMANITARIAN_10, NEEDS, CrisisText, read_source

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
from train_open import encode

Array = NDArray[np.float64]
_DRAWS, _FEED, _CHUNK = 2_000, 600, 64


class Heads:
    """The linear heads of a bundle's calls and needs."""

    def __init__(self, folder: Path) -> None:
        loaded = load_artifact(Bundle.read(folder).artifact("needs"))
        self.classes = list(loaded.meta.classes)
        self.state = {name: x.double().numpy() for name, x in loaded.model.state_dict().items()}

    def says(self, pooled: NDArray[np.float32], need: str) -> NDArray[np.bool_]:
        """Whether each text is given the need."""
        at = self.classes.index(need)
        x = (pooled - self.state["mean"]) / self.state["scale"]
        said: NDArray[np.bool_] = x @ self.state["map.weight"][at] + self.state["map.bias"][at] > 0
        return said


def bounds(values: Sequence[float]) -> str:
    """An interval in brackets."""
    low, high = interval(np.array(values))
    return f"[{low:+.3f}, {high:+.3f}]" if low < 0 else f"[{low:.3f}, {high:.3f}]"


def of_messages(
    before: Heads, after: Heads, texts: Sequence[CrisisText], pooled: NDArray[np.float32]
) -> None:
    """Rows of F1 by need."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(texts), size=len(texts)) for _ in range(_DRAWS)]
    for need in NEEDS:
        y = np.array([t.labels.get(need, 0) for t in texts])
        a, b = before.says(pooled, need), after.says(pooled, need)
        first, second = ([f1(y[i], said[i]) for i in draws] for said in (a, b))
        gain = [q - p for p, q in zip(first, second, strict=True)]
        print(
            f"| {need}, {y.sum()} | {f1(y, a):.3f} {bounds(first)} | {f1(y, b):.3f} {bounds(second)} | "
            f"{f1(y, b) - f1(y, a):+.3f} {bounds(gain)} |",
            flush=True,
        )


def elsewhere(before: Heads, after: Heads, name: str, pooled: NDArray[np.float32]) -> None:
    """How often each need is said, in percent."""
    cells = [
        f"{need} {100 * before.says(pooled, need).mean():.1f} → {100 * after.says(pooled, need).mean():.1f}"
        for need in NEEDS
    ]
    print(f"{name}, {len(pooled)}: " + ", ".join(cells), flush=True)


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


def needs_of_stress(before: Heads, after: Heads, pooled: NDArray[np.float32]) -> None:
    """Rows of rightly and wrongly named needs, over both halves."""
    made = stress_posts()
    for need in NEEDS:
        asked = np.array([need in p["needs"] for p in made])  # type: ignore[operator]
        cells = [
            f"{int((said & asked).sum())} found, {int((said & ~asked).sum())} wrong"
            for said in (heads.says(pooled, need) for heads in (before, after))
        ]
        print(f"stress, both halves, {need}, {asked.sum()}: {cells[0]} → {cells[1]}", flush=True)


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
    adapter = first / "adapter.safetensors"
    if adapter.read_bytes() != (second / "adapter.safetensors").read_bytes():
        parser.error(
            "the two bundles have other adapters, so their vectors differ; use benchmarks/default.py"
        )
    encoder = E5Text(max_tokens=128, precision="fp32", adapter=str(adapter))
    before, after = Heads(first), Heads(second)
    root = args.data / "crisis_text"
    for source in ("messages_english", "messages_original"):
        texts = [t for t in read_source(root, source, splits=("test",)) if t.event != "news"]
        print(f"{source}, {len(texts)} messages, F1 before, after, gain")
        of_messages(before, after, texts, encode(encoder, [t.text for t in texts], args.work))
    ask = HUMANITARIAN_10.index("requests_or_urgent_needs")
    quiet = [t for t in read_source(root, "humaid", splits=("dev",)) if t.labels["humanitarian_10"] != ask]
    quiet = [quiet[i] for i in np.random.default_rng(2).permutation(len(quiet))[:_FEED]]
    elsewhere(
        before,
        after,
        "HumAID's development posts that ask for nothing, said of %",
        encode(encoder, [t.text for t in quiet], args.work),
    )
    elsewhere(before, after, "the feed, said of %", encode(encoder, feed(args.data), args.work))
    stress = [clean_text(str(p["text"])) for p in stress_posts()]
    needs_of_stress(before, after, encode(encoder, stress, args.work))
    of_stress("before", first)
    of_stress("after", second)


if __name__ == "__main__":
    main()
