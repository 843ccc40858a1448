r"""Image encoders to be trained inside the graph: ViT and ResNet checkpoints, beside the compact
one from its package.

Pixels $x \in \mathbb{R}^{3 \times s \times s}$ into patches $V \in \mathbb{R}^{p \times d}$: a
ViT's tokens without the class token (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929), a
ResNet's last map row by row (He et al., 2016, https://arxiv.org/abs/1512.03385); pooled is the
class token, or the mean. A checkpoint is a hub name or a local folder in the layout of
transformers; only safetensors are read. Pictures are squeezed into the checkpoint's square, as the
compact encoder does it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import ImageEncoder, freeze
from crisislens.encoders.checkpoints import (
    automatic_model,
    check_finite,
    check_normalization,
    check_whole,
    checkpoint_errors,
    digest,
    hub_closed,
    picture_settings,
)
from crisislens.encoders.compact import EfficientNetImage

__all__ = ["CheckpointImage", "VisionSpec", "load_vision"]

_PACKAGED = "efficientnet-lite2"
_RESNET_SIDE_PX = 224


class VisionSpec(Config):
    """Which image encoder."""

    checkpoint: str = _PACKAGED
    """`efficientnet-lite2` (from its Python package), a hub name such as
    `google/vit-base-patch32-224-in21k` or `microsoft/resnet-152`, or a local folder.
    """
    revision: str | None = None
    """A commit of the hub repository; without one, its newest."""


class CheckpointImage(ImageEncoder):
    """A ViT or ResNet of transformers.

    Arguments:
        name: For reports.
        model: The model without its classifier.
        mean: Mean of each color channel, of pixels in [0, 1].
        std: Standard deviation likewise.
    """

    def __init__(self, *, name: str, model: Any, mean: list[float], std: list[float]) -> None:
        super().__init__()
        config = model.config
        self.name, self.model, self.is_vit = name, model, config.model_type == "vit"
        self.width = self.pooled_width = int(config.hidden_size if self.is_vit else config.hidden_sizes[-1])
        self.side_px = int(config.image_size) if self.is_vit else _RESNET_SIDE_PX
        self.patches = (
            (self.side_px // int(config.patch_size)) ** 2 if self.is_vit else (self.side_px // 32) ** 2
        )
        self._mean, self._std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        self._base = digest(model.state_dict())
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over weights and preprocessing."""
        return fingerprint(
            {
                "weights": self._base,
                "mean": self._mean.tolist(),
                "std": self._std.tolist(),
                "side_px": self.side_px,
            }
        )

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Squeezed into the square (bicubic) and normalized."""
        side = (self.side_px, self.side_px)
        small = np.asarray(Image.fromarray(pixels).resize(side, Image.Resampling.BICUBIC), np.float32) / 255
        return rearrange(torch.from_numpy((small - self._mean) / self._std), "h w c -> c h w")

    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """Patches row by row from the top left, and the class token or the mean."""
        states: Tensor = self.model(pixel_values=images).last_hidden_state
        if self.is_vit:
            return states[:, 1:], states[:, 0]
        patches = rearrange(states, "b d h w -> b (h w) d")
        return patches, patches.mean(1)


@hub_closed()
def load_vision(spec: VisionSpec) -> ImageEncoder:
    """An image encoder, frozen and in evaluation mode.

    Raises:
        ModelError: If its weights are missing in whole or in part, damaged, not safetensors, or of
            another kind.
    """
    if spec.checkpoint == _PACKAGED:
        return EfficientNetImage()
    with checkpoint_errors(
        "ViT or ResNet",
        spec.checkpoint,
        parts="model.safetensors and config.json",
        instead=", or take efficientnet-lite2, which comes with the package",
    ):
        model, info = automatic_model(spec.checkpoint, spec.revision)
        settings = picture_settings(spec.checkpoint, spec.revision)
    if model.config.model_type not in {"vit", "resnet"}:
        raise ModelError(
            f"image encoder {spec.checkpoint} is a {model.config.model_type}; name a ViT or a ResNet"
        )
    check_whole(str(model.config.model_type), spec.checkpoint, info, spare=("pooler.",))
    check_finite(str(model.config.model_type), spec.checkpoint, model)
    config = model.config
    if config.model_type == "vit" and not all(
        isinstance(x, int) for x in (config.image_size, config.patch_size)
    ):
        raise ModelError(
            f"image encoder {spec.checkpoint} cuts pictures of size {config.image_size} into patches of size "
            f"{config.patch_size}; name one where both are one number, the side of a square"
        )
    mean, std = _normalization(spec.checkpoint, settings or {})
    if getattr(model, "pooler", None) is not None and model.config.model_type == "vit":
        model.pooler = None
    return CheckpointImage(name=Path(spec.checkpoint).name, model=model, mean=mean, std=std)


def _normalization(name: str, settings: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """What is taken from each color channel, and what it is divided by."""
    if not settings.get("do_normalize", True):
        return [0.0] * 3, [1.0] * 3
    mean, std = settings.get("image_mean", [0.5] * 3), settings.get("image_std", [0.5] * 3)
    return check_normalization(name, mean, std)
