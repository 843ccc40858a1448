r"""The BERT family (BERT, ELECTRA, RoBERTa, DeBERTa, XLM-R, …) from a hub name or a local folder:
states of the last layer, one pooled vector.

$$z = X_1 \ \ (\texttt{cls}: \text{the first token's state}) \qquad \text{or} \qquad z = \tfrac{1}{t}
\textstyle\sum_j X_j \ \ (\texttt{mean}).$$

The encoder of the rows with text "Electra" of Munia et al., 2025, https://arxiv.org/abs/2507.05165,
Table 2, is `google/electra-base-discriminator` with `cls` (Clark et al., 2020,
https://arxiv.org/abs/2003.10555). Their code read 512 tokens at first and 77 in its last state;
`max_tokens` says how many here.

A model's own pooler (BERT's tanh layer, made for next-sentence prediction) is not used. Only
safetensors are read, no code from a hub is run. Mode `finetune` trains these encoders; what it
learned comes back as option `adapter`. A special piece that somebody writes into a text, such as
`[SEP]`, is cut like any other word (Unigram vocabularies may hold it as a word).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from einops import reduce
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.encoders.base import TEXT_ENCODERS, EncoderSpec, TextEncoder, TokenizedText, freeze
from crisislens.encoders.checkpoints import (
    automatic_model,
    check_finite,
    check_vocabulary,
    check_whole,
    checkpoint_errors,
    digest,
    source,
)
from crisislens.encoders.lora import merge_lora, read_lora
from crisislens.encoders.tokenizing import tokenize_texts

__all__ = ["LanguageOptions", "LanguageText"]

LanguagePool = Literal["cls", "mean"]
# parts that these models bring for other tasks, whose absence changes nothing here
_SPARE = ("pooler.", "embeddings.position_ids")


class LanguageOptions(Config):
    """Options of the text encoder `language`."""

    checkpoint: str = "google/electra-base-discriminator"
    """A name on the Hugging Face hub or a local folder."""
    revision: str | None = None
    """A commit of the hub repository; without one, its newest."""
    pooled: LanguagePool = "cls"
    """The pooled vector: the first token's state, or the mean over all."""
    max_tokens: int = Field(default=128, ge=3)
    """Tokens that are read of a text, special tokens included."""
    prefix: str = ""
    """What a checkpoint was trained to see before each text, such as `query: ` of the e5 family."""
    adapter: str | None = None
    """Path of what an earlier training learned, see `encoders.lora`."""


class LanguageText(TextEncoder):
    """An encoder of the BERT family.

    Arguments:
        options: Which checkpoint, how pooled, how long.

    Raises:
        ModelError: If the checkpoint cannot be had, is damaged, lacks tensors, has no fast tokenizer of
            its own, or the adapter is another's.
    """

    def __init__(self, options: LanguageOptions) -> None:
        super().__init__()
        # around what is read of the config too: a model of another kind says other things there
        with checkpoint_errors("language", options.checkpoint):
            self.model, self._tokenizer = _load(options)
            config = self.model.config
            self.width = self.pooled_width = int(config.hidden_size)
            # RoBERTa counts positions from its pad id on
            longest = int(getattr(config, "max_position_embeddings", options.max_tokens))
            if config.model_type in ("roberta", "xlm-roberta", "camembert"):
                longest -= int(config.pad_token_id) + 1
            self.pad_id = int(self._tokenizer.pad_token_id or 0)
        self.name, self.pooled = f"{config.model_type} {options.checkpoint}", options.pooled
        self.max_tokens = min(options.max_tokens, longest) if longest > 0 else options.max_tokens
        self.adapts = digest(self.model.state_dict())
        self._prefix = options.prefix
        self._identity: dict[str, object] = {
            "encoder": "language",
            "weights": self.adapts,
            "type": config.model_type,
            "tokenizer": fingerprint(self._tokenizer.backend_tokenizer.to_str()),
            "pooled": options.pooled,
            "max_tokens": self.max_tokens,
            "special": "split",
            "adapter": None,
        }
        if options.prefix:
            # only where there is one, so that what was cached without keeps its fingerprint
            self._identity["prefix"] = options.prefix
        if options.adapter is not None:
            state = read_lora(Path(options.adapter))
            if state.base != self.adapts:
                raise ModelError(
                    f"{options.adapter} adapts other weights than {options.checkpoint}; use the "
                    "encoder that it was trained on"
                )
            merge_lora(self, state)
            self._identity["adapter"] = fingerprint_file(Path(options.adapter))
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, pooling, length, prefix and adapter."""
        return fingerprint(self._identity)

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into pieces; those of the prefix have no place in the text."""
        return tokenize_texts(
            self._tokenizer, texts, max_tokens=self.max_tokens, prefix=self._prefix, split_special=True
        )

    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """States of the last layer and the pooled vector."""
        states: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        states = states.masked_fill(~mask[..., None], 0.0)
        if self.pooled == "cls":
            return states, states[:, 0]
        return states, reduce(states, "b t d -> b d", "sum") / mask.sum(1, keepdim=True)


@TEXT_ENCODERS.register("language")
def build_language(spec: EncoderSpec) -> LanguageText:
    """The BERT family: ELECTRA, BERT, RoBERTa and kin, from a hub name or a local folder.

    Raises:
        ConfigError: If an option does not fit `LanguageOptions`.
        ModelError: If the checkpoint cannot be had.
    """
    return LanguageText(LanguageOptions.parse(spec.options, where="encoder language"))


def _load(options: LanguageOptions) -> tuple[Any, Any]:
    import transformers

    tokenizers = cast("Any", transformers.AutoTokenizer)
    name, revision = options.checkpoint, options.revision
    model, info = automatic_model(name, revision)
    tokenizer = tokenizers.from_pretrained(name, **source(revision), trust_remote_code=False)
    kind = str(model.config.model_type)
    check_whole(kind, name, info, spare=_SPARE)
    check_finite(kind, name, model)
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError(
            f"{name} has no fast tokenizer (tokenizer.json), which offsets need; convert it once "
            "with transformers and name the folder"
        )
    check_vocabulary(kind, name, model.get_input_embeddings(), tokenizer)
    return model, tokenizer
