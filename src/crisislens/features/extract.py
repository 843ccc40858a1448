"""Extraction: posts through a `PostEncoder` into a feature cache, shard by shard, resumable. The
loop is that of `crisislens.runs`; here stand the step and the ledger, whose chunks are the shards.

A shard is written whole or not at all, then entered into the manifest; a process that is killed
loses the shard that it was working on. When it is started again, shards whose SHA-256 is right and
whose pictures can be found are kept, all others are made anew. Posts that two processes extract at
once are extracted twice, with the same result, and what one has finished stays in the manifest that
the other writes. A post that breaks the encoders has no features and says so in its notes.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from crisislens.core.errors import CacheError, ImageError, ModelError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint_lines, sha256_of_file
from crisislens.data.images import ImageLimits, resolve_image
from crisislens.data.text import CleaningRules
from crisislens.domain.assessment import FailedPost, Modality
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.cache import CacheIdentity, CacheManifest, FeatureCache, shard_path
from crisislens.features.encode import EncodedPosts, PostEncoder, PostFeatures
from crisislens.features.shards import Shard, TokenDtype, pack_shard, read_shard
from crisislens.nn.device import set_threads
from crisislens.runs.cutting import chunks
from crisislens.runs.engine import Progress, run_step
from crisislens.runs.executor import Executor, Here
from crisislens.runs.files import writing
from crisislens.runs.hosts import Hosts, RemoteStep, beside
from crisislens.runs.step import Chunk, Step

__all__ = ["SHARD_POSTS", "EncodeRecipe", "EncodeStep", "cache_identity", "extract"]

SHARD_POSTS = 256
# no shard is written for an hour, so what is older belongs to nobody
_STALE_S = 3600
# held for as long as one shard is written
_LOCK = ".manifest.lock"
# which file it is, when it was written, and its size; None where there is none
_Mark = tuple[int, int, int] | None


class EncodeStep:
    """Posts into features: the step that `features` is.

    Arguments:
        encoder: What encodes them.
    """

    name = "features"
    failure = "could not be encoded"

    def __init__(self, encoder: PostEncoder) -> None:
        self.encoder = encoder

    def fingerprint(self) -> str:
        """See `runs.step.Step`."""
        return self.encoder.fingerprint()

    def map(self, posts: Sequence[Post]) -> list[EncodedPosts]:
        """See `runs.step.Step`; a record is a post's features alone."""
        found: list[EncodedPosts] = []
        # a shard has its place by the count of its posts, so long texts end no shard sooner
        for chunk in chunks(posts, most_rows=max(1, len(posts))):
            encoded = self.encoder.encode(chunk.posts)
            found += [encoded.only(i) for i in range(len(chunk.posts))]
        return found


@dataclass(frozen=True)
class EncodeRecipe:
    """How a process of its own makes an `EncodeStep`, see `runs.hosts`.

    Attributes:
        encoders: Which encoders.
        rules: How texts are cleaned.
        limits: Within which pictures are decoded.
        image_root: The folder of the photos, which every machine must see under this path.
        fingerprint: Of the encoder that it must be.
        device: Where the encoders run, as torch names it.
        keep_tokens: The modalities whose token states are kept; those of the encoder that `extract` is
            given.
    """

    encoders: EncoderSpec
    rules: CleaningRules
    limits: ImageLimits
    image_root: Path
    fingerprint: str
    device: str = "cpu"
    keep_tokens: tuple[Modality, ...] = ("text", "image")

    def __call__(self) -> EncodeStep:
        """Loads it.

        Raises:
            ModelError: If it is another one on this machine.
        """
        # processes side by side fill the cores; on several threads the last bits depend on their number
        set_threads(1)
        pair = load_encoders(self.encoders).to(self.device)
        encoder = PostEncoder(
            pair,
            rules=self.rules,
            limits=self.limits,
            image_root=self.image_root,
            keep_tokens=self.keep_tokens,
        )
        step = EncodeStep(encoder)
        if (found := step.fingerprint()) != self.fingerprint:
            raise ModelError(
                f"a worker made encoders with fingerprint {found}, and this command has {self.fingerprint}: "
                "packages or weights differ between the machines; install the same versions on all"
            )
        return step


