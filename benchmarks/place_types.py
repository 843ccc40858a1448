"""Kinds of places from text and photo on the stand-in, several models, five folds:
`python benchmarks/place_types.py DATA --out DIR`.

The stand-in is not SG-MFT's data (which is not public): captioned photos and everyday tweets with
distant labels from place words that are masked in the text (`crisislens.data.places`), plus scene
photos without text for training. Five folds, near-duplicates together; fold k is tested by seed k,
so every post with both modalities is tested once. All models: width 64, the same features
(EfficientNet's 9 × 9 grid averaged to 3 × 3 regions), the same recipe and number of epochs. Classes
with fewer than 20 tested posts are left out.

Each model's test logits are kept in `--out` (whole posts, and with a modality missing or another
post's), by recipe, features and folds, so a killed run goes on. The last step prints a JSON line a
model: mean and 95 % t interval over folds, the paired bootstrap against SG-MFT over all tested
posts, Holm-corrected, and parameters and milliseconds a post.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, reduce

from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import ImageLimits
from crisislens.data.places import captioned_photos, labeled_tweets, scene_photos
from crisislens.data.split_making import folds, near_duplicate_groups
from crisislens.data.text import CleaningRules
from crisislens.domain.place_types import PLACE_CRISIS
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.classification import evaluate
from crisislens.evaluation.significance import holm, mean_interval, paired_bootstrap
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.device import set_threads
from crisislens.nn.widths import FeatureWidths
from crisislens.training.heads import HeadConfig, train_head

FOLDS, WIDTH, FEWEST, SCENES = 5, 64, 20, 60
RECIPE = {"learning_rate": 1e-3, "epochs": 10, "batch_posts": 64, "balance": "sqrt"}
SG = {"width": WIDTH, "heads": 4, "layers": 2}
MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "SG-MFT": ("sg_mft", SG),
    "text only": ("text_only", {"width": WIDTH}),
    "image only": ("image_only", {"width": WIDTH}),
    "concatenation": ("concat", {"width": WIDTH, "hidden": WIDTH}),
    "late fusion": ("late_fusion", {"width": WIDTH}),
    "guided cross attention": ("guided", {"width": WIDTH, "heads": 4}),
    "correlation fusion": ("correlation_fusion", SG),
    "cross-attention transformer": ("cross_transformer", SG),
    "SG-MFT without coarse": ("sg_mft", {**SG, "coarse": False}),
    "SG-MFT without fine": ("sg_mft", {**SG, "fine": False}),
    "SG-MFT without SIM": ("sg_mft", {**SG, "layers": 0}),
    "SG-MFT without SFM": ("sg_mft", {**SG, "fusion": "concat"}),
    "SG-MFT, text only": ("sg_mft", {**SG, "only": "text"}),
    "SG-MFT, image only": ("sg_mft", {**SG, "only": "image"}),
    "SG-MFT, component similarity": ("sg_mft", {**SG, "elements": "components"}),
    "SG-MFT, pooled, 4 tokens": ("sg_mft", {**SG, "source": "pooled"}),
    "SG-MFT, pooled, 1 token": ("sg_mft", {**SG, "source": "pooled", "pooled_tokens": 1}),
}
CONDITIONS = ("whole", "no text", "no photo", "another's text", "another's photo")


class Regions:
    """All posts in memory, the picture's grid averaged to 3 × 3 regions; what `train_head` asks a
    cache for.

    Arguments:
        posts: One batch of all posts.
        fingerprint: Of the features.
    """

    def __init__(self, posts: FeatureBatch, fingerprint: str) -> None:
        self.posts, self.fingerprint = posts, fingerprint

    def batch(self, rows: np.ndarray) -> FeatureBatch:
        """Some of the posts."""
        return self.posts.select(torch.as_tensor(rows))


def load(
    data: Path, work: Path
) -> tuple[Regions, FeatureWidths, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Features, widths, classes, folds, which posts are tested, and the names of the classes."""
    manifest = data / "photos" / "manifest.tsv"
    both = captioned_photos(manifest) + labeled_tweets(manifest)
    counts = Counter(p.label for p in both)
    names = [c for c in PLACE_CRISIS.classes if counts[c] >= FEWEST]
    labeled = [p for p in both + scene_photos(manifest, most=SCENES) if p.label in names]
    posts = [p.post for p in labeled]
    encoders = load_encoders(EncoderSpec())
    encoder = PostEncoder(encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=data / "photos")
    cache = extract(posts, encoder, work, source_fingerprint=fingerprint([p.id for p in posts]))
    parts = [cache.batch(range(i, min(i + 128, len(posts)))) for i in range(0, len(posts), 128)]
    longest = max(p.text.tokens.shape[1] for p in parts)
    batch = FeatureBatch(
        text=join([widen(p.text, longest) for p in parts]),
        image=join([regions(p.image) for p in parts]),
    )
    owner = near_duplicate_groups(posts, data / "photos")
    labels = [p.label for p in labeled]
    fold = folds(labels, owner, count=FOLDS)
    tested = (batch.text.present & batch.image.present).numpy()
    return (
        Regions(batch, cache.fingerprint),
        encoders.widths(),
        np.array([names.index(c) for c in labels]),
        np.array(fold),
        tested,
        names,
    )


