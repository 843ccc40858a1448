"""A run over a source of any length: chunk by chunk, resumable, with flat memory, and the same
bytes out however often it was killed. The engine is that of `crisislens.runs`; here stand the step
and what its records become.

A run lives in its output folder. `work/KEY/manifest.json` names exactly what is analyzed with what,
and KEY is its fingerprint, so that a chunk of another run is never taken for one of this; each
finished chunk is a pair of atomic files, the records and what the search for duplicates needs
(`runs.chunk_files.ChunkFiles`). One thread works on each chunk and as many chunks are in work as
there are cores: that fills them better than many threads on one small matrix product, and the numbers do
not depend on how many there are. When all chunks are there, near-duplicates are clustered, and one
pass over the records fills `assessments.jsonl`, `failed.jsonl` and whatever else is asked for; only
then does the work go.

A folder that holds what was made of another file of posts is refused, see `pipeline.run_origin`.

`work/` is made and removed by crisislens only where it holds the file `.crisislens-work`; a folder
of that name that was there before is somebody's, and the run is refused.

The time in the records is the time of the run's first start (or `SOURCE_DATE_EPOCH`, the convention
of reproducible builds), kept in the manifest, so that a resumed run ends with exactly the bytes of
an undisturbed one.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from crisislens.core.errors import InputError
from crisislens.core.files import LOCK, atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.core.version import __version__
from crisislens.data.source import PostSource
from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.post import Post
from crisislens.nn.device import one_thread_each
from crisislens.pipeline.analyst import Analyst, Finding
from crisislens.pipeline.neighbors import DuplicateCluster, NeighborStore
from crisislens.pipeline.run_origin import RUN_FILE, RunOrigin
from crisislens.runs.chunk_files import ChunkFiles
from crisislens.runs.cutting import CHUNK_LETTERS
from crisislens.runs.engine import Progress, run_step
from crisislens.runs.executor import Executor, Threads
from crisislens.runs.hosts import Hosts, RemoteStep, beside
from crisislens.runs.pictures import picture_marks
from crisislens.runs.sinks import JsonLines, Record, Sink, pour
from crisislens.runs.step import Step
from crisislens.runs.work import WorkFolder

__all__ = [
    "CHUNK_POSTS",
    "AnalyzeStep",
    "RunOutcome",
    "clear_work",
    "read_assessments",
    "read_failed",
    "read_records",
    "run_analysis",
    "run_time",
]

# texts are encoded in groups of equal length, which a larger chunk fills better; a kill costs at
# most this times the cores (seconds)
CHUNK_POSTS = 512
# of the chunks: those of another form are not joined with these
_RECORD = 8


@dataclass(frozen=True)
class RunOutcome:
    """What a finished run left behind.

    Attributes:
        folder: The output folder.
        assessed: How many posts were assessed.
        failed: How many rows could not become a post, or could not be assessed.
        resumed: How many of the assessed or failed rows had been finished by an earlier,
            interrupted start.
        clusters: Near-duplicate posts, the largest cluster first.
        analyzed_at: The time that the records carry.
        lost: How many records a file could not hold, by the file's name; without those that hold
            all.
    """

    folder: Path
    assessed: int
    failed: int
    resumed: int
    clusters: tuple[DuplicateCluster, ...]
    analyzed_at: str
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the source: every one of them was assessed or failed."""
        return self.assessed + self.failed


Outputs = Callable[[RunOutcome], Sequence[Sink[Assessment]]]


class AnalyzeStep:
    """Posts into findings: the step that `analyze` is.

    Arguments:
        analyst: The models.
        analyzed_at: The time that the records carry.
        device: Where the encoders run, as torch names it.
    """

    name = "analyze"
    failure = "could not be assessed"

    def __init__(self, analyst: Analyst, analyzed_at: str = "", *, device: str = "cpu") -> None:
        self.analyst, self.analyzed_at, self.device = analyst, analyzed_at, device

    def identity(self) -> dict[str, object]:
        """Everything but the posts that decides the records, and the pictures' folder."""
        analyst = self.analyst
        root = analyst.encoder.image_root
        return {
            "model": analyst.fingerprint,
            "features": analyst.encoder.fingerprint(),
            "images": str(root.resolve()) if root else None,
            "annotators": {a.name: a.fingerprint() for a in analyst.annotators},
            # another device adds in another order: its last bits are not joined with a processor's
            **({} if self.device == "cpu" else {"device": self.device}),
        }

    def fingerprint(self) -> str:
        """See `runs.step.Step`; the time is no part of it."""
        return fingerprint(self.identity())

    def map(self, posts: Sequence[Post]) -> list[Finding]:
        """See `runs.step.Step`."""
        return self.analyst.find(posts, analyzed_at=self.analyzed_at) if posts else []


