r"""Adapts the multilingual text encoder to crisis posts: `python scripts/train_crisis.py DATA --work DIR`.

One low-rank adapter and one linear head, for HumAID's ten classes and for questions with yes or no
(informative, request, offer, warning, ten needs). With $h = (z - \mu) / \sigma$ of the pooled vector $z$,
over the questions that a text's source answers,

$$L = \operatorname{CE}_\epsilon\big(W h + b + \log \pi,\ y\big) + \sum_q \lambda_q
  \operatorname{mean}_{i:\,q \in K_i} \operatorname{BCE}(v_q \cdot h_i + c_q,\ y_{iq}).$$

π are the shares of the classes in what is trained on: logit adjustment (Menon et al. 2021,
https://arxiv.org/abs/2007.07314, Sec. 4) in place of class weights.

Generalizing. Only the upper half of the layers is adapted: the lower half carries what languages share (Wu
& Dredze 2019, https://arxiv.org/abs/1904.09077, Sec. 4.3), and training costs a third less. Words that name
an event are dropped from half of the texts, tags of hazards are added to a tenth of all texts whatever they
say, so that neither is evidence. Sources have budgets. Four events of HumAID and two of CrisisLexT26 are
never trained on; they choose thresholds. No dev or test row of any source is read, nor any text that is
worded like one; nor the stress set.

With `--open` only data of open terms is drawn, and the posts that were made up to train on (`crisis-open`).

A killed run goes on at its last checkpoint and ends in the same bytes.
"""

import argparse
import json
import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from need_texts import made_up
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.files import atomic_write
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.text import clean_text
from crisislens.encoders.base import TokenizedText, pad_ids
from crisislens.encoders.e5 import E5Text
from crisislens.encoders.lora import add_lora, fold_lora, lora_state, write_lora
from crisislens.training.crisis_text import COLUMNS, HUMANITARIAN_10, NEEDS, CrisisText, read_source, wording

