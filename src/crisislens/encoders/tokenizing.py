"""Texts through a fast tokenizer of transformers, each by itself, as the encoders here hand them
on.
"""

from collections.abc import Sequence
from typing import Any

from crisislens.encoders.base import TokenizedText

__all__ = ["tokenize_texts"]


def tokenize_texts(
    tokenizer: Any,
    texts: Sequence[str],
    *,
    max_tokens: int,
    prefix: str = "",
    split_special: bool = False,
) -> list[TokenizedText]:
    """Cuts texts into tokens; a text's do not depend on the others.

    Arguments:
        tokenizer: A fast tokenizer of transformers, which knows the characters of each token.
        texts: The texts; what is no Unicode in them (lone surrogates) is replaced.
        max_tokens: Tokens that are kept of a text, special ones included.
        prefix: What is put before each text; its tokens count, and get the offset (0, 0).
        split_special: Whether a special token that somebody wrote, such as `<|endoftext|>`, is cut like any
            other word. It changes what comes out, so it belongs into a fingerprint.
    """
    # some tokenizers fail on an empty list
    if not texts:
        return []
    plain = [prefix + text.encode("utf-8", "replace").decode() for text in texts]
    out = tokenizer(
        plain,
        truncation=True,
        max_length=max_tokens,
        return_offsets_mapping=True,
        padding=False,
        split_special_tokens=split_special,
    )
    return [_tokenized(encoding, len(prefix)) for encoding in out.encodings]


def _tokenized(encoding: Any, before: int) -> TokenizedText:
    offsets = tuple(_within(start, end, before) for start, end in encoding.offsets)
    return TokenizedText(tuple(encoding.ids), offsets, bool(encoding.overflowing))


def _within(start: int, end: int, before: int) -> tuple[int, int]:
    """A token's characters, counted from the text's first."""
    # a piece may hold the blank that ends the prefix beside the text's first letters
    return (max(0, start - before), end - before) if end > before else (0, 0)
