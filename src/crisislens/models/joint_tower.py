r"""The joint vision-language transformer under both stages of rationale transfer: the words of a text
and the patches of its photo in one sequence.

$$[g; e^t_1 \dots e^t_w; e^i_1 \dots e^i_p] = \operatorname{Tower}(\text{words}, \text{photo}).$$

Two towers, by name in `TOWERS`:

- `vilt`: ViLT by checkpoint, as arXiv 2603.18611 builds on (Kim et al. 2021,
  https://arxiv.org/abs/2102.03334; `dandelin/vilt-b32-mlm`). A word's state is the mean of its
  tokens'.
- `compact` (ours): the joint encoder of `nn.joint` over the words of a text encoder and the patches
  of an image encoder, small enough to be trained on a laptop.

A tower never looks at a photo's patches that are not kept: they are painted over before the photo is
encoded (`painted`), and left out of the attention. Both are needed: a convolution sees beyond its
patch, and a painted patch would still be attended to.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.config import Config
from crisislens.core.registry import Registry
from crisislens.encoders.base import (
    EncoderPair,
    EncoderSpec,
    TextEncoder,
    TokenizedText,
    freeze,
    load_encoders,
)
from crisislens.encoders.vilt import DEFAULT_CHECKPOINT, ViltJoint, load_vilt
from crisislens.nn.joint import JointEncoder, JointStates
from crisislens.nn.rationale_head import word_states
from crisislens.nn.word_owners import WindowBatch

__all__ = [
    "TOWERS",
    "CompactTower",
    "JointTower",
    "Photos",
    "TowerSpec",
    "TowerStates",
    "ViltTower",
    "build_tower",
    "painted",
]


class TowerSpec(Config):
    """Which joint transformer."""

    name: str = "compact"
    """A name in `TOWERS`."""
    encoder: EncoderSpec = EncoderSpec()
    """Of `compact`: the encoders below it. Of `vilt`: those of the analysis beside it (duplicates,
    places).
    """
    width: int = Field(default=128, gt=0)
    """Of `compact`: the width inside."""
    layers: int = Field(default=2, gt=0)
    """Of `compact`: blocks over words and patches."""
    heads: int = Field(default=4, gt=0)
    """Of `compact`: heads of their attention."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of `compact`: dropout of its inlets."""
    checkpoint: str = DEFAULT_CHECKPOINT
    """Of `vilt`: a hub name or a local folder."""
    revision: str | None = None
    """Of `vilt`: the revision on the hub."""


class Photos(NamedTuple):
    """The photos of b posts.

    Attributes:
        images: Preprocessed photos of those posts that have one, in the posts' order.
        seen: Which posts have one.
        keep: Which patches may be looked at; all False where there is no photo.
    """

    images: Float[Tensor, "n 3 s s"]
    seen: Bool[Tensor, " b"]
    keep: Bool[Tensor, "b p"]


class TowerStates(NamedTuple):
    """What a tower makes of b posts.

    Attributes:
        mixed: States that have seen the whole post; its text states are of words, and its pooled
            vector is what is classified.
        aligned: States whose cosines the transport takes; of ViLT the mixed ones.
    """

    mixed: JointStates
    aligned: JointStates


def painted(
    images: Float[Tensor, "n 3 s s"], keep: Bool[Tensor, "n p"], grid: int
) -> Float[Tensor, "n 3 s s"]:
    """Photos in which all patches but those that are kept are 0, the encoder's mean color.

    Arguments:
        images: Preprocessed photos.
        keep: True where a patch stays, row by row from the top left.
        grid: Patches along a side.
    """
    shape = (len(images), 1, grid, grid)
    # not the photo's own mean color: that would tell something of the patches that are taken away
    mask = functional.interpolate(keep.to(images.dtype).reshape(shape), size=images.shape[-2:])
    return images * mask


