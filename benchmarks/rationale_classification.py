"""Decisions on rationales alone: `python benchmarks/rationale_classification.py DATA [--out DIR]`.

Text (setting B2, official split): the shipped rationale model marks every tweet, stage 2 learns on
what a switch leaves of it (`explain.reduce`), three seeds. `separate`: the encoder of the bundle
`crisis-compact`; `shared`: that of stage 1. Both are frozen; a late-fusion head is trained.
Faithfulness: the full-post model of each seed sees rationales, complements, random words, and only
`*`.

Photos (150 of the CrisisMMD photos in hand): faithfulness of `crisis-compact` for text, patches and
both, and its curves on 60 of them.

A finished part is kept in `--out`, by models, recipe and posts, and not made again.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.images import decode_image, resolve_image
from crisislens.data.source import LabeledPost
from crisislens.data.words import is_noise
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.evaluation.classification import evaluate
from crisislens.evaluation.rationale_scores import (
    curve_area,
    faithfulness,
    mean_estimate,
    random_like,
)
from crisislens.evaluation.significance import mean_interval, paired_bootstrap
from crisislens.explain.faithfulness import Shown, probabilities, shown_patches, shown_words
from crisislens.explain.heat import soft_blur
from crisislens.explain.rationalizer import PostRationale, Rationalizer
from crisislens.explain.reduce import reduce_pixels, reduce_text
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.device import set_threads
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.joining import find_bundle
from crisislens.training.heads import HeadConfig, predict_logits, train_head

BUNDLE = "crisis-compact"
SEEDS = (0, 1, 2)
SWITCHES = ("none", "both", "complement")
PHOTO_POSTS, CURVE_POSTS = 150, 60
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
HEAD = ModelSpec(
    name="late_fusion",
    options={"width": 128, "source": "pooled", "dropout": 0.2, "modality_dropout": 0.0},
)


def variants(posts: Sequence[Post], why: Sequence[PostRationale]) -> dict[str, list[Post]]:
    """The posts as each switch shows them, and two baselines."""

    def changed(texts: Sequence[str]) -> list[Post]:
        return [Post(id=post.id, text=text) for post, text in zip(posts, texts, strict=True)]

    found = {
        switch: changed(
            [reduce_text(p.text, w.words, w.chosen, switch) for p, w in zip(posts, why, strict=True)]
        )  # type: ignore[arg-type]
        for switch in SWITCHES
    }
    for name, switch in (("random", "both"), ("without random", "complement")):
        texts = []
        for k, (p, w) in enumerate(zip(posts, why, strict=True)):
            allowed = np.array([not is_noise(p.text[a:b]) for a, b in w.words], dtype=bool)
            drawn = random_like(np.array(w.chosen, dtype=bool), allowed=allowed, seed=k)
            texts.append(reduce_text(p.text, w.words, [bool(x) for x in drawn], switch))  # type: ignore[arg-type]
        found[name] = changed(texts)
    found["nothing"] = changed(
        [
            reduce_text(p.text, w.words, [False] * len(w.words), "both")
            for p, w in zip(posts, why, strict=True)
        ]
    )
    return found


def shared_encoders(rationalizer: Rationalizer) -> EncoderPair:
    """The encoders of stage 1."""
    return EncoderPair(rationalizer.loaded.text.encoder, load_encoders(EncoderSpec()).image, EncoderSpec())


def text_part(data: Path, out: Path, which: str) -> dict[str, object]:
    """Stage 2 on B2."""
    rows = _of_b2(data)
    every = [row for split in rows.values() for row in split]
    start = {"train": 0, "dev": len(rows["train"]), "test": len(rows["train"]) + len(rows["dev"])}
    places = {split: list(range(start[split], start[split] + len(found))) for split, found in rows.items()}
    y = np.array([TASKS["humanitarian_b2"].index(row.label) for row in every])
    tweets = np.array([row.post.id.rpartition("_")[0] for row in every])
    rationalizer = Rationalizer.load()
    why = rationalizer.find([row.post.text for row in every])
    analyst = Analyst.load(BUNDLE)
    pair = analyst.encoder.encoders if which == "separate" else shared_encoders(rationalizer)
    encoder = PostEncoder(
        pair, rules=analyst.encoder.rules, limits=analyst.limits, image_root=None, keep_tokens=()
    )
    caches: dict[str, FeatureCache] = {}
    for name, posts in variants([row.post for row in every], why).items():
        unique = [post.model_copy(update={"id": f"{i}"}) for i, post in enumerate(posts)]
        # baselines only stand before the full-post model, on test posts
        some = unique if name in SWITCHES else [unique[i] for i in places["test"]]
        caches[name] = extract(some, encoder, out / "features", source_fingerprint=f"{which}-{name}")
        print(f"{which}: features of {name}", flush=True)
    truth, clusters = y[places["test"]], tweets[places["test"]]
    tables: dict[str, list[np.ndarray]] = {name: [] for name in SWITCHES}
    seen: dict[str, list[np.ndarray]] = {name: [] for name in caches}
    for seed in SEEDS:
        for name in SWITCHES:
            model = _head(caches[name], places["train"], y, pair, seed)
            tables[name].append(_softmax(predict_logits(model, caches[name], places["test"])))
            if name == "none":
                for other, cache in caches.items():
                    rows_there = places["test"] if other in SWITCHES else list(range(len(truth)))
                    seen[other].append(_softmax(predict_logits(model, cache, rows_there)))
    return _text_report(truth, clusters, tables, seen, why=[why[i] for i in places["test"]])


def _of_b2(data: Path) -> dict[str, list[LabeledPost]]:
    source = CrisisMMD(data / "crisismmd", setting="B2", variant="agreed")
    return {split: source.load(split) for split in ("train", "dev", "test")}


def made_from(part: str, data: Path, rationales: str) -> str:
    """What a part depends on.

    Arguments:
        part: Its name.
        data: The folder of the data.
        rationales: Fingerprint of the rationale model.
    """
    if part == "photos":
        posts = _with_photos(data)[:PHOTO_POSTS]
        files = [data / "crisismmd" / post.image.path for post in posts if post.image is not None]
        shown = [[p.id, p.text, fingerprint_file(file)] for p, file in zip(posts, files, strict=True)]
        recipe: dict[str, object] = {"curves": CURVE_POSTS, "shares": SHARES}
    else:
        rows = _of_b2(data)
        shown = [[split, row.post.id, row.post.text, row.label] for split in rows for row in rows[split]]
        recipe = {"head": HEAD.model_dump(mode="json"), "seeds": SEEDS}
    bundle = find_bundle(BUNDLE).fingerprint()
    return fingerprint({"bundle": bundle, "rationales": rationales, "posts": shown, **recipe})


def _head(cache: FeatureCache, train: list[int], y: np.ndarray, pair: EncoderPair, seed: int) -> FusionModel:
    torch.manual_seed(seed)
    model = HEAD.build(pair.widths(), len(TASKS["humanitarian_b2"]))
    train_head(
        model,
        cache,
        train,
        [int(y[i]) for i in train],
        [1.0] * len(train),
        HeadConfig(seed=seed, balance="sqrt"),
    )
    return model


def _softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True), dtype=np.float64)


def _text_report(
    truth: np.ndarray,
    clusters: np.ndarray,
    tables: dict[str, list[np.ndarray]],
    seen: dict[str, list[np.ndarray]],
    why: list[PostRationale],
) -> dict[str, object]:
    kept = [np.mean(w.chosen) if w.chosen else 0.0 for w in why]
    report: dict[str, object] = {"share of words kept": mean_estimate(np.array(kept)).percent()}
    for name, runs in tables.items():
        scores = [evaluate(truth, p, TASKS["humanitarian_b2"].classes, clusters=clusters) for p in runs]
        report[name] = {
            m: mean_interval([getattr(s, m).value for s in scores]).percent()
            for m in ("accuracy", "macro_f1", "weighted_f1")
        } | {"macro_f1 over tweets, seed 0": scores[0].macro_f1.percent()}
        if name != "none":
            d = paired_bootstrap(truth, runs, tables["none"], "macro_f1", clusters=clusters, resamples=2000)
            report[name] |= {
                "macro_f1 against none": f"{100 * d.difference:+.2f} [{100 * d.low:+.2f}, "
                f"{100 * d.high:+.2f}]"
            }  # type: ignore[operator]
    full = np.mean(seen["none"], axis=0)
    for label, without, only in (
        ("rationales", "complement", "both"),
        ("random words", "without random", "random"),
        ("all words", "nothing", "none"),
    ):
        f = faithfulness(full, np.mean(seen[without], axis=0), np.mean(seen[only], axis=0))
        report[f"faithfulness, {label}"] = {
            "comprehensiveness": f.comprehensiveness.percent(),
            "sufficiency": f.sufficiency.percent(),
        }
    return report


def photo_part(data: Path) -> dict[str, object]:
    """Faithfulness of the bundle on posts with photos."""
    analyst = Analyst.load(BUNDLE, image_root=data / "crisismmd")
    rationalizer, tasks = Rationalizer.load(), ("humanitarian",)
    posts = _with_photos(data)[:PHOTO_POSTS]
    pixels = [decode_image(resolve_image(p.image, data / "crisismmd"), analyst.limits).pixels for p in posts]  # type: ignore[arg-type]
    with torch.inference_mode():
        image = analyst.encoder.encoders.image
        patches = [image(image.preprocess(x)[None])[0][0].clone() for x in pixels]
    why = rationalizer.find([p.text for p in posts], patches)
    report: dict[str, object] = {
        "posts with a photo and heat": sum(w.heat is not None and bool(w.heat.any()) for w in why),
        "posts": len(posts),
    }
    for task in tasks:
        model, plain = (
            analyst.models[task].model,
            [Shown(p.text, x) for p, x in zip(posts, pixels, strict=True)],
        )
        ask = lambda shown, model=model: probabilities(analyst.encoder, model, shown)  # noqa: E731
        full = ask(plain)
        report[task] = _faithful(posts, pixels, why, full, ask) | _curves(posts, pixels, why, full, ask)
        print(json.dumps({task: report[task]}), flush=True)
    return report


def _with_photos(data: Path) -> list[Post]:
    root, found = data / "crisismmd", {}
    for setting, variant in (("A1", "agreed"), ("A3", "settingA")):
        for split in ("dev", "test", "train"):
            for row in CrisisMMD(root, setting=setting, variant=variant).load(split):
                if row.post.image is not None and (root / row.post.image.path).is_file():
                    found.setdefault(row.post.image.path, row.post)
    return list(found.values())


def _faithful(posts, pixels, why, full, ask) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Comprehensiveness and sufficiency of text, patches and both, and of random ones of the same
    size.
    """
    rng, found = np.random.default_rng(0), {}
    for name in ("text", "patches", "both", "random text", "random patches", "random both"):
        without, only = [], []
        for k, (post, x, w) in enumerate(zip(posts, pixels, why, strict=True)):
            chosen, heat = list(w.chosen), w.heat if w.heat is not None else np.zeros((9, 9))
            if name.startswith("random"):
                chosen = [bool(c) for c in random_like(np.array(chosen, dtype=bool), seed=k)]
                heat = rng.permutation(heat.ravel()).reshape(heat.shape)
            text, photo = name.endswith(("text", "both")), name.endswith(("patches", "both"))
            without.append(
                Shown(
                    reduce_text(post.text, w.words, chosen, "complement") if text else post.text,
                    (soft_blur(x, 1 - heat) if heat.any() else x) if photo else x,
                )
            )
            only.append(
                Shown(
                    reduce_text(post.text, w.words, chosen, "both") if text else post.text,
                    _only(x, heat) if photo else x,
                )
            )
        f = faithfulness(full, ask(without), ask(only))
        found[f"faithfulness, {name}"] = {
            "comprehensiveness": f.comprehensiveness.percent(),
            "sufficiency": f.sufficiency.percent(),
        }
    return found


