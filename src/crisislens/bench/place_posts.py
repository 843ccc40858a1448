r"""Photos with a text, for studies of what fusion adds (`bench.places`): pairs, noise, and one space for both
(`place_space`).

Noise is in one modality, photos' regions or texts' token states. Of the $n$ real states $X_i$ of a post,
$\operatorname{round}(\rho n)$ at places $S$ drawn at random become those of other posts $o_i$, each drawn
among all others of the same part, at the same place (counted round again where the other has fewer):

$$X'_i = X^{(o_i)}_{i \bmod n(o_i)} \ (i \in S), \qquad X'_i = X_i \ (i \notin S), \qquad
  z' = \frac 1n \sum_i X'_i.$$

The mean is made anew, so that nothing of a state that is gone comes back through it. A state that stays was
made by an encoder that had read the whole text, or seen the regions around: it still tells of its
neighbours, in a text somewhat more than in a photo. OURS.

Photos are those of the sets `captioned` and `everyday`, see `data.places`. Near-duplicates stay on one
side of the split, and those of anything that is trained or tested on are left out of the space's training.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch.nn import functional

from crisislens.bench.place_space import SpaceRecipe, into_space, train_space
from crisislens.core.errors import DataError, ImageError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, sha256_of_file
from crisislens.data.images import ImageLimits, resolve_image
from crisislens.data.places import all_captions, captioned_photos, labeled_tweets
from crisislens.data.split_making import folds, near_duplicate_groups
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.nn.batch import FeatureBatch, ModalityBatch

__all__ = ["SETTINGS", "PlacePosts", "noised", "read_place_posts"]

Noisy = Literal["text", "photo"]
SETTINGS: Mapping[str, tuple[Literal["belongs", "place_types"], Noisy]] = {
    "belongs": ("belongs", "photo"),
    "place_types": ("place_types", "photo"),
    "belongs_text": ("belongs", "text"),
    "place_types_text": ("place_types", "text"),
}
"""What is asked in each setting, and which modality is noised."""


@dataclass(frozen=True)
class PlacePosts:
    """Texts and photos in one space, and which of them stand together.

    Attributes:
        texts: The texts' tokens.
        photos: The photos' regions, row by row.
        pairs: The rows of text and photo of each example.
        y: The class of each example.
        classes: How many classes there are.
        train: The examples to learn from.
        test: Those to test on.
        space: How well a text of the test finds its photo among all of the test: the share of first
            places, and of places among the first ten.
        noisy: Which modality is noised.
    """

    texts: ModalityBatch
    photos: ModalityBatch
    pairs: Int[np.ndarray, "n 2"]
    y: Int[np.ndarray, " n"]
    classes: int
    train: Int[np.ndarray, " a"]
    test: Int[np.ndarray, " b"]
    space: tuple[float, float]
    noisy: Noisy = "photo"

    def batch(self, rows: Int[np.ndarray, " r"]) -> FeatureBatch:
        """Some examples."""
        text, photo = (torch.from_numpy(self.pairs[rows, side]) for side in (0, 1))
        return FeatureBatch(text=self.texts.select(text), image=self.photos.select(photo))

    def noised(self, share: float, rows: Int[np.ndarray, " r"], seed: Sequence[int]) -> "PlacePosts":
        """The same with the texts or the photos of some examples noised by one another, see `noised`.

        Arguments:
            share: Of the states of each.
            rows: The examples, all those of one part.
            seed: Of what is drawn.
        """
        if self.noisy == "text":
            return replace(self, texts=noised(self.texts, share, np.unique(self.pairs[rows, 0]), seed))
        return replace(self, photos=noised(self.photos, share, np.unique(self.pairs[rows, 1]), seed))


def noised(
    x: ModalityBatch, share: float, among: Int[np.ndarray, " k"], seed: Sequence[int]
) -> ModalityBatch:
    """Photos or texts of which a share of the states is that of others, at the same place; the pooled
    vectors are the means of what stands there now.

    Arguments:
        x: All photos, or all texts.
        share: Of the regions of each photo, or of the real tokens of each text, to the nearest number.
        among: Those that are noised, by one another.
        seed: Of places and others.
    """
    random, counts = np.random.default_rng(seed), x.mask.sum(1).numpy()
    # what is not there has nothing to lose, and nothing to give
    there = among[counts[among] > 0]
    tokens = x.tokens.clone()
    for row in there:
        n = int(counts[row])
        # padding stands at the end
        at = random.permutation(n)[: round(share * n)]
        # never its own, which would be no noise
        other = random.choice(there[there != row], size=len(at))
        # a shorter text is read round again: its padding is no state
        tokens[row, at] = x.tokens[other, at % counts[other]]
    pooled = tokens.sum(1) / x.mask.sum(1, keepdim=True).clamp(min=1)
    return ModalityBatch(tokens, x.mask, pooled, x.present)


def read_place_posts(
    setting: str, data: Path, cache: Path, encoder: EncoderSpec, recipe: SpaceRecipe
) -> tuple[PlacePosts, str]:
    """The examples of a setting, and a fingerprint of all that they depend on.

    Arguments:
        setting: One of `SETTINGS`. `belongs` asks whether a caption is of the photo that it stands
            beside; `place_types` asks for the kind of place, the words of which are masked in the text.
        data: The folder with `photos/manifest.tsv`.
        cache: The root of feature caches.
        encoder: The frozen encoders.
        recipe: Of the space.

    Raises:
        DataError: If the photos are not there, or too few.
    """
    asked, noisy = SETTINGS[setting]
    read = _read(asked, data / "photos", recipe, cache)
    made = PostEncoder(
        load_encoders(encoder),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=data / "photos",
        keep_tokens=("text", "image"),
    )
    whole = _extracted(read.posts, made, cache)
    captions, alone = (_extracted(some, made, cache) for some in (read.captions, read.photos))
    maps = train_space(captions, alone, read.photo_of, recipe)
    texts, photos = into_space(whole, maps)
    rows = np.arange(len(read.posts))
    test = rows[read.test]
    if asked == "belongs":
        pairs, y, train, tested = _both_ways(rows, read.test)
        classes = 2
    else:
        pairs, y = np.stack([rows, rows], 1), read.y
        train, tested, classes = rows[~read.test], test, int(read.y.max()) + 1
    space = _found(texts, photos, test)
    found = PlacePosts(texts, photos, pairs, y, classes, train, tested, space, noisy)
    marks = [one.fingerprint for one in (whole, captions, alone)]
    return found, fingerprint([setting, *marks, repr(recipe), pairs.tolist()])


@dataclass(frozen=True)
class _Read:
    """Posts of a setting, their classes and which are tested; captions and photos that the maps are
    trained on, and the photo of each caption.
    """

    posts: list[Post]
    y: Int[np.ndarray, " n"]
    test: Bool[np.ndarray, " n"]
    captions: list[Post]
    photos: list[Post]
    photo_of: Int[np.ndarray, " c"]


def kept_groups(posts: Sequence[Post], root: Path, cache: Path) -> list[int]:
    """`near_duplicate_groups`, kept in the cache by what posts and photos hold: opening all photos takes
    longer than some trials.

    Arguments:
        posts: Posts with a photo each, or none.
        root: The folder of the photos.
        cache: The root of feature caches.
    """
    lines = [[p.id, p.text, _photo_mark(p, root)] for p in posts]
    path = cache / "duplicate-groups" / f"{fingerprint([1, lines])}.json"
    if path.is_file():
        groups: list[int] = json.loads(path.read_text(encoding="utf-8"))
        return groups
    groups = near_duplicate_groups(posts, root)
    atomic_write(path, json.dumps(groups))
    return groups


def _photo_mark(post: Post, root: Path) -> str:
    """Of what a post's photo holds; empty where it has none that is there."""
    if post.image is None:
        return ""
    try:
        return sha256_of_file(resolve_image(post.image, root))
    except ImageError:
        return ""