def extract(
    posts: Sequence[Post],
    encoder: PostEncoder,
    folder: Path,
    *,
    source_fingerprint: str,
    progress: Progress | None = None,
    shard_posts: int = SHARD_POSTS,
    token_dtype: TokenDtype = "float16",
    hosts: Hosts | None = None,
) -> FeatureCache:
    """Encodes posts into a cache under a folder, or opens the one that is there.

    Arguments:
        posts: The posts.
        encoder: What encodes them; its `keep_tokens` decides which token states are stored.
        folder: The root of all caches; this one gets a folder of its own, named by its fingerprint.
        source_fingerprint: Fingerprint of where the posts come from.
        progress: Called after each shard with the posts that are done and all posts.
        shard_posts: Posts a shard.
        token_dtype: How token states are stored; float16 halves the disk and keeps three digits.
        hosts: Hold an `EncodeStep` of such an encoder each (`EncodeRecipe`), and encode in its place.

    Returns:
        The cache, complete.

    Raises:
        CacheError: If features cannot be stored in `token_dtype`.
        ModelError: If hosts keep other token states than the encoder.
        RunError: If the disk is full.
    """
    identity = cache_identity(
        posts,
        encoder,
        source_fingerprint=source_fingerprint,
        shard_posts=shard_posts,
        token_dtype=token_dtype,
    )
    ledger = _Shards(folder / identity.fingerprint(), identity)
    step = EncodeStep(encoder)
    # one shard after the other, all threads on each operation: the sums are those of earlier caches
    asked: Step[EncodedPosts] = step
    executor: Executor = Here()
    if hosts is not None:
        asked, executor = RemoteStep(step, partial(hosts.call, "map")), beside(hosts)
    run_step(
        posts,
        asked,
        ledger,
        executor=executor,
        chunk_posts=shard_posts,
        chunk_letters=None,
        progress=progress,
    )
    # also where there are no posts, so that an empty cache opens
    ledger.write_manifest()
    return FeatureCache.open(ledger.place, verify=False)


