r"""Adapts the multilingual text encoder with a card, by teachers that did not see what they teach:
`python scripts/distill_crisis.py prepare DATA --work DIR`, then `cut`, `teach` and `learn` with `--work DIR`.

As `train_crisis.py`, but with all texts of all sources, several passes, and soft answers beside the labels.
The texts are cut into three parts. A teacher is the whole encoder, every weight of its layers trained, on two
parts; it answers the third, so that no answer to a text comes from a model that learned its label. With two
teachers a part, $\bar p_i$ is the softmax of the mean of their logits, and the student's loss over a text is

$$L_i = (1 - \kappa) \operatorname{CE}_\epsilon(\ell_i + \log \pi, y_i)
  + \kappa \operatorname{CE}(\ell_i + \log \pi, \bar p_i)
  + \sum_q \lambda_q \operatorname{BCE}(v_q \cdot h_i + c_q,\ (1 - \kappa) y_{iq} + \kappa \bar p_{iq}),$$

where a question that the source leaves open has the teachers' answer alone, at half the weight. So labels
that contradict each other count less, and every text answers every question. A third head has the five
categories of CrisisMMD's B2.

Source: Hinton, Vinyals & Dean, Distilling the Knowledge in a Neural Network, 2015,
https://arxiv.org/abs/1503.02531; answers out of fold are ours, as are κ and the parts. Weights are averaged
over the steps (Polyak & Juditsky 1992) with decay .999.

No dev or test row is trained on, no event left out, nor the stress set. `learn` prints what the choice
between students rests on: development rows, events left out, a twelfth of the training messages that is kept
apart, and the half `develop` of the stress set. No test row is read here.

It was run from end to end on a few texts, on a processor; no shipped weight is made by it. On a card a
teacher of four passes is some minutes by estimate, on two cores it would be days.
"""

import argparse
import csv
import json
import math
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.files import atomic_write
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.text import clean_text
from crisislens.domain.tasks import TASKS
from crisislens.encoders.e5 import E5Text
from crisislens.encoders.e5_file import unpack
from crisislens.encoders.lora import add_lora, fold_lora, lora_state, write_lora
from crisislens.training.crisis_text import COLUMNS, HUMANITARIAN_10, CrisisText, read_source, wording

from train_crisis import (  # isort: skip - the draws and rules of the script that this one follows
    WEIGHTS,
    Heads,
    crisismmd_texts,
    cut,
    disguise,
    event_words,
    gather,
    group_of,
    layers_from,
    outside,
)

B2 = TASKS["humanitarian_b2"].classes
PARTS = 3
# the share of the teachers in a label, and the weight of an answer that only they give
KAPPA, OPEN = 0.5, 0.5
VARIANTS = 4
# texts of each group that a pass sees; a group that has fewer is seen whole, a rare one up to three times
PASS = {
    "humaid": {
        "caution_and_advice": 3600,
        "displaced_people_and_evacuations": 2800,
        "infrastructure_and_utility_damage": 5300,
        "injured_or_dead_people": 3900,
        "missing_or_found_people": 700,
        "not_humanitarian": 4400,
        "other_relevant_information": 8000,
        "requests_or_urgent_needs": 3200,
        "rescue_volunteering_or_donation_effort": 9000,
        "sympathy_and_support": 4800,
    },
    "messages_english": {"request": 6000, "other": 5200, "news": 3500},
    "messages_original": {"request": 4800, "other": 4400},
    "crisislex_t26": {"other language": 5000, "yes": 3500, "no": 4000},
    "crisislex_t6": {"no": 4500},
    "crisismmd": {"yes": 4200, "no": 3000},
    "b2": {"five": 5500},
    "crisisnlp_workers": {"ten": 4500, "missing_or_found_people": 500},
    "crisisnlp_volunteers": {"ten": 2000, "missing_or_found_people": 120, "requests_or_urgent_needs": 420},
    "fire2017_nepal": {"need": 400, "offer": 1000, "other language": 1200, "other": 700},
    "cresci_italian": {"yes": 1000, "no": 878, "open": 400},
    "sandy_2012_swdm13": {"yes": 490, "no": 820},
    "disaster_keyword_tweets": {"no": 5000, "yes": 1100},
    "everyday": {"no": 1800},
}


