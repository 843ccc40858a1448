r"""Trains the bundle whose terms allow any use with attribution:
`python scripts/train_open.py DATA --work DIR --out DIR`.

The encoder is multilingual-e5-small, adapted by `train_crisis.py DATA --open --work WORK` on the same sources
(`--adapter WORK/adapter.safetensors`; without it the encoder as it is published), so that no data of narrower
terms is in any weight; on its pooled vectors stand linear heads. What is trained on: idrisi_en and
disaster_response_messages (CC BY 4.0), CrisisLexT26 and CrisisLexT6 (MIT), and the posts that language models
made up for this project (`need_texts.MADE_UP`: language, text, and what it says; an empty list is a near
miss). CrisisMMD, HumAID and the messages' validation are read for one thing: to leave out what is worded
like their rows.

Strengths of regularization, the weight of class shares and the thresholds of needs are chosen by
cross-validation on training rows, with whole events left out of the heads. The adapter saw these rows, so
temperatures and thresholds of single answers are chosen on the events of the same open sources that are
never trained on (`train_crisis.outside`), as those of `crisis-multilingual` are.

Vectors are kept in `--work` in shards, so that a killed run goes on.
"""

import argparse
import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from bundle_crisis import CALLS, RISK, calibrated
from need_texts import made_up, settled_rescue
from numpy.typing import NDArray
from open_bundle import write
from sklearn.linear_model import LogisticRegression
from train_crisis import gather, group_of, outside

from crisislens.data.text import clean_text
from crisislens.encoders.base import pad_ids
from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.scores import confusion_cells
from crisislens.pipeline.bundle import Calibration
from crisislens.training.crisis_text import HUMANITARIAN_10, CrisisText, read_source, wording
from crisislens.training.need_heads import STRENGTHS, YesNoHead, fit_head, folds_of

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
_SHARD = 512
_FOLDS = 3
# no free source has the class; its logit keeps it at a probability that rounds to 0
_NEVER = -20.0
# texts of each group; of a group that has fewer all are taken
BUDGETS = {
    "messages_english": {"other": 1500, "news": 300, "request": 9999},
    "messages_original": {"other": 600, "request": 9999},
    "idrisi_en": {
        "caution_and_advice": 150,
        "displaced_people_and_evacuations": 150,
        "infrastructure_and_utility_damage": 150,
        "injured_or_dead_people": 150,
        "missing_or_found_people": 300,
        "requests_or_urgent_needs": 350,
        "rescue_volunteering_or_donation_effort": 250,
    },
    "crisislex_t26": {"other language": 600, "yes": 300, "no": 300},
    "crisislex_t6": {"no": 600},
}


def key_of(text: str) -> str:
    """The name of a text in the cache of vectors."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]


def draw(texts: Sequence[CrisisText], root: Path) -> list[CrisisText]:
    """Texts to train on, each group by its budget, the same in every run."""
    allowed = {(t.source, t.text) for t in texts if not outside(t)}
    labeled = {(t.source, t.text): t for t in texts}
    rng = np.random.default_rng(0)
    chosen: dict[tuple[str, str], CrisisText] = {}
    for source, budget in BUDGETS.items():
        rows = read_source(root, source)
        for group, count in budget.items():
            members = [(t.source, t.text) for t in rows if group_of(t) == group]
            drawn = [members[i] for i in rng.permutation(len(members))]
            kept = [name for name in dict.fromkeys(drawn) if name in allowed]
            chosen |= {name: labeled[name] for name in kept[:count]}
    return list(chosen.values())


def pooled_of(encoder: E5Text, texts: Sequence[str]) -> NDArray[np.float32]:
    """Pooled vectors, shape (n, d), in the order of the texts; short ones go together."""
    tokens = encoder.tokenize(texts)
    order = sorted(range(len(texts)), key=lambda i: len(tokens[i].ids))
    pooled = np.zeros((len(texts), encoder.width), np.float32)
    with torch.inference_mode():
        for a in range(0, len(order), 32):
            rows = order[a : a + 32]
            pooled[rows] = encoder(*pad_ids([tokens[i] for i in rows], encoder.pad_id))[1].numpy()
    return pooled


def drawn_for(texts: Sequence[CrisisText], root: Path) -> Array:
    """How many texts of its source and group each drawn text stands for; 0 of made-up ones."""
    there = Counter((t.source, group_of(t)) for name in BUDGETS for t in read_source(root, name))
    groups = [(t.source, group_of(t) if t.source in BUDGETS else "") for t in texts]
    drawn = Counter(groups)
    return np.array([there[g] / drawn[g] for g in groups])


def encode(encoder: E5Text, texts: Sequence[str], work: Path) -> NDArray[np.float32]:
    """Pooled vectors of texts, shape (n, d); those that `work` holds are not made again."""
    folder = work / f"vectors-{encoder.fingerprint()}"
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.npz")):
        shard = np.load(path)
        known |= dict(zip(shard["keys"].tolist(), shard["pooled"], strict=True))
    missing = {key_of(t): t for t in texts}
    todo = [k for k in missing if k not in known]
    for a in range(0, len(todo), _SHARD):
        part = todo[a : a + _SHARD]
        pooled = pooled_of(encoder, [missing[k] for k in part])
        # named by its content: a run that goes on never overwrites what another one made
        name = hashlib.sha1("".join(part).encode(), usedforsecurity=False).hexdigest()[:12]
        np.savez(folder / f"{name}.npz", keys=np.array(part), pooled=pooled)
        known |= dict(zip(part, pooled, strict=True))
        print(f"{a + len(part)} of {len(todo)} texts encoded", flush=True)
    return np.stack([known[key_of(t)] for t in texts])


@dataclass(frozen=True)
class Rows:
    """What the heads are trained on.

    Attributes:
        texts: The rows, the made-up ones last.
        x: Their vectors, standardized, shape (n, d).
        real: Whether a row is a real post.
        events: A fold for each row, whole events together.
        messages: A fold for each row, a message and its translation together.
        counts: How many texts of its source and group each row was drawn for; 0 of made-up ones.
    """

    texts: list[CrisisText]
    x: NDArray[np.float32]
    real: NDArray[np.bool_]
    events: Ints
    messages: Ints
    counts: Array

    def labels(self, question: str) -> Ints:
        """Answers, −1 where open."""
        return np.array([t.labels.get(question, -1) for t in self.texts])


def english_of(root: Path, split: str = "train") -> dict[str, str]:
    """From a message's original to the wording of its translation, in the file of a split."""
    with (root / "disaster_response_messages" / f"{split}.tsv").open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {clean_text(r["original"]): wording(clean_text(r["message_en"])) for r in rows}


