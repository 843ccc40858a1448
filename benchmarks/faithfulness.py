"""Is the evidence what the classifier used? `python benchmarks/faithfulness.py DATA [--out DIR]`.

Held-out test tweets of setting B2 and held-out photos of CrisisMMD. The shipped rationale model ranks
words and patches; so do chance, attention, gradients and the classifier's own scores. Each ranking takes
away (comprehensiveness) or leaves (sufficiency) equally many parts, 5, 10, 20 and 50 percent, and, for
words, as many as the rationale model marks. The answer of the whole post is asked for again.

Classifiers: `own`, the rationale model's auxiliary one, on the same encoder; `default`, the category of
the default bundle; for photos, shown without their text so that the classifier must look at them, the
default's `damage` and the `humanitarian` answer of crisis-compact.

A finished part is kept in `--out`, by models and posts, and not made again.
"""

import argparse
import json
import random
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.images import decode_image, resolve_image
from crisislens.data.text import clean_text
from crisislens.data.words import is_noise
from crisislens.domain.post import Post
from crisislens.evaluation.rationale_scores import mean_estimate
from crisislens.evaluation.removal import (
    SHARES,
    Ranked,
    area,
    compare_rankings,
    first_parts,
    parts_taken,
    ranking,
)
from crisislens.explain.faithfulness import shown_patches
from crisislens.explain.rationalizer import Rationalizer
from crisislens.explain.word_importance import TextAnswers, shown_window
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.device import set_threads
from crisislens.nn.widths import FeatureWidths
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.joining import find_bundle

Array = Float[np.ndarray, "..."]
EVIDENCE = "evidence"
SIDE = 9
# photos are painted and read in groups, so that few are held at once
GROUP = 32


def pooled_text(model: FusionModel, widths: FeatureWidths, pooled: Tensor) -> Tensor:
    """A model's logits for texts of which it reads the pooled vector alone."""
    b = len(pooled)
    real = torch.ones(b, dtype=torch.bool)
    text = ModalityBatch(torch.zeros(b, 1, widths.text), real[:, None], pooled, real)
    nothing = [None] * b
    image = ModalityBatch.collate(nothing, nothing, width=widths.image, pooled_width=widths.image_pooled)
    logits: Tensor = model(FeatureBatch(text=text, image=image))
    return logits


def pooled_photo(model: FusionModel, widths: FeatureWidths, patches: Tensor) -> Tensor:
    """A model's logits for photos without a text, from their patch states."""
    b = len(patches)
    real = torch.ones(b, dtype=torch.bool)
    nothing = [None] * b
    text = ModalityBatch.collate(nothing, nothing, width=widths.text, pooled_width=widths.text_pooled)
    whole = torch.ones(patches.shape[:2], dtype=torch.bool)
    logits: Tensor = model(
        FeatureBatch(text=text, image=ModalityBatch(patches, whole, patches.mean(1), real))
    )
    return logits


def classifiers(rationalizer: Rationalizer) -> dict[str, TextAnswers]:
    """What is explained, by name."""
    analyst = Analyst.load(bundle_of("default"))
    widths, model = analyst.encoder.encoders.widths(), analyst.models["humanitarian"].model
    assert not model.reads_tokens
    return {
        "own": TextAnswers(rationalizer.loaded.text.encoder, rationalizer.loaded.text.classifier),
        "default": TextAnswers(
            analyst.encoder.encoders.text, lambda pooled: pooled_text(model, widths, pooled)
        ),
    }


@dataclass
class Case:
    """One text before one classifier.

    Attributes:
        window: The text.
        marked: Which words the rationale model marks, of those that may be taken.
        orders: By way, the words that may be taken, the most important one first.
    """

    window: WordWindow
    marked: int
    orders: dict[str, np.ndarray] = field(default_factory=dict)


def sampled(data: Path, count: int) -> list[str]:
    """Cleaned texts of B2's test, each wording once, in a drawn order that a larger sample goes on with."""
    rows = CrisisMMD(data / "crisismmd", setting="B2", variant="agreed").load("test")
    texts = sorted({clean_text(row.post.text) for row in rows})
    random.Random(0).shuffle(texts)
    return texts[:count]


