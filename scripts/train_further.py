r"""Trains the adapter of a bundle further, on posts that are hard for it:
`python scripts/train_further.py DATA --bundle BUNDLE --vectors DIR --work DIR --out DIR`.

Heads on frozen vectors had come to their end: needs that are over, calls of two words, drills and films lie
where the vectors of calls lie, whatever line is drawn between them. So the adapter goes on from where it is,
on labeled posts of all sources and on posts that language models made up (`need_texts.MADE_UP`), and what
answers other questions is held where it was. With the pooled vector $z$, its standardized form $h$, the
vector $z^0$ of the bundle as it was, and the map $U$ of "informative" and damage, which stays,

$$L = \operatorname{CE}(W h + b,\ y) + \sum_q \lambda_q \operatorname{mean}_{i:\,q \in K_i}
  \operatorname{BCE}(v_q \cdot h_i + c_q,\ y_{iq}) + \gamma \operatorname{mean}_i
  \operatorname{KL}\big(\operatorname{softmax} U z^0_i \,\|\, \operatorname{softmax} U z_i\big).$$

Passes: 0.7.0 (27,854 texts, with `made_up_hard.jsonl`); 0.8.0 from there (35,145 texts, with
`made_up_contrast.jsonl`: situations told four ways, of which one or two ask; more of HumAID); 0.9.0 from
there (47,005 texts, with `made_up_appeals.jsonl`: appeals to everybody beside calls, direct messages; all
layers, `--first-layer 0 --threads 2`); 0.10.0 from there (50,461 texts, with `made_up_told.jsonl`: people in
danger of whom another tells, all-clears, how-to posts, what only looks like damage; more of CrisisLexT26 in
other languages; the same options, and the middle between the pass and 0.9.0, by `blend_passes.py`).

The last term is learning without forgetting (Li & Hoiem 2016, https://arxiv.org/abs/1606.09282, Sec. 3),
with the vectors of the text as it was written: so a text that was made rough (names of accounts before it,
letters swapped, words cut short) has to say what the clean one says.

Nothing is read that `train_crisis.py` may not read. A killed run goes on at its last checkpoint.
"""

import argparse
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import readapted
import torch
from linear_heads import LinearHeads
from need_texts import asking, made_up, near_misses, settled_appeal, settled_rescue
from refit_needs import ASKED, TOLD
from torch import Tensor, nn
from torch.nn import functional
from train_crisis import (
    Heads,
    Run,
    batches,
    cut,
    disguise,
    draw,
    event_words,
    gather,
    group_of,
    layers_from,
    outside,
    rate,
    targets,
)
from train_open import encode, english_of

from crisislens.encoders.base import TokenizedText, pad_ids
from crisislens.encoders.e5 import E5Text
from crisislens.encoders.lora import LoraLinear, add_lora, lora_state, read_lora, write_lora
from crisislens.models.artifact import load_artifact
from crisislens.pipeline.bundle import Bundle
from crisislens.training.crisis_text import COLUMNS, NEEDS, CrisisText
from crisislens.training.roughen import roughen

BUDGETS = {
    "humaid": {
        "caution_and_advice": 1800,
        "displaced_people_and_evacuations": 1400,
        "infrastructure_and_utility_damage": 1900,
        "injured_or_dead_people": 1500,
        "missing_or_found_people": 236,
        "not_humanitarian": 2600,
        "other_relevant_information": 3600,
        "requests_or_urgent_needs": 1639,
        "rescue_volunteering_or_donation_effort": 3400,
        "sympathy_and_support": 1500,
    },
    "messages_english": {"request": 2700, "other": 2200, "news": 400},
    "messages_original": {"request": 2200, "other": 1900},
    "crisislex_t26": {"other language": 1800, "yes": 450, "no": 500},
    "crisismmd": {"yes": 500, "no": 400},
    "crisisnlp_workers": {"ten": 500, "missing_or_found_people": 255},
    "crisisnlp_volunteers": {"requests_or_urgent_needs": 213},
    "fire2017_nepal": {"need": 192, "offer": 500, "other language": 200, "other": 200},
    "cresci_italian": {"yes": 200, "no": 200},
    "sandy_2012_swdm13": {"yes": 300, "no": 300},
    "disaster_keyword_tweets": {"no": 900},
    "everyday": {"no": 400},
}
WEIGHTS = {"request": 1.0, "offer": 0.5, "warning": 0.4, **dict.fromkeys(NEEDS, 0.2)}
# sources of many events in English: what is frequent in one event alone names it. Of direct messages, and of
# an event in a language of its own, it would be what is asked for, and most words of that language
DISGUISED = ("humaid", "crisismmd", "crisisnlp_workers", "crisisnlp_volunteers", "crisislex_t26")
# how often each made-up post is seen, roughened anew each time: the latest ones oftener, the bundle that is
# trained further saw the others
TIMES, TIMES_LATEST = 2, 6
LATEST = "made_up_told"
KEEP = 1.0


