"""Trains the place-type models that the package ships, one for the encoder of each bundle:
`python scripts/train_places.py DATA [--bundle NAME]`.

Features are those of the bundle, pooled; run this again whenever its encoder changes. The model is written as
`place-` and the rest of the bundle's name. Rows, all with guessed labels: captioned photos and everyday
tweets by place words (`crisislens.data.places`), crisis tweets by place words (text only), scene photos,
photos from disaster
folders (flood, earthquake), and tweets and photos without any place word as `unclear`. Each text counts
twice, with its place words and with them masked, so that the model reads them where they stand and does not
live on them alone. Near-duplicates of text or photo stay in one of train, development and test. Of several
models the one with the best macro-F1 on development rows is kept.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import ImageLimits
from crisislens.data.place_words import label_by_words, majority_label, mask_places
from crisislens.data.places import scene_photos
from crisislens.data.split_making import folds, near_duplicate_groups
from crisislens.data.text import CleaningRules
from crisislens.domain.place_types import PLACE_ANSWERS
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import load_encoders
from crisislens.evaluation.abstention import LIKELIER_RIGHT, threshold_for_risk
from crisislens.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from crisislens.evaluation.classification import evaluate
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.artifact import ArtifactMeta, Card, save_artifact
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.device import set_threads
from crisislens.pipeline.bundle import Bundle, BundleConfig
from crisislens.pipeline.joining import find_bundle
from crisislens.training.heads import HeadConfig, predict_logits, train_head

RISK = 0.25
DISASTERS = {"flood": "flooded_street", "earthquake": "collapsed_building"}
MOST_DISASTERS, MOST_SCENES, MOST_UNCLEAR = 158, 60, 1200
MODELS = (
    ModelSpec(
        name="late_fusion", options={"width": 96, "source": "pooled", "dropout": 0.2, "modality_dropout": 0.3}
    ),
    ModelSpec(
        name="sg_mft",
        options={"width": 64, "heads": 4, "source": "pooled", "dropout": 0.2, "modality_dropout": 0.3},
    ),
)
RECIPE = HeadConfig(learning_rate=1e-3, epochs=15, batch_posts=64, balance="sqrt", smoothing=0.05)


@dataclass(frozen=True)
class Row:
    """A post, its guessed label, how much it counts, and what it came from."""

    post: Post
    label: str
    weight: float
    kind: str


def table(path: Path, **options: object) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, **options))  # type: ignore[arg-type]


def crisis_tweets(data: Path) -> list[tuple[str, str]]:
    """Ids and texts of crisis tweets, each tweet once."""
    found: dict[str, str] = {}
    for path in sorted((data / "crisismmd" / "agreed").glob("task_informative_*.tsv")):
        found |= {
            row["tweet_id"]: row["tweet_text"] for row in table(path, delimiter="\t", quoting=csv.QUOTE_NONE)
        }
    for path in sorted((data / "rationales").glob("*.csv")):
        found |= {row["tweet_id"].strip("'"): row["tweet_text"] for row in table(path)}
    return sorted(found.items())


def rows_of(data: Path) -> list[Row]:
    """All rows; texts with their place words."""
    manifest = data / "photos" / "manifest.tsv"
    photos = table(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)
    random, rows, taken = np.random.default_rng(0), [], dict.fromkeys(DISASTERS, 0)
    for row in photos:
        image = ImageRef(path=f"photos/{row['file']}")
        if row["set"] == "captioned":
            captions = row["text"].split(" || ")
            at = int(random.integers(len(captions)))
            label = majority_label([c for i, c in enumerate(captions) if i != at])
            rows.append(
                Row(
                    Post(id=row["file"], text=captions[at], image=image),
                    label or "unclear",
                    1.0 if label else 0.3,
                    "captioned",
                )
            )
        elif row["set"] == "everyday":
            label = label_by_words(row["text"])
            if label:
                rows.append(Row(Post(id=row["file"], text=row["text"], image=image), label, 1.0, "everyday"))
        elif row["set"] == "disaster" and row["label"] in DISASTERS and taken[row["label"]] < MOST_DISASTERS:
            taken[row["label"]] += 1
            rows.append(Row(Post(id=row["file"], image=image), DISASTERS[row["label"]], 0.7, "disaster"))
    for labeled in scene_photos(manifest, most=MOST_SCENES):
        assert labeled.post.image is not None
        image = ImageRef(path=f"photos/{labeled.post.image.path}")
        rows.append(Row(labeled.post.model_copy(update={"image": image}), labeled.label, 1.0, "scene"))
    unclear = []
    for identity, text in crisis_tweets(data):
        label = label_by_words(text)
        if label is None and mask_places(text) == text:
            unclear.append(Row(Post(id=f"t{identity}", text=text), "unclear", 0.5, "crisis tweet"))
        elif label is not None:
            rows.append(Row(Post(id=f"t{identity}", text=text), label, 1.0, "crisis tweet"))
    return rows + [
        unclear[i] for i in sorted(random.choice(len(unclear), MOST_UNCLEAR, replace=False).tolist())
    ]


def masked(row: Row) -> Row:
    """The same row with its place words hidden."""
    post = row.post.model_copy(update={"id": f"m{row.post.id}", "text": mask_places(row.post.text)})
    return Row(post, row.label, row.weight, row.kind)


@dataclass(frozen=True)
class Data:
    """Rows with their features; `split` is train, dev or test."""

    rows: list[Row]
    cache: FeatureCache
    split: np.ndarray
    text: np.ndarray
    image: np.ndarray
    y: np.ndarray
    hidden: np.ndarray

    def at(self, split: str, kind: str) -> np.ndarray:
        """Rows of a split that show one kind of evidence: text alone, photo alone (whatever else the row
        has), or both; words unmasked.
        """
        has = {"text": self.text, "image": self.image, "both": self.text & self.image}[kind]
        return np.flatnonzero((self.split == split) & has & ~self.hidden)


def load(data: Path, work: Path, bundle: Bundle) -> tuple[Data, str, str]:
    """Everything that is trained and tested on, and the fingerprints of encoder and features."""
    plain = rows_of(data)
    owner = near_duplicate_groups([r.post for r in plain], data)
    fold = folds([r.label for r in plain], owner, count=20)
    covered = [masked(r) for r in plain if r.post.text and mask_places(r.post.text) != r.post.text]
    of = {r.post.id: f for r, f in zip(plain, fold, strict=True)}
    rows = plain + covered
    at = [*fold, *(of[r.post.id.removeprefix("m")] for r in covered)]
    encoders = load_encoders(bundle.encoder)
    encoder = PostEncoder(
        encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=data, keep_tokens=()
    )
    cache = extract(
        [r.post for r in rows],
        encoder,
        work / "features",
        source_fingerprint=fingerprint([r.post.id for r in rows]),
    )
    batch = cache.batch(np.arange(len(rows)))
    split = np.array(["test" if f < 3 else "dev" if f < 6 else "train" for f in at])
    y = np.array([PLACE_ANSWERS.index(r.label) for r in rows])
    hidden = np.arange(len(rows)) >= len(plain)
    return (
        Data(rows, cache, split, batch.text.present.numpy(), batch.image.present.numpy(), y, hidden),
        encoders.fingerprint(),
        cache.features_fingerprint,
    )


def hide(kind: str) -> str | None:
    """What is taken away so that only this kind of evidence is left."""
    return {"text": "image", "image": "text", "both": None}[kind]


def train(spec: ModelSpec, data: Data) -> FusionModel:
    """A trained model."""
    torch.manual_seed(0)
    model = spec.build(data.cache.widths, len(PLACE_ANSWERS))
    rows = np.flatnonzero(data.split == "train").tolist()
    train_head(model, data.cache, rows, data.y[rows].tolist(), [data.rows[i].weight for i in rows], RECIPE)
    return model


def macro(model: FusionModel, data: Data, split: str) -> float:
    """Mean macro-F1 over the kinds of evidence."""
    scores = []
    for kind in ("text", "image", "both"):
        rows = data.at(split, kind)
        p = softmax(predict_logits(model, data.cache, rows.tolist(), hide=hide(kind)))
        scores.append(evaluate(data.y[rows], p, PLACE_ANSWERS.classes, resamples=0).macro_f1.value)
    return float(np.mean(scores))


def calibrate(model: FusionModel, data: Data) -> dict[str, dict[str, object]]:
    """Temperature and threshold of each kind of evidence, on development rows."""
    found: dict[str, dict[str, object]] = {}
    for kind in ("text", "image", "both"):
        rows = data.at("dev", kind)
        logits = predict_logits(model, data.cache, rows.tolist(), hide=hide(kind))
        tau = fit_temperature(logits, data.y[rows])
        p = softmax(logits, tau)
        right = p.argmax(1) == data.y[rows]
        chosen = threshold_for_risk(p.max(1), right, RISK, delta=0.1, least=LIKELIER_RIGHT)
        theta = max(0.5, chosen.threshold if chosen.met else max(chosen.threshold, 0.9))
        basis = (
            f"{len(rows)} development posts with guessed labels; aim: at most {RISK:.0%} errors among answers"
        )
        found[kind] = {"temperature": round(tau, 4), "abstain_below": round(theta, 4), "basis": basis}
    return found


def numbers(model: FusionModel, data: Data, calibration: dict[str, dict[str, object]]) -> list[str]:
    """Scores on test rows, as lines of the card."""
    lines = []
    groups: list[tuple[str, str, np.ndarray]] = [
        (kind, "words as posted", data.at("test", kind)) for kind in ("text", "image", "both")
    ]
    for kind, has in (("text", data.text), ("both", data.text & data.image)):
        groups.append(
            (kind, "place words masked", np.flatnonzero((data.split == "test") & has & data.hidden))
        )
    for kind, what, rows in groups:
        p = softmax(
            predict_logits(model, data.cache, rows.tolist(), hide=hide(kind)),
            float(str(calibration[kind]["temperature"])),
        )
        y = data.y[rows]
        report = evaluate(y, p, PLACE_ANSWERS.classes)
        sure = (p.max(1) >= float(str(calibration[kind]["abstain_below"]))) & (
            p.argmax(1) != PLACE_ANSWERS.index("unclear")
        )
        right = p.argmax(1) == y
        named = (
            f"names a place for {sure.mean():.0%}, right in {right[sure].mean():.1%} of those"
            if sure.any()
            else "never names a place"
        )
        shown = {n: getattr(report, n) for n in ("accuracy", "macro_f1", "weighted_f1")}
        values = ", ".join(
            f"{n.replace('_', '-')} {100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]"
            for n, e in shown.items()
        )
        lines.append(
            f"{kind}, {what}: {len(rows)} posts, {values}, ECE {expected_calibration_error(p, y):.3f}; "
            f"{named}"
        )
    return lines


CARD = """# {name} {version}

