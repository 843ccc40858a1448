"""Decisions on rationales where nothing was learned: `python benchmarks/rationale_zero_shot.py DATA
[JOINT] [--two-stage FOLDER ...] [--sets NAME ...]`.

JOINT is the model of `crisislens train configs/rationales/joint.yaml`, which answers from its rationales
alone. Beside it the shipped rationale model and, if given, two-stage models that were trained on the same
rows (`benchmarks/two_stage_comparison.py` makes them): by the auxiliary classifier, which reads the whole
post, and by the same classifier where every word but the rationales is starred out; a text without any
rationale is answered "not humanitarian". Data: Hagupit 2014 (the shipped model learned from it), a sample
of HumAID's test rows by event, and the English texts of DMD (Instagram), whose labels are of the photo.
Labels that are none of the five classes without guessing are left out. Intervals are bootstraps over texts.
"""

import argparse
import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from crisislens.core.files import atomic_write
from crisislens.data.marked_rationales import AnnotatedText, read_snippet_table
from crisislens.domain.tasks import TASKS
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.classification import evaluate
from crisislens.explain.rationalizer import Rationalizer
from crisislens.explain.reduce import reduce_text
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.joint_artifact import load_joint_rationalizer
from crisislens.models.rationale_artifact import LoadedRationalizer, find_rationale_model, load_rationalizer
from crisislens.nn.device import set_threads
from crisislens.training.joint_run import JointRun
from crisislens.training.joint_scores import decide_texts

TASK = TASKS["humanitarian_b2"]
AFFECTED, INFRASTRUCTURE, RESCUE, OTHER, NOTHING = TASK.classes
HUMAID = {
    "injured_or_dead_people": AFFECTED,
    "missing_or_found_people": AFFECTED,
    "displaced_people_and_evacuations": AFFECTED,
    "infrastructure_and_utility_damage": INFRASTRUCTURE,
    "rescue_volunteering_or_donation_effort": RESCUE,
    "other_relevant_information": OTHER,
    "caution_and_advice": OTHER,
    "sympathy_and_support": OTHER,
    "not_humanitarian": NOTHING,
}
DMD = {"damaged_infrastructure": INFRASTRUCTURE, "human_damage": AFFECTED, "non_damage": NOTHING}
SAMPLE = 2000
# texts of Instagram are three times as long
SAMPLE_DMD = 1000


def table(
    path: Path, classes: Mapping[str, str], language: str = "", sample: int = SAMPLE
) -> list[AnnotatedText]:
    """A sample of a TSV's rows whose label is one of the classes; of one guessed language, if named."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    kept = [row for row in rows if row["label"] in classes and row["text"].strip()]
    kept = [row for row in kept if not language or row["lang_guess"] == language]
    drawn = random.Random(0).sample(kept, min(sample, len(kept)))
    return [AnnotatedText(row.get("event") or "", row["text"], classes[row["label"]], ()) for row in drawn]


def from_whole_posts(
    loaded: LoadedRationalizer, texts: Sequence[AnnotatedText], merges: Mapping[str, str]
) -> np.ndarray:
    """Probabilities of the five classes by a two-stage model's auxiliary classifier."""
    cutter = WordCutter(loaded.text.encoder)
    index = [TASK.classes.index(merges.get(name, name)) for name in loaded.config.classes]
    found = np.full((len(texts), len(TASK)), 1 / len(TASK))
    windows = [(i, some[0]) for i, text in enumerate(texts) if (some := cutter.cut(text.text))]
    windows.sort(key=lambda item: len(item[1].ids))
    for start in range(0, len(windows), 64):
        part = windows[start : start + 64]
        batch = collate_windows([window for _, window in part], loaded.text.encoder.pad_id)
        p = softmax(loaded.text.rationales(batch).classes.numpy().astype(np.float64))
        for (i, _), row in zip(part, p, strict=True):
            found[i] = np.bincount(index, weights=row, minlength=len(TASK))
    return found


def from_rationales(
    loaded: LoadedRationalizer, texts: Sequence[AnnotatedText], merges: Mapping[str, str]
) -> np.ndarray:
    """The same where every word but the rationales is starred out; certain of nothing without any."""
    why = Rationalizer(loaded).find([text.text for text in texts])
    left = [
        # what stands before the first word of evidence would fill the window that is read
        replace(text, text=reduce_text(text.text, w.words, w.chosen, "both").lstrip("* "))
        for text, w in zip(texts, why, strict=True)
    ]
    p = from_whole_posts(loaded, left, merges)
    p[[not any(w.chosen) for w in why]] = np.eye(len(TASK))[TASK.classes.index(NOTHING)]
    return p


def scored(texts: Sequence[AnnotatedText], p: np.ndarray) -> dict[str, object]:
    """Accuracy and macro-F1 with intervals, and the accuracy by event."""
    y = np.array([TASK.classes.index(text.label) for text in texts])
    report = evaluate(y, p, TASK.classes)
    right = p.argmax(1) == y
    events = sorted({text.id for text in texts if "_20" in text.id})
    by_event = {
        event: round(100 * float(right[[text.id == event for text in texts]].mean()), 1) for event in events
    }
    found: dict[str, object] = {
        "texts": len(texts),
        "accuracy": report.accuracy.percent(),
        "macro_f1": report.macro_f1.percent(),
        "largest class": round(100 * float(np.bincount(y).max() / len(y)), 1),
    }
    return found | ({"by event": by_event} if events else {})


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("joint", type=Path, nargs="?")
    parser.add_argument("--two-stage", type=Path, nargs="*", default=[])
    parser.add_argument("--sets", nargs="*", default=["hagupit", "humaid", "dmd_text"])
    parser.add_argument("--out", type=Path, default=Path("runs/rationale_zero_shot.json"))
    args = parser.parse_args()
    set_threads(1)
    merges = JointRun.load(Path(__file__).parents[1] / "configs" / "rationales" / "joint.yaml").merges
    hagupit = read_snippet_table(args.data / "rationales" / "hagupit_2014.csv")
    sets = {
        "hagupit": [AnnotatedText("", t.text, merges[t.label], ()) for t in hagupit if t.label in merges],
        "humaid": table(args.data / "crisis_text" / "humaid" / "test.tsv", HUMAID),
        "dmd_text": table(args.data / "crisis_text" / "dmd_text" / "labeled.tsv", DMD, "en", SAMPLE_DMD),
    }
    joint = None if args.joint is None else load_joint_rationalizer(args.joint).model
    whole = {"shipped": load_rationalizer(find_rationale_model("crisis-rationales"))}
    whole |= {f"two-stage, {folder.name}": load_rationalizer(folder) for folder in args.two_stage}
    found: dict[str, dict[str, object]] = {}
    for name in args.sets:
        texts = sets[name]
        found[name] = {}
        if joint is not None:
            decided = decide_texts(joint, texts, lambda text: None)
            p = softmax(np.stack([d.logits for d in decided]).astype(np.float64))
            found[name]["joint, rationales alone"] = scored(texts, p)
        for model, loaded in whole.items():
            found[name][f"{model}, whole post"] = scored(texts, from_whole_posts(loaded, texts, merges))
            found[name][f"{model}, rationales alone"] = scored(texts, from_rationales(loaded, texts, merges))
        print(json.dumps({name: found[name]}, indent=1), flush=True)
    atomic_write(args.out, json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
