"""Which of a post's photos its answers rest on: all are looked at, and the most telling one counts.

The most telling photo is the one beside which the post's answers are the most urgent, the first of
equals: a post that shows a destroyed house and four portraits is one of a destroyed house. A photo
that cannot be used never wins over one that can. Photos are encoded a few at a time and only the
best so far is held, so memory does not grow with their number, and nothing of another post has a
part in the choice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from crisislens.domain.post import ImageRef, Post
from crisislens.features.encode import EncodedPosts, PostEncoder, PostFeatures
from crisislens.pipeline.deciding import Decided

__all__ = ["PhotoChoice", "choose_photos", "without_choice"]

_AT_ONCE = 32
_MOST_NAMED = 5
_UNREAD = "photo was not read"

Logits = dict[str, NDArray[np.float32]]
"""By task one logit a class, of one post."""


@dataclass(frozen=True)
class PhotoChoice:
    """A post with the photo that its answers rest on.

    Attributes:
        photo: The photo; None where the post has one or none, or none of several could be used.
        features: Of the post with this photo.
        logits: Its answers by task, before calibration.
        notes: What a reader must know of its photos.
        decided: The answer with its evidence, where the answers rest on evidence alone.
    """

    photo: ImageRef | None
    features: PostFeatures
    logits: Logits
    notes: tuple[str, ...] = ()
    decided: Decided | None = None


@dataclass
class _Looking:
    """What is known of a post while its photos are looked at one by one."""

    best: PhotoChoice
    urgency: float = -1.0
    usable: int = 0
    refused: int = 0
    reasons: tuple[str, ...] = ()


def without_choice(post: Post) -> Post:
    """The post as it is read before its photos are looked at: without any where there are several."""
    return post.model_copy(update={"image": None, "more_images": ()}) if post.more_images else post


def choose_photos(
    posts: Sequence[Post],
    encoded: EncodedPosts,
    logits: Sequence[Logits],
    *,
    encoder: PostEncoder,
    answer: Callable[[Sequence[PostFeatures]], list[Logits]],
    urgency: Callable[[PostFeatures, Logits], float],
) -> list[PhotoChoice]:
    """Of each post with several photos the most telling one; others stay as they are.

    Arguments:
        posts: The posts.
        encoded: Their features; those of posts with several photos hold none (`without_choice`).
        logits: Their answers on these features.
        encoder: What encodes photos.
        answer: Answers by task, of posts with their features.
        urgency: How urgent a post is whose answers these are.
    """
    plain = zip(encoded.features, logits, strict=True)
    looking = [_Looking(PhotoChoice(None, features, row)) for features, row in plain]
    several = [i for i, post in enumerate(posts) if post.more_images]
    waiting = ((i, ref) for i in several for ref in posts[i].images)
    while group := list(islice(waiting, _AT_ONCE)):
        photos = encoder.encode([_photo_alone(posts[i], ref) for i, ref in group])
        merged = [
            _beside(encoded.features[i], seen) for (i, _), seen in zip(group, photos.features, strict=True)
        ]
        answers = answer(merged)
        for (i, ref), notes, seen, row in zip(group, photos.notes, merged, answers, strict=True):
            _consider(looking[i], PhotoChoice(ref, seen, row, notes), urgency)
    for i in several:
        looking[i].best = replace(looking[i].best, notes=tuple(_notes(posts[i], looking[i])))
    return [found.best for found in looking]


def _photo_alone(post: Post, ref: ImageRef) -> Post:
    # the text is encoded already
    return post.model_copy(update={"text": "", "image": ref, "more_images": ()})


def _beside(text: PostFeatures, photo: PostFeatures) -> PostFeatures:
    return replace(photo, text_tokens=text.text_tokens, text_pooled=text.text_pooled)


def _consider(
    looking: _Looking, found: PhotoChoice, urgency: Callable[[PostFeatures, Logits], float]
) -> None:
    """Takes a photo where it tells more than those before it."""
    if found.features.image_pooled is None:
        looking.refused += 1
        if len(looking.reasons) < _MOST_NAMED:
            looking.reasons = (*looking.reasons, *found.notes)
        return
    looking.usable += 1
    if (urgent := urgency(found.features, found.logits)) > looking.urgency:
        looking.best, looking.urgency = found, urgent


def _notes(post: Post, looking: _Looking) -> Iterator[str]:
    """What is to be said of a post's photos."""
    if looking.reasons and looking.reasons[0].startswith(_UNREAD):
        yield looking.reasons[0]
        return
    photo, count = looking.best.photo, len(post.images)
    if photo is not None:
        place = [ref.path for ref in post.images].index(photo.path) + 1
        seen = "all were looked at" if looking.usable == count else f"{looking.usable} could be looked at"
        yield (
            f"the post has {count} photos and {seen}; the answers are those of photo {place}, "
            f"{photo.path[:80]}, the most urgent"
        )
        yield from looking.best.notes
    yield from looking.reasons
    if looking.refused > len(looking.reasons):
        yield f"{looking.refused - len(looking.reasons)} more photos could not be used"
