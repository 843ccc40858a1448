r"""Makes a bundle of what `train_crisis.py` trained:
`python scripts/bundle_crisis.py DATA --model DIR --work DIR --out DIR`.

The heads become three tasks: informativeness, HumAID's ten classes, and calls and needs, of which
several may hold. Temperatures, thresholds and the weight of the natural shares are chosen on events
that were never trained on, so that what is promised is promised of other events. The threshold of
each call and need is moved to one half by its bias, chosen on training rows of the messages; those
without labels there keep theirs.

The photo is not judged: no photo can outvote a text, and a photo alone is answered "not sure".
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from crisislens.core.files import atomic_write
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.tasks import CALLED, TASKS, Label, Task
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.abstention import LIKELIER_RIGHT, threshold_for_risk
from crisislens.evaluation.calibration import fit_temperature, softmax
from crisislens.features.encode import PostEncoder
from crisislens.models.artifact import ArtifactMeta, Card, save_artifact
from crisislens.models.base import ModelSpec
from crisislens.models.linear import TextLinear
from crisislens.pipeline.bundle import BundleConfig, Calibration, TaskConfig
from crisislens.training.crisis_text import COLUMNS, HUMANITARIAN_10

# the sets, their caches and the scores are those of the benchmark
sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from need import OUTSIDE, Scored, chosen_prior, encode, f1, score, sets

RISK = {"informativeness": 0.10, "humanitarian": 0.20}
# languages of labeled training texts, whose answers may be sure; and those in which nothing was
# labeled, but calls stood first on the stress set: they are ordered and never surely judged
LEARNED = ("en", "ht", "es", "it", "fr", "pt", "hi", "ne")
ORDERED = ("ar", "de", "el", "id", "ja", "sw", "tl", "tr", "uk", "ur", "zh", "und")
CALLS = ("request", "offer", "warning", *COLUMNS[4:])
_TONES = {
    "request": "grave",
    "rescue": "grave",
    "medical": "grave",
    "missing_people": "grave",
    "warning": "warm",
}
# reports of people who were saved sound like calls to save them, and ask for nothing
_WITHIN = {"rescue": "request"}
# chosen on the half "develop" of the stress set: a sure warning should not stand above an unsure
# call
_URGENCY = {"offer": 0.0, "warning": 0.3, "missing_people": 0.95}
_CLASS_URGENCY = {
    "caution_and_advice": 0.1,
    "displaced_people_and_evacuations": 0.2,
    "infrastructure_and_utility_damage": 0.15,
    "injured_or_dead_people": 0.2,
    "missing_or_found_people": 0.9,
    "requests_or_urgent_needs": 1.0,
}


def within(task: Task) -> Task:
    """A task of calls and needs with what holds only where another label does."""
    labels = [label.model_copy(update={"within": _WITHIN.get(label.name, "")}) for label in task.labels]
    return task.model_copy(update={"labels": tuple(labels)})


def tasks() -> dict[str, Task]:
    """The three tasks of the bundle, by question."""
    known = TASKS["humanitarian_10"]
    ten = [
        known.label(name).model_copy(update={"urgency": _CLASS_URGENCY.get(name, 0.0)})
        for name in HUMANITARIAN_10
    ]
    calls = [
        Label(name=n, title=CALLED.title(n), urgency=_URGENCY.get(n, 1.0), tone=_TONES.get(n, "plain"))  # type: ignore[arg-type]
        for n in CALLS
    ]
    return {
        # no gate: on the half "develop" calls in other languages sank where the gate was unsure of
        # them
        "informativeness": TASKS["informativeness"].model_copy(update={"gate": False, "share": 0.0}),
        "humanitarian": known.model_copy(update={"labels": tuple(ten), "share": 0.15}),
        "needs": Task(
            name="calls_and_needs",
            question="needs",
            topic="Calls and needs",
            share=0.85,
            several=True,
            labels=tuple(calls),
        ),
    }


def shifts(found: dict[str, Scored]) -> dict[str, float]:
    """For each call and need what is added to its logit so that its best threshold on training rows
    is 0.
    """
    moved = {}
    for name in CALLS:
        logits, y = [], []
        for part in ("messages_train", "originals_train"):
            known = found[part].labels(name) >= 0
            logits.append(found[part].columns[known, COLUMNS.index(name)])
            y.append(found[part].labels(name)[known])
        z, truth = np.concatenate(logits), np.concatenate(y)
        grid = np.linspace(-3, 3, 61)
        few = truth.sum() < 10
        moved[name] = 0.0 if few else -float(max(grid, key=lambda t: f1(truth, z > t)))
    return moved


def calibrated(logits: np.ndarray, y: np.ndarray, risk: float, basis: str) -> Calibration:
    """Temperature and threshold on texts of events that were never trained on."""
    temperature = fit_temperature(logits, y)
    p = softmax(logits, temperature)
    chosen = threshold_for_risk(p.max(1), p.argmax(1) == y, risk, delta=0.1, least=LIKELIER_RIGHT)
    theta = chosen.threshold if chosen.met else max(chosen.threshold, 0.9)
    aim = f"aim: at most {risk:.0%} errors among answers" + ("" if chosen.met else " (not reached)")
    return Calibration(
        temperature=round(temperature, 4),
        abstain_below=round(theta, 4),
        basis=f"{len(y)} {basis}; {aim}",
    )


def main() -> None:
    """Reads the arguments and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, required=True, help="adapter and heads of train_crisis.py")
    parser.add_argument("--work", type=Path, required=True, help="where the benchmark keeps its vectors")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="crisis-multilingual")
    parser.add_argument("--rows", type=int, default=4500)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--card", type=Path, default=None, help="the model card to copy in")
    args = parser.parse_args()
    torch.set_num_threads(1)
    heads = {k: v.double().numpy() for k, v in load_file(args.model / "heads.safetensors").items()}
    atomic_write(args.out / "adapter.safetensors", (args.model / "adapter.safetensors").read_bytes())
    plain = E5Text(adapter=str(args.out / "adapter.safetensors"), precision="fp32", weights=args.weights)
    measured, shares = sets(args.data, args.rows)
    names = ("humaid_dev", "outside", "outside_t26", "messages_train", "originals_train")
    found = {}
    for name in names:
        ten, columns = score(encode(plain, measured[name], args.work / f"{name}.npz"), heads)
        found[name] = Scored(measured[name], ten, columns)
    _write(args, heads, found, shares)