def widen(x: ModalityBatch, n: int) -> ModalityBatch:
    """Padded to n tokens."""
    more = n - x.tokens.shape[1]
    pad = torch.nn.functional.pad
    return ModalityBatch(pad(x.tokens, (0, 0, 0, more)), pad(x.mask, (0, more)), x.pooled, x.present)


def regions(x: ModalityBatch) -> ModalityBatch:
    """The 9 × 9 grid as 3 × 3 means."""
    grid = rearrange(x.tokens, "b (h i w j) d -> b h i w j d", h=3, i=3, w=3, j=3)
    return ModalityBatch(reduce(grid, "b h i w j d -> b (h w) d", "mean"), x.mask[:, :9], x.pooled, x.present)


def join(parts: list[ModalityBatch]) -> ModalityBatch:
    """One batch of all."""
    return ModalityBatch(
        *(torch.cat([getattr(p, name) for p in parts]) for name in ("tokens", "mask", "pooled", "present"))
    )


def changed(batch: FeatureBatch, condition: str, y: np.ndarray) -> FeatureBatch:
    """Test posts with a modality missing, or replaced by that of the next post of another class."""
    gone = torch.ones(len(batch), dtype=torch.bool)
    n = len(y)
    other = torch.tensor([_next_of_another_class(y, i) for i in range(n)])
    return {
        "whole": lambda: batch,
        "no text": lambda: batch.map(text=batch.text.without(gone)),
        "no photo": lambda: batch.map(image=batch.image.without(gone)),
        "another's text": lambda: batch.map(text=batch.text.select(other)),
        "another's photo": lambda: batch.map(image=batch.image.select(other)),
    }[condition]()


def _next_of_another_class(y: np.ndarray, i: int) -> int:
    """The post behind a post, around the end, that has another class; itself where all have one."""
    for k in range(1, len(y)):
        j = (i + k) % len(y)
        if y[j] != y[i]:
            return j
    return i


def logits_of(model: FusionModel, batch: FeatureBatch) -> np.ndarray:
    """In batches of 128."""
    with torch.inference_mode():
        return torch.cat([model(batch.select(rows)) for rows in torch.arange(len(batch)).split(128)]).numpy()


def milliseconds(model: FusionModel, batch: FeatureBatch, repeats: int = 15) -> float:
    """The median time a post of a whole batch."""
    with torch.inference_mode():
        model(batch)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            model(batch)
            times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times)) / len(batch)


def kept_at(name: str, data: tuple, out: Path) -> Path:
    """Where a model's logits are kept: a name for all that they depend on."""
    features, _, y, fold, tested, names = data
    kind, options = MODELS[name]
    digest = fingerprint(
        {
            "model": [kind, options],
            "recipe": RECIPE,
            "features": features.fingerprint,
            "classes": [y.tolist(), names],
            "folds": [FOLDS, fold.tolist(), tested.tolist()],
        }
    )
    return out / f"{name.replace(' ', '_').replace(',', '')}-{digest}.npz"