Says at what kind of place a post was probably made: {classes}. Made for the features of the bundle
`{bundle}`; with another encoder it is left out. Made by
`python scripts/train_places.py DATA --bundle {bundle}`.

**All labels are guesses.** No data with people's labels of the author's place could be had. Texts are labeled
by place words in them (a post that speaks *of* a hospital counts as made *at* one), photos by other people's
captions of them, by scene class or by the web folder they were found in. The numbers below say how well such
guesses are found again, not how well authors are located.

## Data

{counts}. Licenses: CrisisMMD CC BY-NC-SA 4.0; others mixed or not stated, for research use. Respect them.

## Numbers

Test posts that share no near-duplicate with training; one training run; bootstrap intervals over posts. On
development posts: {choice}.

{numbers}

## What it is not for

Finding or following a person; deciding who gets help. Texts in languages other than English: it abstains from
them. Kinds of places that few rows have (bridge, hospital, shelter, worship, transport) are guessed from
little.
"""


def place_name(bundle: Bundle) -> str:
    """What the model of a bundle's encoder is called: `place-compact` for `crisis-compact`."""
    return f"place-{bundle.config.name.removeprefix('crisis-')}"


def write(
    out: Path,
    spec: ModelSpec,
    model: FusionModel,
    data: Data,
    prints: Sequence[str],
    choice: str,
    version: str,
    bundle: Bundle,
) -> None:
    """Writes the artifact, its calibration and its card."""
    calibration = calibrate(model, data)
    lines = numbers(model, data, calibration)
    print("\n".join(lines), flush=True)
    encoder = {"name": bundle.encoder.name, "options": {}}
    meta = ArtifactMeta(
        label_space=PLACE_ANSWERS.name,
        classes=PLACE_ANSWERS.classes,
        encoder=encoder,
        encoder_fingerprint=prints[0],
        features_fingerprint=prints[1],
        widths=data.cache.widths,
        version=version,
        card=Card(summary="Kinds of places; see the card beside this folder.", numbers=tuple(lines)),
    )
    save_artifact(out / "place_type", model, spec, meta, dtype="float16")
    kinds = sorted({(r.kind, s) for r, s in zip(data.rows, data.split, strict=True)})
    plain = ~data.hidden
    counts = ", ".join(
        f"{sum(plain[i] and data.rows[i].kind == k and data.split[i] == s for i in range(len(data.rows)))} "
        f"{k} rows in {s}"
        for k, s in kinds
    )
    config = {
        "format": 1,
        "name": place_name(bundle),
        "version": version,
        "description": "Kind of place from pooled text and photo features, trained on guessed labels.",
        "encoder": encoder,
        "languages": ["en"],
        "tasks": {
            "place_type": {
                "artifact": "place_type",
                "label_space": PLACE_ANSWERS.name,
                "calibration": calibration,
            }
        },
    }
    BundleConfig.parse(config, where="the place model")
    atomic_write(out / "bundle.json", json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    classes = ", ".join(PLACE_ANSWERS.title(c).lower() for c in PLACE_ANSWERS.classes)
    shown = "\n".join(f"- {line}" for line in lines)
    atomic_write(
        out / "README.md",
        CARD.format(
            name=place_name(bundle),
            bundle=bundle.config.name,
            version=version,
            classes=classes,
            counts=counts,
            numbers=shown,
            choice=choice,
        ),
    )


def main() -> None:
    """Trains every candidate, keeps the best on development rows, and writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with crisismmd/, rationales/ and photos/")
    parser.add_argument("--bundle", default="crisis-multilingual", help="whose encoder it is made for")
    parser.add_argument("--out", type=Path, default=Path("src/crisislens/assets/places"))
    parser.add_argument("--work", type=Path, default=Path(".cache/places"))
    parser.add_argument("--version", default="0.1.0")
    arguments = parser.parse_args()
    set_threads(1)
    bundle = find_bundle(arguments.bundle)
    data, *prints = load(arguments.data, arguments.work, bundle)
    trained = [(spec, train(spec, data)) for spec in MODELS]
    scores = {spec.name: macro(model, data, "dev") for spec, model in trained}
    choice = ", ".join(f"{name} macro-F1 {100 * score:.1f}" for name, score in scores.items())
    print(choice, flush=True)
    spec, model = max(trained, key=lambda pair: scores[pair[0].name])
    out = arguments.out / place_name(bundle)
    write(out, spec, model, data, prints, choice, arguments.version, bundle)


if __name__ == "__main__":
    main()