def _write(
    args: argparse.Namespace,
    heads: dict[str, np.ndarray],
    found: dict[str, Scored],
    shares: np.ndarray,
) -> None:
    tau, moved, outside = chosen_prior(found["humaid_dev"], shares), shifts(found), found["outside"]
    w, b = heads["heads.columns.weight"], heads["heads.columns.bias"]
    informative, rows = COLUMNS.index("informative"), [COLUMNS.index(c) for c in CALLS]
    weights = {
        "informativeness": (
            np.stack([0 * w[informative], w[informative]]),
            np.array([0.0, b[informative]]),
        ),
        "humanitarian": (heads["heads.ten.weight"], heads["heads.ten.bias"] + tau * shares),
        "needs": (w[rows], b[rows] + np.array([moved[c] for c in CALLS])),
    }
    both = [outside, found["outside_t26"]]
    y = np.concatenate([s.labels("informative") for s in both])
    z = np.concatenate([s.columns[:, informative] for s in both])[y >= 0]
    where = f"texts of {len(OUTSIDE)} events of HumAID that were never trained on"
    calibration = {
        "informativeness": calibrated(
            np.stack([0 * z, z], 1),
            y[y >= 0],
            RISK["informativeness"],
            f"{where}, and two of CrisisLexT26",
        ),
        "humanitarian": calibrated(
            outside.ten + tau * shares,
            outside.labels("humanitarian_10"),
            RISK["humanitarian"],
            where,
        ),
        "needs": Calibration(
            temperature=1.0, abstain_below=0.0, basis="each call and need says how sure it is"
        ),
    }
    _save(args, heads, weights, calibration)


def _save(
    args: argparse.Namespace,
    heads: dict[str, np.ndarray],
    weights: dict[str, tuple[np.ndarray, np.ndarray]],
    calibration: dict[str, Calibration],
) -> None:
    options = {"adapter": str(args.out / "adapter.safetensors"), "precision": "fp32"}
    extra = {"weights": str(args.weights)} if args.weights is not None else {}
    encoders = load_encoders(EncoderSpec(name="multilingual", options={**options, **extra}))
    features = PostEncoder(
        encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=None
    ).fingerprint()
    spec, entries = ModelSpec(name="text_linear"), {}
    for question, task in tasks().items():
        model = TextLinear(widths=encoders.widths(), classes=len(task))
        w, b = (torch.from_numpy(x).float() for x in weights[question])
        mean, scale = (torch.from_numpy(heads[f"heads.{k}"]).float() for k in ("mean", "scale"))
        model.load_state_dict({"map.weight": w, "map.bias": b, "mean": mean, "scale": scale})
        own = None if task in TASKS.values() else task
        meta = ArtifactMeta(
            label_space=task.name,
            classes=task.classes,
            task=own,
            encoder={
                "name": "multilingual",
                "options": {**options, "adapter": "../adapter.safetensors"},
            },
            encoder_fingerprint=encoders.fingerprint(),
            features_fingerprint=features,
            widths=encoders.widths(),
            modalities=("text",),
            card=Card(summary=f"Part of the bundle {args.name}; see its card. Task: {question}."),
        )
        save_artifact(args.out / question, model.eval(), spec, meta)
        kinds = {"text": calibration[question], "both": calibration[question]}
        entries[question] = TaskConfig(
            artifact=question,
            label_space=task.name,
            definition=own,
            calibration=kinds,  # type: ignore[arg-type]
        )
    _describe(args, entries, options)


def _describe(args: argparse.Namespace, entries: dict[str, TaskConfig], options: dict[str, str]) -> None:
    config = BundleConfig(
        name=args.name,
        version="0.1.0",
        description="Adapted multilingual-e5-small: informative or not, ten classes, calls and needs, "
        "from text in many languages; the photo is not judged.",
        encoder=EncoderSpec(name="multilingual", options={**options, "adapter": "adapter.safetensors"}),
        languages=LEARNED,
        ranked_languages=ORDERED,
        limits_known=(
            "Trained on posts in English, Kreyòl, Spanish, Italian, French, Portuguese, Hindi and "
            "Nepali; in other languages it was measured on a few made-up posts only.",
            "Photos are not judged.",
            "Nothing is checked for truth: a false or old post is judged like any other.",
        ),
        tasks=entries,
    )
    atomic_write(
        args.out / "bundle.json",
        json.dumps(config.model_dump(mode="json"), indent=1).encode() + b"\n",
    )
    if args.card is not None:
        atomic_write(args.out / "README.md", args.card.read_bytes())
    print("written", args.out)


if __name__ == "__main__":
    main()
