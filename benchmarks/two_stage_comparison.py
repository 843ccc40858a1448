"""The two-stage model beside one transformer for both stages:
`python benchmarks/two_stage_comparison.py DATA [JOINT] [--out DIR]`.

JOINT is the model of `crisislens train configs/rationales/joint.yaml`; without it the two-stage models
are measured alone. The two-stage model is trained
here by the same recipe on the same rows of Nepal 2015 (folds 2 to 4; fold 1, by which the joint model
chose its epoch, is not used; fold 0 is the test). `names` learns the labels as they stand, which are
merged to the five classes only afterwards; `merged` learns the five classes, as the joint model does.
Its answer is that of its auxiliary classifier, which reads the whole post. Differences are paired
bootstraps over tweets. The trained models stay in `--out`, for `benchmarks/rationale_zero_shot.py`.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from rationale_zero_shot import TASK, from_whole_posts

from crisislens.core.files import atomic_write
from crisislens.data.marked_rationales import AnnotatedText, duplicate_folds, read_snippet_table
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.encoders.compact import MINILM_WEIGHTS
from crisislens.encoders.lora import lora_state
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.classification import evaluate
from crisislens.evaluation.rationale_scores import agreement, token_f1
from crisislens.evaluation.significance import PairedDifference, holm, paired_bootstrap
from crisislens.evaluation.two_way import two_way_difference
from crisislens.models.joint_artifact import load_joint_rationalizer
from crisislens.models.rationale_artifact import (
    RationaleModelConfig,
    load_rationalizer,
    save_rationalizer,
)
from crisislens.nn.device import set_threads
from crisislens.training.joint_run import JointRun
from crisislens.training.joint_scores import decide_texts
from crisislens.training.rationale import RationaleConfig, predict_words, train_rationalizer

SEED = 0
FORMS = ("names", "merged")
Said = tuple[list[list[bool]], list[list[float]], np.ndarray]


def rows(data: Path) -> dict[str, list[AnnotatedText]]:
    """The rows of Nepal 2015 that are learned from and tested on."""
    texts = read_snippet_table(data / "rationales" / "nepal_2015.csv")
    fold_of = duplicate_folds([t.text for t in texts], folds=5)
    return {
        part: [t for t, f in zip(texts, fold_of.tolist(), strict=True) if f in those]
        for part, those in (("train", (2, 3, 4)), ("test", (0,)))
    }


def train(form: str, texts: Sequence[AnnotatedText], merges: Mapping[str, str], folder: Path) -> None:
    """Trains and writes one form, unless it is there."""
    if (folder / "config.json").is_file():
        return
    named = [replace(t, label=merges.get(t.label, t.label)) for t in texts] if form == "merged" else texts
    classes = tuple(sorted({t.label for t in named if t.label}))
    start = time.process_time()
    recipe = RationaleConfig(seed=SEED)
    model = train_rationalizer(load_encoders(EncoderSpec()).text, named, classes, recipe)
    seconds = round(time.process_time() - start)
    config = RationaleModelConfig(
        name=f"two-stage-{form}",
        encoder=EncoderSpec(),
        classes=classes,
        hidden=recipe.hidden,
        pair_width=recipe.pair_width,
        languages=("en",),
    )
    adapter = lora_state(model.encoder, base=MINILM_WEIGHTS.sha256)
    card = f"# two-stage, {form}\n\nNepal 2015, folds 2 to 4; {seconds} s of processor time.\n"
    save_rationalizer(folder, model, adapter, config, card=card)
    print(f"{form}: trained on {len(named)} texts in {seconds} s of processor time", flush=True)


def said_by_two_stages(folder: Path, texts: Sequence[AnnotatedText], merges: Mapping[str, str]) -> Said:
    """Words, their probabilities and probabilities of the five classes."""
    loaded = load_rationalizer(folder)
    words = predict_words(loaded.text, texts, decode=loaded.config.decode)
    # a form that learned the classes themselves has nothing to merge
    known = {name: merges.get(name, name) for name in loaded.config.classes}
    return [c for c, _ in words], [p for _, p in words], from_whole_posts(loaded, texts, known)


def said_by_one(folder: Path, texts: Sequence[AnnotatedText]) -> Said:
    """The same of the joint model, which decides on its rationales alone."""
    decided = decide_texts(load_joint_rationalizer(folder).model, texts, lambda text: None)
    p = softmax(np.stack([d.logits for d in decided]).astype(np.float64))
    return [d.chosen for d in decided], [d.probability for d in decided], p


def table(
    texts: Sequence[AnnotatedText], said: Mapping[str, Said], merges: Mapping[str, str]
) -> dict[str, object]:
    """Scores of each model, and the joint model minus each other."""
    marked = [np.array(t.word_labels(), dtype=bool) for t in texts]
    y = np.array([TASK.classes.index(merges.get(t.label, t.label)) for t in texts])
    found: dict[str, object] = {}
    for name, (chosen, probability, p) in said.items():
        words = agreement(
            marked, [np.array(c, dtype=bool) for c in chosen], [np.array(x) for x in probability]
        )
        report = evaluate(y, p, TASK.classes)
        found[name] = {
            "token_f1": words.token_f1.percent(),
            "iou_f1": words.iou_f1.percent(),
            "accuracy": report.accuracy.percent(),
            "macro_f1": report.macro_f1.percent(),
        }
    differences: dict[str, PairedDifference] = {}
    for name in [form for form in FORMS if form in said and "joint" in said]:
        for metric in ("accuracy", "macro_f1"):
            differences[f"{name}, {metric}"] = paired_bootstrap(y, said["joint"][2], said[name][2], metric)
        f1 = [
            np.array(
                [[token_f1(m, np.array(c, dtype=bool)) for m, c in zip(marked, said[of][0], strict=True)]]
            )
            for of in ("joint", name)
        ]
        differences[f"{name}, token_f1"] = two_way_difference("token_f1", *f1, resamples=10_000)
    return found | _rows(differences)


def _rows(differences: Mapping[str, PairedDifference]) -> dict[str, object]:
    found: dict[str, object] = {}
    p = holm({name: d.p_value for name, d in differences.items()})
    for name, d in differences.items():
        found[f"joint minus {name}"] = (
            f"{100 * d.difference:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}], p {p[name]:.4f}, "
            f"could have shown {100 * d.detectable:.1f}"
        )
    return found


def main() -> None:
    """Trains what is missing, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("joint", type=Path, nargs="?")
    parser.add_argument("--forms", nargs="*", default=list(FORMS))
    parser.add_argument("--limit", type=int, help="at most so many texts of each part, for a quick look")
    parser.add_argument("--out", type=Path, default=Path("runs/two_stage"))
    args = parser.parse_args()
    set_threads(1)
    merges = JointRun.load(Path(__file__).parents[1] / "configs" / "rationales" / "joint.yaml").merges
    parts = rows(args.data)
    # what counts as none of the five classes is not scored
    tested = [t for t in parts["test"] if merges.get(t.label, t.label) in TASK.classes]
    parts["train"], tested = parts["train"][: args.limit], tested[: args.limit]
    said = {} if args.joint is None else {"joint": said_by_one(args.joint, tested)}
    for form in args.forms:
        train(form, parts["train"], merges, args.out / form)
        said[form] = said_by_two_stages(args.out / form, tested, merges)
    found = {"train": len(parts["train"]), "test": len(tested)} | table(tested, said, merges)
    print(json.dumps(found, indent=1), flush=True)
    atomic_write(args.out / "scores.json", json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
