"""Twitter-2015 and Twitter-2017: tweets with a photo and the entities in their text.

Zhang et al., AAAI 2018 (Twitter-2015) and Lu et al., ACL 2018 (Twitter-2017), in the files and
splits of Yu et al., ACL 2020 (UMT): `train.txt`, `valid.txt`, `test.txt`, a word and its BIO tag a
line, the photo's id on a line before. Twitter-2015 calls the fourth type `OTHER`; here it is `MISC`
in both. Facts, counted: every id is unique and stands in one split; 186/53/135 tags of Twitter-2015
go on with nothing (mended, so that it has as many mentions as `B-` tags plus these).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.by_split import count_by_split, shared_between, values_by_split
from crisislens.data.conll import ConllFile, read_conll
from crisislens.data.contexts import Contexts, context_of, read_contexts
from crisislens.data.shared_texts import shared_texts
from crisislens.domain.extraction import ENTITY_TYPES, AnnotatedPost

__all__ = ["EXPECTED_POSTS", "MNERCheck", "TwitterMNER"]

_FILES = {"train": "train.txt", "dev": "valid.txt", "test": "test.txt"}
# of the posts of a split; two photos may well have one caption
_REPEATED = 0.01
_CAPTIONS, _LONG_CONTEXTS = "captions_blip2.txt", "contexts_mplug_owl.tsv"
EXPECTED_POSTS: dict[str, dict[str, int]] = {
    "twitter2015": {"train": 4000, "dev": 1000, "test": 3257},
    "twitter2017": {"train": 3373, "dev": 723, "test": 723},
}
"""Posts of the published splits."""
_EXPECTED_STARTS: dict[str, dict[str, dict[str, int]]] = {
    "twitter2015": {
        "train": {"PER": 2217, "LOC": 2091, "ORG": 927, "MISC": 931},
        "dev": {"PER": 552, "LOC": 522, "ORG": 247, "MISC": 220},
        "test": {"PER": 1816, "LOC": 1697, "ORG": 839, "MISC": 720},
    },
    "twitter2017": {
        "train": {"PER": 2943, "LOC": 731, "ORG": 1674, "MISC": 701},
        "dev": {"PER": 626, "LOC": 173, "ORG": 375, "MISC": 150},
        "test": {"PER": 621, "LOC": 178, "ORG": 395, "MISC": 157},
    },
}


@dataclass(frozen=True)
class MNERCheck:
    """What is there of a data set beside what was published; from split to count.

    Attributes:
        posts: Posts.
        expected: The published counts.
        entities: Mentions by type, after mending.
        expected_entities: `B-` tags by type, as published; mended tags come on top.
        mended_tags: `I-` tags that went on with nothing.
        shared_images: Pairs of splits and how many photos they share.
        photos_missing: Posts whose photo is not in the image folder;
            None where no folder was given.
        without_context: Posts without a context.
        shared_texts: Pairs of splits and how many posts of the second stand in the first, in the
            same words but for case.
        repeated_contexts: Contexts of more than one post in a hundred: a captioner's answer to a
            picture that it could not see.
    """

    posts: dict[str, int]
    expected: dict[str, int]
    entities: dict[str, dict[str, int]]
    expected_entities: dict[str, dict[str, int]]
    mended_tags: dict[str, int]
    shared_images: dict[str, int]
    photos_missing: dict[str, int] | None
    without_context: dict[str, int]
    shared_texts: dict[str, int]
    repeated_contexts: dict[str, dict[str, int]]

    @property
    def complete(self) -> bool:
        """True where posts and entities are as published, those of mended tags on top, and no photo
        is shared or missing.
        """
        if (
            self.posts != self.expected
            or any(self.shared_images.values())
            or any((self.photos_missing or {}).values())
        ):
            return False
        for split, mended in self.mended_tags.items():
            # mended tags are mentions beyond those that the papers counted
            extra = Counter(self.entities[split])
            extra.subtract(self.expected_entities[split])
            if sum(extra.values()) != mended or min(extra.values()) < 0:
                return False
        return True

    def as_dict(self) -> dict[str, object]:
        """The same as plain values that JSON can hold."""
        return {**asdict(self), "complete": self.complete}


def _entities(posts: Sequence[AnnotatedPost]) -> dict[str, int]:
    """How many entities there are of each type."""
    return dict(Counter(mention.type for post in posts for mention in post.mentions))


def _repeated(contexts: Mapping[str, str], posts: Sequence[AnnotatedPost]) -> dict[str, int]:
    counts = Counter(context_of(contexts, p.image) for p in posts)
    return {text: n for text, n in counts.most_common() if text and n > max(1, _REPEATED * len(posts))}


@dataclass(frozen=True)
class TwitterMNER:
    """One of the two data sets.

    Arguments:
        root: The folder that holds `twitter2015` and `twitter2017`.
        name: Which of them.
        image_root: The folder of photos (`ID.jpg`), or None.

    Raises:
        DataError: If there is no such data set, or files are missing.
    """

    root: Path
    name: str
    image_root: Path | None = None

    def __post_init__(self) -> None:
        if self.name not in EXPECTED_POSTS:
            raise DataError(f"no data set named {self.name!r}; there are {', '.join(EXPECTED_POSTS)}")
        missing = [file for file in _FILES.values() if not (self.folder / file).is_file()]
        if missing:
            raise DataError(
                f"{self.folder} lacks {', '.join(missing)}; get the splits of UMT (Yu et al. 2020) and give "
                f"the folder above"
            )

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return Path(self.root) / self.name

    @property
    def types(self) -> tuple[str, ...]:
        """The types of its entities."""
        return ENTITY_TYPES

    def load(self, split: str) -> list[AnnotatedPost]:
        """The posts of a split (`train`, `dev` or `test`), in the order of the file.

        Raises:
            DataError: If the split is unknown or the file is not as described.
        """
        return self._read(split).posts

    def _read(self, split: str) -> ConllFile:
        if split not in _FILES:
            raise DataError(f"{self.name} has no split {split!r}; there are {', '.join(_FILES)}")
        return read_conll(self.folder / _FILES[split], split=split, rename={"OTHER": "MISC"})

    def contexts(self, *, long: bool = False) -> Contexts:
        """The contexts beside the data: BLIP-2 captions, or with `long` those that a VLM wrote at
        length, captions where it wrote none.

        Raises:
            DataError: If the tables are not there.
        """
        captions = self.folder / _CAPTIONS
        return read_contexts([Path(self.root) / _LONG_CONTEXTS, captions] if long else [captions])

    def check(self) -> MNERCheck:
        """Counts posts, entities, mended tags, shared photos and what is missing."""
        files = {split: self._read(split) for split in _FILES}
        contexts: Mapping[str, str] = self.contexts() if (self.folder / _CAPTIONS).is_file() else {}
        posts = {split: file.posts for split, file in files.items()}
        images = values_by_split(posts, lambda post: post.image)
        missing = count_by_split(posts, lambda post: not self._has_photo(post))
        return MNERCheck(
            posts={split: len(some) for split, some in posts.items()},
            expected=EXPECTED_POSTS[self.name],
            entities={split: _entities(some) for split, some in posts.items()},
            expected_entities=_EXPECTED_STARTS[self.name],
            mended_tags={split: file.mended_tags for split, file in files.items()},
            shared_images=shared_between(images),
            photos_missing=missing if self.image_root else None,
            without_context=count_by_split(posts, lambda post: not context_of(contexts, post.image)),
            shared_texts=shared_texts(posts),
            repeated_contexts={split: _repeated(contexts, some) for split, some in posts.items()},
        )

    def _has_photo(self, post: AnnotatedPost) -> bool:
        return self.image_root is not None and (Path(self.image_root) / f"{post.image}.jpg").is_file()

    def fingerprint(self) -> str:
        """16 hex digits over the files of words and tags."""
        return fingerprint(
            {"name": self.name, "files": {s: fingerprint_file(self.folder / f) for s, f in _FILES.items()}}
        )

    def describe(self) -> dict[str, object]:
        """What the source is, for reports and model cards."""
        return {
            "kind": {"twitter2015": "Twitter-2015", "twitter2017": "Twitter-2017"}[self.name],
            "license": "the data set providers' terms, research",
            "types": list(self.types),
            "fingerprint": self.fingerprint(),
        }