def _read(asked: str, root: Path, recipe: SpaceRecipe, cache: Path) -> _Read:
    manifest = root / "manifest.tsv"
    labeled = captioned_photos(manifest)
    captions = dict(all_captions(manifest))
    if asked == "place_types":
        labeled = labeled + labeled_tweets(manifest)
        counts = {p.label: sum(q.label == p.label for q in labeled) for p in labeled}
        labeled = [p for p in labeled if counts[p.label] >= recipe.fewest]
        posts = [p.post for p in labeled]
    else:
        # as it was written: what kind of place it is, is not asked
        labeled = [p for p in labeled if p.post.id in captions]
        posts = [Post(id=p.post.id, text=captions[p.post.id][0], image=p.post.image) for p in labeled]
    known = {p.post.id for p in captioned_photos(manifest)}
    free = [file for file in sorted(captions) if file not in known]
    others = [Post(id=file, text=captions[file][0], image=ImageRef(path=file)) for file in free]
    groups = kept_groups([*posts, *others], root, cache)
    used = set(groups[: len(posts)])
    kept = [p for p, group in zip(others, groups[len(posts) :], strict=True) if group not in used]
    if not kept or not posts:
        raise DataError(f"{manifest} has too few captioned photos to learn a space from; give more")
    names = sorted({p.label for p in labeled})
    fold = folds([p.label for p in labeled], groups[: len(posts)], count=recipe.fold_count)
    worded = [(i, text) for i, p in enumerate(kept) for text in captions[p.id]]
    return _Read(
        posts,
        np.array([names.index(p.label) for p in labeled]),
        np.array(fold) == 0,
        # each wording of a photo is a pair of its own for the maps
        [Post(id=f"c{k}", text=text) for k, (_, text) in enumerate(worded)],
        [Post(id=p.id, text="", image=p.image) for p in kept],
        np.array([i for i, _ in worded]),
    )


def _extracted(posts: Sequence[Post], encoder: PostEncoder, cache: Path) -> FeatureCache:
    return extract(posts, encoder, cache, source_fingerprint=fingerprint([p.id + p.text for p in posts]))


def _both_ways(
    rows: Int[np.ndarray, " n"], test: Bool[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, "m 2"], Int[np.ndarray, " m"], Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Each photo with its own text, and once with that of another photo of its part."""
    pairs, y, tested = [], [], []
    for number, part in enumerate((rows[~test], rows[test])):
        order = np.random.default_rng(number).permutation(part)
        # in a circle: every text is once right and once wrong, so no text tells the answer by itself
        for text, photo, label in (
            *zip(order, order, [1] * len(order), strict=True),
            *zip(order, np.roll(order, 1), [0] * len(order), strict=True),
        ):
            pairs.append((text, photo))
            y.append(label)
            tested.append(bool(number))
    at = np.arange(len(pairs))
    is_test = np.array(tested)
    return np.array(pairs), np.array(y), at[~is_test], at[is_test]


def _found(texts: ModalityBatch, photos: ModalityBatch, test: Int[np.ndarray, " b"]) -> tuple[float, float]:
    t, v = (functional.normalize(m.pooled[torch.from_numpy(test)], dim=-1) for m in (texts, photos))
    s = t @ v.T
    rank = (s > s.diagonal()[:, None]).sum(1)
    return float((rank < 1).float().mean()), float((rank < 10).float().mean())
