"""The feature cache: it holds what the encoder makes, survives kills and damage, and is never taken for
another.
"""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from feature_cases import make_encoder, write_picture

from crisislens.core.errors import CacheError, ModelError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import sha256_of_file
from crisislens.data.text import CleaningRules
from crisislens.domain.assessment import Modality
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.features import extract as extract_module
from crisislens.features.cache import CacheManifest, FeatureCache, shard_path
from crisislens.features.encode import EncodedPosts, PostEncoder, collate
from crisislens.features.extract import EncodeRecipe, cache_identity, extract
from crisislens.features.shards import pack_shard
from crisislens.nn.batch import FeatureBatch
from crisislens.runs.cutting import CHUNK_LETTERS, chunks

pytestmark = pytest.mark.usefixtures("warm_starts")


def make(posts: list[Post], encoder: PostEncoder, root: Path, **options: object) -> FeatureCache:
    return extract(posts, encoder, root, **{"source_fingerprint": "s", "shard_posts": 16, **options})  # type: ignore[arg-type]


@pytest.fixture
def caches(tmp_path: Path) -> Path:
    return tmp_path / "caches"


def assert_equal(a: FeatureBatch, b: FeatureBatch, tolerance: float = 0.0) -> None:
    for name, x in a.modalities().items():
        y = b.modalities()[name]
        assert torch.equal(x.mask, y.mask)
        assert torch.equal(x.present, y.present)
        torch.testing.assert_close(x.pooled, y.pooled, atol=0, rtol=0)
        torch.testing.assert_close(x.tokens, y.tokens, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("keep", [("text", "image"), ("text",), ()])
def test_holds_what_the_encoder_makes(
    keep: tuple[str, ...], posts: list[Post], hashing: EncoderPair, root: Path, caches: Path
) -> None:
    encoder = make_encoder(hashing, root, keep_tokens=keep)
    cache = make(posts, encoder, caches, token_dtype="float32")
    live = encoder.encode(posts)
    assert cache.ids == tuple(post.id for post in posts)
    assert cache.notes == tuple(live.notes)
    assert cache.widths == hashing.widths()
    random = np.random.default_rng(0)
    for index in ([0], [2], [39, 3, 3, 17], random.permutation(40).tolist(), []):
        assert_equal(cache.batch(index), collate([live.features[i] for i in index], hashing.widths()))


def test_long_texts_of_a_shard_are_encoded_a_few_at_a_time(
    hashing: EncoderPair, root: Path, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder(hashing, root)
    encode, asked = encoder.encode, []

    def counted(posts: list[Post]) -> EncodedPosts:
        asked.append(len(posts))
        return encode([Post(id=post.id, text=post.text[:20]) for post in posts])

    monkeypatch.setattr(encoder, "encode", counted)
    posts = [Post(id=str(i), text="flood " * (CHUNK_LETTERS // 12 + 1)) for i in range(5)]
    cache = make(posts, encoder, caches)
    assert asked == [2, 2, 1]
    # they stand in one shard all the same: its place goes by the count
    assert cache.ids == tuple("01234")
    assert [path.name for path in caches.rglob("shard-*")] == ["shard-00000.safetensors"]


def test_float16_keeps_three_digits(posts: list[Post], encoder: PostEncoder, caches: Path) -> None:
    cache = make(posts, encoder, caches)
    live = collate(encoder.encode(posts).features, cache.widths)
    batch = cache.batch(range(40))
    # half precision has 11 bits: a relative error of at most 2⁻¹¹
    assert_equal(batch, live, tolerance=2**-11)
    assert batch.text.tokens.dtype == torch.float32


def test_what_float16_cannot_hold_is_refused(
    posts: list[Post], hashing: EncoderPair, root: Path, caches: Path
) -> None:
    pair = load_encoders(EncoderSpec(name="hashing"))
    with torch.no_grad():
        pair.image.cells.weight.mul_(1e6)
    with pytest.raises(
        CacheError,
        match=r"image_tokens of .* hold values that float16 cannot; extract with token_dtype float32",
    ):
        make(posts, make_encoder(pair, root), caches)


def test_equal_bytes_are_stored_once(posts: list[Post], encoder: PostEncoder, caches: Path) -> None:
    said = make(posts, encoder, caches).describe()
    assert said["stored_images"] == 5  # 0.png and 5.png are one; the broken one and the missing one are none
    assert said["posts"] == 40
    assert said["with_image"] == sum(f.image_pooled is not None for f in encoder.encode(posts).features)


def test_an_index_outside_is_refused(posts: list[Post], encoder: PostEncoder, caches: Path) -> None:
    cache = make(posts, encoder, caches)
    for index in ([40], [-1]):
        with pytest.raises(IndexError, match="posts 0 to 39"):
            cache.batch(index)


def test_no_posts_make_an_empty_cache(encoder: PostEncoder, caches: Path) -> None:
    cache = FeatureCache.open(make([], encoder, caches).folder)
    assert len(cache) == 0
    assert len(cache.batch([])) == 0


def test_a_finished_cache_is_opened_not_made(
    posts: list[Post], encoder: PostEncoder, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(posts, encoder, caches)
    monkeypatch.setattr(encoder, "encode", None)
    seen: list[tuple[int, int]] = []
    again = make(posts, encoder, caches, progress=lambda done, total: seen.append((done, total)))
    assert_equal(first.batch(range(40)), again.batch(range(40)))
    assert seen == [(16, 40), (32, 40), (40, 40)]


def test_whatever_features_depend_on_names_the_folder(
    posts: list[Post], hashing: EncoderPair, root: Path, caches: Path
) -> None:
    def place(
        posts: list[Post] = posts,
        pair: EncoderPair = hashing,
        rules: CleaningRules = CleaningRules(),
        **options: object,
    ) -> Path:
        keep = options.pop("keep", ("text", "image"))
        encoder = make_encoder(pair, root, keep_tokens=keep) if rules == CleaningRules() else None
        if encoder is None:
            encoder = PostEncoder(pair, rules=rules, limits=make_encoder(pair, root).limits, image_root=root)
        return make(posts, encoder, caches, **options).folder

    folders = [
        place(),
        place(source_fingerprint="t"),
        place(posts=posts[:-1]),
        place(posts=[posts[1], posts[0], *posts[2:]]),
        place(pair=load_encoders(EncoderSpec(name="hashing", options={"seed": 1}))),
        place(rules=CleaningRules(urls="keep")),
        place(keep=("text",)),
        place(token_dtype="float32"),
        place(shard_posts=8),
    ]
    assert len(set(folders)) == len(folders)
    assert place() == folders[0]
    # a picture that arrives late, or is replaced by one of another size, is seen
    write_picture(root / "missing.png", seed=50)
    arrived = place()
    assert arrived not in folders
    assert len({*FeatureCache.open(arrived).notes} & {*FeatureCache.open(folders[0]).notes}) < len(
        {*FeatureCache.open(folders[0]).notes}
    )


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from feature_cases import make_encoder
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.extract import extract
root, caches = Path(sys.argv[1]), Path(sys.argv[2])
posts = [Post.model_validate_json(line) for line in (root / "posts.jsonl").read_text().splitlines()]
def progress(done, total):
    print(done, flush=True)
    time.sleep(0.2)
encoder = make_encoder(load_encoders(EncoderSpec(name="hashing")), root)
extract(posts, encoder, caches, source_fingerprint="s", shard_posts=4, progress=progress)
"""


def test_a_killed_extraction_goes_on_where_it_stopped(
    posts: list[Post], encoder: PostEncoder, root: Path, tmp_path: Path, caches: Path
) -> None:
    (root / "posts.jsonl").write_text("".join(post.model_dump_json() + "\n" for post in posts))
    # -c keeps the child free of pytest; it imports this folder's feature_cases
    arguments = [sys.executable, "-c", CHILD, str(root), str(caches), str(Path(__file__).parent)]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as child:
        assert child.stdout is not None
        assert [child.stdout.readline().strip() for _ in range(3)] == ["4", "8", "12"]
        child.send_signal(signal.SIGKILL)
    [folder] = caches.iterdir()
    done = sorted(CacheManifest.read(folder).shards)
    assert 3 <= len(done) < 10
    with pytest.raises(CacheError, match=rf"has {len(done)} of 10 shards; extract again"):
        FeatureCache.open(folder)
    # what a kill in the middle of a write leaves behind: half a shard without an entry, and an old temporary
    # file
    shard_path(folder, len(done)).write_bytes(b"half")
    part = folder / ".shard-00009.safetensors.x.part"
    part.write_bytes(b"half")
    os.utime(part, (time.time() - 1e5,) * 2)
    kept = {i: shard_path(folder, i).stat().st_mtime_ns for i in done}
    resumed = make(posts, encoder, caches, shard_posts=4)
    assert resumed.folder == folder
    assert not part.exists()
    assert {i: shard_path(folder, i).stat().st_mtime_ns for i in done} == kept
    undisturbed = make(posts, encoder, tmp_path / "other", shard_posts=4)
    assert_equal(resumed.batch(range(40)), undisturbed.batch(range(40)))
    assert FeatureCache.open(folder).ids == undisturbed.ids


@pytest.mark.parametrize("shard", [0, 1, 2])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_shard_is_refused_and_rebuilt(
    damage: str, shard: int, posts: list[Post], encoder: PostEncoder, caches: Path
) -> None:
    cache = make(posts, encoder, caches)
    expected = cache.batch(range(40))
    path = shard_path(cache.folder, shard)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
    path.unlink()
    if damage != "gone":
        path.write_bytes(data if damage == "flip" else data[:100])
    with pytest.raises(CacheError, match=r"damaged|cannot be read as a shard"):
        FeatureCache.open(cache.folder)
    rebuilt = make(posts, encoder, caches)
    assert_equal(rebuilt.batch(range(40)), expected)
    assert_equal(FeatureCache.open(cache.folder).batch(range(40)), expected)


def test_a_rebuilt_shard_without_its_picture_takes_those_along_that_lean_on_it(
    posts: list[Post], encoder: PostEncoder, caches: Path, root: Path
) -> None:
    # the same size, so that the cache cannot see the change
    write_picture(root / "a.bmp", 1)
    shown = [
        Post(id="0", text="x", image=ImageRef(path="a.bmp")),
        Post(id="1", text="y", image=ImageRef(path="a.bmp")),
    ]
    cache = make(shown, encoder, caches, shard_posts=1)
    assert cache.describe()["stored_images"] == 1
    write_picture(root / "a.bmp", 2)
    shard_path(cache.folder, 0).unlink()
    rebuilt = make(shown, make_encoder(encoder.encoders, root), caches, shard_posts=1)
    assert_equal(
        rebuilt.batch([0]),
        collate(make_encoder(encoder.encoders, root).encode(shown[:1]).features, cache.widths),
        2**-11,
    )
    assert torch.equal(rebuilt.batch([0]).image.pooled, rebuilt.batch([1]).image.pooled)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "x"}', b"\xff\xfe"])
def test_a_damaged_manifest_is_refused_and_replaced(
    content: bytes, posts: list[Post], encoder: PostEncoder, caches: Path
) -> None:
    cache = make(posts, encoder, caches)
    (cache.folder / "manifest.json").write_bytes(content)
    with pytest.raises(CacheError, match="is damaged or of another version"):
        FeatureCache.open(cache.folder)
    assert_equal(make(posts, encoder, caches).batch([1, 2]), cache.batch([1, 2]))


def test_a_manifest_that_was_edited_is_refused(posts: list[Post], encoder: PostEncoder, caches: Path) -> None:
    path = make(posts, encoder, caches).folder / "manifest.json"
    path.write_text(path.read_text().replace('"float16"', '"float32"'))
    with pytest.raises(CacheError, match="contradicts itself"):
        FeatureCache.open(path.parent)


def test_a_folder_without_a_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"holds no feature cache .*make one with features.extract"):
        FeatureCache.open(tmp_path)


def test_opening_without_verifying_reads_no_shard_whole(
    posts: list[Post], encoder: PostEncoder, caches: Path
) -> None:
    cache = make(posts, encoder, caches)
    path = shard_path(cache.folder, 1)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert len(FeatureCache.open(cache.folder, verify=False)) == 40


class Stopped(Exception):
    """A process is killed."""


def test_what_another_process_has_finished_stays_finished(
    posts: list[Post], encoder: PostEncoder, caches: Path
) -> None:
    finished: list[FeatureCache] = []

    def progress(done: int, total: int) -> None:
        if not finished:
            # began from the same empty folder, and overtook this one
            finished.append(make(posts, encoder, caches))
        elif done < total:
            raise Stopped

    with pytest.raises(Stopped):
        make(posts, encoder, caches, progress=progress)
    assert_equal(FeatureCache.open(finished[0].folder).batch(range(40)), finished[0].batch(range(40)))


def test_what_is_broken_leaves_the_manifest_until_it_is_made_again(
    posts: list[Post], encoder: PostEncoder, caches: Path
) -> None:
    folder = make(posts, encoder, caches, shard_posts=8).folder
    for index in (0, 4):
        shard_path(folder, index).write_bytes(b"half")

    def progress(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        make(posts, encoder, caches, shard_posts=8, progress=progress)
    assert 4 not in CacheManifest.read(folder).shards
    with pytest.raises(CacheError, match="extract again"):
        FeatureCache.open(folder, verify=False)


def _same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library writes a file's texts in an order of chance; here a shard has the same bytes each time."""
    packed: dict[tuple[str, ...], tuple[bytes, frozenset[int]]] = {}

    def pack(ids: list[str], encoded: EncodedPosts, **named: Any) -> tuple[bytes, frozenset[int]]:
        if tuple(ids) not in packed:
            packed[tuple(ids)] = pack_shard(ids, encoded, **named)
        return packed[tuple(ids)]

    monkeypatch.setattr(extract_module, "pack_shard", pack)


def test_a_broken_shard_that_another_process_made_again_stays_finished(
    posts: list[Post], encoder: PostEncoder, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _same_bytes(monkeypatch)
    cache = make(posts, encoder, caches)
    before = cache.manifest.shards
    shard_path(cache.folder, 2).write_bytes(b"half")
    slow = extract_module._Shards(cache.folder, cache.manifest.identity)
    slow.start()
    make(posts, encoder, caches)
    assert CacheManifest.read(cache.folder).shards == before
    slow.write_manifest()
    assert CacheManifest.read(cache.folder).shards == before
    # as long as nobody has made it again it is named no more
    shard_path(cache.folder, 2).write_bytes(b"half")
    slow = extract_module._Shards(cache.folder, cache.manifest.identity)
    slow.start()
    slow.write_manifest()
    assert sorted(CacheManifest.read(cache.folder).shards) == [0, 1]


def test_the_manifest_names_the_file_that_lies_there(
    posts: list[Post], encoder: PostEncoder, caches: Path
) -> None:
    identity = cache_identity(posts, encoder, source_fingerprint="s", shard_posts=16)
    place = caches / identity.fingerprint()
    one, other = (extract_module._Shards(place, identity) for _ in range(2))
    chunk = next(iter(chunks(posts, most_rows=16)))
    made = [encoder.encode([post]) for post in chunk.posts]
    one.start()
    other.start()
    one.enter(chunk, made)
    # the same posts, and a file of other bytes
    other.enter(chunk, [replace(made[0], notes=[("seen later",)]), *made[1:]])
    one.write_manifest()
    assert CacheManifest.read(place).shards == {0: sha256_of_file(shard_path(place, 0))}


def test_two_processes_write_the_manifest_one_after_the_other(
    posts: list[Post], encoder: PostEncoder, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make(posts, encoder, caches)
    one, other = (extract_module._Shards(cache.folder, cache.manifest.identity) for _ in range(2))
    inside, overlaps = [0], list[bool]()

    def slow(path: Path, content: str | bytes) -> None:
        inside[0] += 1
        time.sleep(0.2)
        overlaps.append(inside[0] > 1)
        atomic_write(path, content)
        inside[0] -= 1

    monkeypatch.setattr(extract_module, "atomic_write", slow)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(ledger.write_manifest) for ledger in (one, other)]:
            done.result()
    assert overlaps == [False, False]


class OneHost:
    """Hosts in this process."""

    size = 1

    def __init__(self, recipe: EncodeRecipe) -> None:
        self.step = recipe()

    def call(self, method: str, *arguments: object, **named: object) -> object:
        return getattr(self.step, method)(*arguments, **named)


@pytest.mark.parametrize(("here", "there"), [((), ("text", "image")), (("text", "image"), ("text",))])
def test_hosts_that_keep_other_states_are_refused(
    here: tuple[Modality, ...],
    there: tuple[Modality, ...],
    posts: list[Post],
    hashing: EncoderPair,
    root: Path,
    caches: Path,
) -> None:
    encoder = make_encoder(hashing, root, keep_tokens=here)
    spec, own = EncoderSpec(name="hashing"), encoder.fingerprint()
    recipe = EncodeRecipe(spec, encoder.rules, encoder.limits, root, own, keep_tokens=there)
    with pytest.raises(ModelError, match="give `EncodeRecipe` the `keep_tokens` of the encoder"):
        make(posts, encoder, caches, hosts=OneHost(recipe))
    assert not list(caches.rglob("shard-*"))
    recipe = replace(recipe, keep_tokens=encoder.keep_tokens)
    assert len(make(posts, encoder, caches, hosts=OneHost(recipe))) == 40


def test_a_host_keeps_the_states_that_it_is_told_to(
    posts: list[Post], hashing: EncoderPair, root: Path
) -> None:
    here = make_encoder(hashing, root, keep_tokens=())
    recipe = EncodeRecipe(
        EncoderSpec(name="hashing"), here.rules, here.limits, root, here.fingerprint(), keep_tokens=()
    )
    for found, own in zip(recipe().encoder.encode(posts).features, here.encode(posts).features, strict=True):
        for name in ("text_tokens", "image_tokens"):
            there, expected = getattr(found, name), getattr(own, name)
            assert (there is None) == (expected is None)
            assert there is None or there.shape == expected.shape
