r"""Language models to be trained inside the graph: the BERT family, and MiniLM from its package.

Word pieces $x_1 \dots x_t$ into states $X \in \mathbb{R}^{t \times d}$ of the last layer. Something
may be added to the embeddings of the pieces before the first layer, $X = E(W_{x_j} + a_j)$: an
uncased model is told there how a word is spelled, which its tokenizer throws away and names hang
on.

A checkpoint is a hub name or a local folder in the layout of transformers (BERT, RoBERTa, ELECTRA,
ALBERT, DeBERTa and kin: encoders whose tokenizer puts special pieces around a text); only
safetensors are read and no code from a hub is run. `minilm` is all-MiniLM-L6-v2 from its Python
package and needs no hub (Wang et al., 2020, https://arxiv.org/abs/2002.10957).
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from einops import reduce
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import TextEncoder, TokenizedText, freeze
from crisislens.encoders.checkpoints import (
    automatic_model,
    check_finite,
    check_vocabulary,
    check_whole,
    checkpoint_errors,
    digest,
    hub_closed,
    source,
)
from crisislens.encoders.compact import MINILM_WEIGHTS, MiniLMText
from crisislens.encoders.tokenizing import tokenize_texts

__all__ = ["LanguageEncoder", "LanguageSpec", "load_language"]

_PACKAGED = "minilm"
_REVISION = 1
# beginnings of names of tensors that a file may lack: nothing reads the pooler
_SPARE = ("pooler.", "embeddings.position_ids")


class LanguageSpec(Config):
    """Which language model."""

    checkpoint: str = _PACKAGED
    """`minilm` (from its Python package), a name on the Hugging Face hub such as
    `google-bert/bert-base-uncased`, or a local folder.
    """
    revision: str | None = None
    """A commit of the hub repository; without one, its newest."""
    max_tokens: int = Field(default=128, ge=8, le=512)
    """Word pieces that are read of a text, special ones included."""


class LanguageEncoder(TextEncoder):
    """A language model whose input embeddings can be added to.

    Arguments:
        name: For reports.
        model: A model of transformers without a head.
        tokenizer: From texts to word pieces with special tokens.
        max_tokens: Word pieces that are read of a text.
        pad_id: The id of padding.
        base: What an adapter of it belongs to: the digest of its weights.
        vocabulary: From a word piece to its id, None where there is no such piece.

    Attributes:
        width: Width d of the states.
        embedding_width: Width a of the embeddings of word pieces, which some models (ALBERT, small
            ELECTRA) project to d.
    """

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        tokenizer: Callable[[Sequence[str]], list[TokenizedText]],
        max_tokens: int,
        pad_id: int,
        base: str,
        vocabulary: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.piece_id = vocabulary
        self.name, self.max_tokens, self.pad_id, self.base = name, max_tokens, pad_id, base
        self.width = self.pooled_width = int(model.config.hidden_size)
        self.embedding_width = int(model.get_input_embeddings().weight.shape[1])
        self.model = model
        self._tokenizer = tokenizer
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over the weights as loaded and the length; what was trained on top has a
        fingerprint of its own.
        """
        return fingerprint(
            {
                "encoder": "language",
                "revision": _REVISION,
                "base": self.base,
                "max_tokens": self.max_tokens,
            }
        )

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into word pieces, each by itself, special tokens included."""
        return self._tokenizer(texts)

    def forward(
        self,
        ids: Int[Tensor, "b t"],
        mask: Bool[Tensor, "b t"],
        added: Float[Tensor, "b t a"] | None = None,
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """States of the last layer, zeros on padding, and their mean.

        Arguments:
            ids: Word pieces, padded at the end.
            mask: True where one is real.
            added: What is added to their embeddings before the first layer.
        """
        # embedded here and not by the model, which takes ids or embeddings, never both
        embedded = self.model.get_input_embeddings()(ids)
        states: Tensor = self.model(
            inputs_embeds=embedded if added is None else embedded + added,
            attention_mask=mask.long(),
        ).last_hidden_state
        states = states.masked_fill(~mask[..., None], 0.0)
        return states, reduce(states, "b t d -> b d", "sum") / mask.sum(1, keepdim=True).clamp(min=1)


def load_language(spec: LanguageSpec) -> LanguageEncoder:
    """A language model, frozen and in evaluation mode.

    Raises:
        ModelError: If its weights are missing in whole or in part, damaged, or not safetensors, or
            it is no encoder of the BERT family.
    """
    if spec.checkpoint == _PACKAGED:
        packaged = MiniLMText(max_tokens=spec.max_tokens)
        return LanguageEncoder(
            name=packaged.name,
            model=packaged.bert,
            tokenizer=packaged.tokenize,
            max_tokens=spec.max_tokens,
            pad_id=0,
            base=MINILM_WEIGHTS.sha256,
            vocabulary=packaged.piece_id,
        )
    # around the encoder too: a model of another kind lacks what is read of it
    with checkpoint_errors(
        "language", spec.checkpoint, instead=", or take minilm, which comes with the package"
    ):
        return _from_checkpoint(spec)


def _from_checkpoint(spec: LanguageSpec) -> LanguageEncoder:
    model, tokenizer = _load(spec)
    max_tokens = min(spec.max_tokens, _longest(model))

    def tokenize(texts: Sequence[str]) -> list[TokenizedText]:
        # special pieces that somebody wrote stay what they are: training finds the mask's id so
        return tokenize_texts(tokenizer, texts, max_tokens=max_tokens)

    # a decoder sees no later words, and a pair of entities is marked by special pieces
    if getattr(model.config, "is_encoder_decoder", False) or len(tokenize([""])[0].ids) < 2:
        raise ModelError(
            f"language model {spec.checkpoint} is a {model.config.model_type}, which puts no "
            "special pieces around a text; "
            "name an encoder of the BERT family"
        )
    return LanguageEncoder(
        name=Path(spec.checkpoint).name,
        model=model,
        tokenizer=tokenize,
        max_tokens=max_tokens,
        pad_id=int(tokenizer.pad_token_id or 0),
        # two checkpoints with one set of weights may cut words differently, so the tokenizer
        # counts too
        base=digest(model.state_dict())
        + hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()[:16],
        vocabulary=tokenizer.backend_tokenizer.token_to_id,
    )


@hub_closed()
def _load(spec: LanguageSpec) -> tuple[Any, Any]:
    import transformers

    tokenizers = cast("Any", transformers.AutoTokenizer)
    model, info = automatic_model(spec.checkpoint, spec.revision)
    tokenizer = tokenizers.from_pretrained(spec.checkpoint, **source(spec.revision), trust_remote_code=False)
    kind = str(model.config.model_type)
    check_whole(kind, spec.checkpoint, info, spare=_SPARE)
    check_finite(kind, spec.checkpoint, model)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"language model {spec.checkpoint} has no tokenizer.json, without which no word has a "
            "place; convert it"
        )
    check_vocabulary(kind, spec.checkpoint, model.get_input_embeddings(), tokenizer)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model, tokenizer


def _longest(model: Any) -> int:
    positions = int(getattr(model.config, "max_position_embeddings", 512))
    if positions < 1:
        # positions that are counted from piece to piece have no last one
        return 512
    # RoBERTa counts positions from the padding id on
    return (
        positions - int(model.config.pad_token_id) - 1
        if "roberta" in str(model.config.model_type)
        else positions
    )
