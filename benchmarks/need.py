r"""What an adapted text encoder with its heads sees of need: `python benchmarks/need.py DATA --work DIR`.

Reads `adapter.safetensors` and `heads.safetensors` of `scripts/train_crisis.py` in `--model`. Each set is
encoded once and kept in `--work`, so that a killed run goes on; `--rows` bounds the rows of a set, drawn
with a fixed seed.

Classes of HumAID: the logits are those of logit adjustment, $\ell_c$; with the natural shares $\pi^*$, $p
\propto \exp((\ell_c + \tau \log \pi^*_c) / T)$. τ and T are chosen on HumAID's dev rows for HumAID's test;
for the events left out T is chosen on the other events left out, never on the one that is scored.

A threshold of `request` is chosen where labels exist, on training rows of the messages, and .5 elsewhere.
The stress set's half `develop` chooses among five formulas of urgency; the half `test` is reported.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.stats import beta

from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.text import clean_text
from crisislens.encoders.base import pad_ids
from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.abstention import LIKELIER_RIGHT, threshold_for_risk
from crisislens.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from crisislens.evaluation.classification import evaluate
from crisislens.evaluation.resampling import interval
from crisislens.training.crisis_text import COLUMNS, HUMANITARIAN_10, NEEDS, CrisisText, read_source

OUTSIDE = (
    "puebla_mexico_earthquake_2017",
    "ecuador_earthquake_2016",
    "srilanka_floods_2017",
    "greece_wildfires_2018",
)
OUTSIDE_T26 = ("2012_Guatemala_earthquake", "2013_Manila_floods")
STRESS = Path(__file__).parents[1] / "tests" / "stress" / "posts.jsonl"
Array = NDArray[np.float64]


@dataclass
class Scored:
    """A set with what the heads say of it.

    Attributes:
        texts: Its rows.
        ten: Logits of HumAID's classes, shape (s, 10).
        columns: Logits of the questions with yes or no, shape (s, 14).
    """

    texts: list[CrisisText]
    ten: Array
    columns: Array

    def labels(self, question: str) -> NDArray[np.int64]:
        """Answers, −1 where open."""
        return np.array([t.labels.get(question, -1) for t in self.texts])

    def column(self, question: str) -> Array:
        """Probability of yes."""
        logits = self.columns[:, COLUMNS.index(question)]
        return 1.0 / (1.0 + np.exp(-logits))


def stress_posts() -> list[dict[str, object]]:
    """The stress set as it is stored."""
    return [json.loads(line) for line in STRESS.read_text(encoding="utf-8").split("\n") if line]


def sets(data: Path, rows: int) -> tuple[dict[str, list[CrisisText]], Array]:
    """What is measured, by name, and the logarithms of the shares of the classes in training rows."""
    root = data / "crisis_text"
    humaid = read_source(root, "humaid", splits=("train", "dev", "test"))
    posts = [
        CrisisText(
            clean_text(str(p["text"])),
            "stress",
            "",
            str(p["half"]),
            str(p["lang"]),
            {"request": int(bool(p["call"]))},
        )
        for p in stress_posts()
    ]
    mmd = CrisisMMD(data / "crisismmd", setting="A1", variant="agreed").load("test")
    a1 = [
        CrisisText(
            clean_text(r.post.text),
            "crisismmd",
            "",
            "test",
            "en",
            {"informative": int(r.label == "informative")},
        )
        for r in mmd
    ]
    found = {
        "a1": a1,
        "messages": read_source(root, "messages_english", splits=("test",)),
        "originals": read_source(root, "messages_original", splits=("test",)),
        "messages_train": read_source(root, "messages_english"),
        "originals_train": read_source(root, "messages_original"),
        "humaid_dev": [t for t in humaid if t.split == "dev" and t.event not in OUTSIDE],
        "humaid_test": [t for t in humaid if t.split == "test"],
        "outside": [t for t in humaid if t.event in OUTSIDE],
        "outside_t26": [t for t in read_source(root, "crisislex_t26") if t.event in OUTSIDE_T26],
    }
    few = {"humaid_dev", "outside", "outside_t26", "messages_train", "originals_train"}
    kept = {name: _some(texts, rows // 3 if name in few else rows) for name, texts in found.items()}
    trained = [t.labels["humanitarian_10"] for t in humaid if t.split == "train"]
    counts = np.bincount(trained, minlength=len(HUMANITARIAN_10))
    return {"stress": posts, **kept}, np.log(counts / counts.sum())


def _some(texts: list[CrisisText], rows: int) -> list[CrisisText]:
    if len(texts) <= rows:
        return texts
    chosen = np.random.default_rng(0).permutation(len(texts))[:rows]
    return [texts[i] for i in np.sort(chosen)]


def encode(encoder: E5Text, texts: Sequence[CrisisText], path: Path) -> Array:
    """Pooled vectors, in the order of the texts; kept in a file."""
    key = hashlib.sha256("\0".join([encoder.fingerprint(), *(t.text for t in texts)]).encode()).hexdigest()
    if path.is_file():
        stored = np.load(path)
        if str(stored["key"]) == key:
            return np.asarray(stored["pooled"], np.float64)
    tokens = encoder.tokenize([t.text for t in texts])
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i].ids))
    pooled = np.zeros((len(texts), encoder.width), np.float32)
    with torch.inference_mode():
        for a in range(0, len(order), 32):
            rows = order[a : a + 32]
            pooled[rows] = encoder(*pad_ids([tokens[i] for i in rows], encoder.pad_id))[1].numpy()
    np.savez(path, pooled=pooled, key=key)
    return pooled.astype(np.float64)


def score(pooled: Array, heads: dict[str, Array]) -> tuple[Array, Array]:
    """Logits of both heads."""
    h = (pooled - heads["heads.mean"]) / heads["heads.scale"]
    ten = h @ heads["heads.ten.weight"].T + heads["heads.ten.bias"]
    return ten, h @ heads["heads.columns.weight"].T + heads["heads.columns.bias"]


def macro_f1(y: NDArray[np.int64], p: Array) -> float:
    """Mean F1 of the ten classes."""
    return evaluate(y, p, HUMANITARIAN_10, resamples=0).macro_f1.value


def chosen_prior(dev: Scored, shares: Array) -> float:
    """The weight τ of the natural shares with the best macro-F1 on development rows."""
    y = dev.labels("humanitarian_10")
    return max((0.0, 0.25, 0.5, 0.75, 1.0), key=lambda tau: macro_f1(y, softmax(dev.ten + tau * shares)))


def of_humaid(found: dict[str, Scored], shares: Array) -> list[str]:
    """Lines on HumAID's test and on the events left out."""
    dev, test, outside = found["humaid_dev"], found["humaid_test"], found["outside"]
    tau = chosen_prior(dev, shares)
    temperature = fit_temperature(dev.ten + tau * shares, dev.labels("humanitarian_10"))
    p = softmax(test.ten + tau * shares, temperature)
    y = test.labels("humanitarian_10")
    report = evaluate(y, p, HUMANITARIAN_10)
    lines = [f"humanitarian_10, HumAID test, {len(y)} rows: macro-F1 {report.macro_f1.percent()}, "]
    lines[0] += f"weighted {report.weighted_f1.percent()}, tau {tau}, T {temperature:.2f}"
    lines[0] += f", ECE {100 * expected_calibration_error(p, y):.1f}"
    lines += [f"  {name}: F1 {s.f1:.3f} of {s.support}" for name, s in report.per_class.items()]
    lines += _informative("HumAID test", test)
    seen = np.array([t.event not in OUTSIDE for t in test.texts])
    inside = evaluate(y[seen], p[seen], HUMANITARIAN_10).macro_f1.percent()
    lines.append(f"  its trained events alone, {seen.sum()} rows: macro-F1 {inside}")
    return lines + _left_out(outside, shares, tau)


