r"""CLIP, any checkpoint in the layout of transformers: states of tokens and patches, pooled before
or after the projection.

$$z_t = P_t\, X^t_{\mathrm{EOS}}, \qquad z_i = P_i \operatorname{LN}(X^i_{\mathrm{CLS}}),$$

with $P$ left out for `pooled: pre_projection`. Token states are those after the last layer norm;
patch states are the last layer's without the class token (CLIP norms the class token alone). The
pooled vectors keep their length: CLIP scales them to 1 in its loss only.

Source: Radford et al., 2021, https://arxiv.org/abs/2103.00020. A checkpoint is a hub name or a
local folder; only safetensors are read, and no code from a hub is ever run. Pictures are resized
and normalized by the checkpoint's own `preprocessor_config.json` (CLIP's values where it has none).
A `<|endoftext|>` that somebody writes is cut like any other word: as the token it would end the text
for the pooled vector, and hide all that follows.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import (
    ENCODERS,
    EncoderPair,
    EncoderSpec,
    ImageEncoder,
    TextEncoder,
    TokenizedText,
    freeze,
    to_bfloat16,
)
from crisislens.encoders.checkpoints import (
    check_finite,
    check_normalization,
    check_vocabulary,
    check_whole,
    checkpoint_errors,
    digest,
    picture_settings,
    recipe,
    source,
)
from crisislens.encoders.tokenizing import tokenize_texts

__all__ = ["ClipImage", "ClipOptions", "ClipText"]

Pooled = Literal["projected", "pre_projection"]
_log = logging.getLogger(__name__)


class ClipOptions(Config):
    """Options of the encoder `clip`."""

    checkpoint: str = "openai/clip-vit-base-patch32"
    """A name on the Hugging Face hub or a local folder."""
    revision: str | None = None
    """A commit of the hub repository; without one, its newest."""
    pooled: Pooled = "projected"
    """Whether pooled vectors are those of the joint space or the ones before the projection."""


@dataclass(frozen=True)
class Checkpoint:
    """What a CLIP checkpoint consists of."""

    model: Any
    tokenizer: Any
    processor: Any


class ClipText(TextEncoder):
    """CLIP's text tower.

    Arguments:
        checkpoint: The loaded checkpoint.
        pooled: Which pooled vector is given.
    """

    def __init__(self, checkpoint: Checkpoint, *, pooled: Pooled = "projected") -> None:
        super().__init__()
        model, config = checkpoint.model, checkpoint.model.config.text_config
        self.name, self.pooled = "CLIP text", pooled
        self.model = model.text_model
        self.projection: nn.Module = model.text_projection if pooled == "projected" else nn.Identity()
        self.width = config.hidden_size
        self.pooled_width = model.config.projection_dim if pooled == "projected" else self.width
        self.max_tokens = config.max_position_embeddings
        self._tokenizer = checkpoint.tokenizer
        # of CLIP's two ways to find the end of a text, one takes the highest id: a pad above the
        # end would be taken for it
        self.pad_id = int(checkpoint.tokenizer.pad_token_id)
        # what decides a result beside the weights, which do not tell it
        facts = {
            k: getattr(config, k)
            for k in ("hidden_act", "layer_norm_eps", "num_attention_heads", "eos_token_id")
        }
        vocabulary = hashlib.sha256(self._tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        self._fingerprint = fingerprint(
            {
                "weights": digest(self.state_dict()),
                "pooled": pooled,
                "tokenizer": vocabulary,
                "special": "split",
                **facts,
            }
        )
        self._precision = "fp32"
        freeze(self)

    def compute_in(self, precision: str) -> None:
        """See `TextEncoder`."""
        if precision != self._precision:
            to_bfloat16(self, self, precision)
            self._precision = precision

    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, pooling and precision."""
        return _named(self._fingerprint, self._precision)

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into byte pairs."""
        return tokenize_texts(self._tokenizer, texts, max_tokens=self.max_tokens, split_special=True)

    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """Token states and the state at the end of the text, projected or not."""
        out = self.model(input_ids=ids.masked_fill(~mask, self.pad_id), attention_mask=mask)
        states = _widened(out.last_hidden_state).masked_fill(~mask[..., None], 0.0)
        return states, _widened(self.projection(out.pooler_output))


class ClipImage(ImageEncoder):
    """CLIP's image tower (a vision transformer).

    Arguments:
        checkpoint: The loaded checkpoint.
        pooled: Which pooled vector is given.

    Raises:
        ModelError: If the checkpoint's preprocessing makes pictures of another size than its
            weights take.
    """

    def __init__(self, checkpoint: Checkpoint, *, pooled: Pooled = "projected") -> None:
        super().__init__()
        model, config = checkpoint.model, checkpoint.model.config.vision_config
        self.name, self.pooled = "CLIP image", pooled
        self.model = model.vision_model
        self.projection: nn.Module = model.visual_projection if pooled == "projected" else nn.Identity()
        self.width = config.hidden_size
        self.pooled_width = model.config.projection_dim if pooled == "projected" else self.width
        self.side_px = config.image_size
        self.patches = (config.image_size // config.patch_size) ** 2
        self._processor = checkpoint.processor
        facts = {
            k: getattr(config, k)
            for k in ("hidden_act", "layer_norm_eps", "num_attention_heads", "patch_size")
        }
        self._fingerprint = fingerprint(
            {
                "weights": digest(self.state_dict()),
                "pooled": pooled,
                **recipe(self._processor),
                **facts,
            }
        )
        # asked once here with an oblong picture: a wrong size would else show on the first post,
        # as an error of torch
        made = self.preprocess(np.zeros((8, 12, 3), np.uint8)).shape
        if made != (3, self.side_px, self.side_px):
            raise ModelError(
                f"the checkpoint prepares pictures of shape {tuple(made)}, its weights take side "
                f"{self.side_px}; "
                "correct size and crop_size in its preprocessor_config.json"
            )
        self._precision = "fp32"
        freeze(self)

    def compute_in(self, precision: str) -> None:
        """See `ImageEncoder`."""
        if precision != self._precision:
            to_bfloat16(self, self, precision)
            self._precision = precision

    def fingerprint(self) -> str:
        """16 hex digits over weights, preprocessing, pooling and precision."""
        return _named(self._fingerprint, self._precision)

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Resizes the shorter side (bicubic), crops the middle and normalizes, as the checkpoint
        says.
        """
        values: Tensor = self._processor(
            images=[pixels], return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        return values[0]

    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """Patch states and the class token's, normed, projected or not."""
        out = self.model(pixel_values=images.to(next(self.model.parameters()).dtype))
        # the first state is the class token, no patch
        return _widened(out.last_hidden_state[:, 1:]), _widened(self.projection(out.pooler_output))


def _widened(states: Tensor) -> Tensor:
    """What was computed in two bytes in single precision; anything else, double too, as it is."""
    return states.float() if states.dtype.itemsize == 2 else states


@ENCODERS.register("clip")
def build_clip(spec: EncoderSpec) -> EncoderPair:
    """CLIP from a checkpoint.

    Raises:
        ConfigError: If an option does not fit `ClipOptions`.
        ModelError: If the checkpoint cannot be had, is damaged or is not one of CLIP.
    """
    options = ClipOptions.parse(spec.options, where="encoder clip")
    # around the towers too: settings of pictures that do not fit together show at the first picture
    with checkpoint_errors("CLIP", options.checkpoint):
        checkpoint = _load(options)
        text = ClipText(checkpoint, pooled=options.pooled)
        image = ClipImage(checkpoint, pooled=options.pooled)
    return EncoderPair(text, image, spec)


def _named(weights: str, precision: str) -> str:
    """A fingerprint that names the precision where it is another one: models know the features of single
    precision without it.
    """
    return weights if precision == "fp32" else fingerprint({"encoder": weights, "precision": precision})


def _load(options: ClipOptions) -> Checkpoint:
    import transformers

    # by their own names: the automatic classes would look for torchvision; as Any: their
    # annotations refuse what they take
    models, tokenizers, processors = (
        cast("Any", kind)
        for kind in (
            transformers.CLIPModel,
            transformers.CLIPTokenizer,
            transformers.CLIPImageProcessorPil,
        )
    )
    name, revision = options.checkpoint, options.revision
    # fp32 whatever the file holds, so that a result does not depend on how it was stored
    model, info = models.from_pretrained(
        name,
        **source(revision),
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    tokenizer = tokenizers.from_pretrained(name, **source(revision))
    check_whole("CLIP", name, info)
    check_finite("CLIP", name, model)
    check_vocabulary("CLIP", name, model.text_model.get_input_embeddings(), tokenizer)
    if picture_settings(name, revision) is not None:
        processor = processors.from_pretrained(name, **source(revision))
    else:
        _log.info("%s has no preprocessor_config.json; taking CLIP's own values", name)
        side_px = model.config.vision_config.image_size
        processor = processors(
            size={"shortest_edge": side_px}, crop_size={"height": side_px, "width": side_px}
        )
    if processor.do_normalize:
        check_normalization(name, processor.image_mean, processor.image_std)
    return Checkpoint(model, tokenizer, processor)
