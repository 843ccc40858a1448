r"""ViLT, any checkpoint in the layout of transformers: tokens of a text and patches of a picture in
one transformer.

$$[e^t_0, e^t_1 \dots e^t_n;\ e^i_0, e^i_1 \dots e^i_p] = \operatorname{ViLT}(\text{ids}, \text{pixels}),
\qquad
  z = \tanh(W e^t_0 + b).$$

Source: Kim et al., ViLT, ICML 2021, https://arxiv.org/abs/2102.03334; the encoder of arXiv
2603.18611 (`dandelin/vilt-b32-mlm`). A checkpoint is a hub name or a local folder; only safetensors
are read, and no code from a hub is ever run. Where a checkpoint has no pooler, the state $e^t_0$ of
the first token is the pooled vector.

Where we differ: pictures are squeezed into a square of the checkpoint's side (384 px: 12 × 12
patches), so that all patches are real and stand in one order; transformers' own model keeps the
sides' ratio, pads to a batch's largest picture, and samples and shuffles patches.
"""

import hashlib
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import TokenizedText, freeze
from crisislens.encoders.checkpoints import (
    check_finite,
    check_vocabulary,
    checkpoint_errors,
    digest,
    hub_closed,
    source,
)
from crisislens.encoders.tokenizing import tokenize_texts
from crisislens.nn.joint import JointStates

__all__ = ["ViltJoint", "load_vilt"]

DEFAULT_CHECKPOINT = "dandelin/vilt-b32-mlm"


class ViltJoint(nn.Module):
    """ViLT as a joint encoder of texts and pictures.

    Arguments:
        model: A `transformers.ViltModel`.
        tokenizer: Its tokenizer.
        mean: Mean of the pixels in [0, 1] that the checkpoint expects, by channel.
        std: Standard deviation, likewise.
        pooler: Whether the checkpoint has a trained pooler.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        pooler: bool = True,
    ) -> None:
        super().__init__()
        self.model, self._tokenizer, self.pooler = model, tokenizer, pooler
        config = model.config
        self.width, self.side_px, self.max_tokens = (
            config.hidden_size,
            config.image_size,
            config.max_position_embeddings,
        )
        self.grid = config.image_size // config.patch_size
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self.mask_id = int(
            tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
        )
        self._mean, self._std = (np.asarray(x, np.float32) for x in (mean, std))
        freeze(self)
        # now: training changes weights, low-rank maps their names, and the first text the tokenizer's state,
        # and a trained model must still know what it was loaded over
        self._loaded = self._as_it_is()

    def fingerprint(self) -> str:
        """16 hex digits over weights as loaded, tokenizer and preprocessing."""
        return self._loaded

    def _as_it_is(self) -> str:
        vocabulary = hashlib.sha256(self._tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        facts: dict[str, object] = {
            "mean": self._mean.tolist(),
            "std": self._std.tolist(),
            "pooler": self.pooler,
            "special": "split",
        }
        return fingerprint({"weights": digest(self.state_dict()), "tokenizer": vocabulary, **facts})

    def tokenize(self, texts: list[str]) -> list[TokenizedText]:
        """Cuts texts into word pieces, each text by itself; a special piece that somebody wrote is a word."""
        return tokenize_texts(self._tokenizer, texts, max_tokens=self.max_tokens, split_special=True)

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Squeezes a picture into the square and normalizes it."""
        resized = np.asarray(
            Image.fromarray(pixels).resize((self.side_px, self.side_px), Image.Resampling.BICUBIC),
            np.float32,
        )
        return torch.from_numpy(((resized / 255 - self._mean) / self._std).transpose(2, 0, 1).copy())

    def forward(
        self,
        ids: Int[Tensor, "b t"],
        mask: Bool[Tensor, "b t"],
        images: Float[Tensor, "b 3 s s"],
        keep: Bool[Tensor, "b p"] | None = None,
    ) -> JointStates:
        """Joint states; differentiable.

        Arguments:
            ids: Token ids, padded at the end.
            mask: True where a token is real.
            images: Preprocessed pictures.
            keep: Patches that are looked at; all where None (hard dropping of patches, row by row
                from the top left).
        """
        embeddings = self.model.embeddings
        text = embeddings.text_embeddings(input_ids=ids)
        text = text + embeddings.token_type_embeddings(torch.zeros_like(ids))
        image = self._patches(images)
        image = image + embeddings.token_type_embeddings(
            torch.ones(image.shape[:2], dtype=torch.long, device=image.device)
        )
        kept = (
            torch.ones(image.shape[0], image.shape[1] - 1, dtype=torch.bool, device=image.device)
            if keep is None
            else keep
        )
        seen = torch.cat([mask, kept.new_ones(len(kept), 1), kept], dim=1)
        bias = torch.where(seen, 0.0, torch.finfo(text.dtype).min)[:, None, None, :]
        x = torch.cat([text, image], dim=1)
        for layer in self.model.encoder.layer:
            out = layer(x, attention_mask=bias)
            x = out[0] if isinstance(out, tuple) else out
        x = self.model.layernorm(x)
        t = ids.shape[1]
        pooled = self.model.pooler(x) if self.pooler else x[:, 0]
        return JointStates(x[:, :t] * mask[..., None], mask, x[:, t + 1 :] * kept[..., None], kept, pooled)

    def _patches(self, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b q d"]:
        """The class token and all patches in their order, with positions."""
        e = self.model.embeddings
        x = e.patch_embeddings(images).flatten(2).transpose(1, 2)
        x = torch.cat([e.cls_token.expand(len(x), -1, -1), x], dim=1) + e.position_embeddings
        y: Tensor = e.dropout(x)
        return y


@hub_closed()
def load_vilt(checkpoint: str = DEFAULT_CHECKPOINT, *, revision: str | None = None) -> ViltJoint:
    """ViLT from a hub name or a local folder, frozen and in evaluation mode.

    Raises:
        ModelError: If the checkpoint cannot be had, is damaged or is not one of ViLT.
    """
    # around the encoder too, which asks the settings for its sizes
    with checkpoint_errors("ViLT", checkpoint):
        return _load(checkpoint, revision)


def _load(checkpoint: str, revision: str | None) -> ViltJoint:
    import transformers

    models, tokenizers = (
        cast("Any", transformers.ViltModel),
        cast("Any", transformers.BertTokenizer),
    )
    model, info = models.from_pretrained(
        checkpoint,
        **source(revision),
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
        attn_implementation="eager",
    )
    tokenizer = tokenizers.from_pretrained(checkpoint, **source(revision))
    missing = sorted(map(str, info["missing_keys"]))
    if other := [name for name in missing if not name.startswith("pooler.")]:
        raise ModelError(
            f"{checkpoint} lacks {len(other)} tensors of ViLT, such as {other[0]}; name a whole "
            "ViLT checkpoint"
        )
    check_finite("ViLT", checkpoint, model)
    check_vocabulary("ViLT", checkpoint, model.get_input_embeddings(), tokenizer)
    # the value of every published ViLT checkpoint
    half = (0.5, 0.5, 0.5)
    return ViltJoint(model, tokenizer, mean=half, std=half, pooler=not missing)