def run_analysis(
    source: PostSource,
    analyst: Analyst,
    folder: Path,
    *,
    chunk_posts: int = CHUNK_POSTS,
    workers: int | None = None,
    executor: Executor | None = None,
    hosts: Hosts | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    total: int | None = None,
    outputs: Outputs | None = None,
    replace_run: bool = False,
    origin: Path | None = None,
) -> RunOutcome:
    """Assesses every post of a source and writes `assessments.jsonl` and `failed.jsonl` into a
    folder.

    Arguments:
        source: The posts; read once, front to back, never held whole.
        analyst: The models.
        folder: Where the output goes. An interrupted run with the same source and models in it is
            resumed.
        chunk_posts: Rows a chunk, at most; long texts end one sooner, see `runs.cutting`. Part of the
            run's identity.
        workers: Chunks that are in work at a time; None takes torch's number of threads. Changes
            speed and memory, never a result.
        executor: Where the chunks are worked on; None takes threads, as many as `workers` says, or
            as there are hosts.
        hosts: Hold an analyst like this one each, and find in its place, see `pipeline.recipes`.
        device: Where the encoders of the hosts run.
        progress: Called after each chunk with the rows done so far and all rows, None where nobody
            knows.
        total: All rows, where the caller knows.
        outputs: Gives the sinks that are filled beside the two files, in the same pass, once it is
            known how the run ended.
        replace_run: Whether a run of another file of posts in the folder may be written over.
        origin: The file of posts: one of the same name in another folder is another file.

    Raises:
        InputError: If the folder holds files that no run of crisislens made, or a run of another file of
            posts.
        RunError: If the disk is full.
    """
    step = AnalyzeStep(analyst, device=device)
    # the time is known only here: that of the first start, where an interrupted run is resumed
    made_of = RunOrigin.of(folder, source, origin)
    work, step.analyzed_at = _open(folder, source, step, chunk_posts, made_of, replace_run=replace_run)
    root = analyst.encoder.image_root
    ledger: ChunkFiles[Finding] = ChunkFiles(
        work,
        line=lambda found: found.assessment.model_dump_json(),
        side=_neighbors,
        marks=lambda chunk: picture_marks(chunk, root),
    )
    asked: Step[Finding] = step
    if hosts is not None:
        find = partial(hosts.call, "find", analyzed_at=step.analyzed_at)
        asked, executor = RemoteStep(step, find), executor or beside(hosts)
    count = run_step(
        source,
        asked,
        ledger,
        executor=executor or Threads(workers, each=one_thread_each),
        chunk_posts=chunk_posts,
        progress=progress,
        total=total,
    )
    # after the last chunk: a near-duplicate may stand anywhere in the source
    clusters = NeighborStore.load(ledger.sides()).clusters()
    _write_clusters(clusters, folder)
    outcome = RunOutcome(folder, ledger.good, ledger.failed, count.resumed, clusters, step.analyzed_at)
    sinks: list[Sink[Assessment]] = [
        JsonLines(folder / "assessments.jsonl"),
        JsonLines(folder / "failed.jsonl", failed=True),
        *(outputs(outcome) if outputs is not None else ()),
    ]
    lost = pour(ledger.records(Assessment.model_validate_json), sinks)
    return replace(outcome, lost=lost)


def clear_work(folder: Path) -> None:
    """Removes the chunks of a finished run; call it when everything that is made from the run has
    been written.
    """
    WorkFolder(folder / "work").clear()


def _neighbors(found: Sequence[Finding]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **NeighborStore.of(found).arrays())  # type: ignore[arg-type]
    return buffer.getvalue()


def _open(
    folder: Path,
    source: PostSource,
    step: AnalyzeStep,
    chunk_posts: int,
    made_of: RunOrigin,
    *,
    replace_run: bool,
) -> tuple[Path, str]:
    """Prepares the work folder and returns it with the time that the records carry."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, and a folder is needed for the output; give another --out")
    # everything that decides the bytes of a chunk; what is missing here would be joined with a
    # stranger
    identity = {
        "crisislens": __version__,
        "record": _RECORD,
        "source": source.fingerprint(),
        **step.identity(),
        "chunk_posts": chunk_posts,
        # chunks of an earlier version were cut elsewhere: equal numbers hold other rows
        "chunk_letters": CHUNK_LETTERS,
    }
    key = fingerprint(identity)
    work = WorkFolder(folder / "work")
    manifest = work.path / key / "manifest.json"
    if work.ours and (analyzed_at := _started_at(manifest)) is not None:
        # the posts may have moved since the run was interrupted
        made_of.write(folder)
        return manifest.parent, analyzed_at
    _refuse_foreign(folder, work)
    if not replace_run:
        made_of.refuse_another(folder)
    # chunks without their manifest, and those of another run that nobody finished
    work.clear()
    work.make()
    analyzed_at = run_time()
    atomic_write(manifest, json.dumps({"key": key, "analyzed_at": analyzed_at, **identity}, indent=1))
    made_of.write(folder)
    return manifest.parent, analyzed_at


def _refuse_foreign(folder: Path, work: WorkFolder) -> None:
    """Nobody's files are to be among those of a run."""
    if not work.ours and work.taken:
        raise InputError(
            f"{work.path} was not made by crisislens, which keeps its own work under that name; "
            "give another --out, or move it away"
        )
    others = {path.name for path in folder.iterdir()} - {"work", LOCK, RUN_FILE} if folder.is_dir() else set()
    if others and not (folder / "assessments.jsonl").is_file() and not work.ours:
        raise InputError(
            f"{folder} is not empty and holds no run of crisislens; give another --out, or empty it"
        )


def _started_at(manifest: Path) -> str | None:
    """When the run of a manifest started; None without a whole one."""
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["analyzed_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_time() -> str:
    """The time that records carry: now, or `SOURCE_DATE_EPOCH`, ISO 8601 in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return now.isoformat(timespec="seconds")


def _write_clusters(clusters: tuple[DuplicateCluster, ...], folder: Path) -> None:
    lines = (
        json.dumps({"kind": c.kind, "size": len(c.ids), "ids": c.ids}, ensure_ascii=False) + "\n"
        for c in clusters
    )
    atomic_write(folder / "duplicates.jsonl", "".join(lines))


def read_records(folder: Path) -> Iterator[Record[Assessment]]:
    """The records of a finished run, then its failed rows, one at a time."""
    for name, failed in (("assessments.jsonl", False), ("failed.jsonl", True)):
        with (folder / name).open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                # the line as it stands: what only copies records need not read them
                yield Record(line.rstrip("\n"), Assessment.model_validate_json, failed=failed)


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
