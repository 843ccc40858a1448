r"""Convolutional and other backbones of timm: a grid of patch states, pooled by its mean or by the
classifier's logits.

With the last feature map $G \in \mathbb{R}^{d \times h \times w}$, patches are its cells row by
row, and

$$z = \tfrac{1}{hw} \textstyle\sum_{xy} G_{xy} \ \ (\texttt{mean}) \qquad \text{or} \qquad z = W
z_{\text{mean}} + b \ \ (\texttt{logits}).$$

The rows with vision "DenseNet" of Munia et al., 2025, https://arxiv.org/abs/2507.05165, Table 2,
use DenseNet-201 (Huang et al., 2017, https://arxiv.org/abs/1608.06993) with its 1,000 ImageNet
**logits** as the image's vector, from torchvision; here timm's `densenet201`, whose weights
`tv_in1k` are the same ones converted. Weights are safetensors from the hub repository `timm/NAME`
or from a local file.

timm is the extra `crisislens[backbones]` (it needs torchvision). It is imported when such an
encoder is built, and not before. Pictures are resized and normalized as the model's own data
configuration says.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.core.hub import hub_allowed
from crisislens.core.optional import require
from crisislens.encoders.base import IMAGE_ENCODERS, EncoderSpec, ImageEncoder, freeze
from crisislens.encoders.checkpoints import advice, digest
from crisislens.encoders.lora import merge_lora, read_lora

__all__ = ["VisionImage", "VisionOptions"]

VisionPool = Literal["logits", "mean"]
_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


class VisionOptions(Config):
    """Options of the image encoder `timm`."""

    model: str = "densenet201"
    """The architecture's name in timm."""
    tag: str = "tv_in1k"
    """Which of its pretrained weights; the hub repository is `timm/MODEL.TAG`."""
    weights: str | None = None
    """A local safetensors file instead of the hub's."""
    pooled: VisionPool = "logits"
    """The pooled vector: the classifier's logits (the authors' code) or the mean of the last
    feature map.
    """
    adapter: str | None = None
    """Path of what an earlier training learned, see `encoders.lora`."""


class VisionImage(ImageEncoder):
    """A backbone of timm.

    Arguments:
        options: Which model, weights and pooling.

    Raises:
        MissingExtraError: If timm is not installed.
        ModelError: If the weights cannot be had or are another model's, or the feature map is no
            grid.
    """

    def __init__(self, options: VisionOptions) -> None:
        super().__init__()
        timm = require("timm", extra="backbones")
        try:
            self.model: Any = timm.create_model(options.model, pretrained=False)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"timm knows no model {options.model!r} ({error}); timm.list_models() names them"
            ) from error
        _fill(self.model, options)
        facts: dict[str, Any] = timm.data.resolve_model_data_config(self.model)
        self.name, self.pooled = options.model, options.pooled
        self.side_px = int(facts["input_size"][-1])
        self._resize_px = round(self.side_px / float(facts.get("crop_pct", 1.0)))
        self._resample = _RESAMPLING.get(str(facts.get("interpolation", "bicubic")), Image.Resampling.BICUBIC)
        self._mean, self._std = (np.array(facts[key], np.float32) for key in ("mean", "std"))
        freeze(self)
        # its sizes are asked of the network itself, since timm does not tell all of them
        with torch.inference_mode():
            grid, pooled = self(torch.zeros(1, 3, self.side_px, self.side_px))
        self.patches, self.width, self.pooled_width = grid.shape[1], grid.shape[2], pooled.shape[1]
        # before an adapter is merged: this is what adapters name as their base
        self.adapts = digest(self.state_dict())
        self._identity: dict[str, object] = {
            "encoder": "timm",
            "model": options.model,
            "weights": self.adapts,
            "pooled": options.pooled,
            "resize_px": self._resize_px,
            "side_px": self.side_px,
            "resample": int(self._resample),
            "mean": self._mean.tolist(),
            "std": self._std.tolist(),
            "adapter": None,
        }
        if options.adapter is not None:
            state = read_lora(Path(options.adapter))
            if state.base != self.adapts:
                raise ModelError(
                    f"{options.adapter} adapts other weights than {options.model}'s here; use the "
                    "encoder that it was trained on"
                )
            merge_lora(self, state)
            self._identity["adapter"] = fingerprint_file(Path(options.adapter))

    def fingerprint(self) -> str:
        """16 hex digits over weights, preprocessing, pooling and adapter."""
        return fingerprint(self._identity)

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Resizes the shorter side, crops the middle and normalizes."""
        image = Image.fromarray(pixels)
        w, h = image.size
        scale = self._resize_px / min(w, h)
        image = image.resize(
            # rounding may leave a side a pixel short of what is cropped
            (max(self.side_px, round(w * scale)), max(self.side_px, round(h * scale))),
            self._resample,
        )
        left, top = (image.width - self.side_px) // 2, (image.height - self.side_px) // 2
        cropped = np.asarray(image.crop((left, top, left + self.side_px, top + self.side_px)), np.float32)
        return rearrange(torch.from_numpy((cropped / 255.0 - self._mean) / self._std), "h w c -> c h w")

    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """The cells of the last feature map, and its mean or the logits."""
        grid: Tensor = self.model.forward_features(images)
        if grid.ndim != 4:
            raise ModelError(
                f"{self.name} gives features of shape {tuple(grid.shape)}, no grid of channels; "
                "take a convolutional model"
            )
        pooled = (
            self.model.forward_head(grid)
            if self.pooled == "logits"
            else reduce(grid, "b d h w -> b d", "mean")
        )
        return rearrange(grid, "b d h w -> b (h w) d"), pooled


@IMAGE_ENCODERS.register("timm")
def build_vision(spec: EncoderSpec) -> VisionImage:
    """DenseNet and the other backbones of timm; needs the extra `backbones`.

    Raises:
        ConfigError: If an option does not fit `VisionOptions`.
        MissingExtraError: If timm is not installed.
        ModelError: If the weights cannot be had.
    """
    return VisionImage(VisionOptions.parse(spec.options, where="encoder timm"))


def _fill(model: Any, options: VisionOptions) -> None:
    """Puts the pretrained weights into a model."""
    name = options.weights or f"timm/{options.model}.{options.tag}"
    try:
        path = Path(options.weights) if options.weights else Path(_fetch(name))
        state = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        if options.weights:
            raise ModelError(
                f"{name} cannot be read as safetensors ({error}); give a safetensors file of {options.model}"
            ) from error
        raise ModelError(
            advice("timm", name, error).replace("option checkpoint", "option weights")
        ) from error
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{name} does not hold the weights of {options.model} ({reason}); name the file or tag "
            "that belongs to it"
        ) from error


def _fetch(repository: str) -> str:
    from huggingface_hub import hf_hub_download

    return hf_hub_download(repository, "model.safetensors", local_files_only=not hub_allowed())
