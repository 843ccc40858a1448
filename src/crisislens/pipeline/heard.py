"""What of a post the models are given: its text without the words that speak to a machine.

A post that consists of such words alone is given as it is, and no answer that rests on it is sure:
somebody may have written it in need and in a hurry, and nobody is to decide that it says nothing.

So it is with a text of fewer than three letters, where nothing else of the post is looked at: survey forms
and spreadsheets are full of "-", "." and "n/a", which the models called informative at 0.8 to 0.9. A picture
sign counts as letters ("🏠🔥"), and three are enough for "SOS". Whether a photo beside it could be used is
known only when it was read, so each answer is doubted by what it rests on (`too_little`).

What stands beside the answers (places, names, evidence) is looked for in the same words, where they stand in
the post: what was left out is blank there.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crisislens.data.machine_talk import machine_talk
from crisislens.data.words import Span, word_spans
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale, TextSpan
from crisislens.pipeline.readable import FEWEST_LETTERS

__all__ = ["Heard", "hashtags_only", "heard_of", "too_little", "without_gaps"]

_QUOTED = 80
_LITTLE = "The text has too few letters to tell anything."
_FEWEST_LETTERS = 3
# whom a post answers and where it leads says nothing of its own
_POINTERS = re.compile(r"^RT\b|@\w+|https?://\S+")
_HASHTAG = re.compile(r"[#＃]\w+")
_HASHTAGS = "The text is hashtags only, which tell no model its language."
_DOUBT = "The text speaks to the machine that reads it and says nothing else."


@dataclass(frozen=True)
class Heard:
    """A post as the models get it.

    Attributes:
        post: The post.
        notes: What a reader must know of what was left out.
        gaps: Where in the text as posted stands what was left out.
    """

    post: Post
    notes: tuple[str, ...] = ()
    gaps: tuple[Span, ...] = ()

    def in_place(self, posted: Post) -> Post:
        """The post with blanks where words were left out, so that places in it are places in the text as
        posted.

        Arguments:
            posted: The post as it was read.
        """
        if not self.gaps:
            return self.post
        parts, at = list[str](), 0
        for start, end in self.gaps:
            parts += [posted.text[at:start], " " * (end - start)]
            at = end
        return self.post.model_copy(update={"text": "".join([*parts, posted.text[at:]])})


def heard_of(post: Post) -> Heard:
    """The post without words to the machine; the very same one where there are none and it says something.

    Arguments:
        post: As it was read.
    """
    said = machine_talk(post.text)
    if not said.found:
        doubt = None if post.images else too_little(post.text)
        return Heard(post.model_copy(update={"doubt": post.doubt or doubt}) if doubt else post)
    if not any(c.isalnum() for c in said.text):
        return Heard(post.model_copy(update={"doubt": post.doubt or _DOUBT}))
    first, more = said.found[0], len(said.found) - 1
    quoted = f"“{first[:_QUOTED]}{'…' if len(first) > _QUOTED else ''}”"
    also = f" and {more} more such phrases" if more > 1 else " and one more such phrase" if more else ""
    note = f"words that speak to a machine were not given to the model: {quoted}{also}"
    return Heard(post.model_copy(update={"text": said.text}), (note,), said.gaps)


def too_little(text: str) -> str | None:
    """Why an answer that rests on this text alone is not sure; None where it says enough, or is empty.

    Arguments:
        text: A post's text.
    """
    return _LITTLE if text and _says_little(text) else None


def hashtags_only(text: str) -> str | None:
    """Why nobody can tell the language of a text that is hashtags and hardly a letter else; None of others.

    >>> hashtags_only("#GarissaAttack https://t.co/x")
    'The text is hashtags only, which tell no model its language.'
    >>> hashtags_only("#GarissaAttack, two of us are inside"), hashtags_only("no")
    (None, None)

    Arguments:
        text: A post's text as posted.
    """
    rest, found = _HASHTAG.subn("", _POINTERS.sub("", text))
    return _HASHTAGS if found and sum(c.isalpha() for c in rest) < FEWEST_LETTERS else None


def without_gaps(rationale: Rationale, text: str, gaps: Sequence[Span]) -> Rationale:
    """The evidence without what was left out of the text: a run of words on both sides of it is two.

    Arguments:
        rationale: With places in the text.
        text: With blanks where words were left out (`Heard.in_place`).
        gaps: Where these stand, in the order of the text.
    """
    if not gaps:
        return rationale
    spans = tuple(piece for span in rationale.text for piece in _pieces(span, text, gaps))
    return rationale.model_copy(update={"text": spans})


def _pieces(span: TextSpan, text: str, gaps: Sequence[Span]) -> Iterator[TextSpan]:
    """The parts of a span beside gaps, from their first word to their last."""
    starts = [span.start, *(end for _, end in gaps if span.start < end < span.end)]
    ends = [*(start for start, _ in gaps if span.start < start < span.end), span.end]
    for start, end in zip(starts, ends, strict=True):
        words = word_spans(text[start:end])
        if words:
            place = {"start": start + words[0][0], "end": start + words[-1][1]}
            yield span.model_copy(update=place)


def _says_little(text: str) -> bool:
    """Whether a text has hardly a letter and no picture sign."""
    own = _POINTERS.sub("", text)
    # an emoji is of the category "symbol, other"
    if any(unicodedata.category(c) == "So" for c in own):
        return False
    return sum(c.isalpha() for c in own) < _FEWEST_LETTERS