def told_by_messages(text: CrisisText) -> CrisisText:
    """A direct message that asks offers nothing and warns of nothing, as `offers_and_warnings` has it."""
    if not text.source.startswith("messages") or text.event == "news" or text.labels.get("request") != 1:
        return text
    return replace(text, labels={"offer": 0, "warning": 0, **text.labels})


def chosen_texts(data: Path, rng: np.random.Generator) -> tuple[list[CrisisText], list[str]]:
    """The texts of one pass, in random order, and each as it is shown."""
    english = english_of(data / "crisis_text")
    allowed = [t for t in gather(data, free=False, settled=True) if not outside(t)]
    named = event_words(allowed)
    drawn = [allowed[i] for i in draw(allowed, BUDGETS, rng)]
    drawn = [told_by_messages(settled_appeal(settled_rescue(t, english))) for t in drawn]
    drawn += [*asking(allowed), *near_misses(allowed)]
    latest = {t.text for t in made_up((), files=(LATEST,))}
    once = {(t.text, t.language): t for t in made_up((*ASKED, *TOLD))}
    drawn += [t for t in once.values() for _ in range(TIMES_LATEST if t.text in latest else TIMES)]
    order = rng.permutation(len(drawn))
    texts = [drawn[i] for i in order]
    print(Counter((t.source, group_of(t) if t.source in BUDGETS else "") for t in texts), flush=True)
    return texts, [shown(t, named.get((t.source, t.event), set()), rng) for t in texts]


def shown(text: CrisisText, named: set[str], rng: np.random.Generator) -> str:
    """A text as it is learned from: disguised where what names its event does not tell its language or what
    it asks for, and rough at random.
    """
    plain = disguise(text, named, rng) if text.source in DISGUISED and text.language == "en" else text.text
    return roughen(plain, rng, text.language)


class Kept(nn.Module):
    """The maps of "informative" and damage as the bundle has them, which stay."""

    def __init__(self, bundle: Path) -> None:
        super().__init__()
        read = Bundle.read(bundle)
        models = [load_artifact(read.artifact(q)).model for q in ("informativeness", "damage")]
        self.models = nn.ModuleList(models).requires_grad_(False)

    def forward(self, pooled: Tensor) -> list[Tensor]:
        """Of pooled vectors, shape (n, d), the logarithms of each question's probabilities, shape (n, c)."""
        found = []
        for model in self.models:
            h = (pooled - model.text_mean) / model.text_scale
            found.append(functional.log_softmax(model.text(h), dim=-1))
        return found


def drift(kept: Kept, pooled: Tensor, before: Tensor) -> Tensor:
    """The last term of the loss, without γ: a mean over pooled vectors now and before, shape (n, d) each."""
    pairs = zip(kept(pooled), kept(before), strict=True)
    parts = [functional.kl_div(now, old, reduction="batchmean", log_target=True) for now, old in pairs]
    return torch.stack(parts).sum()


def loss_of(heads: tuple[Tensor, Tensor], y: Tensor, answers: Tensor) -> Tensor:
    """The first two terms.

    Arguments:
        heads: Logits of the ten classes, shape (n, 10), and of the questions, shape (n, q).
        y: Classes, -1 where open, shape (n,).
        answers: nan where open, shape (n, q).
    """
    ten, columns = heads
    total = torch.zeros(())
    if bool((y >= 0).any()):
        total = total + functional.cross_entropy(ten, y, ignore_index=-1)
    known = ~answers.isnan()
    raw = functional.binary_cross_entropy_with_logits(columns, answers.nan_to_num(), reduction="none") * known
    means = raw.sum(0) / known.sum(0).clamp(min=1)
    return total + (means * torch.tensor([WEIGHTS.get(c, 0.0) for c in COLUMNS])).sum()


def begun(bundle: Path, encoder: E5Text, first_layer: int) -> Heads:
    """The heads of the bundle; its adapter is put into the encoder, to be trained.

    Layers that the bundle adapted are trained on even where `first_layer` lies above them.
    """
    rank, state = 16, read_lora(bundle / "adapter.safetensors")
    own_layers = [int(found[1]) for name in state.tensors if (found := re.search(r"layer\.(\d+)\.", name))]
    first_layer = min([first_layer, *own_layers])
    add_lora(encoder, rank=rank, alpha=2 * rank, targets=layers_from(first_layer, 12), dropout=0.05)
    for module in encoder.bert.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    for name, p in encoder.named_parameters():
        if "LayerNorm" in name and any(f"layer.{i}." in name for i in range(first_layer, 12)):
            p.requires_grad_(True)
    adapted = {name: m for name, m in encoder.named_modules() if isinstance(m, LoraLinear)}
    own = dict(encoder.named_parameters())
    with torch.no_grad():
        for key, tensor in state.tensors.items():
            if key.endswith(".lora_a"):
                adapted[key.removesuffix(".lora_a")].a.copy_(tensor)
            elif key.endswith(".lora_b"):
                adapted[key.removesuffix(".lora_b")].b.copy_(tensor)
            else:
                own[key].copy_(tensor)
    needs, ten = LinearHeads.read(bundle, "needs"), LinearHeads.read(bundle, "humanitarian")
    heads = Heads(encoder.width)
    with torch.no_grad():
        heads.mean.copy_(torch.from_numpy(needs.mean))
        heads.scale.copy_(torch.from_numpy(needs.scale))
        heads.ten.weight.copy_(torch.from_numpy(ten.weight))
        heads.ten.bias.copy_(torch.from_numpy(ten.bias))
        for i, column in enumerate(COLUMNS):
            if column in needs.classes:
                at = needs.classes.index(column)
                heads.columns.weight[i].copy_(torch.from_numpy(needs.weight[at]))
                heads.columns.bias[i].copy_(torch.tensor(needs.bias[at]))
    return heads


