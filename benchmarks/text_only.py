"""Text only on the official rows of CrisisMMD, beside the TF-IDF floor: `python benchmarks/text_only.py DATA [--seeds 3]`.

MiniLM is fine-tuned (all weights but the word embeddings, a linear head on the mean state) on the official training rows of one task at a
time and scored on the official test rows; so is TF-IDF (word and character n-grams) with logistic regression, in the same run. Epochs and
rates were chosen on the development rows. Differences are tested by a paired bootstrap over tweets, per seed; the table gives the largest
p.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.text import clean_text
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from crisislens.evaluation.classification import evaluate
from crisislens.evaluation.significance import mean_interval, paired_bootstrap
from crisislens.nn.device import set_threads
from crisislens.training.multitask import AdapterConfig, LabeledText, train_text_classifier

VARIANTS = {"A1": "settingA", "A2": "settingA", "B2": "agreed"}
RECIPES = {
    "A1": AdapterConfig(rank=0, learning_rate=5e-5, epochs=2),
    "A2": AdapterConfig(rank=0, learning_rate=5e-5, epochs=4, balance=0.25),
    "B2": AdapterConfig(rank=0, learning_rate=5e-5, epochs=3),
}


def main() -> None:
    """Runs the settings and prints a JSON line a run, then the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD")
    parser.add_argument("--settings", default="A1,B2,A2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("text_only.jsonl"))
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    for setting in arguments.settings.split(","):
        for row in run(arguments.data, setting, arguments.seeds):
            with arguments.out.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


def run(root: Path, setting: str, seeds: int):
    """The floor and every seed of one setting."""
    source = CrisisMMD(root, setting=setting, variant=VARIANTS[setting])
    splits = {split: source.load(split) for split in ("train", "dev", "test")}
    texts = {name: [clean_text(x.post.text) for x in rows] for name, rows in splits.items()}
    y = {name: np.array([source.space.index(x.label) for x in rows]) for name, rows in splits.items()}
    tweets = np.array([x.post.id.rpartition("_")[0] for x in splits["test"]])
    floor = make_pipeline(
        make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2),
        ),
        LogisticRegression(C=4.0, max_iter=2000),
    ).fit(texts["train"], y["train"])
    p_floor = floor.predict_proba(texts["test"])
    yield {"setting": setting, "system": "tfidf+lr", **scores(y["test"], p_floor, source.space.classes, tweets)}
    labeled = [LabeledText(t, {setting: int(k)}) for t, k in zip(texts["train"], y["train"], strict=True)]
    found = []
    for seed in range(seeds):
        started = time.perf_counter()
        encoder = load_encoders(EncoderSpec()).text
        recipe = RECIPES[setting].model_copy(update={"seed": seed})
        model = train_text_classifier(encoder, labeled, {setting: len(source.space)}, recipe)
        seconds = time.perf_counter() - started
        dev, test = (model.logits(setting, texts[name]).numpy() for name in ("dev", "test"))
        temperature = fit_temperature(dev, y["dev"])
        p = softmax(test, temperature)
        difference = paired_bootstrap(y["test"], p, p_floor, "weighted_f1", clusters=tweets, resamples=2000)
        row = {
            "setting": setting,
            "system": "minilm text only",
            "seed": seed,
            **scores(y["test"], p, source.space.classes, tweets),
            "dev_weighted_f1": evaluate(y["dev"], softmax(dev), source.space.classes, resamples=0).weighted_f1.value,
            "ece_before": expected_calibration_error(softmax(test), y["test"]),
            "temperature": temperature,
            "p_vs_floor": difference.p_value,
            "train_s": round(seconds, 1),
        }
        found.append(row)
        yield row
    if len(found) > 1:
        summary = {name: mean_interval([row[name] for row in found]).model_dump() for name in ("accuracy", "macro_f1", "weighted_f1")}
        yield {
            "setting": setting,
            "system": "minilm text only, mean over seeds",
            **summary,
            "largest_p": max(r["p_vs_floor"] for r in found),
        }


def scores(y, p, classes, tweets):
    """The metrics of one system on the test rows."""
    report = evaluate(y, p, classes, clusters=tweets, resamples=2000)
    interval = [round(report.weighted_f1.low, 4), round(report.weighted_f1.high, 4)]
    return {
        "accuracy": report.accuracy.value,
        "macro_f1": report.macro_f1.value,
        "weighted_f1": report.weighted_f1.value,
        "weighted_f1_interval": interval,
        "ece": expected_calibration_error(p, y),
    }


if __name__ == "__main__":
    sys.exit(main())
