r"""Photos with a text in one space, for studies of what fusion adds: the features of `bench.places`.

Two linear maps over frozen encoders, $A$ of MiniLM's states and $B$ of EfficientNet's regions, are
trained by InfoNCE (`nn.alignment`) on captioned photos that no study trains or tests on. Then

$$T = A X_t / \lVert z_t \rVert, \qquad V = B X_v / \lVert z_v \rVert$$

for token states X and their mean z, so that the mean of T and the mean of V are what was trained to be
alike: the product of the two means something there, as it does of CLIP's features.

Photos are those of the sets `captioned` and `everyday`, see `data.places`; near-duplicates of anything
that is trained or tested on are left out of the maps' training, and stay on one side of the split.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import ImageLimits
from crisislens.data.places import all_captions, captioned_photos, labeled_tweets
from crisislens.data.split_making import folds, near_duplicate_groups
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.nn.alignment import Alignment
from crisislens.nn.batch import FeatureBatch, ModalityBatch

__all__ = ["PlacePosts", "SpaceRecipe", "noised", "read_place_posts"]

SIDE = 3
"""Regions along a side of a photo."""
_GROUP = 128


@dataclass(frozen=True)
class SpaceRecipe:
    """How the maps into the common space are trained."""

    width: int = 64
    steps: int = 400
    batch: int = 64
    learning_rate: float = 2e-3
    temperature: float = 0.1
    fold_count: int = 3
    """One fold of so many is the test."""
    fewest: int = 20
    """Posts of a kind of place, below which it is left out."""


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
    """

    texts: ModalityBatch
    photos: ModalityBatch
    pairs: Int[np.ndarray, "n 2"]
    y: Int[np.ndarray, " n"]
    classes: int
    train: Int[np.ndarray, " a"]
    test: Int[np.ndarray, " b"]
    space: tuple[float, float]

    def batch(self, rows: Int[np.ndarray, " r"], photos: ModalityBatch) -> FeatureBatch:
        """Some examples, with photos as they are or noised."""
        text, photo = (torch.from_numpy(self.pairs[rows, side]) for side in (0, 1))
        return FeatureBatch(text=self.texts.select(text), image=photos.select(photo))


def noised(
    photos: ModalityBatch, share: float, among: Int[np.ndarray, " k"], seed: Sequence[int]
) -> ModalityBatch:
    """Photos of which a share of the regions is that of another photo, at the same place.

    Arguments:
        photos: All photos.
        share: Of the regions of each photo, to the nearest number.
        among: The photos that are noised, by one another.
        seed: Of places and photos.
    """
    random, n = np.random.default_rng(seed), photos.tokens.shape[1]
    count = round(share * n)
    tokens = photos.tokens.clone()
    for row in among:
        at = random.permutation(n)[:count]
        # never its own region, which would be no noise
        other = random.choice(among[among != row], size=count)
        tokens[row, at] = photos.tokens[other, at]
    return ModalityBatch(tokens, photos.mask, tokens.mean(1), photos.present)


def read_place_posts(
    setting: str, data: Path, cache: Path, encoder: EncoderSpec, recipe: SpaceRecipe
) -> tuple[PlacePosts, str]:
    """The examples of a setting, and a fingerprint of all that they depend on.

    Arguments:
        setting: `belongs` asks whether a caption is of the photo that it stands beside; `place_types`
            asks for the kind of place, the words of which are masked in the text.
        data: The folder with `photos/manifest.tsv`.
        cache: The root of feature caches.
        encoder: The frozen encoders.
        recipe: Of the space.

    Raises:
        DataError: If the photos are not there, or too few.
    """
    read = _read(setting, data / "photos", recipe)
    made = PostEncoder(
        load_encoders(encoder),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=data / "photos",
        keep_tokens=("text", "image"),
    )
    whole = _extracted(read.posts, made, cache)
    captions, alone = (_extracted(some, made, cache) for some in (read.captions, read.photos))
    maps = _trained(captions, alone, read.photo_of, recipe)
    texts, photos = _mapped(whole, maps)
    rows = np.arange(len(read.posts))
    test = rows[read.test]
    if setting == "belongs":
        pairs, y, train, tested = _both_ways(rows, read.test)
        classes = 2
    else:
        pairs, y = np.stack([rows, rows], 1), read.y
        train, tested, classes = rows[~read.test], test, int(read.y.max()) + 1
    found = PlacePosts(texts, photos, pairs, y, classes, train, tested, _found(texts, photos, test))
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