def b2_texts(data: Path, held: set[str]) -> list[CrisisText]:
    """Training texts of B2, none worded like one in `held`."""
    rows = CrisisMMD(data / "crisismmd", setting="B2", variant="agreed").load("train")
    texts = [
        CrisisText(
            clean_text(row.post.text),
            "b2",
            "",
            "train",
            "en",
            {"b2": TASKS["humanitarian_b2"].index(row.label)},
        )
        for row in rows
    ]
    return [text for text in texts if wording(text.text) not in held]


def crisismmd_rows(data: Path, setting: str, split: str) -> list[CrisisText]:
    """Rows of A1 or B2 as texts."""
    rows = CrisisMMD(data / "crisismmd", setting=setting, variant="agreed").load(split)  # type: ignore[arg-type]
    key, task = ("informative", "informativeness") if setting == "A1" else ("b2", "humanitarian_b2")
    return [
        CrisisText(clean_text(r.post.text), setting, "", split, "en", {key: TASKS[task].index(r.label)})
        for r in rows
    ]


def kept_apart(data: Path) -> set[str]:
    """Wordings of a twelfth of the training messages, in English and as they were written."""
    apart: set[str] = set()
    path = data / "crisis_text" / "disaster_response_messages" / "train.tsv"
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval=""):
            words = wording(clean_text(row["message_en"]))
            if zlib.crc32(words.encode()) % 12 == 0:
                apart |= {words, wording(clean_text(row["original"]))}
    return apart - {""}


def prepare(data: Path, work: Path) -> None:
    """Writes the texts that are trained on and those that choose, so that other stages need no other file."""
    root = data / "crisis_text"
    _, held = crisismmd_texts(data)
    apart = kept_apart(data)
    messages = ("messages_english", "messages_original")
    texts = [t for t in gather(data, free=False, settled=True) if not outside(t)]
    texts = [t for t in texts if t.source not in messages or wording(t.text) not in apart]
    texts += b2_texts(data, held)
    humaid = read_source(root, "humaid", splits=("train", "dev", "test"))
    with_event = {t.event for t in humaid if outside(t)}
    measured = {
        "humaid_dev": [t for t in humaid if t.split == "dev" and t.event not in with_event],
        "outside": [t for t in humaid if t.event in with_event and t.split != "test"],
        "outside_t26": [t for t in read_source(root, "crisislex_t26") if outside(t)],
        "a1_dev": crisismmd_rows(data, "A1", "dev"),
        "b2_dev": crisismmd_rows(data, "B2", "dev"),
        **{name: [t for t in read_source(root, name) if wording(t.text) in apart] for name in messages},
    }
    stress = Path(__file__).parents[1] / "tests" / "stress" / "posts.jsonl"
    posts = [json.loads(line) for line in stress.read_text(encoding="utf-8").split("\n") if line]
    measured["stress"] = [
        CrisisText(
            clean_text(p["text"]), "stress", "", "develop", p["lang"], {"request": int(bool(p["call"]))}
        )
        for p in posts
        if p["half"] == "develop"
    ]
    named = {"/".join(key): sorted(words) for key, words in event_words(texts).items()}
    work.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(t), ensure_ascii=False) for t in texts]
    atomic_write(work / "train.jsonl", "\n".join(lines))
    named_rows = [{"set": name, **asdict(t)} for name, rows in measured.items() for t in rows]
    lines = [json.dumps(row, ensure_ascii=False) for row in named_rows]
    atomic_write(work / "measured.jsonl", "\n".join(lines))
    atomic_write(work / "named.json", json.dumps(named, ensure_ascii=False))
    print(len(texts), "texts;", {name: len(rows) for name, rows in measured.items()}, flush=True)


def _written(post: dict[str, str]) -> CrisisText:
    labels = {"request": int(bool(post["call"]))}
    return CrisisText(clean_text(post["text"]), "stress", "", "develop", post["lang"], labels)


