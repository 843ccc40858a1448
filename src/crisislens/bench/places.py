r"""SG-MFT where its similarities mean something: does guidance help when one modality is noisy?

Two questions on photos with a text, both in one space (`place_space`): `belongs`, whether the text is
of the photo it stands beside, which only the two together can tell; and `place_types`, the kind of
place. A share of each photo's nine regions is replaced by regions of other photos, in training and in
test alike: noise within one modality, which the abstract says coarse guidance reduces. In
`belongs_text` and `place_types_text` it is a share of each text's token states instead, and photos are
whole. `place_posts` has the formula; which states of which others, is the same for all systems.

SG-MFT is our reconstruction (`models.sg_mft`), whole and with each part switched off; beside it
concatenation, late fusion, and concatenation with the product of both means, which is the modality-wise
similarity $S_m = n(\bar T) \odot n(\bar V)$ handed to the classifier without any transformer. Every
square map at a model's entrance starts as the identity, for all systems alike: maps drawn at random
would take texts and photos out of the space that they share.

Source: Zhang et al., 2024, https://arxiv.org/abs/2405.05760, for the question; data, noise and recipe
are OURS. The second version of the abstract no longer claims to handle imbalance, or to be efficient.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.bench.place_posts import SETTINGS, PlacePosts, read_place_posts
from crisislens.bench.place_space import SpaceRecipe
from crisislens.bench.study import Outcome, Study, Trial
from crisislens.encoders.base import EncoderSpec
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.models.parts import Inlet
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths

__all__ = ["Places", "WithProduct"]

_SG: dict[str, object] = {"heads": 4, "layers": 1, "modality_dropout": 0.0}
_MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "sg_mft": ("sg_mft", _SG),
    "no_coarse": ("sg_mft", {**_SG, "coarse": False}),
    "no_fine": ("sg_mft", {**_SG, "fine": False}),
    "no_sim": ("sg_mft", {**_SG, "layers": 0}),
    "no_sfm": ("sg_mft", {**_SG, "fusion": "concat"}),
    "concat": ("concat", {"modality_dropout": 0.0}),
    "late_fusion": ("late_fusion", {"modality_dropout": 0.0}),
    "product": ("", {}),
}
_TITLES = {
    "sg_mft": "SG-MFT (our reconstruction)",
    "no_coarse": "SG-MFT without coarse similarity",
    "no_fine": "SG-MFT without fine similarity",
    "no_sim": "SG-MFT without SIM",
    "no_sfm": "SG-MFT, SFM replaced by concatenation",
    "concat": "concatenation",
    "late_fusion": "late fusion",
    "product": "concatenation and the product of the means",
}


@dataclass(frozen=True)
class Places(Study[PlacePosts]):
    """The study; its fields are the recipe."""

    name = "places"
    title = "Similarity guidance on a shared space: SG-MFT and its parts under noise in one of both"
    axis = "share of the photo's regions, or of the text's tokens, from others"
    settings = tuple(SETTINGS)
    systems = _TITLES
    points = (0.0, 0.4, 0.8)
    metrics = ("accuracy",)
    pairs = tuple(("sg_mft", other) for other in _TITLES if other != "sg_mft")
    margin: float = 0.02

    epochs: int = 6
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    space: SpaceRecipe = field(default_factory=SpaceRecipe)
    encoder: EncoderSpec = field(default_factory=EncoderSpec)

    def terms(self) -> object:
        """All fields; what is encoded is in the materials' fingerprint."""
        numbers = (self.epochs, self.batch, self.learning_rate, self.weight_decay)
        return [1, *numbers, asdict(self.space)]

    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[PlacePosts, str]:
        """Encodes the posts and learns the space."""
        return read_place_posts(setting, data, cache, self.encoder, self.space)

    def run(self, materials: PlacePosts, trial: Trial) -> Outcome:
        """Trains and tests on noised photos, or on noised texts."""
        torch.manual_seed(trial.seed)
        model = self._built(trial.system, materials.classes)
        self._train(model, materials, trial)
        # equal shares noise the test alike in every system and with every seed
        test = materials.noised(trial.at, materials.test, [0, round(100 * trial.at)])
        with torch.inference_mode():
            parts = [
                model(test.batch(rows)).argmax(1)
                for rows in np.array_split(materials.test, max(1, len(materials.test) // 128))
            ]
        right = torch.cat(parts).numpy() == materials.y[materials.test]
        counts = np.bincount(materials.y[materials.test], minlength=materials.classes)
        return Outcome(
            {"accuracy": right},
            {
                "largest class": round(float(counts.max() / counts.sum()), 4),
                "space R@1, R@10": [round(x, 4) for x in materials.space],
                "train": len(materials.train),
                "parameters": sum(p.numel() for p in model.parameters()),
            },
        )

    def _built(self, system: str, classes: int) -> FusionModel:
        width = self.space.width
        widths = FeatureWidths(text=width, text_pooled=width, image=width, image_pooled=width)
        name, options = _MODELS[system]
        if not name:
            return WithProduct(width=width, classes=classes)
        hidden = {"hidden": width} if name == "concat" else {}
        model = ModelSpec.model_validate(
            {"name": name, "options": {"width": width, **hidden, **options}}
        ).build(widths, classes)
        for part in model.modules():
            if isinstance(part, Inlet):
                _as_identity(part)
        return model

    def _train(self, model: FusionModel, materials: PlacePosts, trial: Trial) -> None:
        learned = materials.noised(trial.at, materials.train, [1, trial.seed, round(100 * trial.at)])
        y = torch.from_numpy(materials.y)
        random = np.random.default_rng(trial.seed)
        steps = self.epochs * int(np.ceil(len(materials.train) / self.batch))
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        model.train()
        for _ in range(self.epochs):
            order = random.permutation(materials.train)
            for start in range(0, len(order), self.batch):
                rows = order[start : start + self.batch]
                logits = model(learned.batch(rows))
                loss = functional.cross_entropy(logits, y[rows], label_smoothing=0.05)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
        model.eval()


class WithProduct(FusionModel):
    """Both means and their product into a small classifier; the simplest system that has $S_m$.

    Arguments:
        width: The width of the shared space.
        classes: The number of classes c.
        dropout: Of the hidden layer.
    """

    def __init__(self, *, width: int, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.head = nn.Sequential(
            nn.Linear(3 * width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, classes)
        )

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from both means and their product."""
        text, photo = self.norm(_mean(batch.text)), self.norm(_mean(batch.image))
        logits: Tensor = self.head(torch.cat([text, photo, text * photo], 1))
        return logits


def _mean(x: ModalityBatch) -> Float[Tensor, "b d"]:
    return x.tokens.sum(1) / x.mask.sum(1, keepdim=True).clamp(min=1)


def _as_identity(part: Inlet) -> None:
    linear = part.map[1]
    assert isinstance(linear, nn.Linear)
    if linear.in_features == linear.out_features:
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