def _only(x: np.ndarray, heat: np.ndarray) -> np.ndarray:
    kept = reduce_pixels(x, heat, "both")
    return soft_blur(x, np.zeros_like(heat)) if kept is None else kept


def _curves(posts, pixels, why, full, ask) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Areas under deletion (lower is better) and insertion (higher is better) of words and patches,
    rationales against random order.
    """
    rows, best, found = np.arange(len(full)), full.argmax(1), {}
    some = rows[:CURVE_POSTS]
    rng = np.random.default_rng(1)
    for what in ("words", "patches"):
        for order in ("rationale", "random"):
            for insert in (False, True):
                values = []
                for share in SHARES:
                    shown = []
                    for k in some:
                        post, x, w = posts[k], pixels[k], why[k]
                        p = np.array(w.probability) if order == "rationale" else rng.random(len(w.words))
                        heat = (
                            (w.heat if w.heat is not None else np.zeros((9, 9)))
                            if order == "rationale"
                            else rng.random((9, 9))
                        )
                        if what == "words":
                            shown.append(
                                Shown(
                                    shown_words(post.text, w.words, list(p), share, insert=insert),
                                    x,
                                )
                            )
                        else:
                            shown.append(Shown(post.text, shown_patches(x, heat, share, insert=insert)))
                    values.append(ask(shown)[np.arange(len(some)), best[some]])
                areas = np.array([curve_area(np.array(SHARES), v) for v in np.stack(values, 1)])
                found[f"{'insertion' if insert else 'deletion'}, {what}, {order}"] = mean_estimate(
                    areas
                ).percent()
    return found


def main() -> None:
    """Runs what is missing and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/rationale_classification"))
    parser.add_argument("--parts", nargs="*", default=["separate", "shared", "photos"])
    args = parser.parse_args()
    set_threads(1)
    rationales = Rationalizer.load().loaded.fingerprint
    for part in args.parts:
        path = args.out / f"{part}-{made_from(part, args.data, rationales)}.json"
        if not path.is_file():
            found = photo_part(args.data) if part == "photos" else text_part(args.data, args.out, part)
            atomic_write(path, json.dumps(found, indent=1))
        print(part, path.read_text(), flush=True)


if __name__ == "__main__":
    main()
