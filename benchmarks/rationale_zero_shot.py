"""Decisions of the shipped rationale model where nothing was learned:
`python benchmarks/rationale_zero_shot.py DATA [--sets NAME ...]`.

By its auxiliary classifier, which reads the whole post, and by the same classifier where every word but the
rationales is starred out; a text without any rationale is answered "not humanitarian". Data: that of
`crisislens bench run rationales`, which trains models of one crisis and asks them the same: Hagupit 2014
(the shipped model learned from it), a sample of HumAID's test rows by event, and the English texts of DMD
(Instagram), whose labels are of the photo. Intervals are bootstraps over texts.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from crisislens.bench.rationale_posts import NOTHING, TASK, read_tested
from crisislens.core.files import atomic_write
from crisislens.core.run_files import find_run_file
from crisislens.data.marked_rationales import AnnotatedText
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.classification import evaluate
from crisislens.explain.rationalizer import Rationalizer
from crisislens.explain.reduce import reduce_text
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.rationale_artifact import LoadedRationalizer, find_rationale_model, load_rationalizer
from crisislens.nn.device import set_threads
from crisislens.training.joint_run import JointRun


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
    parser.add_argument("--sets", nargs="*", default=["hagupit", "humaid", "dmd_text"])
    parser.add_argument("--out", type=Path, default=Path("runs/rationale_zero_shot.json"))
    args = parser.parse_args()
    set_threads(1)
    merges = JointRun.load(find_run_file("configs/rationales/joint.yaml")).merges
    shipped = load_rationalizer(find_rationale_model("crisis-rationales"))
    found: dict[str, dict[str, object]] = {}
    for name in args.sets:
        texts = read_tested(name, args.data, merges)
        found[name] = {
            "whole post": scored(texts, from_whole_posts(shipped, texts, merges)),
            "rationales alone": scored(texts, from_rationales(shipped, texts, merges)),
        }
        print(json.dumps({name: found[name]}, indent=1), flush=True)
    atomic_write(args.out, json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
