"""Which posts of a source are taken: by words, languages and a box."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from crisislens.data.language import detect_language
from crisislens.data.language_tags import primary_language
from crisislens.store.records import NewPost, SourceFilters, filters_of

__all__ = ["Filters"]

# scripts that put no space between words: there, a word is looked for anywhere
_NO_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


class Filters(SourceFilters):
    """The filters of a source, and whether a post passes them."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "Filters":
        """The filters of a source's configuration.

        Raises:
            InputError: If somebody wrote there what is none.
        """
        return cls.model_validate(filters_of(config).model_dump())

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
        # what names no language, such as `und`, leaves it to the text
        code = primary_language(post.lang) or detect_language(post.text)
        wanted = {primary_language(language) or language for language in self.languages}
        return code is None or code in wanted


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