def ten_head(rows: Rows) -> tuple[Array, Array]:
    """Weights and bias of the ten classes.

    Post-hoc logit adjustment (Menon et al. 2021, https://arxiv.org/abs/2007.07314, Sec. 4.1): τ times the
    logarithm of the shares in what was trained on is taken off; C and τ have the best macro-F1.
    """
    y = rows.labels("humanitarian_10")
    used = (y >= 0) & rows.real
    x, y, folds = rows.x[used], y[used], rows.events[used]
    classes = np.unique(y)
    shares = np.log(np.bincount(y, minlength=len(HUMANITARIAN_10))[classes] / len(y))
    best = (-1.0, 0.0, 0.0)
    for strength in STRENGTHS:
        unseen = np.full((len(y), len(HUMANITARIAN_10)), _NEVER)
        for fold in np.unique(folds):
            held = folds == fold
            head = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(x[~held], y[~held])
            unseen[np.ix_(held, head.classes_)] = head.decision_function(x[held])
        for tau in (0.0, 0.5, 1.0):
            moved = unseen.copy()
            moved[:, classes] -= tau * shares
            score = macro_f1(y, moved.argmax(1))
            print(
                f"ten classes, C {strength}, tau {tau}: macro-F1 on events not seen {score:.3f}", flush=True
            )
            if score > best[0]:
                best = (score, strength, tau)
    head = LogisticRegression(C=best[1], max_iter=200, tol=1e-3).fit(x, y)
    weight, bias = np.zeros((len(HUMANITARIAN_10), x.shape[1])), np.full(len(HUMANITARIAN_10), _NEVER)
    weight[classes], bias[classes] = head.coef_, head.intercept_ - best[2] * shares
    return weight, bias


def macro_f1(y: Ints, said: Ints) -> float:
    """Mean F1 of the classes that occur."""
    c = len(HUMANITARIAN_10)
    cells = np.bincount(confusion_cells(y, said, c), minlength=c * c).reshape(c, c)
    right, both = np.diag(cells), cells.sum(0) + cells.sum(1)
    return float((2 * right / np.maximum(both, 1))[np.unique(y)].mean())


def informative_head(rows: Rows) -> tuple[Array, float]:
    """Weight and bias of "informative"."""
    y = rows.labels("informative")
    used = (y >= 0) & rows.real
    x, y, folds = rows.x[used], y[used], rows.events[used]
    best = (np.inf, 0.0)
    for strength in STRENGTHS:
        unseen = np.zeros(len(y))
        for fold in np.unique(folds):
            held = folds == fold
            head = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(x[~held], y[~held])
            unseen[held] = head.decision_function(x[held])
        loss = float(np.logaddexp(0.0, -(2 * y - 1) * unseen).mean())
        print(f"informative, C {strength}: log loss on events not seen {loss:.3f}", flush=True)
        if loss < best[0]:
            best = (loss, strength)
    head = LogisticRegression(C=best[1], max_iter=200, tol=1e-3).fit(x, y)
    return head.coef_[0], float(head.intercept_[0])


def judging(rows: Rows, question: str) -> Array:
    """What chooses a head: the messages, which alone were asked each need; for the others all real rows."""
    asked = np.array([t.source.startswith("messages") for t in rows.texts])
    elsewhere = question in ("offer", "warning", "missing_people")
    return rows.counts if elsewhere else rows.counts * asked