def stored(path: Path) -> Iterator[tuple[str, CrisisText]]:
    """Texts of a file of `prepare`, with the set that they belong to."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        record = json.loads(line)
        name = record.pop("set", "")
        yield name, CrisisText(**record)


def part_of(text: CrisisText) -> int:
    """The part of a text; texts of equal wording are in one."""
    return zlib.crc32(wording(text.text).encode()) % PARTS


@dataclass(frozen=True)
class Answers:
    """What is known of each text.

    Attributes:
        ten: Classes of HumAID, shape (n,), −1 where open.
        five: Classes of B2, likewise.
        columns: Yes or no, shape (n, 14), nan where open.
        soft: Logits of the teachers on all three, shape (n, 10 + 5 + 14), nan where there are none.
    """

    ten: Tensor
    five: Tensor
    columns: Tensor
    soft: Tensor

    @classmethod
    def of(cls, texts: Sequence[CrisisText], soft: Tensor, device: torch.device) -> "Answers":
        """Reads the labels."""
        return cls(
            torch.tensor([t.labels.get("humanitarian_10", -1) for t in texts], device=device),
            torch.tensor([t.labels.get("b2", -1) for t in texts], device=device),
            torch.tensor([[float(t.labels.get(c, math.nan)) for c in COLUMNS] for t in texts], device=device),
            soft.to(device),
        )

    def at(self, rows: Tensor) -> "Answers":
        """Those of some texts."""
        return Answers(self.ten[rows], self.five[rows], self.columns[rows], self.soft[rows])


class ThreeHeads(Heads):
    """The heads of `train_crisis.py`, and one for B2."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.five = nn.Linear(width, len(B2))
        nn.init.zeros_(self.five.weight)
        nn.init.zeros_(self.five.bias)

    def forward(self, pooled: Tensor) -> Tensor:  # type: ignore[override]
        """Logits of all: ten classes, five, the columns."""
        h = functional.dropout((pooled - self.mean) / self.scale, 0.1, self.training)
        return torch.cat([self.ten(h), self.five(h), self.columns(h)], 1)


SPANS = (len(HUMANITARIAN_10), len(B2), len(COLUMNS))


def classes_loss(logits: Tensor, y: Tensor, soft: Tensor, prior: Tensor, kappa: float) -> Tensor:
    """Cross-entropy with labels, with the teachers' answers, or with both."""
    adjusted = logits + prior
    known = y >= 0
    hard = functional.cross_entropy(adjusted, y, ignore_index=-1, label_smoothing=0.05, reduction="none")
    if kappa == 0:
        return hard.sum() / known.sum().clamp(min=1)
    told = (soft + prior).softmax(1)
    by_teacher = -(told * adjusted.log_softmax(1)).sum(1)
    weight = torch.where(known, 1.0, OPEN * kappa)
    each = torch.where(known, (1 - kappa) * hard + kappa * by_teacher, by_teacher)
    return (weight * each).sum() / weight.sum()


def columns_loss(logits: Tensor, y: Tensor, soft: Tensor, kappa: float) -> Tensor:
    """The questions with yes or no, each by its weight."""
    known = ~y.isnan()
    target = y.nan_to_num()
    weight = known.float()
    if kappa > 0:
        told = soft.sigmoid()
        target = torch.where(known, (1 - kappa) * target + kappa * told, told)
        weight = torch.where(known, 1.0, OPEN * kappa)
    raw = functional.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
    means = raw.sum(0) / weight.sum(0).clamp(min=1)
    factors = torch.tensor([WEIGHTS[c] for c in COLUMNS], device=logits.device)
    return (means * factors).sum()


def loss_of(logits: Tensor, answers: Answers, priors: tuple[Tensor, Tensor], kappa: float) -> Tensor:
    """The loss of the module's head, over a batch."""
    ten, five, columns = logits.split(SPANS, 1)
    soft_ten, soft_five, soft_columns = answers.soft.split(SPANS, 1)
    total = classes_loss(ten, answers.ten, soft_ten, priors[0], kappa)
    total = total + 0.4 * classes_loss(five, answers.five, soft_five, priors[1], kappa)
    return total + columns_loss(columns, answers.columns, soft_columns, kappa)


