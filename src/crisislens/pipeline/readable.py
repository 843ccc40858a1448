r"""Whether a model can read a text, and what it may say where it cannot.

A model of crisis posts has learned some languages. A text in another one gets an answer all the
same, often a very sure one, and a photo beside it changes nothing about that: what the text asks
for is in the text. So the language is looked for in this order:

1. what the platform or the user says (`Post.lang`);
2. what is detected (`data.language`);
3. where nothing is detected, or English is, and the models know English alone: whether the words
   are English ones, by the share of words that are whole in the encoder's own vocabulary,

$$s = \frac{|\{w : w \text{ is one token}\}|}{|\{w\}|}, \qquad w \text{ of two letters or more}.$$

4. where nothing is detected and models know several languages: whether the text is surely in one of
   these, though nobody can tell which (`data.language.in_one_of`).

Measured on texts that the detector leaves undecided: s ≥ 0.7 (what is asked) for 37 of 51 English
tweets of crises, and for 17 of 2,303 messages in Kreyòl, Urdu, French or Spanish. A text whose
language nobody can tell is *unknown* and is not read; it is never taken for English because nothing
better is known. Of texts that the detector calls English, s ≥ 0.5 (what is asked there) for 2,931
of 2,937 English tweets and 2,906 of 2,909 English messages. Texts of fewer than four letters say
nothing in any language and are judged as they are.

A language in letters that are not its own (`data.romanized`) is not read, whichever it is: models
learned Hindi in Devanagari, and the detector takes it for English or Italian.

The rules are ours; no paper.
"""

import re
from dataclasses import dataclass

from crisislens.data.language import detect_language, in_one_of
from crisislens.data.language_tags import primary_language
from crisislens.data.romanized import romanized
from crisislens.encoders.base import TextEncoder

__all__ = ["FEWEST_LETTERS", "UNKNOWN", "Readable", "language_of", "not_read", "whole_words"]

ENGLISH = "en"
UNKNOWN = "und"
"""The code of texts whose language nobody can tell (BCP 47)."""
FEWEST_LETTERS = 4
"""A text of fewer letters says nothing in any language."""
_ENGLISH_SHARE = 0.7
_CONFIRMED_SHARE = 0.5
_UNKNOWN = "Nobody can tell which language the text is in, so no model is trusted to read it."
_ROMANIZED = "The text seems to be {name} in Latin letters, which no model was shown to read."
_OTHER_LETTERS = frozenset({"ar", "bn", "hi", "ne", "ur"})
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Readable:
    """What is known of a text's language.

    Attributes:
        language: Its code, as the post says or as detected; None where it is unknown, or one of several
            that are read.
        unread: Why no model reads the text, in one sentence; None where one does, or there is no
            text.
    """

    language: str | None
    unread: str | None


def language_of(text: str, given: str | None, known: tuple[str, ...], encoder: TextEncoder) -> Readable:
    """The language of a text, and whether models that know some languages read it.

    Arguments:
        text: The cleaned text.
        given: The language tag of the post, if it has one.
        known: ISO 639-1 codes of the languages that the models learned; empty for no check.
        encoder: The text encoder, whose vocabulary tells English words where nothing else does.
    """
    detected = detect_language(text)
    said = primary_language(given)
    language = said or detected
    letters = sum(c.isalpha() for c in text)
    if not known or letters < FEWEST_LETTERS:
        return Readable(language, None)
    # a platform says "hi" of Hindi in any letters; what it calls English or French is believed
    if (said is None or said in _OTHER_LETTERS) and (name := romanized(text)) is not None:
        return Readable(None, _ROMANIZED.format(name=name))
    if known == (ENGLISH,) and said is None and detected in (None, ENGLISH):
        share = _ENGLISH_SHARE if detected is None else _CONFIRMED_SHARE
        if whole_words(text, encoder) >= share:
            return Readable(ENGLISH, None)
        return Readable(None, _UNKNOWN)
    if language in known:
        return Readable(language, None)
    if language is not None:
        return Readable(language, not_read(language, known, marked=said is not None))
    return Readable(None, None if in_one_of(text, known) else _UNKNOWN)


def not_read(language: str | None, known: tuple[str, ...], *, marked: bool = False) -> str | None:
    """Why a text of a language is not read, or None where it is, or nothing is known of either.

    Arguments:
        language: The text's language.
        known: The languages that a model learned.
        marked: Whether the post says so itself.
    """
    if language is None or not known or language in known:
        return None
    source = "is marked as being" if marked else "seems to be"
    reads = ", ".join(known)
    return f"The text {source} in another language ({language}) than the model reads ({reads})."


def whole_words(text: str, encoder: TextEncoder) -> float:
    """The share s of words that are one token of the encoder; 0 where there are no words.

    Arguments:
        text: The text.
        encoder: The text encoder.
    """
    # single letters are whole in every vocabulary and say nothing
    words = [match.span() for match in _WORD.finditer(text)]
    letters = sum(c.isalpha() for c in text)
    # of another script a word is one token, too: that of what is not in the vocabulary
    if not words or sum(c.isalpha() and c.isascii() for c in text) < letters / 2:
        return 0.0
    [tokens] = encoder.tokenize([text])
    # words behind what the encoder reads have no token at all, whatever their language
    read_until = max((end for _, end in tokens.offsets), default=0)
    spans = set(tokens.offsets)
    seen = [span for span in words if span[1] <= read_until]
    return sum(span in spans for span in seen) / len(seen) if seen else 0.0
