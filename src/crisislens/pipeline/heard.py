"""What of a post the models are given: its text without the words that speak to a machine.

A post that consists of such words alone is given as it is, and no answer that rests on it is sure:
somebody may have written it in need and in a hurry, and nobody is to decide that it says nothing.

So it is with a text of fewer than three letters, beside which there is no photo: survey forms and
spreadsheets are full of "-", "." and "n/a", which the models called informative at 0.8 to 0.9. A picture
sign counts as letters ("🏠🔥"), and three are enough for "SOS".
"""

import re
import unicodedata
from dataclasses import dataclass

from crisislens.data.machine_talk import machine_talk
from crisislens.domain.post import Post

__all__ = ["Heard", "heard_of"]

_QUOTED = 80
_LITTLE = "The text has too few letters to tell anything."
_FEWEST_LETTERS = 3
# whom a post answers and where it leads says nothing of its own
_POINTERS = re.compile(r"^RT\b|@\w+|https?://\S+")
_DOUBT = "The text speaks to the machine that reads it and says nothing else."


@dataclass(frozen=True)
class Heard:
    """A post as the models get it.

    Attributes:
        post: The post.
        notes: What a reader must know of what was left out.
    """

    post: Post
    notes: tuple[str, ...] = ()


def heard_of(post: Post) -> Heard:
    """The post without words to the machine; the very same one where there are none and it says something.

    Arguments:
        post: As it was read.
    """
    said = machine_talk(post.text)
    if not said.found:
        doubt = _LITTLE if post.text and not post.images and _says_little(post.text) else None
        return Heard(post.model_copy(update={"doubt": post.doubt or doubt}) if doubt else post)
    if not any(c.isalnum() for c in said.text):
        return Heard(post.model_copy(update={"doubt": post.doubt or _DOUBT}))
    first, more = said.found[0], len(said.found) - 1
    quoted = f"“{first[:_QUOTED]}{'…' if len(first) > _QUOTED else ''}”"
    also = f" and {more} more such phrases" if more > 1 else " and one more such phrase" if more else ""
    note = f"words that speak to a machine were not given to the model: {quoted}{also}"
    return Heard(post.model_copy(update={"text": said.text}), (note,))


def _says_little(text: str) -> bool:
    """Whether a text has hardly a letter and no picture sign."""
    own = _POINTERS.sub("", text)
    # an emoji is of the category "symbol, other"
    if any(unicodedata.category(c) == "So" for c in own):
        return False
    return sum(c.isalpha() for c in own) < _FEWEST_LETTERS
