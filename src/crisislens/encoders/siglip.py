r"""SigLIP and SigLIP 2 (fixed resolution), any checkpoint in the layout of transformers.

$$z_t = P_t\, X^t_{\text{last}}, \qquad z_i = \operatorname{AttentionPool}(X^i).$$

Source: Zhai et al., 2023, https://arxiv.org/abs/2303.15343. SigLIP was trained on texts padded to a
fixed length, without a mask, and its pooled text vector is the state at the last place, which for
most texts is padding. So `forward` pads every batch to that length itself, with the checkpoint's
own pad token: a batch's padding then changes nothing, and every text costs what 64 tokens do. Token
states are those of the real tokens. A special token that somebody writes into a text is cut like any
other word. Only safetensors are read, and no code from a hub is run.
"""

import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

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

__all__ = ["SiglipImage", "SiglipOptions", "SiglipText"]

_log = logging.getLogger(__name__)


class SiglipOptions(Config):
    """Options of the encoder `siglip`."""

    checkpoint: str = "google/siglip-base-patch16-224"
    """A name on the Hugging Face hub or a local folder."""
    revision: str | None = None
    """A commit of the hub repository; without one, its newest."""


class SiglipText(TextEncoder):
    """SigLIP's text tower.

    Arguments:
        model: The loaded model.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        config = model.config.text_config
        self.name = "SigLIP text"
        self.model, self._tokenizer = model.text_model, tokenizer
        self.width, self.pooled_width = config.hidden_size, config.projection_size
        self.max_tokens = config.max_position_embeddings
        self.pad_id = int(tokenizer.pad_token_id)
        facts = {k: getattr(config, k) for k in ("hidden_act", "layer_norm_eps", "num_attention_heads")}
        self._fingerprint = fingerprint(
            {
                "weights": digest(self.state_dict()),
                "tokenizer": fingerprint(tokenizer.backend_tokenizer.to_str()),
                "pad": self.pad_id,
                "special": "split",
                **facts,
            }
        )
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over weights and tokenizer."""
        return self._fingerprint

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into pieces."""
        found = tokenize_texts(self._tokenizer, texts, max_tokens=self.max_tokens, split_special=True)
        # an empty text has no token in some vocabularies; it is one pad then, and has no words
        pad = (self.pad_id,), ((0, 0),)
        return [x if x.ids else TokenizedText(*pad, x.truncated) for x in found]

    def forward(
        self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b e"]]:
        """States of the real tokens and the pooled vector, both among the padding that SigLIP was
        trained with.
        """
        # SigLIP was trained on texts padded to its full length without a mask, and pools at the
        # last place: a shorter batch would pool at another
        t = ids.shape[1]
        full = functional.pad(
            ids.masked_fill(~mask, self.pad_id), (0, self.max_tokens - t), value=self.pad_id
        )
        out = self.model(input_ids=full)
        return out.last_hidden_state[:, :t].masked_fill(~mask[..., None], 0.0), out.pooler_output


class SiglipImage(ImageEncoder):
    """SigLIP's image tower.

    Arguments:
        model: The loaded model.
        processor: Its picture processor.

    Raises:
        ModelError: If the checkpoint's preprocessing makes pictures of another size than its
            weights take.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__()
        config = model.config.vision_config
        self.name = "SigLIP image"
        self.model, self._processor = model.vision_model, processor
        self.width = self.pooled_width = config.hidden_size
        self.side_px = config.image_size
        self.patches = (config.image_size // config.patch_size) ** 2
        facts = {
            k: getattr(config, k)
            for k in ("hidden_act", "layer_norm_eps", "num_attention_heads", "patch_size")
        }
        self._fingerprint = fingerprint({"weights": digest(self.state_dict()), **recipe(processor), **facts})
        # asked once here with an oblong picture: a wrong size would else show on the first post,
        # as an error of torch
        made = self.preprocess(np.zeros((8, 12, 3), np.uint8)).shape
        if made != (3, self.side_px, self.side_px):
            raise ModelError(
                f"the checkpoint prepares pictures of shape {tuple(made)}, its weights take side "
                f"{self.side_px}; "
                "correct size in its preprocessor_config.json"
            )
        freeze(self)

    def fingerprint(self) -> str:
        """16 hex digits over weights and preprocessing."""
        return self._fingerprint

    def preprocess(self, pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 s s"]:
        """Squeezes the picture into the square and normalizes, as the checkpoint says."""
        values: Tensor = self._processor(
            images=[pixels], return_tensors="pt", input_data_format="channels_last"
        )["pixel_values"]
        return values[0]

    def forward(
        self, images: Float[Tensor, "b 3 s s"]
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b e"]]:
        """Patch states after the last norm and the attention-pooled vector."""
        out = self.model(pixel_values=images)
        return out.last_hidden_state, out.pooler_output


@ENCODERS.register("siglip")
def build_siglip(spec: EncoderSpec) -> EncoderPair:
    """SigLIP from a checkpoint.

    Raises:
        ConfigError: If an option does not fit `SiglipOptions`.
        ModelError: If the checkpoint cannot be had, is damaged or is not one of SigLIP.
    """
    options = SiglipOptions.parse(spec.options, where="encoder siglip")
    # around the towers too: settings of pictures that do not fit together show at the first picture
    with checkpoint_errors("SigLIP", options.checkpoint):
        model, tokenizer, processor = _load(options)
        text, image = SiglipText(model, tokenizer), SiglipImage(model, processor)
    return EncoderPair(text, image, spec)


def _load(options: SiglipOptions) -> tuple[Any, Any, Any]:
    import transformers

    models, tokenizers, processors = (
        cast("Any", kind)
        for kind in (
            transformers.SiglipModel,
            transformers.AutoTokenizer,
            transformers.SiglipImageProcessorPil,
        )
    )
    name, revision = options.checkpoint, options.revision
    model, info = models.from_pretrained(
        name,
        **source(revision),
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    tokenizer = tokenizers.from_pretrained(name, **source(revision), trust_remote_code=False)
    check_whole("SigLIP", name, info)
    check_finite("SigLIP", name, model)
    check_vocabulary("SigLIP", name, model.text_model.get_input_embeddings(), tokenizer)
    if picture_settings(name, revision) is not None:
        processor = processors.from_pretrained(name, **source(revision))
    else:
        _log.info("%s has no preprocessor_config.json; taking SigLIP's own values", name)
        side_px = model.config.vision_config.image_size
        processor = processors(size={"height": side_px, "width": side_px})
    if processor.do_normalize:
        check_normalization(name, processor.image_mean, processor.image_std)
    return model, tokenizer, processor