def _left_out(outside: Scored, shares: Array, tau: float) -> list[str]:
    events = np.array([t.event for t in outside.texts])
    y = outside.labels("humanitarian_10")
    lines, means, errors = [], [], []
    for event in OUTSIDE:
        here = events == event
        logits = outside.ten + tau * shares
        temperature = fit_temperature(logits[~here], y[~here])
        p = softmax(logits[here], temperature)
        present = np.unique(y[here])
        scores = evaluate(y[here], p, HUMANITARIAN_10, resamples=0).per_class
        f1 = float(np.mean([scores[HUMANITARIAN_10[c]].f1 for c in present]))
        ece = expected_calibration_error(p, y[here])
        means.append(f1)
        errors.append(ece)
        detail = ", ".join(f"{n[:8]} {s.f1:.2f}" for n, s in scores.items() if s.support)
        head = f"left out {event}, {here.sum()} rows: macro-F1 of its classes {100 * f1:.1f}"
        lines.append(f"{head}, ECE {100 * ece:.1f}; {detail}")
        lines.append(promise(softmax(logits[~here], temperature), y[~here], p, y[here]))
    lines.append(f"left out, mean: macro-F1 {100 * np.mean(means):.1f}, ECE {100 * np.mean(errors):.1f}")
    return lines + _informative("left out", outside)


