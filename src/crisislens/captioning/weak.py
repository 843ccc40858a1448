r"""The offline captioner: labels of the compact image model put into a sentence, and text read in
the photo. Weak, and says so.

With the pooled EfficientNet-lite2 vector $z$ and a linear head trained on web photos of 30 classes
(`scripts/train_photo_labels.py`),

$$p = \operatorname{softmax}\big(W z / \lVert z \rVert + b\big),$$

the caption names the classes with $p \geq \theta$, most probable first, at most three. It knows
nothing else: not how many people, not how bad the damage, nothing outside its classes. Every record
that it makes is marked weak, and no table mixes them with a describing model's.

Text in the photo is read by the extra `crisislens[ocr]` where asked for. It is data of others, like
the tweet.
"""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional

from crisislens.captioning.base import CAPTIONERS, Answer, Captioner, CaptionerSpec
from crisislens.captioning.labels import PHOTO_LABELS
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.core.assets import asset, verify
from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint_file
from crisislens.core.optional import require
from crisislens.domain.post import Post
from crisislens.encoders.compact import EfficientNetImage

__all__ = ["WeakCaptioner", "WeakOptions", "label_sentence"]

_FORMAT = "crisislens-photo-labels-1"
# probabilities from which a class is named plainly, and with a "perhaps"; at most so many classes
_SURE, _PERHAPS, _MOST = 0.5, 0.15, 3


class WeakOptions(Config):
    """Options of the captioner `weak`."""

    read_text: bool = False
    """Whether text in the photo is read; needs the extra `ocr` and takes
    about two seconds a photo.
    """
    least_confidence: float = Field(default=0.7, ge=0, le=1)
    """Below this confidence a line that was read is left out."""
    max_read_characters: int = Field(default=200, gt=0)
    """Length after which what was read is cut."""


class WeakCaptioner(Captioner):
    """Names what the compact image model takes a photo for.

    Arguments:
        options: Whether text is read.

    Raises:
        ModelError: If the labels' weights are missing or damaged.
        MissingExtraError: If text is to be read and the extra is absent.
    """

    name = "photo-labels"
    weak = True
    prompted = False

    def __init__(self, options: WeakOptions) -> None:
        self.options = options
        path = asset("photo_labels.safetensors")
        verify(path)
        self.weight, self.bias = _read(path)
        self.encoder = EfficientNetImage()
        self._mark = f"{self.encoder.fingerprint()}-{fingerprint_file(path)}"
        self._reader: Any = None
        if options.read_text:
            self._reader = _text_reader()

    def identity(self, post: Post) -> object:
        """Encoder, labels and options."""
        return {"captioner": "weak", "weights": self._mark, **self.options.model_dump(mode="json")}

    def caption(
        self, post: Post, pixels: UInt8[np.ndarray, "h w 3"] | None, prompt: RenderedPrompt
    ) -> Answer:
        """The sentence of labels, and what is written in the photo."""
        assert pixels is not None
        with torch.inference_mode():
            pooled = self.encoder(self.encoder.preprocess(pixels)[None])[1][0]
        p = self.probabilities(pooled)
        sentence = label_sentence(dict(zip(PHOTO_LABELS, p.tolist(), strict=True)))
        read = self._read_text(pixels)
        return Answer(f'{sentence} Written in the photo: "{read}".' if read else sentence)

    def probabilities(self, pooled: Float[Tensor, " d"]) -> Float[Tensor, " l"]:
        """The probability of each label, from a pooled vector of the compact image encoder."""
        return functional.linear(functional.normalize(pooled, dim=0), self.weight, self.bias).softmax(0)

    def _read_text(self, pixels: UInt8[np.ndarray, "h w 3"]) -> str:
        if self._reader is None:
            return ""
        # the reader takes BGR
        lines = _lines_of(self._reader(np.ascontiguousarray(pixels[..., ::-1])))
        sure = [text for text, confidence in lines if confidence >= self.options.least_confidence]
        return re.sub(r'[\s"]+', " ", " ".join(sure)).strip()[: self.options.max_read_characters]


def _text_reader() -> Any:
    """RapidOCR by either of its packages: the older one has no wheels for Python 3.13 and newer."""
    if find_spec("rapidocr") is not None:
        return require("rapidocr", extra="ocr").RapidOCR()
    return require("rapidocr_onnxruntime", extra="ocr").RapidOCR()


def _lines_of(answer: Any) -> list[tuple[str, float]]:
    """Texts with their confidence: `rapidocr` gives an object, the older package a list of boxes."""
    if hasattr(answer, "txts"):
        return [(str(text), float(c)) for text, c in zip(answer.txts or (), answer.scores or (), strict=True)]
    return [(str(text), float(confidence)) for _, text, confidence in answer[0] or []]


@CAPTIONERS.register("weak")
def build_weak(spec: CaptionerSpec) -> WeakCaptioner:
    """Labels of the compact image model as a sentence, offline; weak, and marked so.

    Raises:
        ConfigError: If an option does not fit `WeakOptions`.
        ModelError: If weights are missing or damaged.
    """
    return WeakCaptioner(WeakOptions.parse(spec.options, where="captioner weak"))


def label_sentence(probabilities: dict[str, float]) -> str:
    """Labels as a sentence.

    >>> label_sentence({"flood": 0.8, "street": 0.18, "office": 0.02})
    'The photo looks like a flood, perhaps a street.'
    """
    ranked = sorted(((p, name) for name, p in probabilities.items()), reverse=True)[:_MOST]
    sure = [PHOTO_LABELS[name].phrase for p, name in ranked if p >= _SURE]
    perhaps = [PHOTO_LABELS[name].phrase for p, name in ranked if _PERHAPS <= p < _SURE]
    if not sure and not perhaps:
        return "The photo cannot be told."
    words = ", ".join([*sure, *(f"perhaps {phrase}" for phrase in perhaps)])
    return f"The photo looks like {words}."


def _read(path: Path) -> tuple[Float[Tensor, "l d"], Float[Tensor, " l"]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weight, bias = file.get_tensor("weight").float(), file.get_tensor("bias").float()
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); install crisislens again, or run scripts/train_photo_labels.py"
        ) from error
    # the order of classes is that of the logits, so it must be the very list
    if metadata.get("format") != _FORMAT or json.loads(metadata.get("classes", "[]")) != list(PHOTO_LABELS):
        raise ModelError(
            f"{path} does not belong to this version of crisislens; install it again, or run "
            f"scripts/train_photo_labels.py"
        )
    return weight, bias
