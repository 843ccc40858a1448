"""Batches and options with which every registered model is tested; a registered model without options here
fails the test.
"""

import torch

from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths

WIDTHS = FeatureWidths(text=12, text_pooled=10, image=14, image_pooled=14)
CLASSES = 3
SMALL = {"width": 16, "dropout": 0.0}
OPTIONS: dict[str, dict[str, object]] = {
    "text_only": SMALL,
    "text_linear": {},
    "image_only": SMALL,
    "bounded_fusion": {"dropout": 0.0, "modality_dropout": 0.0},
    "concat": {**SMALL, "hidden": 8, "modality_dropout": 0.0},
    "late_fusion": {**SMALL, "hidden": 8, "modality_dropout": 0.0},
    "guided": {**SMALL, "heads": 2, "modality_dropout": 0.0},
    "guided_differential": {**SMALL, "heads": 2, "layers": 2, "modality_dropout": 0.0},
    "sg_mft": {**SMALL, "heads": 2, "layers": 2, "modality_dropout": 0.0},
    "correlation_fusion": {**SMALL, "heads": 2, "layers": 2, "modality_dropout": 0.0},
    "cross_transformer": {**SMALL, "heads": 2, "layers": 2, "modality_dropout": 0.0},
    "joint": {**SMALL, "heads": 2, "hidden": 8, "modality_dropout": 0.0},
    "guided_self": {**SMALL, "heads": 2, "modality_dropout": 0.0, "captions": True},
    "cross_attention": {**SMALL, "heads": 2, "modality_dropout": 0.0},
    "cross_differential": {**SMALL, "heads": 2, "modality_dropout": 0.0, "captions": True},
    "token_differential": {**SMALL, "heads": 2, "layers": 2, "modality_dropout": 0.0},
    "gated_late_fusion": {**SMALL, "hidden": 8, "modality_dropout": 0.0},
    **{
        name: {"as_published": True}
        for name in (
            "guided_published",
            "guided_differential_published",
            "vector_guided_published",
            "vector_cross_published",
            "vector_guided_self_published",
            "vector_cross_differential_published",
            "vector_guided_differential_published",
        )
    },
}
# models that read captions only where asked, asked
WITH_CAPTIONS: dict[str, dict[str, object]] = {
    name: {**OPTIONS[name], "captions": True} for name in ("guided", "guided_differential", "cross_attention")
}
PUBLISHED = {name for name in OPTIONS if name.endswith("_published")}


def build(name: str, seed: int = 0, options: dict[str, object] | None = None) -> FusionModel:
    """A small model in fp64, so that tolerances speak of the formula and not of rounding."""
    torch.manual_seed(seed)
    return ModelSpec(name=name, options=options or OPTIONS[name]).build(WIDTHS, CLASSES).double()  # type: ignore[arg-type]


def modality(lengths: list[int], width: int, pooled: int, seed: int) -> ModalityBatch:
    """Posts with the given numbers of tokens; 0 means that the modality is missing."""
    g = torch.Generator().manual_seed(seed)
    rows = [torch.randn(n, width, generator=g) if n else None for n in lengths]
    vectors = [torch.randn(pooled, generator=g) if n else None for n in lengths]
    return ModalityBatch.collate(rows, vectors, width=width, pooled_width=pooled).to(dtype=torch.float64)


def posts(
    text: tuple[int, ...] = (5, 3, 0, 1, 0),
    image: tuple[int, ...] = (4, 0, 4, 4, 0),
    caption: tuple[int, ...] = (6, 0, 2, 0, 0),
) -> FeatureBatch:
    """Posts with both, text only, image only, one token, and nothing; two of them have a caption."""
    return FeatureBatch(
        text=modality(list(text), WIDTHS.text, WIDTHS.text_pooled, 1),
        image=modality(list(image), WIDTHS.image, WIDTHS.image_pooled, 2),
        caption=modality([*caption, *[0] * len(text)][: len(text)], WIDTHS.text, WIDTHS.text_pooled, 3),
    )


def padded(batch: FeatureBatch, extra: int, junk: float) -> FeatureBatch:
    """The same posts with more padding, filled with junk that no model may see."""

    def pad(m: ModalityBatch) -> ModalityBatch:
        more = torch.full((len(m), extra, m.tokens.shape[2]), junk, dtype=m.tokens.dtype)
        tokens = torch.where(m.mask[..., None], m.tokens, junk)
        return ModalityBatch(
            torch.cat([tokens, more], 1),
            torch.cat([m.mask, torch.zeros(len(m), extra, dtype=torch.bool)], 1),
            m.pooled,
            m.present,
        )

    return FeatureBatch(**{name: pad(m) for name, m in batch.modalities().items()})
