"""Any text encoder beside any image encoder, such as ELECTRA beside DenseNet:
`{name: pair, options: {text: {…}, image: {…}}}`.
"""

from crisislens.core.config import Config
from crisislens.encoders.base import (
    ENCODERS,
    IMAGE_ENCODERS,
    TEXT_ENCODERS,
    EncoderPair,
    EncoderSpec,
    ImageEncoder,
    TextEncoder,
)

__all__ = ["PairOptions"]


class PairOptions(Config):
    """Options of the encoder `pair`; each side is an encoder of one kind (`language`, `timm`) or
    that side of one of both kinds.
    """

    text: EncoderSpec
    """The text encoder with its options."""
    image: EncoderSpec
    """The image encoder with its options."""


@ENCODERS.register("pair")
def build_pair(spec: EncoderSpec) -> EncoderPair:
    """A text encoder and an image encoder, each by itself: ELECTRA and DenseNet, for one.

    Raises:
        ConfigError: If an option does not fit.
        NotRegisteredError: If there is no encoder of a name.
        ModelError: If weights cannot be had.
    """
    options = PairOptions.parse(spec.options, where="encoder pair")
    return EncoderPair(_text(options.text), _image(options.image), spec)


def _text(spec: EncoderSpec) -> TextEncoder:
    return ENCODERS[spec.name](spec).text if spec.name in ENCODERS else TEXT_ENCODERS[spec.name](spec)


def _image(spec: EncoderSpec) -> ImageEncoder:
    return ENCODERS[spec.name](spec).image if spec.name in ENCODERS else IMAGE_ENCODERS[spec.name](spec)