def of_t26(found: Scored) -> list[str]:
    """Lines on the two events of CrisisLexT26 left out, by language."""
    lines = _informative("CrisisLexT26, two events left out", found)
    for language in ("en", "es", "tl"):
        rows = np.array([t.language == language for t in found.texts])
        texts = [t for t, here in zip(found.texts, rows, strict=True) if here]
        lines += _informative(f"  in {language}", Scored(texts, found.ten[rows], found.columns[rows]))
    return lines


def promise(dev: Array, y_dev: NDArray[np.int64], p: Array, y: NDArray[np.int64], risk: float = 0.2) -> str:
    """What a threshold for a risk, chosen on the other events left out, does on this one."""
    right = dev.argmax(1) == y_dev
    chosen = threshold_for_risk(dev.max(1), right, risk, delta=0.1, least=LIKELIER_RIGHT)
    answered = p.max(1) >= chosen.threshold
    wrong, n = int((p.argmax(1) != y)[answered].sum()), int(answered.sum())
    low, high = beta.ppf([0.025, 0.975], [wrong or 1e-9, wrong + 1], [n - wrong + 1, n - wrong or 1e-9])
    sure = p.max(1) >= 0.9
    errors = f"errors {100 * wrong / max(1, n):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    at_nine = f"at .9 and above {100 * (p.argmax(1) != y)[sure].mean():.1f} % of {sure.sum()} are wrong"
    return f"  promised {risk:.0%} errors: answers {n} of {len(y)}, {errors}; {at_nine}"


def _informative(name: str, found: Scored) -> list[str]:
    y = found.labels("informative")
    known = y >= 0
    p = found.column("informative")[known]
    report = evaluate(y[known], np.stack([1 - p, p], 1), ("no", "yes"))
    values = f"macro-F1 {report.macro_f1.percent()}, weighted {report.weighted_f1.percent()}"
    return [f"informative, {name}, {known.sum()} rows: {values}, AUROC {_auroc_line(y[known], p)}"]


def auroc(y: NDArray[np.int64], p: Array) -> float:
    """Probability that a yes stands above a no; ties count half."""
    yes, no = np.sort(p[y == 1]), np.sort(p[y == 0])
    below = np.searchsorted(no, yes, side="left") + np.searchsorted(no, yes, side="right")
    return float(below.sum() / (2 * len(yes) * len(no))) if len(yes) and len(no) else float("nan")


def _auroc_line(y: NDArray[np.int64], p: Array) -> str:
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(y), size=len(y)) for _ in range(300)]
    low, high = interval(np.array([auroc(y[i], p[i]) for i in draws]))
    return f"{auroc(y, p):.3f} [{low:.3f}, {high:.3f}]"


def f1(y: NDArray[np.int64], said: NDArray[np.bool_]) -> float:
    """F1 of yes."""
    hits = float((said & (y == 1)).sum())
    return 2 * hits / max(1.0, float(said.sum() + (y == 1).sum()))


def of_messages(found: dict[str, Scored]) -> list[str]:
    """Lines on the messages, English and originals."""
    lines = []
    for name, train in (("messages", "messages_train"), ("originals", "originals_train")):
        fit, held = found[train], found[name]
        grid = np.linspace(0.1, 0.9, 81)
        threshold = max(grid, key=lambda t: f1(fit.labels("request"), fit.column("request") > t))
        direct = np.array([t.event != "news" for t in held.texts])
        for part, rows in (("all", direct | True), ("messages only", direct)):
            y, p = held.labels("request")[rows], held.column("request")[rows]
            values = [f1(y[i], p[i] > threshold) for i in _draws(len(y))]
            low, high = interval(np.array(values))
            text = f"request F1 {f1(y, p > threshold):.3f} [{low:.3f}, {high:.3f}] at {threshold:.2f}"
            lines.append(f"{name}, {part}, {len(y)} rows: {text}, AUROC {_auroc_line(y, p)}")
        lines += [f"  {need}: {_need(held, need)}" for need in NEEDS]
    return lines


