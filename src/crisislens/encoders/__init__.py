"""Encoders: text and pictures into token states and pooled vectors. The only room below captioning
that knows transformers.

Importing the room registers its encoders; weights are read when one is built.
"""

from crisislens.encoders import (
    bert_family,
    clip,
    compact,
    e5,
    hashing,
    pair,
    siglip,
    timm_backbones,
)

__all__ = ["bert_family", "clip", "compact", "e5", "hashing", "pair", "siglip", "timm_backbones"]