class _Shards:
    """The ledger of a cache: a chunk is done when its shard is whole and stands in the manifest.

    Arguments:
        place: The cache's folder.
        identity: What the cache holds.
    """

    def __init__(self, place: Path, identity: CacheIdentity) -> None:
        self.place, self.identity = place, identity
        self._digests: dict[int, str] = {}
        self._lost: dict[int, tuple[str, _Mark]] = {}
        self._stored: set[int] = set()
        self._lock = FileLock(place / _LOCK)

    def start(self) -> int:
        """See `runs.ledger.Ledger`."""
        _sweep(self.place)
        named = _named_shards(self.place)
        # before they are read, so that one that is replaced meanwhile is looked at again
        marks = {index: _mark(shard_path(self.place, index)) for index in named}
        shards = _whole_shards(self.place, self.identity, named)
        self._digests = {index: digest for index, (digest, _) in shards.items()}
        self._lost = {index: (digest, marks[index]) for index, digest in named.items() if index not in shards}
        for _, shard in shards.values():
            self._stored.update(shard.stored_keys.tolist())
        return 0

    def holds(self, chunk: Chunk) -> bool:
        """See `runs.ledger.Ledger`."""
        return chunk.index in self._digests

    def pack(self, chunk: Chunk, records: Sequence[EncodedPosts | FailedPost]) -> list[EncodedPosts]:
        """See `runs.ledger.Ledger`."""
        return [_without_features(r) if isinstance(r, FailedPost) else r for r in records]

    def enter(self, chunk: Chunk, packed: list[EncodedPosts] | None) -> None:
        """See `runs.ledger.Ledger`. A picture is stored once a cache,
        so shards are packed in order.
        """
        if packed is None:
            return
        identity, path = self.identity, shard_path(self.place, chunk.index)
        _check_states(packed, identity.keep_tokens)
        data, stored = pack_shard(
            [post.id for post in chunk.posts],
            _together(packed),
            widths=identity.widths,
            dtype=identity.token_dtype,
            elsewhere=self._stored,
        )
        self._stored |= stored
        # together, so that the manifest never names the bytes of another process's file
        with writing(self.place), self._alone():
            atomic_write(path, data)
            entered = {chunk.index: sha256_of_file(path)}
            self._digests.update(entered)
            self._lost.pop(chunk.index, None)
            self.write_manifest(entered)

    def kept(self) -> str:
        """See `runs.ledger.Ledger`."""
        return f"they are kept in {self.place}"

    def write_manifest(self, entered: Mapping[int, str] | None = None) -> None:
        """Writes which shards are whole, those included that another process has made meanwhile.

        Arguments:
            entered: The shard that was written just now, with its digest.
        """
        with self._alone():
            named = _named_shards(self.place)
            # of a shard that both have made, the manifest names the file that lies there
            others = {index: digest for index, digest in named.items() if not self._is_lost(index, digest)}
            manifest = CacheManifest(
                key=self.identity.fingerprint(),
                identity=self.identity,
                shards=dict(sorted({**self._digests, **others, **(entered or {})}.items())),
            )
            atomic_write(self.place / "manifest.json", manifest.model_dump_json(indent=1) + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes the folder meanwhile; it is short, so others wait for it."""
        self.place.mkdir(parents=True, exist_ok=True)
        with self._lock:
            yield

    def _is_lost(self, index: int, digest: str) -> bool:
        """Whether a shard that the manifest names is one that `start` did not keep and nobody made again."""
        before, mark = self._lost.get(index, ("", None))
        if digest != before:
            return False
        path = shard_path(self.place, index)
        if _mark(path) == mark or not path.is_file() or sha256_of_file(path) != digest:
            return True
        # another process made it again with the same bytes; once known, it is not read again
        del self._lost[index]
        return False


def _mark(path: Path) -> _Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_states(packed: Sequence[EncodedPosts], keep: Sequence[Modality]) -> None:
    """Stops where what was encoded holds token states that the cache's name denies, or lacks some.

    Raises:
        ModelError: If it does, as hosts of another recipe do.
    """
    features = [post for encoded in packed for post in encoded.features]
    states: dict[Modality, list[Tensor | None]] = {
        "text": [post.text_tokens for post in features],
        "image": [post.image_tokens for post in features],
    }
    for modality, found in states.items():
        # a modality whose states are not kept is there with none of them
        if any(tokens is not None and (len(tokens) > 0) != (modality in keep) for tokens in found):
            raise ModelError(
                f"the hosts keep the token states of other modalities than this encoder, which keeps "
                f"{', '.join(keep) or 'none'}; give `EncodeRecipe` the `keep_tokens` of the encoder"
            )


def _without_features(failed: FailedPost) -> EncodedPosts:
    return EncodedPosts([PostFeatures()], [(failed.reason,)], [""])


def _together(parts: Sequence[EncodedPosts]) -> EncodedPosts:
    """The features of posts that were encoded, in their order."""
    return EncodedPosts(
        [part.features[0] for part in parts],
        [part.notes[0] for part in parts],
        [part.texts[0] for part in parts],
    )


def cache_identity(
    posts: Sequence[Post],
    encoder: PostEncoder,
    *,
    source_fingerprint: str,
    shard_posts: int = SHARD_POSTS,
    token_dtype: TokenDtype = "float16",
) -> CacheIdentity:
    """What a cache of these posts would depend on; the fingerprint of it is the name of its folder.

    The sizes of picture files are part of it, so that pictures that arrive or are replaced after a
    first extraction are seen; a picture replaced by another one of exactly the same size is not.
    """
    return CacheIdentity(
        source=source_fingerprint,
        posts=fingerprint_lines(
            line for post in posts for line in (post.id, post.text, _picture_line(post, encoder.image_root))
        ),
        count=len(posts),
        features=encoder.fingerprint(),
        widths=encoder.encoders.widths(),
        keep_tokens=encoder.keep_tokens,
        token_dtype=token_dtype,
        shard_posts=shard_posts,
    )


def _picture_line(post: Post, root: Path | None) -> str:
    if post.image is None or root is None:
        return ""
    try:
        return f"{post.image.path} {resolve_image(post.image, root).stat().st_size}"
    except ImageError as error:
        return f"{post.image.path} {error.reason}"
    except OSError:
        return f"{post.image.path} unreadable"


def _sweep(place: Path) -> None:
    """Removes what killed processes left half written; a young one may still be in another
    process's hands.
    """
    for part in place.glob(".*.part"):
        if time.time() - part.stat().st_mtime > _STALE_S:
            part.unlink(missing_ok=True)


def _named_shards(place: Path) -> dict[int, str]:
    """The shards that the manifest names, with their digests; none where it cannot be read."""
    try:
        return CacheManifest.read(place).shards
    except CacheError:
        return {}


def _whole_shards(
    place: Path, identity: CacheIdentity, named: Mapping[int, str]
) -> dict[int, tuple[str, Shard]]:
    """The shards of an earlier run that can be kept, with their digests."""
    whole: dict[int, tuple[str, Shard]] = {}
    for index, digest in named.items():
        path = shard_path(place, index)
        if index < identity.shards() and path.is_file() and sha256_of_file(path) == digest:
            whole[index] = (digest, read_shard(path))
    # a shard may lean on pictures of one that is lost; it is then lost as well, and so on
    while lost := _leaning(whole):
        for index in lost:
            del whole[index]
    return whole


def _leaning(shards: dict[int, tuple[str, Shard]]) -> list[int]:
    """Shards that name a picture which none of them stores."""
    stored = {key for _, shard in shards.values() for key in shard.stored_keys.tolist()}
    return [
        i
        for i, (_, shard) in shards.items()
        if not stored.issuperset(shard.image_keys[shard.image_present].tolist())
    ]