def train(args: argparse.Namespace) -> None:
    """Trains, and writes the adapter."""
    rng = np.random.default_rng(args.seed)
    texts, rough = chosen_texts(args.data, rng)
    before = E5Text(max_tokens=128, precision="fp32", adapter=str(args.bundle / "adapter.safetensors"))
    z0 = torch.from_numpy(encode(before, [t.text for t in texts], args.vectors)).float()
    del before
    torch.manual_seed(args.seed)
    encoder = E5Text(max_tokens=128, precision="fp32")
    heads = begun(args.bundle, encoder, args.first_layer)
    tokens = [cut(x, args.length) for x in encoder.tokenize(rough)]
    order = batches(np.array([len(x.ids) for x in tokens]), args.batch, rng)
    run = Run(encoder, heads, args.work)
    run.resume()
    steps = min(args.steps, len(order)) if args.steps else len(order)
    print(
        f"{len(texts)} texts, {np.mean([len(x.ids) for x in tokens]):.1f} pieces each, {steps} steps",
        flush=True,
    )
    _loop(run, Kept(args.bundle), order[:steps], tokens, (*targets(texts), z0), args)
    state = lora_state(encoder, base=encoder.adapts)
    half = {name: tensor.half() for name, tensor in state.tensors.items()}
    write_lora(args.work / "adapter.safetensors", type(state)(half, state.scaling, state.base))
    readapted.write(
        args.bundle, args.out, args.work / "adapter.safetensors", maps(args.bundle, heads), args.version
    )
    print("written", args.out, flush=True)


def maps(bundle: Path, heads: Heads) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The heads that were trained along, as the questions of the bundle name their classes."""
    classes = LinearHeads.read(bundle, "needs").classes
    rows = [COLUMNS.index(name) for name in classes]
    weight, bias = (x.detach().double().numpy() for x in (heads.columns.weight, heads.columns.bias))
    ten = (heads.ten.weight.detach().double().numpy(), heads.ten.bias.detach().double().numpy())
    return {"needs": (weight[rows], bias[rows]), "humanitarian": ten}


def _loop(
    run: Run,
    kept: Kept,
    order: Sequence[np.ndarray],
    tokens: Sequence[TokenizedText],
    target: tuple[Tensor, Tensor, Tensor],
    args: argparse.Namespace,
) -> None:
    y, answers, z0 = target
    run.encoder.train()
    run.heads.train()
    losses: list[tuple[float, float]] = []
    while run.step < len(order):
        rows = torch.from_numpy(order[run.step])
        # dropout of a step does not depend on where the run was resumed
        torch.manual_seed(args.seed * 1_000_003 + run.step)
        for group, peak in zip(run.optimizer.param_groups, run.peaks, strict=True):
            group["lr"] = args.rate * peak * rate(run.step, len(order), args.decay)
        pooled = run.encoder(*pad_ids([tokens[i] for i in rows.tolist()], run.encoder.pad_id))[1]
        answered = loss_of(run.heads(pooled), y[rows], answers[rows])
        moved = drift(kept, pooled, z0[rows])
        run.optimizer.zero_grad()
        (answered + args.keep * moved).backward()
        nn.utils.clip_grad_norm_(run.parameters, 1.0)
        run.optimizer.step()
        run.step += 1
        losses.append((float(answered.detach()), float(moved.detach())))
        if run.step % 50 == 0 or run.step == len(order):
            run.save()
            told = ", ".join(f"{math.fsum(x) / len(x):.4f}" for x in zip(*losses, strict=True))
            print(f"step {run.step}: answers and drift {told}", flush=True)
            losses = []


def main() -> None:
    """Reads the arguments and trains."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--bundle", type=Path, required=True, help="whose adapter is trained further")
    parser.add_argument("--vectors", type=Path, required=True, help="where vectors of the bundle are kept")
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints and results go")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle")
    parser.add_argument("--version", default="0.10.0", help="of the new bundle")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many; 0 for one pass")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=64, help="pieces of a text")
    parser.add_argument("--decay", type=float, default=0.9, help="share of the steps in which the rate falls")
    parser.add_argument("--rate", type=float, default=0.6, help="factor of the learning rates")
    parser.add_argument("--keep", type=float, default=KEEP, help="γ, the weight of what stays")
    parser.add_argument("--first-layer", type=int, default=6, help="the lowest layer that is adapted anew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="processor threads; sums differ a little")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for folder in (args.work, args.out):
        folder.mkdir(parents=True, exist_ok=True)
    train(args)


if __name__ == "__main__":
    main()