OUTSIDE_HUMAID = (
    "puebla_mexico_earthquake_2017",
    "ecuador_earthquake_2016",
    "srilanka_floods_2017",
    "greece_wildfires_2018",
)
OUTSIDE_T26 = ("2012_Guatemala_earthquake", "2013_Manila_floods")
# idrisi_en holds tweets of HumAID, under terms of its own: with HumAID it would be the same texts twice
FREE_SOURCES = ("idrisi_en", "messages_english", "messages_original", "crisislex_t26", "crisislex_t6")
TAGS = (
    "flood",
    "earthquake",
    "hurricane",
    "wildfire",
    "cyclone",
    "tsunami",
    "storm",
    "landslide",
    "rescue",
    "sos",
)
# texts of each group that a pass sees; a group that has fewer is repeated, at most three times
BUDGETS = {
    "humaid": {
        "caution_and_advice": 2000,
        "displaced_people_and_evacuations": 1900,
        "infrastructure_and_utility_damage": 2200,
        "injured_or_dead_people": 2200,
        "missing_or_found_people": 600,
        "not_humanitarian": 2900,
        "other_relevant_information": 3000,
        "requests_or_urgent_needs": 2200,
        "rescue_volunteering_or_donation_effort": 3000,
        "sympathy_and_support": 1800,
    },
    "idrisi_en": {
        "caution_and_advice": 1300,
        "displaced_people_and_evacuations": 1100,
        "infrastructure_and_utility_damage": 1500,
        "injured_or_dead_people": 1500,
        "missing_or_found_people": 500,
        "requests_or_urgent_needs": 1300,
        "rescue_volunteering_or_donation_effort": 1800,
    },
    "messages_english": {"request": 3000, "other": 2200, "news": 1500},
    "messages_original": {"request": 2800, "other": 2300},
    "crisislex_t26": {"other language": 3000, "yes": 1200, "no": 1400},
    "crisislex_t6": {"no": 1800},
    "crisismmd": {"yes": 2800, "no": 2200},
    "crisisnlp_workers": {"ten": 2400, "missing_or_found_people": 400},
    "crisisnlp_volunteers": {"ten": 700, "missing_or_found_people": 120, "requests_or_urgent_needs": 230},
    "fire2017_nepal": {"need": 400, "offer": 700, "other language": 600, "other": 200},
    "cresci_italian": {"yes": 700, "no": 700, "open": 300},
    "sandy_2012_swdm13": {"yes": 450, "no": 500},
    "disaster_keyword_tweets": {"no": 3000, "yes": 700},
    "everyday": {"no": 1200},
}
# the second pass: HumAID and CrisisMMD, whose questions are asked most, and enough of the rest to keep it
SECOND = {
    "humaid": {
        "caution_and_advice": 1900,
        "displaced_people_and_evacuations": 1300,
        "infrastructure_and_utility_damage": 1900,
        "injured_or_dead_people": 1500,
        "missing_or_found_people": 500,
        "not_humanitarian": 2300,
        "other_relevant_information": 3000,
        "requests_or_urgent_needs": 1800,
        "rescue_volunteering_or_donation_effort": 2500,
        "sympathy_and_support": 1600,
    },
    "messages_english": {"request": 900, "other": 600},
    "messages_original": {"request": 900, "other": 800},
    "crisislex_t26": {"other language": 700},
    "crisismmd": {"yes": 2200, "no": 1300},
    "crisisnlp_workers": {"missing_or_found_people": 200},
    "fire2017_nepal": {"offer": 200},
    "cresci_italian": {"no": 200},
    "disaster_keyword_tweets": {"no": 800},
    "everyday": {"no": 400},
}
# the third pass: HumAID in nearer its own shares, the messages and the languages of CrisisLexT26
THIRD = {
    "humaid": {
        "caution_and_advice": 2600,
        "displaced_people_and_evacuations": 1800,
        "infrastructure_and_utility_damage": 2600,
        "injured_or_dead_people": 2200,
        "missing_or_found_people": 450,
        "not_humanitarian": 3600,
        "other_relevant_information": 4600,
        "requests_or_urgent_needs": 2200,
        "rescue_volunteering_or_donation_effort": 4200,
        "sympathy_and_support": 2400,
    },
    "messages_english": {"request": 2600, "other": 2400, "news": 400},
    "messages_original": {"request": 2200, "other": 2000},
    "crisislex_t26": {"other language": 1800, "yes": 900, "no": 900},
    "crisismmd": {"yes": 1500, "no": 1100},
    "crisisnlp_workers": {"missing_or_found_people": 150},
    "fire2017_nepal": {"offer": 150, "need": 150},
    "cresci_italian": {"yes": 200, "no": 200},
    "disaster_keyword_tweets": {"no": 800},
    "everyday": {"no": 300},
}
PASSES = (BUDGETS, SECOND, THIRD)
# the pass on open data: direct messages, what IDRISI labels, texts off topic in place of everyday posts, and
# the posts that were made up to train on, which are this project's own
OPEN = {
    "idrisi_en": {
        "caution_and_advice": 900,
        "displaced_people_and_evacuations": 800,
        "infrastructure_and_utility_damage": 1000,
        "injured_or_dead_people": 900,
        "missing_or_found_people": 400,
        "requests_or_urgent_needs": 900,
        "rescue_volunteering_or_donation_effort": 1300,
    },
    "messages_english": {"request": 3000, "other": 2200, "news": 800},
    "messages_original": {"request": 2600, "other": 2300},
    "crisislex_t26": {"other language": 1500, "yes": 800, "no": 900},
    "crisislex_t6": {"no": 2000},
    "made_up": {"open": 8400},
}
WEIGHTS = {"informative": 0.6, "request": 0.8, "offer": 0.3, "warning": 0.3, **dict.fromkeys(NEEDS, 0.15)}


def group_of(text: CrisisText) -> str:
    """The group of its source that a text is drawn with."""
    labels = text.labels
    ten = HUMANITARIAN_10[labels["humanitarian_10"]] if "humanitarian_10" in labels else ""
    if text.source in ("humaid", "idrisi_en"):
        return ten
    if text.source.startswith("messages"):
        return "request" if labels["request"] else "news" if text.event == "news" else "other"
    if text.source.startswith("crisisnlp"):
        return ten if ten in BUDGETS[text.source] else "ten"
    if text.source == "fire2017_nepal":
        other = "other language" if text.language in ("hi", "ne") else "other"
        return "need" if labels["request"] else "offer" if labels["offer"] else other
    if text.source == "crisislex_t26" and text.language not in ("en", "und"):
        return "other language"
    return {1: "yes", 0: "no", None: "open"}[labels.get("informative")]