def draw(texts: Sequence[CrisisText], rng: np.random.Generator) -> list[int]:
    """Indices of one pass."""
    groups: dict[tuple[str, str], list[int]] = {}
    for i, text in enumerate(texts):
        group = "five" if text.source == "b2" else group_of(text)
        groups.setdefault((text.source, group), []).append(i)
    chosen: list[int] = []
    for (source, group), rows in groups.items():
        count = min(PASS[source][group], 3 * len(rows))
        repeats = np.concatenate([rng.permutation(rows) for _ in range(3)])
        chosen += [int(i) for i in repeats[:count]]
    return [chosen[i] for i in rng.permutation(len(chosen))]


Pieces = NDArray[np.int32]
_CUTTER: list[E5Text] = []


def _cut_all(texts: list[str], length: int) -> list[Pieces]:
    if not _CUTTER:
        torch.set_num_threads(1)
        _CUTTER.append(E5Text(max_tokens=128, precision="fp32"))
    return [np.array(cut(x, length).ids, np.int32) for x in _CUTTER[0].tokenize(texts)]


def padded(pieces: Sequence[Pieces], pad: int) -> tuple[Tensor, Tensor]:
    """Pieces of a batch and which of them are real."""
    ids = torch.full((len(pieces), max(len(x) for x in pieces)), pad)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    for i, x in enumerate(pieces):
        ids[i, : len(x)] = torch.from_numpy(x)
        mask[i, : len(x)] = True
    return ids, mask


def cut_variants(work: Path, length: int, workers: int, seed: int = 0) -> None:
    """Writes each text in several disguises, cut into pieces once for all who learn from it."""
    texts = [text for _, text in stored(work / "train.jsonl")]
    named = {k: set(v) for k, v in json.loads((work / "named.json").read_text("utf-8")).items()}
    rng = np.random.default_rng(seed)
    names = [named.get(f"{t.source}/{t.event}", set()) for t in texts]
    words = [
        disguise(text, name, rng) for _ in range(VARIANTS) for text, name in zip(texts, names, strict=True)
    ]
    found = tokenized(words, length, workers)
    lengths = np.array([len(x) for x in found])
    np.savez(work / "pieces.npz", ids=np.concatenate(found), lengths=lengths)
    print(f"{len(texts)} texts in {VARIANTS} disguises, {lengths.mean():.1f} pieces each", flush=True)


@dataclass(frozen=True)
class Variants:
    """Texts in several disguises, as `cut_variants` wrote them.

    Attributes:
        ids: Pieces of all, one after another.
        starts: Where each begins, shape (VARIANTS · n + 1,).
        count: Texts n.
    """

    ids: Pieces
    starts: NDArray[np.int64]
    count: int

    @classmethod
    def read(cls, path: Path, count: int) -> "Variants":
        """Reads the file of n texts."""
        kept = np.load(path)
        starts = np.concatenate([[0], np.cumsum(kept["lengths"])])
        if len(starts) != VARIANTS * count + 1:
            raise SystemExit(f"{path} does not belong to these texts; run `cut` again")
        return cls(kept["ids"], starts, count)

    def at(self, text: int, disguise_number: int) -> Pieces:
        """Pieces of a text."""
        row = (disguise_number % VARIANTS) * self.count + text
        return self.ids[self.starts[row] : self.starts[row + 1]]


def tokenized(texts: list[str], length: int, workers: int) -> list[Pieces]:
    """Pieces of all texts, by several processes."""
    parts = [texts[a : a + 2000] for a in range(0, len(texts), 2000)]
    if workers < 2:
        return [x for part in parts for x in _cut_all(part, length)]
    with ProcessPoolExecutor(workers) as pool:
        return [x for part in pool.map(partial(_cut_all, length=length), parts) for x in part]


