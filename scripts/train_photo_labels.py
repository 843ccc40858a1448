"""Trains the photo labels of the weak captioner:
`python scripts/train_photo_labels.py DATA [--work DIR] [--out FILE]`.

DATA/photos holds web photos whose label was guessed from their folder (`manifest.tsv`: file, set,
label). At most `PER_CLASS` of a class are taken, near-duplicates (perceptual hash) stay on one side
of the split 80/20, and a multinomial logistic regression is fitted on the pooled EfficientNet-lite2
features, scaled to length 1. Writes the weights with the held-out accuracy in their metadata. No
CrisisMMD photo is used, so captions made from these labels leak nothing of that data set's labels.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import save

from crisislens.captioning.labels import PHOTO_LABELS
from crisislens.core.files import atomic_write
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster
from crisislens.data.images import ImageLimits
from crisislens.domain.post import ImageRef
from crisislens.encoders.compact import EfficientNetImage
from crisislens.features.pictures import Picture, PictureEncoder
from crisislens.nn.device import set_threads

PER_CLASS = 200
MERGED = {"wild_fire": "wildfire", "fire": "urban_fire"}
DROPPED = {"smoke", "normal"}
EVERYDAY_SHARE = 3


def chosen_rows(folder: Path, seed: int = 0) -> list[tuple[str, int]]:
    """Files with their class, at most `PER_CLASS` of each, three times as many everyday photos."""
    with (folder / "manifest.tsv").open(encoding="utf-8") as stream:
        records = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    random = np.random.default_rng(seed)
    by_class: dict[str, list[str]] = {name: [] for name in PHOTO_LABELS}
    for i in random.permutation(len(records)).tolist():
        record = records[i]
        label = MERGED.get(record["label"], record["label"])
        if label in DROPPED:
            continue
        limit = PER_CLASS * (EVERYDAY_SHARE if label == "everyday" else 1)
        if len(by_class[label]) < limit:
            by_class[label].append(record["file"])
    return [(file, c) for c, name in enumerate(PHOTO_LABELS) for file in by_class[name]]


def features(
    folder: Path, rows: list[tuple[str, int]], work: Path
) -> tuple[Float[np.ndarray, "s d"], Int[np.ndarray, " s"], list[int]]:
    """Pooled features of length 1, classes and hashes of the photos that can be read; kept in
    `work`.
    """
    place = work / "photo_labels.npz"
    if place.is_file():
        kept = np.load(place)
        return kept["x"], kept["y"], [int(h) for h in kept["hashes"]]
    encoder = PictureEncoder(EfficientNetImage(), limits=ImageLimits(), root=folder, keep_tokens=False)
    x, y, hashes = [], [], []
    for start in range(0, len(rows), 64):
        chunk = rows[start : start + 64]
        found = encoder.encode([ImageRef(path=file) for file, _ in chunk])
        for file, c in chunk:
            picture = found[file]
            if isinstance(picture, Picture):
                x.append(torch.nn.functional.normalize(picture.pooled, dim=0).numpy())
                y.append(c)
                hashes.append(picture.hash or 0)
        print(f"{start + len(chunk)}/{len(rows)}", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    np.savez(place, x=np.stack(x), y=np.array(y), hashes=np.array(hashes, np.uint64))
    return np.stack(x), np.array(y, np.int64), hashes


def held_out(hashes: list[int], seed: int = 0) -> np.ndarray:
    """True for a fifth of the photos; near-duplicates together."""
    owner = np.arange(len(hashes))
    blank, none = np.zeros((len(hashes), SIGNATURE_LENGTH), np.uint32), np.zeros(len(hashes), bool)
    there = np.array([h != 0 for h in hashes])
    for group in cluster(blank, none, np.array(hashes, np.uint64), there):
        owner[list(group.members)] = group.members[0]
    share: np.ndarray = np.random.default_rng(seed).random(len(hashes))[owner]
    return share < 0.2


def main() -> None:
    """Trains and writes."""
    from sklearn.linear_model import LogisticRegression

    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/photo-labels"))
    parser.add_argument("--out", type=Path, default=Path("src/crisislens/assets/photo_labels.safetensors"))
    arguments = parser.parse_args()
    set_threads()
    x, y, hashes = features(arguments.data / "photos", chosen_rows(arguments.data / "photos"), arguments.work)
    test = held_out(hashes)
    model = LogisticRegression(C=30.0, max_iter=300).fit(x[~test], y[~test])
    accuracy = float((model.predict(x[test]) == y[test]).mean())
    disaster = np.array([PHOTO_LABELS[name].disaster for name in PHOTO_LABELS])
    binary = float((disaster[model.predict(x[test])] == disaster[y[test]]).mean())
    facts = {
        "train": int((~test).sum()),
        "test": int(test.sum()),
        "accuracy": round(accuracy, 4),
        "disaster_or_not": round(binary, 4),
    }
    metadata = {
        "format": "crisislens-photo-labels-1",
        "classes": json.dumps(list(PHOTO_LABELS)),
        "facts": json.dumps(facts),
    }
    tensors = {
        "weight": torch.from_numpy(model.coef_).half().contiguous(),
        "bias": torch.from_numpy(model.intercept_).half(),
    }
    atomic_write(arguments.out, save(tensors, metadata=metadata))
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