def crisismmd_texts(data: Path) -> tuple[list[CrisisText], set[str]]:
    """Training texts of A1, and the wordings of all dev and test rows of A1, A3 and B2."""
    held: set[str] = set()
    for setting, variant in (("A1", "agreed"), ("B2", "agreed"), ("A3", "settingA")):
        source = CrisisMMD(data / "crisismmd", setting=setting, variant=variant)  # type: ignore[arg-type]
        for split in ("dev", "test"):
            held |= {wording(clean_text(row.post.text)) for row in source.load(split)}  # type: ignore[arg-type]
    rows = CrisisMMD(data / "crisismmd", setting="A1", variant="agreed").load("train")
    texts = [
        CrisisText(
            clean_text(row.post.text),
            "crisismmd",
            "",
            "train",
            "en",
            {"informative": int(row.label == "informative")},
        )
        for row in rows
    ]
    return texts, held


def everyday_texts(data: Path) -> list[CrisisText]:
    """Everyday tweets of the photo manifest that `train_default.weak_rows` trains on too."""
    lines = (data / "photos" / "manifest.tsv").read_text(encoding="utf-8").split("\n")
    head = lines[0].split("\t")
    records = [dict(zip(head, line.split("\t"), strict=False)) for line in lines[1:] if line]
    share = np.random.default_rng(0).random(len(records))
    labels = {**dict.fromkeys(COLUMNS, 0), "humanitarian_10": HUMANITARIAN_10.index("not_humanitarian")}
    return [
        CrisisText(clean_text(r["text"]), "everyday", "", "train", "en", labels)
        for r, x in zip(records, share, strict=True)
        if r["set"] == "everyday" and r["text"] and x < 0.7
    ]


def outside(text: CrisisText) -> bool:
    """Whether a text belongs to an event that is never trained on."""
    return text.event in (*OUTSIDE_HUMAID, *OUTSIDE_T26)


def gather(data: Path, *, free: bool, settled: bool = False) -> list[CrisisText]:
    """All texts that may be trained on, each wording once a source, none worded like a dev or test row.

    Arguments:
        data: The folder of the research data.
        free: Only sources whose terms allow any use with attribution.
        settled: Whether what the sources dispute is left open, as the third pass does.
    """
    root = data / "crisis_text"
    mmd, held = crisismmd_texts(data)
    for name in ("humaid", "messages_english", "messages_original"):
        held |= {wording(t.text) for t in read_source(root, name, splits=("dev", "test"))}
    left = set() if free else {"idrisi_en"}
    left |= {"crisismmd", "everyday"}
    names = [name for name in BUDGETS if name not in left and (not free or name in FREE_SOURCES)]
    texts = [t for name in names for t in read_source(root, name)]
    texts = [without_disputed(t) for t in texts] if settled else texts
    texts = [_with_a_negative_class(t) for t in texts] if free else [*texts, *mmd, *everyday_texts(data)]
    held |= {wording(t.text) for t in texts if outside(t)}
    kept: dict[tuple[str, str], CrisisText] = {}
    for text in texts:
        words = wording(text.text)
        if words and words not in held:
            kept.setdefault((text.source, words), text)
    return list(kept.values())


def without_disputed(text: CrisisText) -> CrisisText:
    """HumAID counts sympathy as informative, CrisisLexT26 and CrisisMMD do not: HumAID's say is left open, so
    that one source does not teach what two others deny.
    """
    sympathy = HUMANITARIAN_10.index("sympathy_and_support")
    if text.source not in ("humaid", "idrisi_en") or text.labels.get("humanitarian_10") != sympathy:
        return text
    return replace(text, labels={q: y for q, y in text.labels.items() if q != "informative"})


def _with_a_negative_class(text: CrisisText) -> CrisisText:
    """Of the free sources none names the class of what is not humanitarian: texts of which all is denied are
    it.
    """
    if any(text.labels.get(c, 1) for c in COLUMNS):
        return text
    return replace(text, labels={**text.labels, "humanitarian_10": HUMANITARIAN_10.index("not_humanitarian")})


