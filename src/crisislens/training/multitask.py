r"""One text encoder for several tasks: a low-rank adapter trained on all of them at once, so that
the product reads each post only once.

For tasks $k$ with classes $c_k$, a text's pooled vector $z$ of the adapted encoder and linear heads
$W_k$, over the labeled tasks of each text,

$$L = \frac{1}{b} \sum_{i=1}^{b} \sum_{k \in K_i} w_{k, y_{ik}} \operatorname{CE}_\epsilon(W_k z_i + b_k,\
y_{ik}),$$

with label smoothing ε and class weights $w_{kc} \propto n_{kc}^{-\gamma}$ of mean 1 over the texts
of the task (γ = 0 none, γ = 1 balanced). The heads are thrown away afterwards: `fit` trains the
models of the bundle on the features of the adapted encoder. Our own recipe, not a paper's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.encoders.base import TextEncoder, TokenizedText, pad_ids
from crisislens.encoders.lora import LoraState, add_lora, lora_state
from crisislens.training.batches import Batches, StreamOrder, batch_count, similar_batches
from crisislens.training.devices import Device
from crisislens.training.loop import train
from crisislens.training.objectives import TextTasksLoss
from crisislens.training.optimizer import adapter_recipe
from crisislens.training.recipe import Recipe
from crisislens.training.trainer import Machine

__all__ = ["AdapterConfig", "LabeledText", "TextClassifier", "train_adapter", "train_text_classifier"]

Batch = tuple[Tensor, Tensor, dict[str, Tensor]]


class AdapterConfig(Config):
    """How the adapter is trained."""

    rank: int = Field(default=16, ge=0)
    """The rank of every weight's difference; 0 trains all weights but the word embeddings (nothing
    that could be shipped small).
    """
    alpha: float = Field(default=32.0, gt=0)
    """Numerator of the scaling alpha / rank."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """On the way into the adapter and before the heads."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Peak rate of the adapter; linear warm-up over 6 % of the steps, linear decay to zero."""
    head_learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of the heads, same schedule."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    batch_posts: int = Field(default=32, gt=0)
    """Texts a step."""
    epochs: int = Field(default=3, gt=0)
    """Passes over all texts."""
    smoothing: float = Field(default=0.05, ge=0, lt=1)
    """Label smoothing ε."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """The exponent γ of the class weights."""
    max_tokens: int = Field(default=64, gt=2)
    """Texts are cut to this length while training."""
    targets: tuple[str, ...] = (
        "*encoder.layer*.query",
        "*encoder.layer*.key",
        "*encoder.layer*.value",
        "*encoder.layer*.dense",
    )
    """Patterns of the linear maps that are adapted."""
    seed: int = 0
    """Of shuffling, dropout and initial weights."""
    device: Device = "auto"
    """Where to train."""


@dataclass(frozen=True)
class LabeledText:
    """A cleaned text with the index of its class in each task that it has a label for."""

    text: str
    labels: Mapping[str, int]


class _TextNetwork(nn.Module):
    """Logits of every task from the encoder's pooled vector."""

    def __init__(self, encoder: TextEncoder, tasks: Mapping[str, int], *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(
            {name: nn.Linear(encoder.pooled_width, classes) for name, classes in tasks.items()}
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> dict[str, Tensor]:
        pooled = self.dropout(self.encoder(ids, mask)[1])
        return {name: head(pooled) for name, head in self.heads.items()}


@dataclass(frozen=True)
class TextClassifier:
    """A trained text encoder with its heads.

    Attributes:
        encoder: In evaluation mode.
        heads: A linear head a task.
    """

    encoder: TextEncoder
    heads: nn.ModuleDict

    def logits(
        self, task: str, texts: Sequence[str], *, max_tokens: int = 128, batch_posts: int = 64
    ) -> Float[Tensor, "s c"]:
        """Logits of one task for texts, in their order."""
        tokens = [_cut(x, max_tokens) for x in self.encoder.tokenize(texts)]
        # by length, so that a batch has little padding; results go back by position
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i].ids))
        out: list[Tensor] = [torch.empty(0)] * len(tokens)
        with torch.inference_mode():
            for start in range(0, len(order), batch_posts):
                rows = order[start : start + batch_posts]
                ids, mask = pad_ids([tokens[i] for i in rows], self.encoder.pad_id)
                for i, row in zip(rows, self.heads[task](self.encoder(ids, mask)[1]), strict=True):
                    out[i] = row
        return torch.stack(out)


