r"""What an encoder is: a text or a picture in, its token states and one pooled vector out.

$$E_t : \text{ids} \mapsto (X_t \in \mathbb{R}^{t \times d_t},\ z_t \in \mathbb{R}^{e_t}), \qquad
  E_i : \text{pixels} \mapsto (X_i \in \mathbb{R}^{p \times d_i},\ z_i \in \mathbb{R}^{e_i}).$$

Promises that every encoder keeps and the tests hold it to: a post's result does not depend on its
neighbors in the batch (up to the last bits of a float, see `features.encode`); padding changes
nothing; evaluation is deterministic; the fingerprint changes whenever a result could.

Encoders come frozen and in evaluation mode. `encoder.requires_grad_()` and `encoder.train()` make
one trainable: both forwards are differentiable. A fingerprint names what was loaded; an encoder
that was trained further is stored as an adapter and loaded again.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from pydantic import Field, JsonValue
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.registry import Registry
from crisislens.encoders.checkpoints import hub_closed
from crisislens.encoders.precision import ASKED
from crisislens.nn.widths import FeatureWidths

__all__ = [
    "ENCODERS",
    "IMAGE_ENCODERS",
    "TEXT_ENCODERS",
    "EncoderPair",
    "EncoderSpec",
    "ImageEncoder",
    "TextEncoder",
    "TokenizedText",
    "freeze",
    "load_encoders",
    "pad_ids",
    "placed",
    "rooted",
    "to_bfloat16",
]


class EncoderSpec(Config):
    """Which encoders, with which options; what a run file and a model's artifact hold."""

    name: str = "compact"
    """A name in `ENCODERS`."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of that builder; an unknown one is refused."""


def placed(spec: EncoderSpec, place: Callable[[str], str]) -> EncoderSpec:
    """A specification whose adapters lie elsewhere.

    >>> placed(EncoderSpec(name="compact", options={"adapter": "a"}), "model/{}".format).options
    {'adapter': 'model/a'}

    Arguments:
        spec: The specification, of a pair with one adapter or of two sides with one each.
        place: From the path of an adapter in the specification to the one that it gets.
    """
    options = dict(spec.options)
    # an encoder of a plug-in may call something else an adapter: only what can be a path is moved
    if isinstance(adapter := options.get("adapter"), str):
        options["adapter"] = place(adapter)
    for side in ("text", "image"):
        if isinstance(options.get(side), dict):
            one = EncoderSpec.parse(options[side], where=f"encoder {spec.name}, {side}")
            options[side] = placed(one, place).model_dump(mode="json")
    return EncoderSpec(name=spec.name, options=options)