def cases_of(
    texts: Sequence[str], rationalizer: Rationalizer, answers: TextAnswers, filler: Sequence[int]
) -> list[Case]:
    """Every way's ranking of each text's words; texts of more than one window are left out."""
    cutter, found = WordCutter(answers.encoder), []
    for k, (text, why) in enumerate(zip(texts, rationalizer.find(texts), strict=True)):
        windows = cutter.cut(text)
        if len(windows) != 1:
            continue
        window = windows[0]
        evidence = dict(zip(why.words, zip(why.probability, why.chosen, strict=True), strict=True))
        allowed = np.array([not is_noise(text[a:b]) for a, b in window.spans], dtype=bool)
        if not allowed.any():
            continue
        answer = int(answers.probabilities([window]).argmax())
        marked = [evidence[span][1] for span in window.spans]
        importance = {
            EVIDENCE: np.array([evidence[span][0] for span in window.spans]),
            "random": np.random.default_rng([k, 1]).random(len(allowed)),
            "attention": answers.attention(window),
            "gradient × input": answers.gradient_times_input(window, answer),
            "own scores": answers.own(window, answer),
            "left out": answers.left_out(window, answer, filler),
        }
        case = Case(window, int((np.array(marked) & allowed).sum()))
        # what is marked comes first, so that as many as are marked are exactly those
        importance["evidence as marked"] = importance[EVIDENCE] + np.array(marked)
        case.orders = {name: ranking(x, allowed, seed=k) for name, x in importance.items()}
        found.append(case)
    return found


def words_part(
    answers: TextAnswers, cases: Sequence[Case], filler: Sequence[int]
) -> dict[str, dict[str, object]]:
    """Both measures over shares, and at as many words as are marked."""
    asked: dict[tuple[int, bytes], WordWindow] = {}

    def ask(k: int, name: str, count: int, keep_first: bool) -> tuple[int, bytes]:
        window = cases[k].window
        first = first_parts(cases[k].orders[name], count, len(window.spans))
        keep = first if keep_first else ~first
        key = (k, keep.tobytes())
        # ways often agree on the first word: each part of a text is read once
        asked.setdefault(key, shown_window(window, keep, filler))
        return key

    ways = [name for name in cases[0].orders if name != "evidence as marked"]
    keys = {
        (name, keep): [
            [ask(k, name, parts_taken(len(case.orders[name]), q), keep) for q in SHARES]
            for k, case in enumerate(cases)
        ]
        for name in ways
        for keep in (False, True)
    }
    some = [k for k, case in enumerate(cases) if case.marked]
    at_marked = {
        (name, keep): [[ask(k, own, cases[k].marked, keep)] for k in some]
        for name in ways
        for keep in (False, True)
        for own in ["evidence as marked" if name == EVIDENCE else name]
    }
    full = answers.probabilities([case.window for case in cases])
    best = full.argmax(1)
    read = dict(zip(asked, answers.probabilities(list(asked.values())), strict=True))

    def drops(rows: list[list[tuple[int, bytes]]], posts: Sequence[int]) -> Array:
        p = np.array([[read[key][best[k]] for key in row] for k, row in zip(posts, rows, strict=True)])
        return area(full[posts, best[posts]], p)

    report: dict[str, dict[str, object]] = {
        "posts": {
            "all": len(cases),
            "marked": len(some),
            "words": mean_estimate(np.array([float(len(c.window.spans)) for c in cases])).value,
            "share marked": mean_estimate(
                np.array([cases[k].marked / len(cases[k].orders[EVIDENCE]) for k in some])
            ).percent(),
            "readings": len(asked),
        }
    }
    everyone = list(range(len(cases)))
    for title, wanted, posts in (("over shares", keys, everyone), ("as many as marked", at_marked, some)):
        for measure, keep in (("comprehensiveness", False), ("sufficiency", True)):
            values = {name: drops(wanted[name, keep], posts) for name in ways}
            report[f"{measure}, {title}"] = rows_of(compare_rankings(values, EVIDENCE))
    return report


def rows_of(ranked: Mapping[str, Ranked]) -> dict[str, object]:
    """Rows of a table: the mean, and evidence minus each other way with its p after Holm."""
    rows: dict[str, object] = {}
    for name, one in ranked.items():
        row: dict[str, object] = {"mean": one.mean.percent()}
        if (d := one.minus) is not None and one.corrected_p is not None:
            row["evidence minus it"] = f"{100 * d.difference:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
            row |= {"p": round(one.corrected_p, 4), "detectable": round(100 * d.detectable, 1)}
        rows[name] = row
    return rows


