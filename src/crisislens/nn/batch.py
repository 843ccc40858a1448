"""The one typed record in which posts meet mathematics.

Axis alphabet of the whole project: b posts, t text tokens, p patches, n tokens of any modality, d
width, h heads, c classes, k players, s samples. A batch holds for each modality the token states,
which of them are real, a pooled vector and whether the modality is there.

Rules that every maker keeps and every model may rely on: `mask` is false on padding; where
`present` is false the mask is all false and tokens and pooled are zero; padding stands at the end.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["FeatureBatch", "ModalityBatch"]


@dataclass(frozen=True)
class ModalityBatch:
    """One modality of b posts.

    Attributes:
        tokens: Token or patch states, zeros on padding.
        mask: True where a token is real.
        pooled: One vector a post (its width may differ from the tokens').
        present: True where the post has this modality.
    """

    tokens: Float[Tensor, "b n d"]
    mask: Bool[Tensor, "b n"]
    pooled: Float[Tensor, "b e"]
    present: Bool[Tensor, " b"]

    def __len__(self) -> int:
        return int(self.present.shape[0])

    def select(self, index: Tensor) -> "ModalityBatch":
        """The posts at `index` (indices or a mask over b)."""
        return ModalityBatch(self.tokens[index], self.mask[index], self.pooled[index], self.present[index])

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "ModalityBatch":
        """A copy on a device and in a floating dtype; masks stay boolean."""
        return ModalityBatch(
            self.tokens.to(device=device, dtype=dtype),
            self.mask.to(device),
            self.pooled.to(device=device, dtype=dtype),
            self.present.to(device),
        )

    def without(self, drop: Bool[Tensor, " b"]) -> "ModalityBatch":
        """The same posts with the modality taken away where `drop` is true, exactly as if it had
        never been there.
        """
        # zeros and a false mask, the rules of the record: a model cannot tell hidden from missing
        keep = ~drop
        return ModalityBatch(
            torch.where(keep[:, None, None], self.tokens, 0.0),
            self.mask & keep[:, None],
            torch.where(keep[:, None], self.pooled, 0.0),
            self.present & keep,
        )

    @staticmethod
    def collate(
        tokens: Sequence[Tensor | None], pooled: Sequence[Tensor | None], *, width: int, pooled_width: int
    ) -> "ModalityBatch":
        """Pads posts of different lengths into one batch.

        Arguments:
            tokens: Per post a tensor of shape (n_i, width), or None where the modality is missing.
            pooled: Per post a tensor of shape (pooled_width,), or None.
            width: $d$, needed where every post lacks the modality.
            pooled_width: $e$, likewise.
        """
        b = len(tokens)
        # at least one column, so that attention over an absent modality keeps a legal shape
        n = max([1, *(len(x) for x in tokens if x is not None)])
        batch = ModalityBatch(
            torch.zeros(b, n, width),
            torch.zeros(b, n, dtype=torch.bool),
            torch.zeros(b, pooled_width),
            torch.zeros(b, dtype=torch.bool),
        )
        for i, (x, z) in enumerate(zip(tokens, pooled, strict=True)):
            if x is None or z is None:
                continue
            batch.tokens[i, : len(x)] = x
            batch.mask[i, : len(x)] = True
            batch.pooled[i] = z
            batch.present[i] = True
        return batch


@dataclass(frozen=True)
class FeatureBatch:
    """The features of b posts: text, image and (where a captioner ran) the caption, each a
    `ModalityBatch` of equal b.
    """

    text: ModalityBatch
    image: ModalityBatch
    caption: ModalityBatch | None = None

    def __post_init__(self) -> None:
        # a caption of another batch would otherwise be broadcast without a word
        sizes = {len(m) for m in self.modalities().values()}
        if len(sizes) != 1:
            raise ValueError(f"all modalities must hold the same number of posts, got {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.text)

    def modalities(self) -> dict[str, ModalityBatch]:
        """The modalities that the batch carries, by name."""
        return {f.name: m for f in fields(self) if (m := getattr(self, f.name)) is not None}

    def map(self, **changes: ModalityBatch) -> "FeatureBatch":
        """The same batch with some modalities replaced."""
        return FeatureBatch(**{**self.modalities(), **changes})

    def only(self, given: Collection[str]) -> "FeatureBatch":
        """The same batch with texts and photos taken away where they are not given; captions stay.

        Arguments:
            given: Of `text` and `image`, what a model was trained on.
        """
        everyone = torch.ones(len(self), dtype=torch.bool, device=self.text.present.device)
        hidden = [name for name in ("text", "image") if name not in given]
        return self.map(**{name: self.modalities()[name].without(everyone) for name in hidden})

    def select(self, index: Tensor) -> "FeatureBatch":
        """The posts at `index` (indices or a mask over b)."""
        return FeatureBatch(**{name: m.select(index) for name, m in self.modalities().items()})

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "FeatureBatch":
        """A copy on a device and in a floating dtype."""
        return FeatureBatch(**{name: m.to(device, dtype) for name, m in self.modalities().items()})