def batches(lengths: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of similar length together, in random order."""
    found: list[np.ndarray] = []
    for pool in np.array_split(np.arange(len(lengths)), max(1, len(lengths) // (50 * size))):
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        found += np.array_split(ordered, max(1, len(ordered) // size))
    return [found[i] for i in rng.permutation(len(found))]


def prepared_encoder(args: argparse.Namespace, device: torch.device) -> E5Text:
    """The encoder with what is trained of it."""
    encoder = E5Text(max_tokens=128, precision="fp32")
    # unpacked once: rows of a batch are looked up without waiting for the card
    words = unpack(encoder.bert.get_input_embeddings().packed)  # type: ignore[operator, arg-type]
    encoder.bert.set_input_embeddings(nn.Embedding.from_pretrained(words, freeze=True))
    if args.rank:
        layers = layers_from(args.first_layer, 12)
        add_lora(encoder, rank=args.rank, alpha=2 * args.rank, targets=layers, dropout=0.05)
        for name, p in encoder.named_parameters():
            if "LayerNorm" in name and any(f"layer.{i}." in name for i in range(args.first_layer, 12)):
                p.requires_grad_(True)
    else:
        for p in encoder.bert.encoder.parameters():
            p.requires_grad_(True)
    for module in encoder.bert.modules():
        if isinstance(module, nn.Dropout):
            module.p = args.dropout
    return encoder.to(device)


def pooled_of(encoder: E5Text, tokens: Sequence[Pieces], device: torch.device) -> Tensor:
    """Pooled vectors in single precision, in the order of the texts."""
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    out = torch.zeros(len(tokens), encoder.width)
    encoder.eval()
    with torch.no_grad():
        for a in range(0, len(order), 256):
            rows = order[a : a + 256]
            ids, mask = padded([tokens[i] for i in rows], encoder.pad_id)
            out[rows] = encoder(ids.to(device), mask.to(device))[1].float().cpu()
    return out


def auroc(y: np.ndarray, p: np.ndarray) -> float:
    """Probability that a yes stands above a no."""
    yes, no = np.sort(p[y == 1]), np.sort(p[y == 0])
    below = np.searchsorted(no, yes, side="left") + np.searchsorted(no, yes, side="right")
    return float(below.sum() / (2 * len(yes) * len(no)))


def f1_of(y: np.ndarray, said: np.ndarray, classes: int, *, weighted: bool = False) -> float:
    """Macro or weighted F1 over the classes that occur."""
    present = [c for c in range(classes) if (y == c).any()]
    scores, counts = [], []
    for c in present:
        hit = float(((y == c) & (said == c)).sum())
        scores.append(2 * hit / max(1.0, float((y == c).sum() + (said == c).sum())))
        counts.append(float((y == c).sum()))
    return float(np.average(scores, weights=counts if weighted else None))


def best_f1(y: np.ndarray, p: np.ndarray) -> float:
    """The best F1 of yes over thresholds: what a threshold chosen elsewhere can reach at most."""
    return max(f1_of(np.where(y == 1, 1, 2), np.where(p > t, 1, 0), 2) for t in np.linspace(0.05, 0.95, 37))


def chosen_by(scored: dict[str, tuple[list[CrisisText], np.ndarray]], shares: np.ndarray) -> dict[str, float]:
    """The numbers that students are compared by; τ is that of HumAID's development rows."""

    def column(name: str, question: str) -> tuple[np.ndarray, np.ndarray]:
        texts, logits = scored[name]
        y = np.array([t.labels.get(question, -1) for t in texts])
        at = len(HUMANITARIAN_10) + len(B2) + COLUMNS.index(question)
        return y[y >= 0], logits[y >= 0, at]

    def ten(name: str, tau: float, rows: np.ndarray | None = None) -> float:
        texts, logits = scored[name]
        y = np.array([t.labels["humanitarian_10"] for t in texts])
        said = (logits[:, :10] + tau * shares).argmax(1)
        here = np.ones(len(y), bool) if rows is None else rows
        return f1_of(y[here], said[here], 10)

    tau = max((0.0, 0.25, 0.5, 0.75, 1.0), key=lambda t: ten("humaid_dev", t))
    events = np.array([t.event for t in scored["outside"][0]])
    found = {"tau": tau, "humaid_dev": ten("humaid_dev", tau)}
    found["outside"] = float(np.mean([ten("outside", tau, events == e) for e in np.unique(events)]))
    for name in ("outside", "outside_t26", "a1_dev"):
        y, x = column(name, "informative")
        texts = [t for t in scored[name][0] if "informative" in t.labels]
        sympathy = HUMANITARIAN_10.index("sympathy_and_support")
        settled = np.array([t.labels.get("humanitarian_10") != sympathy for t in texts])
        found[f"{name} informative"] = f1_of(y[settled], (x[settled] > 0).astype(int), 2)
        found[f"{name} informative AUROC"] = auroc(y[settled], x[settled])
    y, x = column("a1_dev", "informative")
    found["a1_dev weighted"] = f1_of(y, (x > 0).astype(int), 2, weighted=True)
    y = np.array([t.labels["b2"] for t in scored["b2_dev"][0]])
    found["b2_dev weighted"] = f1_of(y, scored["b2_dev"][1][:, 10:15].argmax(1), len(B2), weighted=True)
    for name in ("messages_english", "messages_original"):
        y, x = column(name, "request")
        direct = np.array([t.event != "news" for t in scored[name][0] if "request" in t.labels])
        p = 1 / (1 + np.exp(-x))
        found[f"{name} request"] = best_f1(y[direct], p[direct])
        found[f"{name} AUROC"] = auroc(y[direct], x[direct])
    texts, logits = scored["stress"]
    y = np.array([t.labels["request"] for t in texts])
    p = 1 / (1 + np.exp(-logits[:, 15:]))
    need = p[:, 4:].max(1)
    order = 1 - (1 - p[:, COLUMNS.index("request")]) * (1 - need)
    found["stress develop AUROC"] = auroc(y, order)
    n = int(y.sum())
    found["stress develop first"] = float(y[np.argsort(-order, kind="stable")[:n]].sum() / n)
    return found


def probes(
    vectors: dict[str, np.ndarray], labels: dict[str, np.ndarray], heads: ThreeHeads
) -> dict[str, float]:
    """Logistic regression on the vectors of CrisisMMD's training rows: what heads fitted later can reach."""
    mean, scale = heads.mean.cpu().numpy(), heads.scale.cpu().numpy()
    found = {}
    for name, classes in (("a1", 2), ("b2", len(B2))):
        x, y = (vectors[f"{name}_train"] - mean) / scale, labels[f"{name}_train"]
        test, truth = (vectors[f"{name}_dev"] - mean) / scale, labels[f"{name}_dev"]
        values = []
        for penalty in (0.001, 0.003, 0.01, 0.03):
            said = LogisticRegression(C=penalty, max_iter=300).fit(x, y).predict(test)
            values.append(f1_of(truth, said, classes, weighted=True))
        found[f"{name}_dev probe"] = max(values)
    return found


class Average:
    """Weights averaged over the steps."""

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float = 0.999) -> None:
        self.parameters, self.decay, self.steps = list(parameters), decay, 0
        self.kept = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def add(self) -> None:
        """One step more; the first steps count less long."""
        self.steps += 1
        part = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.kept, [p.detach() for p in self.parameters], part)

    @torch.no_grad()
    def put(self) -> None:
        """Puts the average in the place of the weights."""
        for p, mean in zip(self.parameters, self.kept, strict=True):
            p.copy_(mean)