def _read(setting: str, root: Path, recipe: SpaceRecipe) -> _Read:
    manifest = root / "manifest.tsv"
    labeled = captioned_photos(manifest)
    captions = dict(all_captions(manifest))
    if setting == "place_types":
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
    groups = near_duplicate_groups([*posts, *others], root)
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


def _trained(
    captions: FeatureCache, photos: FeatureCache, photo_of: Int[np.ndarray, " c"], recipe: SpaceRecipe
) -> Alignment:
    """Maps of text and photo into one space, by InfoNCE."""
    text, image = _means(captions, "text"), _means(photos, "image")
    photo = torch.from_numpy(photo_of)
    torch.manual_seed(0)
    maps = Alignment(
        text_width=text.shape[1],
        image_width=image.shape[1],
        width=recipe.width,
        kind="info_nce",
        temperature=recipe.temperature,
    )
    optimizer = torch.optim.AdamW(maps.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    whole = torch.ones(min(recipe.batch, len(text)), dtype=torch.bool)
    for _ in range(recipe.steps):
        at = torch.from_numpy(random.choice(len(text), size=len(whole), replace=False))
        s = maps.similarities(maps.text(text[at]), maps.image(image[photo[at]]))
        # captions of one photo are no negatives of each other
        same = photo[at][:, None] == photo[at][None, :]
        loss = maps.direction(s, whole, generator, same) + maps.direction(s.T, whole, generator, same)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return maps.eval().requires_grad_(False)


def _means(cache: FeatureCache, modality: str) -> Float[Tensor, "n d"]:
    """Mean states of all posts, of length 1."""
    parts = [_mean(batch.modalities()[modality]) for batch in _in_groups(cache)]
    return functional.normalize(torch.cat(parts), dim=-1)


def _in_groups(cache: FeatureCache) -> Iterator[FeatureBatch]:
    for start in range(0, len(cache), _GROUP):
        yield cache.batch(range(start, min(start + _GROUP, len(cache))))


def _mean(x: ModalityBatch) -> Float[Tensor, "b d"]:
    # not the pooled vector: some encoders pool otherwise, and tokens must lie where the means do
    return x.tokens.float().sum(1) / x.mask.sum(1, keepdim=True).clamp(min=1)


def _mapped(whole: FeatureCache, maps: Alignment) -> tuple[ModalityBatch, ModalityBatch]:
    """Texts' tokens and photos' regions in the space."""
    longest = max(whole.batch(range(i, i + 1)).text.tokens.shape[1] for i in range(len(whole)))
    texts, photos = [], []
    for batch in _in_groups(whole):
        texts.append(_in_space(batch.text, maps.text, longest))
        photos.append(_in_space(_regions(batch.image), maps.image, SIDE * SIDE))
    return _joined(texts), _joined(photos)


def _in_space(x: ModalityBatch, linear: torch.nn.Linear, n: int) -> ModalityBatch:
    # by the length of the mean, which the maps were trained on: so means stay means
    scale = _mean(x).norm(dim=-1).clamp(min=1e-6)
    tokens = linear(x.tokens.float()) / scale[:, None, None] * x.mask[..., None]
    more = n - tokens.shape[1]
    tokens, mask = functional.pad(tokens, (0, 0, 0, more)), functional.pad(x.mask, (0, more))
    pooled = tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return ModalityBatch(tokens, mask, pooled, x.present)


def _regions(x: ModalityBatch) -> ModalityBatch:
    """The encoder's grid as 3 × 3 means."""
    side = round(x.tokens.shape[1] ** 0.5)
    grid = rearrange(x.tokens.float(), "b (h w) d -> b d h w", h=side)
    means = functional.adaptive_avg_pool2d(grid, SIDE)
    tokens = rearrange(means, "b d h w -> b (h w) d")
    return ModalityBatch(tokens, x.mask[:, : SIDE * SIDE], x.pooled, x.present)


def _joined(parts: Sequence[ModalityBatch]) -> ModalityBatch:
    names = ("tokens", "mask", "pooled", "present")
    return ModalityBatch(*(torch.cat([getattr(p, name) for p in parts]) for name in names))


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
