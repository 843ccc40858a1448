"""Extraction: posts through a `PostEncoder` into a feature cache, shard by shard, resumable.

A shard is written whole or not at all, then entered into the manifest; a process that is killed loses the
shard that it was working on. When it is started again, shards whose SHA-256 is right and whose pictures can
be found are kept, all others are made anew. Posts that two processes extract at once are extracted twice,
with the same result.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from crisislens.core.errors import CacheError, ImageError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint_lines, sha256_of_file
from crisislens.data.images import resolve_image
from crisislens.domain.post import Post
from crisislens.features.cache import CacheIdentity, CacheManifest, FeatureCache, shard_path
from crisislens.features.encode import PostEncoder
from crisislens.features.shards import Shard, TokenDtype, pack_shard, read_shard

__all__ = ["SHARD_POSTS", "cache_identity", "extract"]

SHARD_POSTS = 256
_STALE_S = 3600
Progress = Callable[[int, int], None]


def extract(
    posts: Sequence[Post],
    encoder: PostEncoder,
    folder: Path,
    *,
    source_fingerprint: str,
    progress: Progress | None = None,
    shard_posts: int = SHARD_POSTS,
    token_dtype: TokenDtype = "float16",
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

    Returns:
        The cache, complete.

    Raises:
        CacheError: If features cannot be stored in `token_dtype`.
    """
    identity = cache_identity(
        posts,
        encoder,
        source_fingerprint=source_fingerprint,
        shard_posts=shard_posts,
        token_dtype=token_dtype,
    )
    place = folder / identity.fingerprint()
    _sweep(place)
    shards = _whole_shards(place, identity)
    stored = {i: frozenset(shard.stored_keys.tolist()) for i, (_, shard) in shards.items()}
    digests = {i: digest for i, (digest, _) in shards.items()}
    for index in range(identity.shards()):
        chunk = posts[index * shard_posts : (index + 1) * shard_posts]
        if index not in digests:
            elsewhere = frozenset[int]().union(*stored.values())
            data, stored[index] = pack_shard(
                [post.id for post in chunk],
                encoder.encode(chunk),
                widths=identity.widths,
                dtype=token_dtype,
                elsewhere=elsewhere,
            )
            atomic_write(shard_path(place, index), data)
            digests[index] = sha256_of_file(shard_path(place, index))
            _write_manifest(place, identity, digests)
        if progress is not None:
            progress(index * shard_posts + len(chunk), len(posts))
    _write_manifest(place, identity, digests)
    return FeatureCache.open(place, verify=False)


def cache_identity(
    posts: Sequence[Post],
    encoder: PostEncoder,
    *,
    source_fingerprint: str,
    shard_posts: int = SHARD_POSTS,
    token_dtype: TokenDtype = "float16",
) -> CacheIdentity:
    """What a cache of these posts would depend on; the fingerprint of it is the name of its folder.

    The sizes of picture files are part of it, so that pictures that arrive or are replaced after a first
    extraction are seen; a picture replaced by another one of exactly the same size is not.
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
    """Removes what killed processes left half written; a young one may still be in another process's
    hands.
    """
    for part in place.glob(".*.part"):
        if time.time() - part.stat().st_mtime > _STALE_S:
            part.unlink(missing_ok=True)


def _whole_shards(place: Path, identity: CacheIdentity) -> dict[int, tuple[str, Shard]]:
    """The shards of an earlier run that can be kept, with their digests."""
    try:
        manifest = CacheManifest.read(place)
    except CacheError:
        return {}
    whole: dict[int, tuple[str, Shard]] = {}
    for index, digest in manifest.shards.items():
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


def _write_manifest(place: Path, identity: CacheIdentity, digests: dict[int, str]) -> None:
    manifest = CacheManifest(
        key=identity.fingerprint(), identity=identity, shards=dict(sorted(digests.items()))
    )
    atomic_write(place / "manifest.json", manifest.model_dump_json(indent=1) + "\n")
