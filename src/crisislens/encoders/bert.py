r"""BERT without its head: what multilingual-e5-small and MiniLM are made of.

States $X_0 = \mathrm{LN}(E_{ids} + T_0 + P_{1..t})$; a layer makes of $X$, with $h$ heads of width
$d/h$,

$$A = \mathrm{softmax}\!\left(\frac{(X W_q)(X W_k)^\top}{\sqrt{d/h}} + M\right) X W_v, \quad
Y = \mathrm{LN}(X + A W_o), \quad X' = \mathrm{LN}(Y + \mathrm{GELU}(Y W_1) W_2),$$

where $M$ is 0 on real tokens and $-\infty$ on padding. Source: Devlin et al., BERT, 2019,
https://arxiv.org/abs/1810.04805.

Why it is here though transformers has one: importing `BertModel` cost three seconds of processor
time and 200 MB at each start of a command, more than all else. Names of modules and the order of operations
are those of transformers 5, so weights and adapters fit, and results are equal bit for bit, which a test
holds. Checkpoints of a user's own still load through transformers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.hollow import hollow

__all__ = ["Bert", "BertShape", "BertStates", "load_bert"]

_DROPOUT = 0.1


@dataclass(frozen=True)
class BertShape:
    """Sizes.

    Attributes:
        vocab_size: Pieces of the vocabulary.
        hidden_size: Width d of the states.
        num_hidden_layers: Layers.
        num_attention_heads: Heads h a layer.
        intermediate_size: Width within the feed-forward part.
        max_position_embeddings: The longest text in pieces.
        type_vocab_size: Kinds of sentences; only the first is used.
        layer_norm_eps: ε of the normalizations.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12


class BertStates(NamedTuple):
    """What `Bert` gives, under the name that transformers has for it.

    Attributes:
        last_hidden_state: The states of the last layer, `b t d`.
    """

    last_hidden_state: Tensor


class _Embeddings(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.word_embeddings: nn.Module = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.position_embeddings = nn.Embedding(shape.max_position_embeddings, shape.hidden_size)
        self.token_type_embeddings = nn.Embedding(shape.type_vocab_size, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, embedded: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        positions = self.position_embeddings.weight[: embedded.shape[1]]
        # in this order: sums of three numbers depend on it
        summed = embedded + self.token_type_embeddings.weight[0]
        out: Tensor = self.dropout(self.LayerNorm(summed + positions))
        return out


class _SelfAttention(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.heads = shape.num_attention_heads
        self.scaling = (shape.hidden_size // self.heads) ** -0.5
        self.query = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.key = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.value = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.dropout = nn.Dropout(_DROPOUT)
        self.kept: list[Tensor] | None = None
        """Where weights are put while somebody listens."""

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b 1 t t"] | None
    ) -> Float[Tensor, "b t d"]:
        q, k, v = (
            rearrange(part(x), "b t (h e) -> b h t e", h=self.heads)
            for part in (self.query, self.key, self.value)
        )
        if self.kept is not None:
            out = self._listened(q, k, v, mask, self.kept)
        else:
            dropped = self.dropout.p if self.training else 0.0
            out = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, dropout_p=dropped, scale=self.scaling
            )
        return rearrange(out, "b h t e -> b t (h e)")

    def _listened(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, kept: list[Tensor]
    ) -> Float[Tensor, "b h t e"]:
        scores = torch.matmul(q, k.transpose(2, 3)) * self.scaling
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = functional.softmax(scores, dim=-1)
        kept.append(weights)
        return torch.matmul(self.dropout(weights), v)


class _Added(nn.Module):
    """A linear map whose result is added to what came in, and normalized."""

    def __init__(self, width: int, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(width, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=shape.layer_norm_eps)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Float[Tensor, "b t k"], before: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        out: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + before)
        return out


class _Attention(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.self = _SelfAttention(shape)
        self.output = _Added(shape.hidden_size, shape)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b 1 t t"] | None
    ) -> Float[Tensor, "b t d"]:
        out: Tensor = self.output(self.self(x, mask), x)
        return out


class _Intermediate(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden_size, shape.intermediate_size)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t k"]:
        return functional.gelu(self.dense(x))


class _Layer(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.attention = _Attention(shape)
        self.intermediate = _Intermediate(shape)
        self.output = _Added(shape.intermediate_size, shape)

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b 1 t t"] | None
    ) -> Float[Tensor, "b t d"]:
        y = self.attention(x, mask)
        out: Tensor = self.output(self.intermediate(y), y)
        return out


class _Encoder(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(shape) for _ in range(shape.num_hidden_layers))

    def forward(
        self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b 1 t t"] | None
    ) -> Float[Tensor, "b t d"]:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Bert(nn.Module):
    """BERT's embeddings and layers; called as transformers' `BertModel` is, so that one may stand
    for the other.

    Arguments:
        config: Its sizes.
    """

    def __init__(self, config: BertShape) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)

    @property
    def dtype(self) -> torch.dtype:
        """What the layers compute in."""
        return self.embeddings.LayerNorm.weight.dtype

    def get_input_embeddings(self) -> nn.Module:
        """What makes vectors of pieces."""
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, module: nn.Module) -> None:
        """Puts another one in its place."""
        self.embeddings.word_embeddings = module

    def forward(
        self,
        input_ids: Int[Tensor, "b t"] | None = None,
        attention_mask: Bool[Tensor, "b t"] | Int[Tensor, "b t"] | None = None,
        inputs_embeds: Float[Tensor, "b t d"] | None = None,
    ) -> BertStates:
        """The states of the last layer, `b t d`; those of padding mean nothing.

        Arguments:
            input_ids: Pieces; or
            inputs_embeds: their vectors.
            attention_mask: True or 1 where a piece is real; None where all are.

        Raises:
            ValueError: If neither or both of pieces and vectors are given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give input_ids or inputs_embeds, one of them")
        embedded = self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        x = self.embeddings(embedded)
        return BertStates(self.encoder(x, _wide(attention_mask)))

    @contextmanager
    def listening(self) -> Iterator[list[Tensor]]:
        """Gives a list that the attention of every layer is put into, `b h t t`, the first layer
        first, for as long as it is open; not for several threads at once.
        """
        maps: list[Tensor] = []
        parts = [module for module in self.modules() if isinstance(module, _SelfAttention)]
        for part in parts:
            part.kept = maps
        try:
            yield maps
        finally:
            for part in parts:
                part.kept = None


def load_bert(shape: BertShape, state: Mapping[str, Tensor], *, words: nn.Module | None = None) -> Bert:
    """A model with given weights, which it takes without a copy.

    Arguments:
        shape: Its sizes.
        state: Weights by name, as transformers names them.
        words: Stands in for the vocabulary, whose weights are not in `state` then.

    Raises:
        RuntimeError: If names or shapes do not fit.
    """
    with hollow():
        bert = Bert(shape)
    if words is not None:
        bert.set_input_embeddings(words)
    bert.load_state_dict(dict(state), strict=True, assign=True)
    return bert


def _wide(mask: Tensor | None) -> Bool[Tensor, "b 1 t t"] | None:
    """Which pieces each piece may look at; None where all may look at all, which is another kernel."""
    if mask is None or bool(mask.all()):
        return None
    b, t = mask.shape
    return mask.bool()[:, None, None, :].expand(b, 1, t, t)
