"""Texts through a fast tokenizer of transformers, each by itself, as the encoders here hand them
on.
"""

from collections.abc import Sequence
from typing import Any

from crisislens.encoders.base import TokenizedText

__all__ = ["tokenize_texts"]


def tokenize_texts(tokenizer: Any, texts: Sequence[str], *, max_tokens: int) -> list[TokenizedText]:
    """Cuts texts into tokens; a text's do not depend on the others.

    Arguments:
        tokenizer: A fast tokenizer of transformers, which knows the characters of each token.
        texts: The texts; what is no Unicode in them (lone surrogates) is replaced.
        max_tokens: Tokens that are kept of a text, special ones included.
    """
    # some tokenizers fail on an empty list
    if not texts:
        return []
    plain = [text.encode("utf-8", "replace").decode() for text in texts]
    out = tokenizer(plain, truncation=True, max_length=max_tokens, return_offsets_mapping=True, padding=False)
    return [_tokenized(encoding) for encoding in out.encodings]


def _tokenized(encoding: Any) -> TokenizedText:
    offsets = tuple((start, end) for start, end in encoding.offsets)
    return TokenizedText(tuple(encoding.ids), offsets, bool(encoding.overflowing))