def _draws(n: int) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return [rng.integers(n, size=n) for _ in range(300)]


def _need(held: Scored, need: str) -> str:
    y, p = held.labels(need), held.column(need)
    low, high = interval(np.array([f1(y[i], p[i] > 0.5) for i in _draws(len(y))]))
    return f"F1 {f1(y, p > 0.5):.2f} [{low:.2f}, {high:.2f}] of {(y == 1).sum()}, AUROC {auroc(y, p):.3f}"


def urgencies(found: Scored, shares: Array) -> dict[str, Array]:
    """Orders of reading, of which the half `develop` chooses one."""
    p = dict(zip(HUMANITARIAN_10, softmax(found.ten + 0.5 * shares).T, strict=True))
    balanced = dict(zip(HUMANITARIAN_10, softmax(found.ten).T, strict=True))
    ask, need = found.column("request"), np.max([found.column(n) for n in NEEDS], 0)
    missing = np.maximum(balanced["missing_or_found_people"], found.column("missing_people"))
    steps = [
        np.maximum(ask, 0.95 * missing),
        0.8 * np.maximum(found.column("warning"), p["caution_and_advice"]),
        0.7 * p["injured_or_dead_people"],
        0.5 * p["infrastructure_and_utility_damage"],
    ]
    anything = 1 - (1 - ask) * (1 - need) * (1 - missing)
    return {
        "request": ask,
        "request or need": 1 - (1 - ask) * (1 - need),
        "request, need or missing": anything,
        "request, need or missing, no offer": anything * (1 - 0.7 * found.column("offer")),
        "ladder": np.max(steps, 0),
    }


def of_stress(found: Scored, shares: Array) -> list[str]:
    """Lines on the stress set."""
    posts = stress_posts()
    y = found.labels("request")
    half = np.array([str(p["half"]) for p in posts])
    language = np.array([str(p["lang"]) for p in posts])
    orders = urgencies(found, shares)
    develop = half == "develop"
    best = max(orders, key=lambda name: auroc(y[develop], orders[name][develop]))
    u, lines = orders[best], []
    lines += [
        f"stress, develop, {name}: AUROC {auroc(y[develop], v[develop]):.3f}" for name, v in orders.items()
    ]
    test = half == "test"
    n = int(y[test].sum())
    first = np.argsort(-u[test], kind="stable")[:n]
    lines.append(f"stress, test, by {best}: {int(y[test][first].sum())} of {n} calls among the first {n}")
    english = test & (language == "en")
    inside = auroc(y[english], u[english])
    lines.append(f"stress, test: AUROC {_auroc_line(y[test], u[test])}; in English {inside:.3f}")
    dismissed = (1 - found.column("informative") >= 0.9) & (y == 1)
    counts = f"test {int((dismissed & test).sum())} of {n}, all {int(dismissed.sum())} of {int(y.sum())}"
    lines.append(f"stress: calls called not informative at .9 or more: {counts}")
    each = [
        f"{code} {auroc(y[language == code], u[language == code]):.2f}" for code in dict.fromkeys(language)
    ]
    lines.append("stress, both halves, AUROC by language: " + ", ".join(each))
    kinds = np.array([str(p["kind"]) for p in posts])
    means = [f"{kind} {u[kinds == kind].mean():.2f}" for kind in dict.fromkeys(kinds)]
    return [*lines, "stress, both halves, mean urgency by kind: " + ", ".join(means)]


def main() -> None:
    """Encodes what is not there yet and prints the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="the folder with adapter and heads")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--weights", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    encoder = E5Text(adapter=str(args.model / "adapter.safetensors"), precision="fp32", weights=args.weights)
    heads = {k: v.double().numpy() for k, v in load_file(args.model / "heads.safetensors").items()}
    found: dict[str, Scored] = {}
    measured, shares = sets(args.data, args.rows)
    for name, texts in measured.items():
        ten, columns = score(encode(encoder, texts, args.work / f"{name}.npz"), heads)
        found[name] = Scored(texts, ten, columns)
        print(f"{name}: {len(texts)} rows encoded", flush=True)
    lines = [*of_stress(found["stress"], shares), *of_humaid(found, shares)]
    lines += [*of_t26(found["outside_t26"]), *of_messages(found)]
    print("\n".join([*lines, *_informative("CrisisMMD A1 test", found["a1"])]))


if __name__ == "__main__":
    main()
