"""What extractors say of posts that are read in groups of exactly equal length.

Sums are then made in one order whoever stands beside a post, so that its result is equal bit for
bit (see `features.encode`).
"""

from collections.abc import Iterator, Sequence

from crisislens.features.words import EncodedWords, collate_words
from crisislens.models.extraction import Extractor, Prediction
from crisislens.nn.words import WordBatch

__all__ = ["predictions", "relations_of_pairs"]

_GROUP = 32


def _groups(encoded: Sequence[EncodedWords]) -> Iterator[list[int]]:
    """Posts of equal length together, at most `_GROUP` of them."""
    by_length: dict[tuple[int, int, int], list[int]] = {}
    for i, post in enumerate(encoded):
        by_length.setdefault((len(post.ids), len(post.starts), len(post.context_ids)), []).append(i)
    for rows in by_length.values():
        yield from (rows[start : start + _GROUP] for start in range(0, len(rows), _GROUP))


def _batch(extractor: Extractor, encoded: Sequence[EncodedWords]) -> WordBatch:
    return collate_words(encoded, pad_id=extractor.encoder.pad_id, image_width=extractor.patch_width)


def predictions(extractor: Extractor, encoded: Sequence[EncodedWords]) -> list[Prediction]:
    """What an extractor says of each post, in their order."""
    found: list[Prediction] = [Prediction()] * len(encoded)
    for rows in _groups(encoded):
        batch = _batch(extractor, [encoded[i] for i in rows])
        for i, prediction in zip(rows, extractor.predict(batch), strict=True):
            found[i] = prediction
    return found


def relations_of_pairs(
    extractor: Extractor, encoded: Sequence[EncodedWords], allowed: Sequence[Sequence[int]]
) -> list[tuple[str, float]]:
    """The best of the allowed relations of each pair with its probability among all; an empty name
    where it is none.
    """
    found: list[tuple[str, float]] = [("", 0.0)] * len(encoded)
    for rows in _groups(encoded):
        batch = _batch(extractor, [encoded[i] for i in rows])
        for i, p in zip(
            rows, extractor.relation_probabilities(batch, [allowed[i] for i in rows]), strict=True
        ):
            best = max(p, key=lambda place: p[place])
            found[i] = (extractor.spec.relations[best] if best else "", p[best])
    return found