def soft_answers(args: argparse.Namespace, count: int) -> Tensor:
    """The mean of the teachers' logits on each text, of those that did not learn from it."""
    total, seen = np.zeros((count, sum(SPANS)), np.float32), np.zeros(count, np.float32)
    for path in args.targets:
        one = np.load(path)
        total[one["rows"]] += one["logits"].astype(np.float32)
        seen[one["rows"]] += 1
    if args.targets and not seen.all():
        raise SystemExit(f"{int((seen == 0).sum())} texts have no teacher; give the files of all parts")
    return torch.from_numpy(total / np.maximum(seen, 1)[:, None])


def fit(args: argparse.Namespace) -> None:
    """Trains a teacher or a student, and says what it reaches."""
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    torch.set_num_threads(args.threads)
    everything = [text for _, text in stored(args.work / "train.jsonl")]
    parts = np.array([part_of(t) for t in everything])
    learned = np.flatnonzero(parts != args.part) if args.part is not None else np.arange(len(everything))
    texts = [everything[i] for i in learned]
    kappa = KAPPA if args.targets else 0.0
    answers = Answers.of(texts, soft_answers(args, len(everything))[learned], device)
    rng = np.random.default_rng(args.seed)
    variants = Variants.read(args.work / "pieces.npz", len(everything))
    rows: list[int] = []
    tokens: list[Pieces] = []
    order: list[NDArray[np.int64]] = []
    for number in range(args.passes):
        chosen = draw(texts, rng)[: args.most or None]
        # a text that is drawn twice in a pass is seen in two disguises
        copies = np.arange(len(chosen)) % 2
        cut_texts = [
            variants.at(int(learned[i]), number + int(k)) for i, k in zip(chosen, copies, strict=True)
        ]
        lengths = np.array([len(x) for x in cut_texts])
        order += [len(rows) + one for one in batches(lengths, args.batch, rng)]
        rows += chosen
        tokens += cut_texts
    print(f"{args.name}: {len(rows)} texts, {len(order)} steps", flush=True)
    encoder = prepared_encoder(args, device)
    heads = ThreeHeads(encoder.width).to(device)
    sample = pooled_of(encoder, tokens[:2000], device)
    heads.mean.copy_(sample.mean(0))
    heads.scale.copy_(sample.std(0).clamp(min=1e-4))
    priors = tuple(
        (torch.bincount(y[y >= 0], minlength=n).float().clamp(min=1)).log().to(device)
        for y, n in ((answers.ten.cpu(), SPANS[0]), (answers.five.cpu(), SPANS[1]))
    )
    priors = tuple(p - p.logsumexp(0) for p in priors)
    _steps(args, encoder, heads, order, tokens, rows, answers, priors, kappa, device)  # type: ignore[arg-type]
    _report(args, encoder, heads, everything, parts, device)
    if args.rank:
        _export(args, encoder, heads, priors[0])