def run(name: str, data: tuple, out: Path) -> None:
    """Trains and tests all folds of one model, unless its file is there."""
    features, widths, y, fold, tested, names = data
    path = kept_at(name, data, out)
    if path.is_file():
        return
    kind, options = MODELS[name]
    spec = ModelSpec(name=kind, options=options)
    found = {c: np.zeros((len(y), len(names)), np.float32) for c in CONDITIONS}
    for k in range(FOLDS):
        torch.manual_seed(k)
        model = spec.build(widths, len(names))
        rows = np.flatnonzero(fold != k)
        train_head(
            model,
            features,
            rows.tolist(),
            y[rows].tolist(),
            [1.0] * len(rows),
            HeadConfig(seed=k, **RECIPE),
        )
        at = np.flatnonzero((fold == k) & tested)
        for c in CONDITIONS:
            found[c][at] = logits_of(model, changed(features.batch(at), c, y[at]))
    one, many = (
        features.batch(np.flatnonzero(tested)[:1]),
        features.batch(np.flatnonzero(tested)[:64]),
    )
    facts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "ms a post, batches of 64": round(milliseconds(model, many), 3),
        "ms a post, alone": round(milliseconds(model, one), 3),
    }
    with (path.with_suffix(".part")).open("wb") as stream:
        np.savez(stream, **found)
    path.with_suffix(".part").replace(path)
    atomic_write(path.with_suffix(".json"), json.dumps(facts))
    print(name, facts, flush=True)


def table(data: tuple, out: Path) -> None:
    """Prints what all models came to."""
    _, _, y, fold, tested, names = data
    at = np.flatnonzero(tested)
    found = {}
    for name in MODELS:
        with np.load(kept_at(name, data, out)) as stored:
            found[name] = {c: stored[c] for c in CONDITIONS}
    p = {name: softmax(one["whole"][at]) for name, one in found.items()}
    differences = {
        n: paired_bootstrap(y[at], p["SG-MFT"], p[n], "weighted_f1", resamples=2000)
        for n in MODELS
        if n != "SG-MFT"
    }
    corrected = holm({n: d.p_value for n, d in differences.items()})
    print(
        json.dumps(
            {
                "classes": dict(Counter(names[c] for c in y[at])),
                "tested": len(at),
                "posts": len(y),
                "folds": FOLDS,
                **RECIPE,
            }
        )
    )
    for name, one in found.items():
        row: dict[str, object] = {
            "model": name,
            **json.loads(kept_at(name, data, out).with_suffix(".json").read_text()),
        }
        for c in CONDITIONS:
            scores = []
            for k in range(FOLDS):
                mine = np.flatnonzero((fold == k) & tested)
                scores.append(evaluate(y[mine], softmax(one[c][mine]), names, resamples=10))
            metrics = ("accuracy", "macro_f1", "weighted_f1") if c == "whole" else ("weighted_f1",)
            row[c] = {m: mean_interval([getattr(s, m).value for s in scores]).percent() for m in metrics}
        if name in differences:
            d = differences[name]
            row["SG-MFT minus it, weighted F1"] = (
                f"{100 * d.difference:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
            )
            row["Holm p"] = round(corrected[name], 4)
        print(json.dumps(row), flush=True)


def main() -> None:
    """Runs every model that has no result yet, within the time given, and prints the table when all
    have.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with photos/manifest.tsv")
    parser.add_argument("--out", type=Path, default=Path(".cache/place_types"))
    parser.add_argument("--minutes", type=float, default=1e9, help="start no further model after this time")
    arguments = parser.parse_args()
    set_threads()
    start = time.monotonic()
    data = load(arguments.data, arguments.out / "features")
    for name in MODELS:
        if time.monotonic() - start < 60 * arguments.minutes:
            run(name, data, arguments.out)
    if all(kept_at(n, data, arguments.out).is_file() for n in MODELS):
        table(data, arguments.out)


if __name__ == "__main__":
    main()
