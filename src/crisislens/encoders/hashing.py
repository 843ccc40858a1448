r"""Encoders without weights: deterministic, fast, for tests, doctests and a first look at a
pipeline. Not for results.

A word $w$ is hashed into one of $V$ rows of fixed Gaussian tables, $X_j = T_{h(w_j)}$, and $z =
\tfrac{1}{t} \sum_j U_{h(w_j)}$ (feature hashing: Weinberger et al., 2009,
https://arxiv.org/abs/0902.2206). A picture becomes a 16 × 16 color grid; each 4 × 4 cell of it goes
through a fixed random projection (Johnson and Lindenstrauss), and so do the means of all 16 cells
together, which is the pooled vector.

The four widths differ on purpose, so that a model that takes one for another fails in its first
test.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from pydantic import Field
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import (
    ENCODERS,
    EncoderPair,
    EncoderSpec,
    ImageEncoder,
    TextEncoder,
    TokenizedText,
    freeze,
)

__all__ = ["HashingImage", "HashingOptions", "HashingText"]

_WORD = re.compile(r"\w+|[^\w\s]")
_ROWS = 4096
_START = 1
_REVISION = 1
_GRID, _CELL = 4, 4


class HashingOptions(Config):
    """Options of the encoder `hashing`."""

    seed: int = Field(default=0, ge=0)
    """Seed of the fixed tables and projections."""
    max_tokens: int = Field(default=64, ge=2)
    """Tokens that are read of a text, the start token included."""


class HashingText(TextEncoder):
    """Hashed words as fixed random vectors.

    Arguments:
        seed: Seed of the tables.
        max_tokens: Tokens that are read of a text.
    """

    def __init__(self, *, seed: int = 0, max_tokens: int = 64) -> None:
        super().__init__()
        self.name, self.seed, self.max_tokens = "hashing", seed, max_tokens
        self.width, self.pooled_width = 32, 48
        self.states = nn.Embedding(_ROWS, self.width, _weight=_gaussian(seed, _ROWS, self.width))
        self.pools = nn.Embedding(
            _ROWS, self.pooled_width, _weight=_gaussian(seed + 1, _ROWS, self.pooled_width)
        )
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over seed and length."""
        return fingerprint(
            {
                "encoder": "hashing-text",
                "revision": _REVISION,
                "seed": self.seed,
                "max_tokens": self.max_tokens,
            }
        )

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Words and single other characters, in lower case, after one start token."""
        return [self._tokenize(text) for text in texts]

    def _tokenize(self, text: str) -> TokenizedText:
        words = list(_WORD.finditer(text))
        kept = words[: self.max_tokens - 1]
        ids = (_START, *(_row(m.group()) for m in kept))
        return TokenizedText(ids, ((0, 0), *(m.span() for m in kept)), len(kept) < len(words))

    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """Rows of the tables and the mean of those for pooling."""
        real = mask[..., None]
        pooled = reduce(self.pools(ids).masked_fill(~real, 0.0), "b t e -> b e", "sum") / mask.sum(
            1, keepdim=True
        )
        return self.states(ids).masked_fill(~real, 0.0), pooled


class HashingImage(ImageEncoder):
    """A coarse color grid through fixed random projections.

    Arguments:
        seed: Seed of the projections.
    """

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.name, self.seed = "hashing", seed
        self.width, self.pooled_width, self.patches = 24, 40, _GRID * _GRID
        self.cells = _projection(seed + 2, 3 * _CELL * _CELL, self.width)
        self.whole = _projection(seed + 3, 3 * self.patches, self.pooled_width)
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over the seed."""
        return fingerprint({"encoder": "hashing-image", "revision": _REVISION, "seed": self.seed})

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Averages into 16 × 16 cells, values in [−1, 1]."""
        side = _GRID * _CELL
        small = np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
        return rearrange(torch.from_numpy(small).float() / 127.5 - 1.0, "h w c -> c h w")

    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """Projected cells and the projection of their means."""
        cells = rearrange(images, "b c (g y) (k x) -> b (g k) (c y x)", g=_GRID, k=_GRID)
        means = reduce(images, "b c (g y) (k x) -> b (c g k)", "mean", g=_GRID, k=_GRID)
        return self.cells(cells), self.whole(means)


@ENCODERS.register("hashing")
def build_hashing(spec: EncoderSpec) -> EncoderPair:
    """Encoders without weights.

    Raises:
        ConfigError: If an option does not fit `HashingOptions`.
    """
    options = HashingOptions.parse(spec.options, where="encoder hashing")
    return EncoderPair(
        HashingText(seed=options.seed, max_tokens=options.max_tokens),
        HashingImage(seed=options.seed),
        spec,
    )


def _row(word: str) -> int:
    digest = blake2b(word.lower().encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # rows 0 and 1 stand for padding and the start
    return 2 + int.from_bytes(digest, "little") % (_ROWS - 2)


def _gaussian(seed: int, rows: int, columns: int) -> Float[Tensor, "rows columns"]:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32))


def _projection(seed: int, inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs, bias=False)
    # unit variance out for unit variance in
    linear.weight = nn.Parameter(_gaussian(seed, outputs, inputs) / inputs**0.5)
    return linear