def _steps(
    args: argparse.Namespace,
    encoder: E5Text,
    heads: ThreeHeads,
    order: list[np.ndarray],
    tokens: list[Pieces],
    rows: list[int],
    answers: Answers,
    priors: tuple[Tensor, Tensor],
    kappa: float,
    device: torch.device,
) -> None:
    adapted = [p for p in encoder.parameters() if p.requires_grad]
    own = [*adapted, *heads.parameters()]
    groups = [{"params": adapted, "lr": args.rate}, {"params": list(heads.parameters()), "lr": 2e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=device.type == "cuda")
    peaks = [float(g["lr"]) for g in optimizer.param_groups]
    average = Average(own)  # type: ignore[arg-type]
    where = torch.tensor(rows, device=device)
    encoder.train()
    heads.train()
    began, losses = time.time(), []
    for step, batch in enumerate(order):
        warm, left = min(1.0, (step + 1) / 200), (len(order) - step) / len(order)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * warm * left
        ids, mask = padded([tokens[i] for i in batch.tolist()], encoder.pad_id)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            pooled = encoder(ids.to(device, non_blocking=True), mask.to(device, non_blocking=True))[1]
        loss = loss_of(heads(pooled.float()), answers.at(where[torch.from_numpy(batch)]), priors, kappa)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(own, 1.0)
        optimizer.step()
        average.add()
        losses.append(loss.detach())
        if (step + 1) % 500 == 0 or step + 1 == len(order):
            spent = (time.time() - began) / ((step + 1) * args.batch)
            mean = float(torch.stack(losses).mean())
            head = f"{args.name}: step {step + 1} of {len(order)}"
            print(f"{head}: loss {mean:.4f}, {1e3 * spent:.2f} ms a text", flush=True)
            losses = []
    average.put()


def _report(
    args: argparse.Namespace,
    encoder: E5Text,
    heads: ThreeHeads,
    everything: list[CrisisText],
    parts: np.ndarray,
    device: torch.device,
) -> None:
    heads.eval()

    def said(pooled: Tensor) -> np.ndarray:
        with torch.no_grad():
            out: np.ndarray = heads(pooled.to(device)).cpu().numpy()
        return out

    named_sets: dict[str, list[CrisisText]] = {}
    for name, text in stored(args.work / "measured.jsonl"):
        named_sets.setdefault(name, []).append(text)
    vectors, labels = {}, {}
    scored: dict[str, tuple[list[CrisisText], np.ndarray]] = {}
    for name, texts in named_sets.items():
        pooled = pooled_of(encoder, tokenized([t.text for t in texts], 128, 1), device)
        vectors[name] = pooled.numpy()
        scored[name] = (texts, said(pooled))
    for name, source, key in (("a1", "crisismmd", "informative"), ("b2", "b2", "b2")):
        texts = [t for t in everything if t.source == source]
        vectors[f"{name}_train"] = pooled_of(
            encoder, tokenized([t.text for t in texts], 128, 1), device
        ).numpy()
        labels[f"{name}_train"] = np.array([t.labels[key] for t in texts])
        labels[f"{name}_dev"] = np.array([t.labels[key] for t in named_sets[f"{name}_dev"]])
    counts = np.bincount(
        [t.labels["humanitarian_10"] for t in everything if t.source == "humaid"], minlength=10
    )
    found = chosen_by(scored, np.log(counts / counts.sum())) | probes(vectors, labels, heads)
    print(json.dumps({"name": args.name, **{k: round(v, 4) for k, v in found.items()}}), flush=True)
    atomic_write(args.work / f"{args.name}.json", json.dumps(found, indent=1))
    if args.part is not None:
        rows = np.flatnonzero(parts == args.part)
        tokens = tokenized([everything[i].text for i in rows], 128, args.workers)
        logits = said(pooled_of(encoder, tokens, device)).astype(np.float16)
        np.savez(args.work / f"{args.name}.npz", rows=rows, logits=logits)


def _export(args: argparse.Namespace, encoder: E5Text, heads: ThreeHeads, prior: Tensor) -> None:
    out = args.work / args.name
    out.mkdir(parents=True, exist_ok=True)
    state = lora_state(encoder, base=encoder.adapts)
    half = {name: tensor.half() for name, tensor in state.tensors.items()}
    write_lora(out / "adapter.safetensors", replace(state, tensors=half))
    fold_lora(encoder)
    weights = {f"heads.{name}": t.cpu().contiguous() for name, t in heads.state_dict().items()}
    meta = {"classes": json.dumps(HUMANITARIAN_10), "columns": json.dumps(COLUMNS), "five": json.dumps(B2)}
    atomic_write(out / "heads.safetensors", save({**weights, "prior": prior.cpu()}, metadata=meta))
    print("written", out, flush=True)


def main() -> None:
    """Reads the arguments and runs a stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    stages = parser.add_subparsers(dest="stage", required=True)
    first = stages.add_parser("prepare", help="write the texts")
    first.add_argument("data", type=Path, help="the folder of the research data")
    first.add_argument("--work", type=Path, required=True)
    second = stages.add_parser("cut", help="cut the texts into pieces")
    second.add_argument("--work", type=Path, required=True, help="the folder that `prepare` wrote")
    second.add_argument("--length", type=int, default=96, help="pieces of a text")
    second.add_argument("--workers", type=int, default=2, help="processes")
    for name in ("teach", "learn"):
        stage = stages.add_parser(name)
        stage.add_argument("--work", type=Path, required=True, help="the folder that `prepare` wrote")
        stage.add_argument("--name", required=True, help="of what is written there")
        stage.add_argument("--device", default="cuda")
        stage.add_argument("--passes", type=int, default=4 if name == "teach" else 6)
        stage.add_argument("--batch", type=int, default=128)
        stage.add_argument("--rate", type=float, default=1e-4 if name == "teach" else 6e-4)
        stage.add_argument("--dropout", type=float, default=0.1 if name == "teach" else 0.0)
        stage.add_argument("--workers", type=int, default=4, help="processes that cut texts into pieces")
        stage.add_argument("--threads", type=int, default=1)
        stage.add_argument("--most", type=int, default=0, help="the most texts; 0 for all")
        stage.add_argument("--seed", type=int, default=0)
        stage.add_argument("--part", type=int, default=None, choices=range(PARTS))
        stage.add_argument("--targets", type=Path, nargs="*", default=[], help="files of the teachers")
        stage.add_argument("--rank", type=int, default=0 if name == "teach" else 16)
        stage.add_argument("--first-layer", type=int, default=6, help="the lowest layer that is adapted")
    args = parser.parse_args()
    if args.stage == "prepare":
        prepare(args.data, args.work)
    elif args.stage == "cut":
        cut_variants(args.work, args.length, args.workers)
    else:
        args.work.mkdir(parents=True, exist_ok=True)
        fit(args)


if __name__ == "__main__":
    main()
