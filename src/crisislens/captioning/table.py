"""Captions that exist already, from a CSV, TSV or JSONL file: joined to posts by id or photo, made
plain and cut like any other.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from crisislens.captioning.answers import AnswerError
from crisislens.captioning.base import CAPTIONERS, Answer, Captioner, CaptionerSpec
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.core.config import Config
from crisislens.data.sidecar import Sidecar
from crisislens.domain.post import Post

__all__ = ["TableCaptioner", "TableOptions"]


class TableOptions(Config):
    """Options of the captioner `table`."""

    table: Path
    """The file, see `data.sidecar`."""
    model: str = "existing captions"
    """Who made them, for the records."""


class TableCaptioner(Captioner):
    """Looks captions up.

    Arguments:
        options: Which file.

    Raises:
        DataError: If the file is missing or cannot be used.
    """

    needs_photo = False
    prompted = False

    def __init__(self, options: TableOptions) -> None:
        self.captions = Sidecar.read(options.table, max_characters=4000)
        self.name, self.weak = options.model, self.captions.weak
        self._mark = self.captions.fingerprint()

    def identity(self, post: Post) -> object:
        """The file's content and the post."""
        return {
            "captioner": "table",
            "table": self._mark,
            "post": post.id,
            # a row may belong to the photo and not to the post, so both are part of the question
            "photo": post.image.path if post.image else "",
        }

    def caption(
        self, post: Post, pixels: UInt8[np.ndarray, "h w 3"] | None, prompt: RenderedPrompt
    ) -> Answer:
        """The row of the post."""
        found = self.captions.of(post)
        if not found:
            raise AnswerError("the table has no caption for this post")
        return Answer(found)


@CAPTIONERS.register("table")
def build_table(spec: CaptionerSpec) -> TableCaptioner:
    """Captions that exist already, from a CSV, TSV or JSONL file.

    Raises:
        ConfigError: If an option does not fit `TableOptions`.
        DataError: If the file is missing or cannot be used.
    """
    return TableCaptioner(TableOptions.parse(spec.options, where="captioner table"))
