"""A run over a source of any length: chunk by chunk, resumable, with flat memory, and the same bytes out
however often it was killed.

A run lives in its output folder. `work/KEY/manifest.json` names exactly what is analyzed with what, and KEY
is its fingerprint, so that a chunk of another run is never taken for one of this; each finished chunk is one
pair of atomic files, `NNNNNN.npz` (what the search for duplicates needs) and then `NNNNNN.jsonl` (the
records), whose presence says that both are whole. Chunks are cut by position in the source, so the batches
that a post is computed in are the same after a restart. One thread works on each chunk and as many chunks are
in work as there are cores: that fills them better than many threads on one small matrix product, and the
numbers do not depend on how many there are. When all chunks are there they are joined into
`assessments.jsonl` and `failed.jsonl`, near-duplicates are clustered, and only then does `work/` go.

The time in the records is the time of the run's first start (or `SOURCE_DATE_EPOCH`, the convention of
reproducible builds), kept in the manifest, so that a resumed run ends with exactly the bytes of an
undisturbed one.
"""

import io
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from crisislens.core.errors import CrisisLensError, InputError
from crisislens.core.files import LOCK, atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.core.version import __version__
from crisislens.data.source import PostSource
from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.post import Post
from crisislens.nn.device import one_thread_each
from crisislens.pipeline.analyst import Analyst, Finding
from crisislens.pipeline.neighbors import DuplicateCluster, NeighborStore

__all__ = ["CHUNK_POSTS", "RunOutcome", "read_assessments", "read_failed", "run_analysis"]

# texts are encoded in groups of equal length, which a larger chunk fills better; a kill costs at most this
# times the cores (seconds)
CHUNK_POSTS = 512
# of the records: chunks of another form are not joined with these
_RECORD = 2
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RunOutcome:
    """What a finished run left behind.

    Attributes:
        folder: The output folder.
        assessed: How many posts were assessed.
        failed: How many rows could not become a post.
        resumed: How many of the assessed or failed rows had been finished by an earlier, interrupted start.
        clusters: Near-duplicate posts, the largest cluster first.
        analyzed_at: The time that the records carry.
    """

    folder: Path
    assessed: int
    failed: int
    resumed: int
    clusters: tuple[DuplicateCluster, ...]
    analyzed_at: str


def run_analysis(
    source: PostSource,
    analyst: Analyst,
    folder: Path,
    *,
    chunk_posts: int = CHUNK_POSTS,
    workers: int | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Assesses every post of a source and writes `assessments.jsonl` and `failed.jsonl` into a folder.

    Arguments:
        source: The posts; read once, front to back, never held whole.
        analyst: The models.
        folder: Where the output goes. An interrupted run with the same source and models in it is resumed.
        chunk_posts: Rows a chunk. Part of the run's identity.
        workers: Chunks that are in work at a time; None takes torch's number of threads. Changes speed and
            memory, never a result.
        progress: Called after each chunk with the rows done so far and how many of them were resumed.

    Raises:
        InputError: If the folder holds files that no run of crisislens made.
    """
    work, analyzed_at = _open(folder, source, analyst, chunk_posts)
    chunks, resumed = _write_chunks(
        work, source, analyst, analyzed_at, chunk_posts=chunk_posts, workers=workers, progress=progress
    )
    assessed, failed = _join(chunks, folder)
    clusters = NeighborStore.load([path.with_suffix(".npz") for path in chunks]).clusters(_ids(folder))
    _write_clusters(clusters, folder)
    return RunOutcome(folder, assessed, failed, resumed, clusters, analyzed_at)


def clear_work(folder: Path) -> None:
    """Removes the chunks of a finished run; call it when everything that is made from the run has been
    written.
    """
    shutil.rmtree(folder / "work", ignore_errors=True)


def _open(folder: Path, source: PostSource, analyst: Analyst, chunk_posts: int) -> tuple[Path, str]:
    """Prepares the work folder and returns it with the time that the records carry."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, and a folder is needed for the output; give another --out")
    root = analyst.encoder.image_root
    identity = {
        "crisislens": __version__,
        "record": _RECORD,
        "source": source.fingerprint(),
        "model": analyst.fingerprint,
        "features": analyst.encoder.fingerprint(),
        "images": str(root.resolve()) if root else None,
        "annotators": {a.name: a.fingerprint() for a in analyst.annotators},
        "chunk_posts": chunk_posts,
    }
    key = fingerprint(identity)
    work, manifest = folder / "work" / key, folder / "work" / key / "manifest.json"
    if manifest.is_file():
        try:
            return work, str(json.loads(manifest.read_text(encoding="utf-8"))["analyzed_at"])
        except (ValueError, KeyError, TypeError):
            pass
    elif (
        folder.is_dir()
        and {p.name for p in folder.iterdir()} - {"work", LOCK}
        and not (folder / "assessments.jsonl").is_file()
    ):
        raise InputError(
            f"{folder} is not empty and holds no run of crisislens; give another --out, or empty it"
        )
    # chunks without their manifest, and those of another run that nobody finished
    shutil.rmtree(folder / "work", ignore_errors=True)
    analyzed_at = _now()
    atomic_write(manifest, json.dumps({"key": key, "analyzed_at": analyzed_at, **identity}, indent=1))
    return work, analyzed_at


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return now.isoformat(timespec="seconds")


