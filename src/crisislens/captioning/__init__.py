"""Captioning: a photo (and its tweet) in, a sentence out. Prompts as data, several backends,
nothing is asked twice.

Importing the room registers its captioners; models are read when one is built.
"""

from crisislens.captioning import server, table, transformers_vlm, weak

__all__ = ["server", "table", "transformers_vlm", "weak"]