def held_out_photos(data: Path) -> list[Post]:
    """Posts of dev and test whose photo is there and stands in no training table."""
    root = data / "crisismmd"
    sources = [
        CrisisMMD(root, setting="A1", variant="agreed"),
        CrisisMMD(root, setting="A3", variant="settingA"),
    ]

    def photos(*splits: str) -> dict[str, Post]:
        rows = (row.post for source in sources for split in splits for row in source.load(split))
        return {p.image.path: p for p in rows if p.image is not None}

    trained = photos("train")
    held = photos("dev", "test")
    return [p for path, p in sorted(held.items()) if path not in trained and (root / path).is_file()]


@dataclass
class Photo:
    """A photo with its patch states and the heat of its text's evidence."""

    pixels: np.ndarray
    patches: Float[Tensor, "p d"]
    heat: Float[np.ndarray, "r c"]
    attention: Float[np.ndarray, "r c"]


def read_photos(data: Path, analyst: Analyst, rationalizer: Rationalizer) -> list[Photo]:
    """Photos whose text holds evidence, so that there is heat."""
    image, found = analyst.encoder.encoders.image, []
    for post in held_out_photos(data):
        assert post.image is not None
        pixels = decode_image(resolve_image(post.image, data / "crisismmd"), analyst.limits).pixels
        with torch.inference_mode():
            patches = image(image.preprocess(pixels)[None])[0][0].clone()
        [why] = rationalizer.find([post.text], [patches])
        if why.heat is not None and why.heat.any():
            found.append(Photo(pixels, patches, why.heat, joint_attention(rationalizer, post.text, patches)))
    return found


def joint_attention(
    rationalizer: Rationalizer, text: str, patches: Float[Tensor, "p d"]
) -> Float[np.ndarray, "r c"]:
    """How much the words attend to each patch in the joint encoder's last layer."""
    loaded = rationalizer.loaded
    assert loaded.joint is not None
    windows = WordCutter(loaded.text.encoder).cut(text)[:1]
    batch = collate_windows(windows, loaded.text.encoder.pad_id)
    words = loaded.text.rationales(batch).words.clone()
    with torch.no_grad():
        aligned = loaded.joint.aligned(
            words, batch.words, patches[None].clone(), torch.ones(1, len(patches), dtype=torch.bool)
        )
        last = loaded.joint.attention_maps(aligned)[-1][0].mean(0)
    w = words.shape[1]
    return last[1 : 1 + w, 1 + w :].mean(0).reshape(SIDE, SIDE).double().numpy()