def train_adapter(
    encoder: TextEncoder,
    texts: Sequence[LabeledText],
    tasks: Mapping[str, int],
    config: AdapterConfig,
    *,
    base: str = "",
    progress: Callable[[int], None] | None = None,
) -> LoraState:
    """Adapts a text encoder, in place, and returns the adapter. Arguments as of
    `train_text_classifier`.

    Arguments:
        base: What the adapter belongs to, see `encoders.lora`.
    """
    return lora_state(
        train_text_classifier(encoder, texts, tasks, config, progress=progress).encoder, base=base
    )


def train_text_classifier(
    encoder: TextEncoder,
    texts: Sequence[LabeledText],
    tasks: Mapping[str, int],
    config: AdapterConfig,
    *,
    progress: Callable[[int], None] | None = None,
) -> TextClassifier:
    """Trains a text encoder, in place, and a linear head a task.

    Arguments:
        encoder: The encoder; low-rank differences and layer norms are trained, or everything but
            the embeddings where the rank is 0.
        texts: What to learn from.
        tasks: Number of classes of each task.
        config: The recipe.
        progress: Called after each epoch with the epochs done.
    """
    torch.manual_seed(config.seed)
    _unfreeze(encoder, config)
    network = _TextNetwork(encoder, tasks, dropout=config.dropout)
    optimizer = adapter_recipe(
        learning_rate=config.learning_rate,
        head_learning_rate=config.head_learning_rate,
        weight_decay=config.weight_decay,
    )
    train(
        network,
        TextTasksLoss(_weights(texts, tasks, config.balance), smoothing=config.smoothing),
        _batches(encoder, texts, tasks, config),
        Recipe(epochs=config.epochs, optimizer=optimizer),
        machine=Machine(device=config.device),
        after_epoch=None if progress is None else lambda record: progress(record.epoch),
    )
    return TextClassifier(encoder, network.heads)


def _batches(
    encoder: TextEncoder, texts: Sequence[LabeledText], tasks: Mapping[str, int], config: AdapterConfig
) -> Batches[Batch]:
    whole = encoder.tokenize([t.text for t in texts])
    tokens = [_cut(x, config.max_tokens) for x in whole]
    lengths = np.array([len(x.ids) for x in tokens])
    labels = {}
    for name in tasks:
        # -1 is left out of the loss: a text without this task's label still teaches the others
        labels[name] = torch.tensor([t.labels.get(name, -1) for t in texts])
    pad_id = encoder.pad_id

    def collate(rows: Int[np.ndarray, " b"]) -> Batch:
        ids, mask = pad_ids([tokens[i] for i in rows.tolist()], pad_id)
        return ids, mask, {name: y[rows] for name, y in labels.items()}

    size = config.batch_posts
    order = StreamOrder(lambda generator: similar_batches(lengths, size, generator), config.seed)
    return Batches(order, collate, count=batch_count(len(texts), size))


def _unfreeze(encoder: TextEncoder, config: AdapterConfig) -> None:
    if config.rank:
        add_lora(
            encoder, rank=config.rank, alpha=config.alpha, targets=config.targets, dropout=config.dropout
        )
    for name, parameter in encoder.named_parameters():
        if "LayerNorm" in name or (config.rank == 0 and "embeddings" not in name):
            parameter.requires_grad_(True)


def _cut(tokens: TokenizedText, length: int) -> TokenizedText:
    """Keeps the closing token, as the tokenizer's own truncation does."""
    if len(tokens.ids) <= length:
        return tokens
    return TokenizedText(
        (*tokens.ids[: length - 1], tokens.ids[-1]),
        (*tokens.offsets[: length - 1], tokens.offsets[-1]),
        truncated=True,
    )


def _weights(
    texts: Sequence[LabeledText], tasks: Mapping[str, int], balance: float
) -> dict[str, Float[Tensor, " c"]]:
    weights = {}
    for name, classes in tasks.items():
        y = torch.tensor([t.labels[name] for t in texts if name in t.labels], dtype=torch.long)
        # a class without a text would weigh infinitely
        counts = torch.bincount(y, minlength=classes).clamp(min=1).float()
        raw = counts**-balance
        weights[name] = raw * counts.sum() / (raw * counts).sum()
    return weights
