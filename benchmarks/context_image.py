"""Whether alignment lets contexts and photos find each other:
`python benchmarks/context_image.py PHOTOS --cache FILE`.

PHOTOS is the folder with `manifest.tsv` and `captioned/`: photos with five captions each, of which
one is the context. Encoders are frozen (MiniLM's mean, EfficientNet-lite2's mean); only the
projections of `nn.alignment` learn, in batches of 32 pairs, from context and image alone.
Near-duplicate photos (perceptual hash) are dropped before the split. Printed is R@k over all
held-out photos, before training and after, with t intervals over seeds; chance is k / photos. CACHE
keeps the features (safetensors), which take a minute; it is refused where it is of other photos,
captions or encoders.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.duplicates import image_hash
from crisislens.data.images import decode_image
from crisislens.encoders.base import EncoderSpec, load_encoders, pad_ids
from crisislens.evaluation.significance import mean_interval
from crisislens.nn.alignment import Alignment, AlignmentKind
from crisislens.nn.device import set_threads

KINDS: tuple[AlignmentKind, ...] = ("info_nce", "shapley_softmax", "shapley_margin")
HELD_OUT, K, EPOCHS, RANKS = 300, 32, 30, (1, 5, 10)


def features(photos: Path, cache: Path) -> dict[str, Tensor]:
    """Means of captions (photos, 5, 384) and of patches (photos, 1280), near-duplicates left out."""
    lines = [line.split("\t") for line in (photos / "manifest.tsv").read_text(encoding="utf-8").splitlines()]
    rows = [(cells[0], cells[3].split(" || ")) for cells in lines if cells[1] == "captioned"]
    rows = [(file, captions) for file, captions in rows if len(captions) == 5]
    encoders = load_encoders(EncoderSpec())
    digests = [fingerprint_file(photos / file) for file, _ in rows]
    made_from = fingerprint({"rows": rows, "photos": digests, "encoders": encoders.fingerprint()})
    if cache.is_file():
        return of_cache(cache, made_from)
    images, texts, hashes = [], [], []
    with torch.inference_mode():
        for file, captions in rows:
            pixels = decode_image(photos / file).pixels
            hashes.append(image_hash(pixels))
            images.append(encoders.image(encoders.image.preprocess(pixels)[None])[1][0])
            ids, mask = pad_ids(encoders.text.tokenize(captions), encoders.text.pad_id)
            texts.append(encoders.text(ids, mask)[1])
    seen: set[int] = set()
    kept = []
    for i, h in enumerate(hashes):
        if h is None or all((h ^ other).bit_count() > 4 for other in seen):
            kept.append(i)
        if h is not None:
            seen.add(h)
    found = {
        "image": torch.stack(images)[kept].contiguous(),
        "text": torch.stack(texts)[kept].contiguous(),
    }
    save_file(found, cache, {"made_from": made_from})
    return found


def of_cache(cache: Path, made_from: str) -> dict[str, Tensor]:
    """What a cache holds, if it was made from the same."""
    with safe_open(cache, "pt") as stored:
        told = (stored.metadata() or {}).get("made_from")
    if told != made_from:
        raise SystemExit(f"{cache} was made from other photos, captions or encoders; name another --cache")
    return load_file(cache)


def recall(align: Alignment, context: Tensor, image: Tensor) -> dict[str, float]:
    """R@k of photos for contexts and of contexts for photos."""
    with torch.no_grad():
        s = align.similarities(align.context(context), align.image(image))
    ranks = {
        "context_to_image": (s > s.diagonal()[:, None]).sum(1),
        "image_to_context": (s > s.diagonal()[None]).sum(0),
    }
    return {f"{side} r@{k}": float((rank < k).double().mean()) for side, rank in ranks.items() for k in RANKS}


def one(kind: AlignmentKind, data: dict[str, Tensor], seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Before and after, with one seed."""
    g = torch.Generator().manual_seed(seed)
    # the held-out photos are the same for all seeds and systems
    order = torch.randperm(len(data["image"]), generator=torch.Generator().manual_seed(0))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    torch.manual_seed(seed)
    align = Alignment(text_width=384, image_width=1280, width=256, kind=kind, learn_temperature=True)
    image = (data["image"] - data["image"][train].mean(0)) / data["image"][train].std(0)
    before = recall(align, data["text"][test, 0], image[test])
    optimizer = torch.optim.AdamW(align.parameters(), lr=1e-3, weight_decay=0.1)
    steps, done = EPOCHS * (len(train) // K), 0
    for _ in range(EPOCHS):
        for rows in train[torch.randperm(len(train), generator=g)].split(K):
            if len(rows) < K:
                continue
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * (1 - done / steps)
            # another caption of the photo each time, as contexts of several runs of a captioner
            # would be
            context = data["text"][rows, torch.randint(5, (K,), generator=g)]
            everyone = torch.ones(K, dtype=torch.bool)
            s = align.similarities(align.context(context), align.image(image[rows]))
            loss = (align.direction(s, everyone, g) + align.direction(s.T, everyone, g)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
    return before, recall(align, data["text"][test, 0], image[test])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    set_threads(args.threads)
    data = features(args.photos, args.cache)
    print(json.dumps({"photos": len(data["image"]), "held_out": HELD_OUT, "chance_r@1": 1 / HELD_OUT}))
    for kind in KINDS:
        runs = [one(kind, data, seed) for seed in args.seeds]
        for moment, scores in zip(("before", "after"), zip(*runs, strict=True), strict=True):
            means = {}
            for name in scores[0]:
                means[name] = mean_interval([s[name] for s in scores]).percent()
            print(kind, moment, means, flush=True)


if __name__ == "__main__":
    main()
