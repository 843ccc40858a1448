r"""Both encoders in the graph: token ids and pixels in, logits out, gradients into whatever is
trained.

$$\ell = f_\theta\big(E_T(x_T; \phi_T),\ E_I(x_I; \phi_I)\big), \qquad \theta, \phi_T, \phi_I \text{ learned
together}.$$

So are the DenseNet and ELECTRA rows of Munia et al., 2025, https://arxiv.org/abs/2507.05165, Table
2, trained. Where only the pictures' encoder is trained, texts come from the cache. Photos are
decoded anew for every batch, in a few threads, since a data set of pixels does not fit in memory;
the authors' flips and crops are left out (their crops are random in the test as well).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crisislens.core.errors import ImageError
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.post import ImageRef
from crisislens.encoders.base import ImageEncoder, TokenizedText, pad_ids
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.training.inputs import CachedInputs, GraphBatch

__all__ = ["GraphInputs", "GraphNetwork", "PixelSource"]

_THREADS = 2


class PixelSource:
    """Photos of posts, decoded when they are asked for.

    Arguments:
        refs: Per post its photo, if any.
        root: The folder of the photos.
        limits: Within which they are decoded; one that cannot be is missing.
        encoder: What prepares them.
    """

    def __init__(
        self, refs: Sequence[ImageRef | None], root: Path, limits: ImageLimits, encoder: ImageEncoder
    ) -> None:
        self.refs, self.root, self.limits, self.encoder = list(refs), root, limits, encoder
        # asked for, since a batch without a single photo needs it, too
        self.shape = tuple(encoder.preprocess(np.zeros((16, 16, 3), np.uint8)).shape)

    def batch(self, rows: Sequence[int]) -> tuple[Float[Tensor, "b 3 s s"], Bool[Tensor, " b"]]:
        """The photos at these positions and which of them there are."""
        # decoding lets other threads run, so threads do it and no processes, which would copy the
        # encoder
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(self._one, rows))
        pixels = torch.stack([torch.zeros(self.shape) if x is None else x for x in found])
        return pixels, torch.tensor([x is not None for x in found])

    def _one(self, row: int) -> Float[Tensor, "3 s s"] | None:
        ref = self.refs[row]
        if ref is None:
            return None
        try:
            return self.encoder.preprocess(decode_image(resolve_image(ref, self.root), self.limits).pixels)
        except ImageError:
            return None


class GraphInputs:
    """Posts for training with the pictures' encoder in the graph.

    Arguments:
        features: Cached features of what is not trained.
        pixels: The photos.
        tokens: The texts, tokenized, where their encoder is trained too.
        pad_id: What batches of ids are padded with.
    """

    def __init__(
        self, features: CachedInputs, pixels: PixelSource, tokens: Sequence[TokenizedText] | None, pad_id: int
    ) -> None:
        self.features, self.pixels, self.tokens, self.pad_id = features, pixels, tokens, pad_id
        self.lengths: Int[np.ndarray, " s"] = (
            features.lengths if tokens is None else np.array([len(x.ids) for x in tokens], np.int64)
        )

    def batch(self, rows: Int[np.ndarray, " b"]) -> GraphBatch:
        """Pixels, and ids or features of the texts."""
        pixels, seen = self.pixels.batch(rows.tolist())
        text = self.features.batch(rows).text
        if self.tokens is None:
            return GraphBatch(pixels, seen, text)
        chosen = [self.tokens[i] for i in rows.tolist()]
        ids, mask = pad_ids(chosen, self.pad_id)
        return GraphBatch(pixels, seen, text, ids, mask, torch.tensor([x.has_words for x in chosen]))


class GraphNetwork(nn.Module):
    """Encoders in the graph, then a model.

    Arguments:
        encoder: The encoders that are trained, by side: `image`, and `text` where it is.
        model: The model, which sees a `FeatureBatch` as always.
    """

    def __init__(self, encoder: nn.ModuleDict, model: FusionModel) -> None:
        super().__init__()
        self.encoder, self.model = encoder, model

    def forward(self, batch: GraphBatch) -> Float[Tensor, "b c"]:
        """Logits."""
        text = batch.text
        if batch.ids is not None and batch.mask is not None and batch.worded is not None:
            states, pooled = self.encoder["text"](batch.ids, batch.mask)
            text = ModalityBatch(states, batch.mask, pooled, torch.ones_like(batch.worded)).without(
                ~batch.worded
            )
        # zeros go through the encoder as well, and are taken away behind it: one shape for every
        # batch
        cells, pooled = self.encoder["image"](batch.pixels)
        everywhere = torch.ones(cells.shape[:2], dtype=torch.bool, device=cells.device)
        image = ModalityBatch(cells, everywhere, pooled, torch.ones_like(batch.seen)).without(~batch.seen)
        return self.model(FeatureBatch(text=text, image=image))  # type: ignore[no-any-return]
