"""Trains the models that the package ships and writes their bundle: `python scripts/train_default.py DATA [--out DIR]`.

Steps, each kept in `--work` so that a killed run goes on: an adapter of the compact text encoder on all tasks at once; features of all posts
with it; one late-fusion model a task; calibration and abstention by kind of evidence; numbers on the official test rows; the model card.

Leaks. CrisisMMD's tasks share tweets: 664 tweets of B2's test are in A1's train. Since one adapter serves all tasks, every tweet whose id or
wording stands in the dev or test rows of any task is left out of training. The official single-task rows are trained apart (`benchmarks/`).
Weak photo labels come from web folders; they are split by perceptual-hash cluster, so no near-duplicate crosses a split.
"""

import argparse
import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from crisislens.core.files import atomic_write
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster, image_hash
from crisislens.data.images import ImageLimits, decode_image
from crisislens.data.text import CleaningRules, clean_text
from crisislens.domain.labels import DAMAGE_SEVERITY, HUMANITARIAN_B2, INFORMATIVENESS, LabelSpace
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.encoders.lora import write_lora
from crisislens.encoders.weights import MINILM_WEIGHTS
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.nn.device import set_threads
from crisislens.training.multitask import AdapterConfig, LabeledText, train_adapter

TASKS: dict[str, LabelSpace] = {"informativeness": INFORMATIVENESS, "humanitarian": HUMANITARIAN_B2, "damage": DAMAGE_SEVERITY}
SETTINGS = {"informativeness": ("A1", "agreed"), "humanitarian": ("B2", "agreed"), "damage": ("A3", "settingA")}
DAMAGED_PLACES = {"flood", "earthquake", "landslide", "urban_fire", "cyclone"}
CRISIS_PHOTOS = DAMAGED_PLACES | {"wildfire", "wild_fire", "fire"}


@dataclass
class Row:
    """A post with what is known of it: its split and, per task, its class."""

    post: Post
    split: str
    weak: bool
    labels: dict[str, int] = field(default_factory=dict)


def wording(text: str) -> str:
    """Cleaned text without case and punctuation, by which repeats are found."""
    return re.sub(r"\W+", " ", clean_text(text).casefold()).strip()


def official_rows(root: Path) -> list[Row]:
    """The rows of the three official settings, joined by post; training rows that leak into any dev or test are dropped."""
    rows: dict[str, Row] = {}
    held_ids: set[str] = set()
    held_words: set[str] = set()
    for setting, variant in SETTINGS.values():
        source = CrisisMMD(root, setting=setting, variant=variant)  # type: ignore[arg-type]
        for split in ("dev", "test"):
            for labeled in source.load(split):  # type: ignore[arg-type]
                held_ids.add(labeled.post.id.rpartition("_")[0])
                held_words.add(wording(labeled.post.text))
    for task, (setting, variant) in SETTINGS.items():
        source = CrisisMMD(root, setting=setting, variant=variant)  # type: ignore[arg-type]
        for split in ("train", "dev", "test"):
            for labeled in source.load(split):  # type: ignore[arg-type]
                post = labeled.post
                if split == "train" and (post.id.rpartition("_")[0] in held_ids or wording(post.text) in held_words):
                    continue
                row = rows.setdefault(f"{split}:{task if split != 'train' else ''}:{post.id}", Row(_rooted(post), split, weak=False))
                row.labels[task] = TASKS[task].index(labeled.label)
    return list(rows.values())


def _rooted(post: Post) -> Post:
    image = ImageRef(path=f"crisismmd/{post.image.path}") if post.image else None
    return post.model_copy(update={"image": image})


def weak_rows(root: Path, seed: int = 0) -> list[Row]:
    """Photos with labels guessed from their folder, and everyday tweets; split 70/15/15 by near-duplicate cluster."""
    with (root / "photos" / "manifest.tsv").open(encoding="utf-8") as stream:
        records = [r for r in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]
    hashes = [image_hash(decode_image(root / "photos" / r["file"], ImageLimits()).pixels) for r in records]
    owner = np.arange(len(records))
    blank = np.zeros((len(records), SIGNATURE_LENGTH), np.uint32)
    there = np.array([h is not None for h in hashes])
    for group in cluster(blank, np.zeros(len(records), bool), np.array([h or 0 for h in hashes], np.uint64), there):
        owner[list(group.members)] = group.members[0]
    share = np.random.default_rng(seed).random(len(records))[owner]
    rows = []
    for record, x in zip(records, share, strict=True):
        labels = _weak_labels(record["set"], record["label"])
        if labels:
            text = record["text"] if record["set"] == "everyday" else ""
            post = Post(id=record["file"], text=text, image=ImageRef(path=f"photos/{record['file']}"))
            rows.append(Row(post, "train" if x < 0.7 else "dev" if x < 0.85 else "test", weak=True, labels=labels))
    return rows


def _weak_labels(kind: str, label: str) -> dict[str, int]:
    if kind == "disaster":
        found = {"informativeness": 1} if label in CRISIS_PHOTOS else {}
        return {**found, "humanitarian": HUMANITARIAN_B2.index("infrastructure_and_utility_damage")} if label in DAMAGED_PLACES else found
    return {
        "informativeness": 0,
        "humanitarian": HUMANITARIAN_B2.index("not_humanitarian"),
        "damage": DAMAGE_SEVERITY.index("little_or_no_damage"),
    }


def adapt(rows: Sequence[Row], path: Path, config: AdapterConfig) -> None:
    """Trains the adapter unless it is there."""
    if path.is_file():
        return
    texts: dict[str, LabeledText] = {}
    for row in rows:
        text = clean_text(row.post.text)
        if row.split == "train" and text:
            known = texts.get(wording(text))
            texts[wording(text)] = LabeledText(text, {**(known.labels if known else {}), **row.labels})
    encoder = load_encoders(EncoderSpec()).text
    print(f"adapter: {len(texts)} texts", flush=True)
    state = train_adapter(
        encoder,
        list(texts.values()),
        {task: len(space) for task, space in TASKS.items()},
        config,
        base=MINILM_WEIGHTS.sha256,
        progress=lambda epoch: print(f"adapter: epoch {epoch} done", flush=True),
    )
    write_lora(path, state)


def features(rows: Sequence[Row], encoders: EncoderPair, root: Path, work: Path) -> FeatureCache:
    """Pooled features of all rows."""
    encoder = PostEncoder(encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=root, keep_tokens=())
    ids = json.dumps([row.post.id for row in rows])
    unique = [row.post.model_copy(update={"id": f"{i}:{row.post.id}"}) for i, row in enumerate(rows)]
    return extract(unique, encoder, work / "features", source_fingerprint=__import__("hashlib").sha256(ids.encode()).hexdigest()[:16])