class PhotoAnswers:
    """A classifier's answers for photos that are shown without their text."""

    def __init__(self, analyst: Analyst, task: str) -> None:
        self.image, self.model = analyst.encoder.encoders.image, analyst.models[task].model
        self.widths = analyst.encoder.encoders.widths()

    def of_patches(self, patches: Float[Tensor, "b p d"]) -> Float[Tensor, "b c"]:
        """Logits from patch states."""
        return pooled_photo(self.model, self.widths, patches)

    def of_pixels(self, pixels: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c"]:
        """Logits from preprocessed pixels."""
        return self.of_patches(self.image(pixels)[0])

    @torch.inference_mode()
    def ask(self, shown: Sequence[np.ndarray]) -> Array:
        """Probabilities for painted photos."""
        parts = []
        for start in range(0, len(shown), GROUP):
            pixels = [self.image.preprocess(x) for x in shown[start : start + GROUP]]
            parts.append(self.of_pixels(torch.stack(pixels)))
        return torch.cat(parts).double().softmax(1).numpy()

    def importance(self, photo: Photo, answer: int, seed: int) -> dict[str, Array]:
        """Every way's importance of the patches of one photo."""
        own = _gradient_times_input(self.of_patches, photo.patches[None].clone(), answer).sum(2)
        pixels = self.image.preprocess(photo.pixels)[None]
        by_pixel = _gradient_times_input(self.of_pixels, pixels, answer).sum(1)
        by_patch = torch.nn.functional.adaptive_avg_pool2d(by_pixel, (SIDE, SIDE))
        return {
            EVIDENCE: photo.heat,
            "random": np.random.default_rng([seed, 1]).random((SIDE, SIDE)),
            "attention": photo.attention,
            "gradient × input": by_patch[0].double().numpy(),
            "own scores": own.reshape(SIDE, SIDE).double().numpy(),
            "left out, ninths": self._ninths(photo, answer),
        }

    def _ninths(self, photo: Photo, answer: int) -> Array:
        # one patch alone is too small to change an answer
        ninths = np.arange(9).reshape(3, 3)
        masks = [np.kron(ninths == i, np.ones((3, 3))) for i in range(9)]
        shown = [shown_patches(photo.pixels, mask, 1 / 9, insert=False) for mask in masks]
        p = self.ask([photo.pixels, *shown])[:, answer]
        return np.asarray(np.tensordot(p[0] - p[1:], np.stack(masks), axes=1))


def _gradient_times_input(f: Callable[[Tensor], Tensor], x: Tensor, answer: int) -> Tensor:
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = f(leaf)
        [gradient] = torch.autograd.grad((logits[:, answer] - logits.mean(1)).sum(), leaf)
    return x * gradient


def photo_part(answers: PhotoAnswers, photos: Sequence[Photo]) -> dict[str, dict[str, object]]:
    """Both measures over shares of the patches."""
    full = answers.ask([photo.pixels for photo in photos])
    best = full.argmax(1)
    values: dict[bool, dict[str, list[float]]] = {False: {}, True: {}}
    for k, photo in enumerate(photos):
        for name, x in answers.importance(photo, int(best[k]), k).items():
            order = ranking(x.ravel(), np.ones(x.size, dtype=bool), seed=k)
            # ranks in place of scores: equals are told apart by the draw
            ranks = np.zeros(x.size)
            ranks[order] = np.arange(x.size, 0, -1)
            for keep in (False, True):
                shown = [
                    shown_patches(photo.pixels, ranks.reshape(x.shape), share, insert=keep)
                    for share in SHARES
                ]
                fall = full[k, best[k]] - answers.ask(shown)[:, best[k]].mean()
                values[keep].setdefault(name, []).append(float(fall))
    report: dict[str, dict[str, object]] = {
        "photos": {"photos": len(photos), "answers": np.bincount(best, minlength=full.shape[1]).tolist()}
    }
    for measure, keep in (("comprehensiveness", False), ("sufficiency", True)):
        rows = {name: np.array(x) for name, x in values[keep].items()}
        report[f"{measure}, over shares"] = rows_of(compare_rankings(rows, EVIDENCE))
    return report


def main() -> None:
    """Measures what is missing and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/faithfulness"))
    parser.add_argument(
        "--parts", nargs="*", default=["own", "own deleted", "default", "damage", "humanitarian"]
    )
    parser.add_argument("--texts", type=int, default=600)
    args = parser.parse_args()
    set_threads(1)
    rationalizer = Rationalizer.load()
    for part in args.parts:
        digest = made_from(part, args.data, args.texts, rationalizer.loaded.fingerprint)
        path = args.out / f"{part.replace(' ', '_')}_{args.texts}-{digest}.json"
        if not path.is_file():
            found = measured(part, args.data, args.texts, rationalizer)
            used = resource.getrusage(resource.RUSAGE_SELF)
            found["cost"] = {"seconds of processor so far": round(used.ru_utime + used.ru_stime, 1)}
            atomic_write(path, json.dumps(found, indent=1, ensure_ascii=False))
        print(part, path.read_text(encoding="utf-8"), flush=True)


def bundle_of(part: str) -> str:
    """The name of the bundle that a part asks."""
    return "crisis-compact" if part == "humanitarian" else "crisis-multilingual"


def made_from(part: str, data: Path, texts: int, rationales: str) -> str:
    """What a part depends on.

    Arguments:
        part: Its name.
        data: The folder of the data.
        texts: How many texts, at most.
        rationales: Fingerprint of the rationale model.
    """
    shown: list[object] = []
    if part in ("damage", "humanitarian"):
        for post in held_out_photos(data):
            assert post.image is not None
            shown.append([post.text, fingerprint_file(data / "crisismmd" / post.image.path)])
    else:
        shown += sampled(data, texts)
    bundle = find_bundle(bundle_of(part)).fingerprint()
    return fingerprint({"bundle": bundle, "rationales": rationales, "posts": shown, "shares": SHARES})


def measured(part: str, data: Path, texts: int, rationalizer: Rationalizer) -> dict[str, dict[str, object]]:
    """One part."""
    if part in ("damage", "humanitarian"):
        analyst = Analyst.load(bundle_of(part))
        photos = read_photos(data, analyst, rationalizer)
        return photo_part(PhotoAnswers(analyst, part), photos)
    name, _, deleted = part.partition(" ")
    answers = classifiers(rationalizer)[name]
    filler = () if deleted else answers.star()
    return words_part(answers, cases_of(sampled(data, texts), rationalizer, answers, filler), filler)


if __name__ == "__main__":
    main()
