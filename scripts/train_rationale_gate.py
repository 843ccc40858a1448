r"""Teaches a rationale model to answer "nothing here":
`python scripts/train_rationale_gate.py DATA [--model FOLDER] [--out FOLDER]`.

The words' own scores do not tell a joke from a report (AUROC .6 to .7: the head has never seen a text in
which nobody marked anything). So a gate is learned on the pooled vector of the model's encoder, by logistic
regression: crisis posts of Nepal 2015 (marked by people), HumAID and CrisisMMD against everyday tweets,
crisis words used figuratively, and posts that HumAID calls not humanitarian. Sympathy is left out: whether it
holds evidence is what sources dispute. Hagupit 2014 is not trained on.

The threshold is the one at which `KEPT` of the crisis posts of development rows keep their marks. Test rows
are read by `benchmarks/rationale_nothing.py` alone.
"""

import argparse
import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from crisislens.core.assets import asset
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.marked_rationales import read_snippet_table
from crisislens.encoders.lora import read_lora
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.rationale_artifact import LoadedRationalizer, load_rationalizer, save_rationalizer

KEPT = 0.97
PENALTIES = (0.001, 0.003, 0.01, 0.03)
MOST = {"train": 1500, "dev": 400, "test": 500}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """Texts of one split by their source: with evidence, and without."""

    something: dict[str, list[str]]
    nothing: dict[str, list[str]]


def _table(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(2**24)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def _parts(texts: list[str], split: str) -> list[str]:
    """Three fifths for training, a fifth for development, a fifth for the test; each wording in one."""
    order = np.random.default_rng(0).permutation(len(unique := sorted(set(texts))))
    a, b = int(0.6 * len(order)), int(0.8 * len(order))
    chosen = {"train": order[:a], "dev": order[a:b], "test": order[b:]}[split]
    return [unique[i] for i in chosen]


def texts_of(data: Path, split: str) -> Texts:
    """What a split holds, bounded by `MOST` a source."""
    humaid = _table(data / "crisis_text" / "humaid" / f"{split}.tsv")
    aside = ("not_humanitarian", "sympathy_and_support")
    photos = _table(data / "photos" / "manifest.tsv")
    keywords = _table(data / "crisis_text" / "disaster_keyword_tweets" / "labeled.tsv")
    mmd = CrisisMMD(data / "crisismmd", setting="A1", variant="agreed").load(split)  # type: ignore[arg-type]
    something = {
        "humaid": [r["text"] for r in humaid if r["label"] not in aside],
        "crisismmd": [row.post.text for row in mmd if row.label == "informative"],
    }
    marked = {"train": "nepal_2015", "test": "hagupit_2014"}
    if split in marked:
        table = data / "rationales" / f"{marked[split]}.csv"
        something[marked[split]] = [t.text for t in read_snippet_table(table)]
    nothing = {
        "everyday": _parts([r["text"] for r in photos if r["set"] == "everyday" and r["text"]], split),
        "figurative": _parts([r["text"] for r in keywords if r["about_disaster"] == "0"], split),
        "humaid not humanitarian": [r["text"] for r in humaid if r["label"] == "not_humanitarian"],
    }
    return Texts(_bounded(something, MOST[split]), _bounded(nothing, MOST[split]))


def _bounded(texts: dict[str, list[str]], most: int) -> dict[str, list[str]]:
    rng = np.random.default_rng(1)
    return {name: [rows[i] for i in rng.permutation(len(rows))[:most]] for name, rows in texts.items()}


@torch.inference_mode()
def pooled(loaded: LoadedRationalizer, texts: list[str]) -> Array:
    """The pooled vector of each text's first window; texts without words are left out."""
    cutter, encoder = WordCutter(loaded.text.encoder), loaded.text.encoder
    windows = [cut[0] for text in texts if (cut := cutter.cut(text))]
    order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
    found = np.zeros((len(windows), encoder.pooled_width))
    for a in range(0, len(order), 32):
        rows = order[a : a + 32]
        batch = collate_windows([windows[i] for i in rows], encoder.pad_id)
        found[rows] = encoder(batch.ids, batch.mask)[1].double().numpy()
    return found


def vectors(loaded: LoadedRationalizer, texts: Texts) -> tuple[Array, NDArray[np.int64]]:
    """Vectors of all texts, and whether they hold evidence."""
    parts = [(pooled(loaded, rows), 1) for rows in texts.something.values()]
    parts += [(pooled(loaded, rows), 0) for rows in texts.nothing.values()]
    x = np.concatenate([rows for rows, _ in parts])
    return x, np.concatenate([np.full(len(rows), label) for rows, label in parts])


def fit(x: Array, y: NDArray[np.int64], penalty: float) -> tuple[Array, float]:
    """Weights and bias on the vectors as they are; both kinds count alike."""
    mean, scale = x.mean(0), x.std(0).clip(1e-4)
    model = LogisticRegression(C=penalty, max_iter=500, class_weight="balanced").fit((x - mean) / scale, y)
    weight = model.coef_[0] / scale
    return weight, float(model.intercept_[0] - weight @ mean)


def threshold(scores: Array, y: NDArray[np.int64], kept: float) -> float:
    """The score that a share of the texts with evidence reaches."""
    return float(np.quantile(scores[y == 1], 1 - kept))


def chosen(x: Array, y: NDArray[np.int64], dev: Array, y_dev: NDArray[np.int64]) -> tuple[Array, float]:
    """The penalty under which the fewest posts without evidence of the development rows are marked."""
    best: tuple[float, Array, float] | None = None
    for penalty in PENALTIES:
        weight, bias = fit(x, y, penalty)
        scores = dev @ weight + bias
        theta = threshold(scores, y_dev, KEPT)
        marked = float((scores[y_dev == 0] >= theta).mean())
        print(
            f"C {penalty}: of posts without evidence {marked:.1%} stay marked on development rows", flush=True
        )
        if best is None or marked < best[0]:
            best = (marked, weight, bias - theta)
    assert best is not None
    return best[1], best[2]


def main() -> None:
    """Fits the gate and writes the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    ours = asset("rationales", "crisis-rationales")
    parser.add_argument("--model", type=Path, default=ours)
    parser.add_argument("--out", type=Path, default=ours)
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_rationalizer(args.model)
    train, dev = (vectors(loaded, texts_of(args.data, split)) for split in ("train", "dev"))
    weight, bias = chosen(*train, *dev)
    model = loaded.text
    model.gate = torch.nn.Linear(len(weight), 1)
    with torch.no_grad():
        model.gate.weight.copy_(torch.from_numpy(weight)[None])
        model.gate.bias.fill_(bias)
    card = (args.model / "README.md").read_text(encoding="utf-8")
    adapter = args.model / "adapter.safetensors"
    state = read_lora(adapter) if adapter.is_file() else None
    config = loaded.config.model_copy(update={"gate": True, "version": "2"})
    save_rationalizer(args.out, model, state, config, joint=loaded.joint, card=card)
    if adapter.is_file() and args.out != args.model:
        shutil.copyfile(adapter, args.out / adapter.name)
    print("written", args.out)


if __name__ == "__main__":
    main()
