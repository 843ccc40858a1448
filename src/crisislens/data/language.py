"""Which language a text is in, offline: fastText's lid.176 (Joulin et al. 2016,
https://arxiv.org/abs/1607.01759), which ships as `assets/language/lid.176.ftz`; Haitian Creole, which
it hardly knows, by its words (`data.kreyol`).

A tweet of three words can be anything, so short texts are not judged. The answer is used to say
"not sure" where the model was never trained, not to translate.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from crisislens.core.assets import asset, verify
from crisislens.core.errors import ModelError
from crisislens.data.kreyol import is_kreyol

__all__ = ["detect_language", "in_one_of", "training_languages"]

MINIMUM_LETTERS = 12
MINIMUM_SCORE = 0.5
LEAST_TOGETHER = 0.6
"""What the scores of several languages must come to, for a text that none of them has alone."""
_MOST_LETTERS = 200
_ACCOUNTS = re.compile(r"(?<!\w)@\w+:?|(?<!\w)(?:RT|via)(?!\w)")
# languages of lid.176
_ALL = 176
# a language of fewer training texts than this share was not learned, only met
_LEARNED = 0.05


@lru_cache(maxsize=1)
def _detector() -> Any:
    """The model, held to its digest before fastText's C++ reads it.

    Raises:
        ModelError: If it is missing or another file.
    """
    path = asset("language", "lid.176.ftz")
    if not path.is_file():
        raise ModelError(f"{path} is missing, which tells languages apart; install crisislens again")
    verify(path)
    import fasttext

    return fasttext.load_model(str(path))


def _one_line(text: str) -> str:
    """What the model is asked: one line, cut, and not in capitals, which it takes for Japanese."""
    # fastText takes one line
    line = text.replace("\n", " ")[:_MOST_LETTERS]
    latin = [c for c in line if c.isascii() and c.isalpha()]
    capitals = sum(c.isupper() for c in latin)
    if line.isupper() or (capitals > 0.8 * len(latin) and len(line) > 5):
        return line.lower()
    return line


def detect_language(text: str) -> str | None:
    """The ISO 639-1 (or longer) code of a text's language, or None where it is too short or too
    uncertain to tell.

    >>> detect_language("The bridge is down and the road to the hospital is flooded")
    'en'
    >>> detect_language("ok") is None
    True
    """
    if sum(c.isalpha() for c in text) < MINIMUM_LETTERS:
        return None
    if is_kreyol(text):
        return "ht"
    for reading in _readings(text):
        names, scores = _detector().predict(_one_line(reading), k=1)
        if names and scores[0] >= MINIMUM_SCORE:
            return str(names[0]).removeprefix("__label__")
    return None


def _readings(text: str) -> tuple[str, ...]:
    """A text without names of accounts and marks of retweets, where enough is left of it, and as it stands:
    "@user: URGENTE: Sismo de magnitud 7,5 sacude Guatemala" is Spanish at .42 with the name and at .68
    without, but what is very short without its names would be told less often.
    """
    bare = _ACCOUNTS.sub(" ", text)
    if bare == text or sum(c.isalpha() for c in bare) < MINIMUM_LETTERS:
        return (text,)
    return bare, text


def in_one_of(text: str, languages: Collection[str]) -> bool:
    """Whether a text is in one of some languages, though nobody can tell which: two languages in one
    message, names of places and words that neighbors share leave none of them with one half.

    >>> text = "Hello! Bon soir. carefour route truitier villa jasmin B 132"
    >>> in_one_of(text, ("en", "fr", "it", "es", "pt")), in_one_of(text, ("de", "tr"))
    (True, False)

    Arguments:
        text: Any text.
        languages: ISO 639-1 codes.
    """
    if sum(c.isalpha() for c in text) < MINIMUM_LETTERS:
        return False
    asked = {f"__label__{code}" for code in languages}
    return any(_together(reading, asked) >= LEAST_TOGETHER for reading in _readings(text))


def _together(text: str, labels: Collection[str]) -> float:
    """What the scores of several languages come to."""
    names, scores = _detector().predict(_one_line(text), k=_ALL)
    return sum(float(score) for name, score in zip(names, scores, strict=True) if name in labels)


def training_languages(texts: Sequence[str]) -> tuple[str, ...]:
    """The languages that a model learns from texts: those of at least 5 % of the texts that can be
    told, the most frequent first; none where no text can.
    """
    found = Counter(code for text in texts if (code := detect_language(text)) is not None)
    least = _LEARNED * found.total()
    return tuple(code for code, count in found.most_common() if count >= least)
