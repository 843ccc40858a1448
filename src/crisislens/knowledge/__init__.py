"""Knowledge: what an encyclopedia says of the names in a post, from Wikipedia or a local table, asked once and kept.

Importing the room registers its sources.
"""

from crisislens.knowledge import table, wikipedia

__all__ = ["table", "wikipedia"]
