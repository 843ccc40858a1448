"""What is known beyond the post: places that its text names (offline), and what an encyclopedia
says of its names, asked once and kept.

Importing the room registers the sources of `knowledge`.
"""

from crisislens.knowledge import table, wikipedia

__all__ = ["table", "wikipedia"]
