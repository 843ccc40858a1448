"""Which posts of a source are taken: by words, languages and a box."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from crisislens.core.errors import InputError
from crisislens.data.language import detect_language
from crisislens.store.records import Box, NewPost

__all__ = ["Filters"]

# scripts that put no space between words: there, a word is looked for anywhere
_NO_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


class Filters(BaseModel):
    """What is taken; kept with the source in the store, so that a later start has them too.

    Attributes:
        keep: At least one of these words stands in the text, in any case; `flood*` also finds `flooding`.
        drop: None of these does.
        languages: As `es`; by what the source says, else by the text. A text too short to tell is taken.
        box: Posts with coordinates outside are not taken; posts without any are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    box: Box | None = None

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "Filters":
        """The filters of a source's configuration.

        Raises:
            InputError: If somebody wrote there what is none.
        """
        try:
            return cls.model_validate(config.get("filters") or {})
        except ValidationError as error:
            raise InputError(f"the source's filters cannot be used: {error.errors()[0]['msg']}") from None

    def take(self, post: NewPost) -> bool:
        """Whether a post is taken."""
        text = _folded(post.text)
        if self.keep and not _any_in(self.keep, text):
            return False
        if self.drop and _any_in(self.drop, text):
            return False
        return self._in_box(post) and self._in_language(post)

    def _in_box(self, post: NewPost) -> bool:
        box = self.box
        if box is None or post.lat is None or post.lon is None:
            return True
        if not box.south <= post.lat <= box.north:
            return False
        if box.west <= box.east:
            return box.west <= post.lon <= box.east
        return post.lon >= box.west or post.lon <= box.east

    def _in_language(self, post: NewPost) -> bool:
        if not self.languages:
            return True
        code = post.lang or detect_language(post.text)
        return code is None or code.lower().replace("_", "-").partition("-")[0] in self.languages


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _any_in(words: Sequence[str], text: str) -> bool:
    return any(_stands_in(_folded(word).strip(), text) for word in words)


def _stands_in(word: str, text: str) -> bool:
    stem = word.rstrip("*")
    if not stem:
        return False
    if _NO_SPACES.search(stem):
        return stem in text
    end = "" if word.endswith("*") else r"(?!\w)"
    return re.search(rf"(?<!\w){re.escape(stem)}{end}", text) is not None