def rooted(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """A specification whose adapters that lie in a folder are named by their full path."""
    return placed(spec, lambda name: str(folder / name) if (folder / name).is_file() else name)


@dataclass(frozen=True)
class TokenizedText:
    """One text as token ids.

    Attributes:
        ids: Token ids, special tokens included; never empty.
        offsets: Per token the span of characters in the given text, end exclusive; (0, 0) for
            special tokens.
        truncated: True where the text went on after the last token that fits.
    """

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    truncated: bool = False

    @property
    def has_words(self) -> bool:
        """Whether any token stands for a character of the text."""
        return any(end > start for start, end in self.offsets)


class TextEncoder(nn.Module, ABC):
    """Text into states of its tokens and one pooled vector.

    Attributes:
        name: For reports.
        width: Components of a token state, $d_t$.
        pooled_width: Components of the pooled vector, $e_t$.
        max_tokens: Tokens that are read of a text, special tokens included.
        pad_id: The id that batches are padded with; what it is changes nothing.
        adapts: The digest of the weights as loaded, which an adapter names; empty where the encoder
            takes none.
    """

    name: str
    width: int
    pooled_width: int
    max_tokens: int
    pad_id: int = 0
    adapts: str = ""

    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits over the weights as loaded, the tokenizer and everything else that a result
        depends on.
        """

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into tokens, each text by itself."""

    def compute_in(self, precision: str) -> None:
        """Computes in `bf16` or `fp32` from now on, which the fingerprint then says; what comes out
        is single precision either way.

        Raises:
            ConfigError: If the encoder cannot.
        """
        if precision != "fp32":
            raise ConfigError(f"{self.name} computes in fp32 only; leave {ASKED} empty for it")

    @abstractmethod
    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """Token states (zeros on padding) and pooled vectors.

        Arguments:
            ids: Token ids, padded at the end.
            mask: True where a token is real; every row has one.
        """


class ImageEncoder(nn.Module, ABC):
    """Pictures into states of their patches and one pooled vector.

    Attributes:
        name: For reports.
        width: Components of a patch state, $d_i$.
        pooled_width: Components of the pooled vector, $e_i$.
        patches: Patches a picture, $p$.
        adapts: As of `TextEncoder`.
    """

    name: str
    width: int
    pooled_width: int
    patches: int
    adapts: str = ""

    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits over the weights as loaded, the preprocessing and everything else that a
        result depends on.
        """

    @abstractmethod
    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Decoded pixels (RGB) into what `forward` takes. Safe to call from several threads."""

    def compute_in(self, precision: str) -> None:
        """Computes in `bf16` or `fp32` from now on, which the fingerprint then says; what comes out
        is single precision either way.

        Raises:
            ConfigError: If the encoder cannot.
        """
        if precision != "fp32":
            raise ConfigError(f"{self.name} computes in fp32 only; leave {ASKED} empty for it")

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """Patch states, row by row from the top left, and pooled vectors."""


@dataclass(frozen=True)
class EncoderPair:
    """A text and an image encoder with the specification that they were built from.

    Attributes:
        text: Encodes texts.
        image: Encodes pictures.
        spec: What they were built from.
        trained: The fingerprint that models were trained with, where these compute in another
            precision than the specification says; empty where they do not.
    """

    text: TextEncoder
    image: ImageEncoder
    spec: EncoderSpec
    trained: str = ""

    def fingerprint(self) -> str:
        """16 hex digits over both encoders; where their files lie does not matter."""
        return fingerprint({"text": self.text.fingerprint(), "image": self.image.fingerprint()})

    def known_as(self) -> str:
        """The fingerprint by which models know the features: that of the precision which they were
        trained in.
        """
        return self.trained or self.fingerprint()

    def computing_in(self, precision: str | None) -> "EncoderPair":
        """The same pair, in place, computing in `bf16` or `fp32`; None leaves it as it is.

        Raises:
            ConfigError: If one of the encoders cannot.
        """
        trained = self.known_as()
        if precision is not None:
            self.text.compute_in(precision)
            self.image.compute_in(precision)
        return replace(self, trained="" if self.fingerprint() == trained else trained)

    def widths(self) -> FeatureWidths:
        """The widths of the features that they make."""
        return FeatureWidths(
            text=self.text.width,
            text_pooled=self.text.pooled_width,
            image=self.image.width,
            image_pooled=self.image.pooled_width,
        )

    def to(self, device: torch.device | str) -> "EncoderPair":
        """Moves both encoders to a device, in place, and returns the pair."""
        self.text.to(device)
        self.image.to(device)
        return self


ENCODERS: Registry[Callable[[EncoderSpec], EncoderPair]] = Registry("encoder", "crisislens.encoders")
TEXT_ENCODERS: Registry[Callable[[EncoderSpec], TextEncoder]] = Registry(
    "text encoder", "crisislens.text_encoders"
)
"""Encoders of text alone, for `pair`."""
IMAGE_ENCODERS: Registry[Callable[[EncoderSpec], ImageEncoder]] = Registry(
    "image encoder", "crisislens.image_encoders"
)
"""Encoders of pictures alone, for `pair`."""


def load_encoders(spec: EncoderSpec) -> EncoderPair:
    """Builds the encoders of a specification, frozen and in evaluation mode.

    Raises:
        NotRegisteredError: If there are no encoders of that name.
        ConfigError: If an option does not fit.
        ModelError: If weights are missing, damaged or not what they should be.
    """
    # around every builder, also of plug-ins: none of them has to remember it
    with hub_closed():
        return ENCODERS[spec.name](spec)


def freeze(module: nn.Module) -> None:
    """Puts a module into evaluation mode and takes its parameters out of training."""
    module.eval()
    module.requires_grad_(False)


def to_bfloat16(encoder: TextEncoder | ImageEncoder, layers: nn.Module, precision: str) -> None:
    """Makes layers compute in bfloat16, the one other precision that weights can be brought to without
    reading them anew.

    Raises:
        ConfigError: If another one is asked for.
    """
    if precision != "bf16":
        raise ConfigError(
            f"the weights of {encoder.name} are in bf16 already; load it with precision: {precision}, or "
            f"leave {ASKED} empty"
        )
    layers.to(torch.bfloat16)


def pad_ids(tokens: Sequence[TokenizedText], pad_id: int) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
    """Puts tokenized texts into one batch, padded at the end.

    Returns:
        The ids and which of them are real.
    """
    t = max((len(x.ids) for x in tokens), default=1)
    # one column at least, so that an empty batch has the shape of a batch
    ids = torch.full((len(tokens), t), pad_id, dtype=torch.long)
    mask = torch.zeros(len(tokens), t, dtype=torch.bool)
    for row, x in enumerate(tokens):
        ids[row, : len(x.ids)] = torch.tensor(x.ids, dtype=torch.long)
        mask[row, : len(x.ids)] = True
    return ids, mask