def draw(
    texts: Sequence[CrisisText], budgets: dict[str, dict[str, int]], rng: np.random.Generator
) -> list[int]:
    """Indices of one pass: each group by its budget."""
    groups: dict[tuple[str, str], list[int]] = {}
    for i, text in enumerate(texts):
        groups.setdefault((text.source, group_of(text)), []).append(i)
    chosen: list[int] = []
    for source, budget in budgets.items():
        for group, count in budget.items():
            rows = groups.get((source, group), [])
            repeats = [rng.permutation(rows) for _ in range(3)] if rows else []
            chosen += [int(i) for i in np.concatenate(repeats)[:count]] if repeats else []
            print(f"{source} / {group}: {len(rows)} texts, {min(count, 3 * len(rows))} drawn", flush=True)
    return [chosen[i] for i in rng.permutation(len(chosen))]


def event_words(texts: Sequence[CrisisText]) -> dict[tuple[str, str], set[str]]:
    """Per event the words that name it: in 2 % of its texts or more, eight times as often as elsewhere."""
    split = [set(re.findall(r"\w+", t.text.casefold())) for t in texts]
    overall = Counter(word for words in split for word in words)
    sizes = Counter((t.source, t.event) for t in texts if t.event)
    counts: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in sizes}
    for text, words in zip(texts, split, strict=True):
        if text.event:
            counts[text.source, text.event].update(words)
    named = {}
    for key, n in sizes.items():
        elsewhere = len(texts) - n + 1
        lift = {
            w: (c / n) / ((overall[w] - c + 1) / elsewhere) for w, c in counts[key].items() if c >= 0.02 * n
        }
        named[key] = {w for w, x in lift.items() if x > 8 and n > 100}
    return named


def disguise(text: CrisisText, named: set[str], rng: np.random.Generator) -> str:
    """A text with what gives its event away dropped at random, and signs added that mean nothing."""
    words = text.text.split()
    if named and rng.random() < 0.5:
        words = [w for w in words if re.sub(r"\W+", "", w.casefold()) not in named] or words
    if rng.random() < 0.5:
        words = [w for w in words if not w.startswith("@")] or words
    if rng.random() < 0.1:
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(TAGS)))
    joined = " ".join(words)
    return joined.lower() if rng.random() < 0.1 else joined


class Heads(nn.Module):
    """The linear heads on the standardized pooled vector."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.ten = nn.Linear(width, len(HUMANITARIAN_10))
        self.columns = nn.Linear(width, len(COLUMNS))
        for layer in (self.ten, self.columns):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the ten classes and of the columns."""
        h = functional.dropout((pooled - self.mean) / self.scale, 0.1, self.training)
        return self.ten(h), self.columns(h)


def cut(tokens: TokenizedText, length: int) -> TokenizedText:
    """A text's first pieces and its closing one."""
    if len(tokens.ids) <= length:
        return tokens
    kept = length - 1
    return TokenizedText(
        (*tokens.ids[:kept], tokens.ids[-1]), (*tokens.offsets[:kept], (0, 0)), truncated=True
    )


