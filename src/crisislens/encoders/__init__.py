"""Encoders: text and pictures into token states and pooled vectors. The only room below captioning that knows transformers.

Importing the room registers its encoders; weights are read when one is built.
"""

from crisislens.encoders import clip, compact, hashing, language, pair, siglip, vision

__all__ = ["clip", "compact", "hashing", "language", "pair", "siglip", "vision"]