def _chunks(source: PostSource, size: int) -> Iterator[list[Post | FailedPost]]:
    rows = iter(source)
    while chunk := list(islice(rows, size)):
        yield chunk


def _write_chunks(
    work: Path,
    source: PostSource,
    analyst: Analyst,
    analyzed_at: str,
    *,
    chunk_posts: int,
    workers: int | None,
    progress: Progress | None,
) -> tuple[list[Path], int]:
    """Writes the chunks that are not there yet; returns all of them in order and the rows of those that were
    there.
    """
    chunks: list[Path] = []
    rows = resumed = 0
    with (
        one_thread_each() as threads,
        ThreadPoolExecutor(workers or threads, thread_name_prefix="chunk") as pool,
    ):
        waiting: deque[tuple[int, Future[None] | None]] = deque()

        def settle(most: int) -> None:
            nonlocal rows
            while len(waiting) > most:
                count, future = waiting.popleft()
                if future is not None:
                    future.result()
                rows += count
                if progress is not None:
                    progress(rows, resumed)

        try:
            for index, chunk in enumerate(_chunks(source, chunk_posts)):
                chunks.append(work / f"{index:06d}.jsonl")
                there = chunks[-1].is_file()
                resumed += len(chunk) if there else 0
                waiting.append(
                    (
                        len(chunk),
                        None
                        if there
                        else pool.submit(
                            _write_chunk, work, index * chunk_posts, index, chunk, analyst, analyzed_at
                        ),
                    )
                )
                # one chunk more than workers is read ahead, so that memory does not grow with the source
                settle(workers or threads)
            settle(0)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return chunks, resumed


def _write_chunk(
    work: Path, first_row: int, index: int, chunk: list[Post | FailedPost], analyst: Analyst, analyzed_at: str
) -> None:
    posts = {first_row + i: row for i, row in enumerate(chunk) if isinstance(row, Post)}
    found, lost = _find(posts, analyst, analyzed_at)
    failures = [row for row in chunk if isinstance(row, FailedPost)] + lost
    buffer = io.BytesIO()
    np.savez(buffer, **NeighborStore.of(found).arrays())  # type: ignore[arg-type]
    atomic_write(work / f"{index:06d}.npz", buffer.getvalue())
    lines = ["A" + f.assessment.model_dump_json() for f in found] + [
        "F" + f.model_dump_json() for f in failures
    ]
    atomic_write(work / f"{index:06d}.jsonl", "".join(line + "\n" for line in lines))


def _find(
    posts: dict[int, Post], analyst: Analyst, analyzed_at: str
) -> tuple[list[Finding], list[FailedPost]]:
    """Assesses a chunk, given by row; if it fails as a whole, each post by itself, so that one post never
    costs another.
    """
    try:
        return analyst.find([*posts.values()], analyzed_at=analyzed_at), []
    except (CrisisLensError, MemoryError, OSError):
        # the machine's fault and not a post's: what is finished stays, and the run goes on when it is started
        # again
        raise
    except Exception:
        found: list[Finding] = []
        lost: list[FailedPost] = []
        for row, post in posts.items():
            try:
                found += analyst.find([post], analyzed_at=analyzed_at)
            except Exception as error:
                lost.append(
                    FailedPost(
                        row=row,
                        id=post.id,
                        reason=f"could not be assessed: {type(error).__name__}: {error}"[:300],
                    )
                )
        return found, lost


def _join(chunks: Iterable[Path], folder: Path) -> tuple[int, int]:
    """Joins the chunks into the two output files, atomically and with flat memory; returns how many records
    each has.
    """
    counts = {"A": 0, "F": 0}
    parts = {"A": folder / ".assessments.jsonl.part", "F": folder / ".failed.jsonl.part"}
    with (
        parts["A"].open("w", encoding="utf-8", newline="\n") as good,
        parts["F"].open("w", encoding="utf-8", newline="\n") as bad,
    ):
        for path in chunks:
            with path.open(encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    (good if line[0] == "A" else bad).write(line[1:])
                    counts[line[0]] += 1
    parts["A"].replace(folder / "assessments.jsonl")
    parts["F"].replace(folder / "failed.jsonl")
    return counts["A"], counts["F"]


def _write_clusters(clusters: tuple[DuplicateCluster, ...], folder: Path) -> None:
    lines = (
        json.dumps({"kind": c.kind, "size": len(c.ids), "ids": c.ids}, ensure_ascii=False) + "\n"
        for c in clusters
    )
    atomic_write(folder / "duplicates.jsonl", "".join(lines))


def _ids(folder: Path) -> list[str]:
    with (folder / "assessments.jsonl").open(encoding="utf-8") as lines:
        return [str(json.loads(line)["post"]["id"]) for line in lines]


def read_assessments(folder: Path) -> Iterator[Assessment]:
    """The assessments of a finished run, one at a time, in the order of the source."""
    with (folder / "assessments.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield Assessment.model_validate_json(line)


def read_failed(folder: Path) -> Iterator[FailedPost]:
    """The failed rows of a finished run, one at a time."""
    with (folder / "failed.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield FailedPost.model_validate_json(line)