def need_heads(rows: Rows) -> dict[str, YesNoHead]:
    """A head for each call and need, with made-up rows where real ones are found better by them."""
    answers = {q: rows.labels(q) for q in CALLS}
    few = {q: y for q, y in answers.items() if (y[rows.real] == 1).sum() < 600}
    some = {q: fit_head(rows.x, y, rows.messages, counts=judging(rows, q)) for q, y in answers.items()}
    real = {q: y[rows.real] for q, y in few.items() if (y[rows.real] == 1).any()}
    x, folds = rows.x[rows.real], rows.messages[rows.real]
    alone = {q: fit_head(x, y, folds, counts=judging(rows, q)[rows.real]) for q, y in real.items()}
    for q, head in some.items():
        line = f"{q}: {head.yes} yes, C {head.strength}, threshold {head.threshold:.2f}"
        line += f", F1 {head.f1:.3f}, average precision {head.average_precision:.3f}"
        if q in alone:
            line += f"; without made-up posts {alone[q].f1:.3f}, {alone[q].average_precision:.3f}"
        print(line, flush=True)
    worse = {q for q in alone if alone[q].average_precision >= some[q].average_precision}
    print("made-up posts are left out of:", ", ".join(sorted(worse)), flush=True)
    return {q: alone[q] if q in worse else head for q, head in some.items()}


def gathered(data: Path, work: Path, adapter: Path | None) -> tuple[Rows, tuple[Array, Array]]:
    """The rows with their vectors, and center and scale of these; a made-up post as often as it counts."""
    root, made = data / "crisis_text", made_up(CALLS)
    english = english_of(root)
    drawn = draw(gather(data, free=True, settled=True), root)
    texts = [*(settled_rescue(t, english) for t in drawn), *made]
    encoder = E5Text(max_tokens=128, precision="fp32", adapter=None if adapter is None else str(adapter))
    pooled = encode(encoder, [t.text for t in texts], work)
    scales = pooled.mean(0, dtype=np.float64), pooled.std(0, dtype=np.float64)
    same = [
        english.get(t.text, "") or wording(t.text) if t.source.startswith("messages") else wording(t.text)
        for t in texts
    ]
    rows = Rows(
        texts,
        ((pooled - scales[0]) / scales[1]).astype(np.float32),
        np.array([t.source != "made_up" for t in texts]),
        folds_of([f"{t.source.partition('_')[0]} {t.event}" for t in texts], _FOLDS),
        folds_of(same, _FOLDS),
        drawn_for(texts, root),
    )
    return rows, scales


def left_out(
    data: Path,
    work: Path,
    adapter: Path | None,
    scales: tuple[Array, Array],
    source: str,
    question: str,
) -> tuple[Array, Ints, str]:
    """Standardized vectors of a source's texts of events that are never trained on, shape (n, d), their
    answers, and what they are in words. The adapter saw the others, so only these tell how sure it may be.
    """
    rows = [t for t in read_source(data / "crisis_text", source) if outside(t) and question in t.labels]
    encoder = E5Text(max_tokens=128, precision="fp32", adapter=None if adapter is None else str(adapter))
    pooled = encode(encoder, [t.text for t in rows], work)
    events = len({t.event for t in rows})
    where = f"texts of {events} events of {source} that were never trained on"
    return (pooled - scales[0]) / scales[1], np.array([t.labels[question] for t in rows], np.int64), where


def main() -> None:
    """Reads the arguments, trains and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, default=None, help="of train_crisis.py --open")
    parser.add_argument("--version", default="0.2.0", help="of the new bundle")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, scales = gathered(args.data, args.work, args.adapter)
    print(f"{rows.real.sum()} real and {(~rows.real).sum()} made-up texts", flush=True)
    w, b = ten_head(rows)
    v, c = informative_head(rows)
    said = {}
    x, y, where = left_out(args.data, args.work, args.adapter, scales, "idrisi_en", "humanitarian_10")
    said["humanitarian"] = calibrated(x @ w.T + b, y, RISK["humanitarian"], where)
    x, y, where = left_out(args.data, args.work, args.adapter, scales, "crisislex_t26", "informative")
    z = x @ v + c
    said["informativeness"] = calibrated(np.stack([0 * z, z], 1), y, RISK["informativeness"], where)
    said["needs"] = Calibration(
        temperature=1.0, abstain_below=0.0, basis="each call and need says how sure it is"
    )
    found = need_heads(rows)
    weights = np.stack([found[q].weight for q in CALLS]), np.array([found[q].bias for q in CALLS])
    both = np.stack([0 * v, v]), np.array([0.0, c])
    heads = {"humanitarian": (w, b), "informativeness": both, "needs": weights}
    write(args.out, scales, heads, said, adapter=args.adapter, version=args.version)
    print("written", args.out)


if __name__ == "__main__":
    main()