class JointTower(nn.Module, ABC):
    """A joint transformer of words and patches.

    Attributes:
        encoder: What may be trained by low-rank differences: the text encoder, or ViLT.
        width: Components of a state.
        grid: Patches along a side of a photo.
        side_px: Pixels along a side of a preprocessed photo.
        max_tokens: Tokens that are read of a text.
        pad_id: The id that batches are padded with.
        pair: The encoders of the analysis beside it, those of `compact` included.
    """

    encoder: nn.Module
    width: int
    grid: int
    side_px: int
    max_tokens: int
    pad_id: int
    pair: EncoderPair

    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits over what was loaded: weights, tokenizer and preprocessing."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into tokens, each text by itself."""

    @abstractmethod
    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Decoded pixels (RGB) into what `Photos` holds."""

    @abstractmethod
    def forward(self, words: WindowBatch, photos: Photos) -> TowerStates:
        """States of b posts; differentiable in what is trained."""

    def no_photos(self, posts: int) -> Photos:
        """The photos of posts that have none."""
        return Photos(
            torch.zeros(0, 3, self.side_px, self.side_px),
            torch.zeros(posts, dtype=torch.bool),
            torch.zeros(posts, self.grid**2, dtype=torch.bool),
        )

    def photos(self, images: Sequence[Float[Tensor, "3 s s"] | None]) -> Photos:
        """The photos of posts, each with all of its patches."""
        there = [x for x in images if x is not None]
        if not there:
            return self.no_photos(len(images))
        seen = torch.tensor([x is not None for x in images])
        return Photos(torch.stack(there), seen, seen[:, None].expand(-1, self.grid**2).clone())


class CompactTower(JointTower):
    """A small joint transformer over the states of two encoders.

    Arguments:
        pair: The encoders; the text encoder may be adapted, the image encoder stays as it is.
        spec: Its sizes.
    """

    def __init__(self, pair: EncoderPair, spec: TowerSpec) -> None:
        super().__init__()
        self.pair = pair
        self.encoder: TextEncoder = pair.text
        self.image = pair.image
        freeze(self.image)
        self.joint = JointEncoder(
            text_width=pair.text.width,
            image_width=pair.image.width,
            width=spec.width,
            layers=spec.layers,
            heads=spec.heads,
            dropout=spec.dropout,
        )
        self.width, self.grid = spec.width, round(pair.image.patches**0.5)
        self.side_px = pair.image.preprocess(np.zeros((8, 8, 3), np.uint8)).shape[-1]
        self.max_tokens, self.pad_id = pair.text.max_tokens, pair.text.pad_id

    def fingerprint(self) -> str:
        return self.pair.fingerprint()

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        return self.encoder.tokenize(texts)

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        return self.image.preprocess(pixels)

    def forward(self, words: WindowBatch, photos: Photos) -> TowerStates:
        tokens, _ = self.encoder(words.ids, words.mask)
        text = word_states(tokens, words.owner, words.words.shape[1])
        aligned = self.joint.aligned(text, words.words, self._patches(photos), photos.keep)
        return TowerStates(self.joint.mix(aligned), aligned)

    @torch.no_grad()
    def _patches(self, photos: Photos) -> Float[Tensor, "b p d"]:
        """Patch states, zeros where a post has no photo."""
        posts, patches = photos.keep.shape
        states = photos.images.new_zeros(posts, patches, self.image.width)
        rows = photos.seen.nonzero()[:, 0].tolist()
        visible = painted(photos.images, photos.keep[photos.seen], self.grid)
        self.image.eval()
        for row, image in zip(rows, visible, strict=True):
            # alone: a convolution over several photos may round otherwise than over one
            states[row] = self.image(image[None])[0][0]
        return states


class ViltTower(JointTower):
    """ViLT as the tower; what of it is trained decides who trains.

    Arguments:
        vilt: The loaded checkpoint.
        pair: The encoders of the analysis beside it.
    """

    def __init__(self, vilt: ViltJoint, pair: EncoderPair) -> None:
        super().__init__()
        # called as that of `compact` is, so that one recipe trains either
        self.encoder: ViltJoint = vilt
        self.pair = pair
        self.width, self.grid, self.side_px = vilt.width, vilt.grid, vilt.side_px
        self.max_tokens, self.pad_id = vilt.max_tokens, vilt.pad_id

    def fingerprint(self) -> str:
        return self.encoder.fingerprint()

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        return self.encoder.tokenize(list(texts))

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        return self.encoder.preprocess(pixels)

    def forward(self, words: WindowBatch, photos: Photos) -> TowerStates:
        images = photos.images.new_zeros(len(words), *photos.images.shape[1:])
        images[photos.seen] = painted(photos.images, photos.keep[photos.seen], self.grid)
        states = self.encoder(words.ids, words.mask, images, photos.keep)
        text = word_states(states.text, words.owner, words.words.shape[1])
        mixed = states._replace(text=text, text_mask=words.words)
        return TowerStates(mixed, mixed)


TOWERS: Registry[Callable[[TowerSpec], JointTower]] = Registry("joint transformer")


@TOWERS.register("compact")
def _compact(spec: TowerSpec) -> JointTower:
    return CompactTower(load_encoders(spec.encoder), spec)


@TOWERS.register("vilt")
def _vilt(spec: TowerSpec) -> JointTower:
    return ViltTower(load_vilt(spec.checkpoint, revision=spec.revision), load_encoders(spec.encoder))


def build_tower(spec: TowerSpec) -> JointTower:
    """The tower of a specification.

    Raises:
        NotRegisteredError: If there is none of that name.
        ModelError: If a checkpoint cannot be had.
    """
    return TOWERS[spec.name](spec)
