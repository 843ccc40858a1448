"""A stand-in of the package timm, which cannot be imported where torchvision has no build: one tiny network
with norms.
"""

from types import ModuleType

import torch
from torch import Tensor, nn


class TinyDense(nn.Module):
    """16 × 16 pixels to a grid of 2 × 2 with 6 channels, then 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.classifier = nn.Conv2d(3, 6, 8, 8), nn.BatchNorm2d(6), nn.Linear(6, 10)

    def forward_features(self, images: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(images)))

    def forward_head(self, grid: Tensor) -> Tensor:
        out: Tensor = self.classifier(grid.mean((2, 3)))
        return out

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


def stand_in() -> ModuleType:
    """What `encoders.timm_backbones` uses of timm."""

    def create_model(name: str, *, pretrained: bool) -> nn.Module:
        assert not pretrained
        if name != "densenet201":
            raise RuntimeError(f"Unknown model ({name})")
        return TinyDense()

    timm = ModuleType("timm")
    data = ModuleType("timm.data")
    facts = {
        "input_size": (3, 16, 16),
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.3, 0.4),
        "crop_pct": 0.875,
        "interpolation": "bicubic",
    }
    data.resolve_model_data_config = lambda model: facts  # type: ignore[attr-defined]
    timm.create_model, timm.data = create_model, data  # type: ignore[attr-defined]
    return timm