def batches(lengths: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of similar length together, in random order."""
    pools = [np.arange(a, min(a + 40 * size, len(lengths))) for a in range(0, len(lengths), 40 * size)]
    found: list[np.ndarray] = []
    for pool in pools:
        ordered = pool[np.argsort(lengths[pool], kind="stable")]
        parts = [ordered[a : a + size] for a in range(0, len(ordered), size)]
        found += [parts[i] for i in rng.permutation(len(parts))]
    return found


def targets(texts: Sequence[CrisisText]) -> tuple[Tensor, Tensor]:
    """Classes (-1 where open) and answers (nan where open)."""
    ten = torch.tensor([t.labels.get("humanitarian_10", -1) for t in texts])
    columns = torch.tensor([[float(t.labels.get(c, math.nan)) for c in COLUMNS] for t in texts])
    return ten, columns


def loss_of(ten: Tensor, columns: Tensor, y: Tensor, answers: Tensor, prior: Tensor) -> Tensor:
    """The loss of the module's head."""
    total = torch.zeros(())
    if bool((y >= 0).any()):
        total = total + functional.cross_entropy(ten + prior, y, ignore_index=-1, label_smoothing=0.05)
    known = ~answers.isnan()
    raw = functional.binary_cross_entropy_with_logits(columns, answers.nan_to_num(), reduction="none") * known
    means = raw.sum(0) / known.sum(0).clamp(min=1)
    return total + (means * torch.tensor([WEIGHTS[c] for c in COLUMNS])).sum()


def rate(step: int, steps: int, decay: float) -> float:
    """Warm-up over 60 steps, then flat, then a straight line to zero over the last share."""
    return min((step + 1) / 60, 1.0, max(0.0, (steps - step) / max(1.0, decay * steps)))


class Run:
    """The trained parts with their optimizer, stored as tensors only."""

    def __init__(self, encoder: E5Text, heads: Heads, folder: Path) -> None:
        self.encoder, self.heads, self.path, self.step = encoder, heads, folder / "checkpoint.safetensors", 0
        adapted = [p for p in encoder.parameters() if p.requires_grad]
        self.parameters = [*adapted, *heads.parameters()]
        groups = [{"params": adapted, "lr": 6e-4}, {"params": list(heads.parameters()), "lr": 2e-3}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        self.peaks = [float(g["lr"]) for g in self.optimizer.param_groups]

    def save(self) -> None:
        """Stores weights, moments, the heads' scale and the step."""
        tensors = {"mean": self.heads.mean, "scale": self.heads.scale, "step": torch.tensor([self.step])}
        for i, p in enumerate(self.parameters):
            tensors[f"p{i}"] = p.detach()
            state = self.optimizer.state[p]
            tensors |= {f"m{i}": state["exp_avg"], f"v{i}": state["exp_avg_sq"]} if state else {}
        atomic_write(self.path, save({k: v.contiguous().clone() for k, v in tensors.items()}))

    def resume(self) -> bool:
        """Goes back to the last checkpoint, if there is one."""
        if not self.path.is_file():
            return False
        tensors = load_file(self.path)
        self.step = int(tensors["step"])
        self.heads.mean.copy_(tensors["mean"])
        self.heads.scale.copy_(tensors["scale"])
        for i, p in enumerate(self.parameters):
            p.data.copy_(tensors[f"p{i}"])
            moments = {"exp_avg": tensors[f"m{i}"].clone(), "exp_avg_sq": tensors[f"v{i}"].clone()}
            self.optimizer.state[p] = {"step": torch.tensor(float(self.step)), **moments}
        return True

    def take(self, path: Path) -> None:
        """Begins with the weights of an earlier run, its optimizer forgotten."""
        tensors = load_file(path)
        self.heads.mean.copy_(tensors["mean"])
        self.heads.scale.copy_(tensors["scale"])
        for i, p in enumerate(self.parameters):
            p.data.copy_(tensors[f"p{i}"])


def standardize(encoder: E5Text, heads: Heads, tokens: Sequence[TokenizedText]) -> None:
    """Sets the heads' center and scale from texts before training."""
    rows = []
    with torch.inference_mode():
        for a in range(0, len(tokens), 32):
            rows.append(encoder(*pad_ids(tokens[a : a + 32], encoder.pad_id))[1])
    pooled = torch.cat(rows).clone()
    heads.mean.copy_(pooled.mean(0))
    heads.scale.copy_(pooled.std(0).clamp(min=1e-4))


def layers_from(first: int, last: int) -> tuple[str, ...]:
    """Patterns of the linear maps of layers `first` to `last`, the end exclusive."""
    return tuple(f"bert.encoder.layer.{i}.*" for i in range(first, last))


def train(
    texts: Sequence[CrisisText], named: dict[tuple[str, str], set[str]], args: argparse.Namespace
) -> None:
    """Trains and writes the adapter and the heads."""
    torch.manual_seed(args.seed)
    encoder = E5Text(max_tokens=128, precision="fp32", weights=args.weights)
    add_lora(encoder, rank=16, alpha=32, targets=layers_from(args.first_layer, 12), dropout=0.05)
    for module in encoder.bert.modules():
        # one pass over the texts underfits rather than overfits, and attention without dropout is faster
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for name, p in encoder.named_parameters():
        if "LayerNorm" in name and any(f"layer.{i}." in name for i in range(args.first_layer, 12)):
            p.requires_grad_(True)
    rng = np.random.default_rng(args.seed)
    chosen = [texts[i] for i in draw(texts, OPEN if args.open else PASSES[args.nth - 1], rng)]
    disguised = [disguise(t, named.get((t.source, t.event), set()), rng) for t in chosen]
    tokens = [cut(x, args.length) for x in encoder.tokenize(disguised)]
    order = batches(np.array([len(x.ids) for x in tokens]), args.batch, rng)
    y, answers = targets(chosen)
    prior = torch.bincount(y[y >= 0], minlength=len(HUMANITARIAN_10)).float().clamp(min=1)
    prior = (prior / prior.sum()).log()
    heads = Heads(encoder.width)
    run = Run(encoder, heads, args.work)
    if not run.resume():
        if args.start is None:
            standardize(encoder, heads, tokens[:512])
        else:
            run.take(args.start / "checkpoint.safetensors")
    steps = min(args.steps, len(order)) if args.steps else len(order)
    mean = np.mean([len(x.ids) for x in tokens])
    print(f"{len(chosen)} texts drawn, {mean:.1f} pieces each, {steps} steps, from {run.step}", flush=True)
    _loop(run, order[:steps], tokens, (y, answers, prior), args)
    _export(run, prior, args)


def _loop(
    run: Run,
    order: Sequence[np.ndarray],
    tokens: Sequence[TokenizedText],
    target: tuple[Tensor, Tensor, Tensor],
    args: argparse.Namespace,
) -> None:
    y, answers, prior = target
    run.encoder.train()
    run.heads.train()
    started, first, losses = time.process_time(), run.step, []
    while run.step < len(order):
        rows = torch.from_numpy(order[run.step])
        # dropout of a step does not depend on where the run was resumed
        torch.manual_seed(args.seed * 1_000_003 + run.step)
        for group, peak in zip(run.optimizer.param_groups, run.peaks, strict=True):
            group["lr"] = args.rate * peak * rate(run.step, len(order), args.decay)
        pooled = run.encoder(*pad_ids([tokens[i] for i in rows.tolist()], run.encoder.pad_id))[1]
        loss = loss_of(*run.heads(pooled), y[rows], answers[rows], prior)
        run.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(run.parameters, 1.0)
        run.optimizer.step()
        run.step += 1
        losses.append(float(loss.detach()))
        if run.step % 50 == 0 or run.step == len(order):
            run.save()
            spent = (time.process_time() - started) * 1000 / ((run.step - first) * args.batch)
            print(
                f"{time.strftime('%H:%M:%S')} step {run.step}: "
                f"loss {np.mean(losses):.4f}, {spent:.1f} ms a text",
                flush=True,
            )
            losses = []


def _export(run: Run, prior: Tensor, args: argparse.Namespace) -> None:
    state = lora_state(run.encoder, base=run.encoder.adapts)
    half = {name: tensor.half() for name, tensor in state.tensors.items()}
    write_lora(args.work / "adapter.safetensors", type(state)(half, state.scaling, state.base))
    fold_lora(run.encoder)
    heads = {f"heads.{name}": tensor for name, tensor in run.heads.state_dict().items()}
    meta = {"classes": json.dumps(HUMANITARIAN_10), "columns": json.dumps(COLUMNS)}
    stored = save({**heads, "prior": prior}, metadata=meta)
    atomic_write(args.work / "heads.safetensors", stored)
    print("written", args.work / "adapter.safetensors", flush=True)


def main() -> None:
    """Reads the arguments and trains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints and results go")
    parser.add_argument(
        "--open", action="store_true", help="only sources that allow any use with attribution"
    )
    parser.add_argument("--steps", type=int, default=0, help="stop after so many; 0 for one pass")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=64, help="pieces of a text")
    parser.add_argument(
        "--decay", type=float, default=0.35, help="share of the steps in which the rate falls"
    )
    parser.add_argument("--rate", type=float, default=1.0, help="factor of the learning rates")
    parser.add_argument("--start", type=Path, default=None, help="the --work of the pass before this one")
    parser.add_argument("--nth", type=int, choices=(1, 2, 3), default=1, help="which pass's draw of texts")
    parser.add_argument("--first-layer", type=int, default=6, help="the lowest layer that is adapted")
    parser.add_argument(
        "--weights", type=Path, default=None, help="the encoder's file, if its package is not here"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    texts = [t for t in gather(args.data, free=args.open, settled=args.nth == 3) if not outside(t)]
    if args.open:
        texts += {t.text: t for t in made_up(COLUMNS[1:])}.values()
    train(texts, event_words(texts), args)


if __name__ == "__main__":
    main()
