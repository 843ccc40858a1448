"""Entities and relations for every post of a run: the annotator that `analyze` has, and the run
that `extract` is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from crisislens.core.errors import InputError
from crisislens.core.files import sole_writer
from crisislens.core.fingerprint import fingerprint
from crisislens.core.version import __version__
from crisislens.data.sidecar import Sidecar
from crisislens.data.source import PostSource
from crisislens.domain.assessment import FailedPost, Modality
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts
from crisislens.models.extractor_artifact import LoadedExtractor
from crisislens.nn.device import one_thread_each
from crisislens.pipeline.finder import Finder, Found
from crisislens.runs.engine import Progress, run_step
from crisislens.runs.executor import Executor, Threads
from crisislens.runs.hosts import Hosts, RemoteStep, beside
from crisislens.runs.ledger import Lines
from crisislens.runs.step import Step

__all__ = ["EntityAnnotator", "ExtractStep", "ExtractionOutcome", "extract_posts"]


# of the lines that are written
_RECORD = 5
_OTHER_KINDS = {".csv", ".tsv", ".parquet", ".xlsx", ".html", ".geojson"}


class EntityAnnotator:
    """Adds `entities` and `relations` to each assessment.

    Arguments:
        finder: What finds them; the extractors that ship where None.
    """

    name = "entities"
    tokens: tuple[Modality, ...] = ()

    def __init__(self, finder: Finder | None = None) -> None:
        self.finder = Finder.load() if finder is None else finder

    @property
    def title(self) -> str:
        """The extractors with their versions."""
        return " and ".join(f"{loaded.meta.name} {loaded.meta.version}" for loaded in self._used)

    @property
    def known_limits(self) -> tuple[str, ...]:
        """What the card of the extractor of entities says, and that scores are no shares of right
        answers, as those of the tasks are.
        """
        entities, *relations = self._used
        beside = "".join(f", relations from {loaded.meta.name} {loaded.meta.version}" for loaded in relations)
        limits = (
            " ".join(f"{limit.rstrip('.')}." for limit in entities.meta.card.limits)
            or "Its card says nothing of its limits."
        )
        whom = f"Names come from {entities.meta.name} {entities.meta.version}{beside}"
        return (f"{whom}; their scores are not calibrated, they order names and no more. {limits}",)

    @property
    def _used(self) -> list[LoadedExtractor]:
        finder = self.finder
        return [
            finder.entities,
            *([finder.relations] if finder.relations is not None and finder.seeks_relations else []),
        ]

    def fingerprint(self) -> str:
        """16 hex digits over the extractors."""
        return self.finder.fingerprint()

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        """Entities and relations in the text of each post, with their places in the text as posted;
        a note where none were looked for.
        """
        found = self.finder.find([post.text for post in posts], languages=[post.lang for post in posts])
        return [
            {"entities": f.entities, "relations": f.relations, "notes": (*self._why_none(post, f), *_cut(f))}
            for post, f in zip(posts, found, strict=True)
        ]

    def _why_none(self, post: Post, found: Found) -> tuple[str, ...]:
        """Nobody is to take a post that was not read for one that names nothing."""
        if not post.text.strip() or (
            found.read and (found.relations_read or not self.finder.seeks_relations)
        ):
            return ()
        if found.read:
            return ("relations were not looked for: their extractor does not know the text's language",)
        return ("names and relations were not looked for: the extractor does not know the text's language",)


def _cut(found: Found) -> tuple[str, ...]:
    """A note where a text is longer than what is read of it."""
    if found.read_to is None:
        return ()
    return (
        f"names were looked for in the first {found.read_to} characters: the text is longer than is read",
    )


@dataclass(frozen=True)
class ExtractionOutcome:
    """What a run of `extract_posts` came to.

    Attributes:
        posts: Posts read.
        left_alone: Posts that were not read: without words, or in a language that the extractors do
            not know.
        failed: Rows without a result; each stands in the file with its reason.
        entities: Entities found.
        relations: Relations found.
        frequent: The names that stand in the most posts, with their kind and how many these are.
        resumed: How many of the rows had been finished by an earlier, interrupted start.
        with_context: How many posts have one of the contexts that were given.
        relations_unread: Posts whose entities alone were looked for: that of relations does not
            know the language, or there is none.
        cut: Posts that are longer than what is read of them.
    """

    posts: int
    left_alone: int
    failed: int
    entities: int
    relations: int
    frequent: tuple[tuple[tuple[str, str], int], ...]
    resumed: int = 0
    with_context: int = 0
    relations_unread: int = 0
    cut: int = 0


class _Tally:
    """Counts of the records that stand in a file."""

    def __init__(self) -> None:
        self.posts = self.left_alone = self.relations_unread = self.failed = self.entities = (
            self.relations
        ) = 0
        self.cut = 0
        self.named: Counter[tuple[str, str]] = Counter()

    def add(self, record: Mapping[str, Any]) -> None:
        if "failed" in record:
            self.failed += 1
            return
        if record.get("read") is False:
            self.left_alone += 1
            return
        entities, relations = len(record["entities"]), len(record["relations"])
        named = sorted({(e["type"], " ".join(e["text"].split())) for e in record["entities"]})
        # counted when all of it is known to be there: a foreign line counts nothing
        self.posts += 1
        self.relations_unread += record.get("relations_read") is False
        self.cut += record.get("read_to") is not None
        self.entities, self.relations = self.entities + entities, self.relations + relations
        self.named.update(named)


class ExtractStep:
    """Posts into what they name: the step that `extract` is.

    Arguments:
        finder: What finds.
        contexts: Of the posts' pictures, for extractors that read them.
    """

    name = "extract"
    failure = "could not be read"

    def __init__(self, finder: Finder, contexts: Sidecar | None = None) -> None:
        self.finder, self.contexts = finder, contexts

    def identity(self) -> dict[str, object]:
        """Everything but the posts that decides the records."""
        contexts = self.contexts.fingerprint() if self.contexts else None
        return {"extractors": self.finder.fingerprint(), "contexts": contexts}

    def fingerprint(self) -> str:
        """See `runs.step.Step`."""
        return fingerprint(self.identity())

    def map(self, posts: Sequence[Post]) -> list[dict[str, object]]:
        """See `runs.step.Step`; a record is an object as the file holds it."""
        if not posts:
            return []
        contexts = [self.contexts.of(post) for post in posts] if self.contexts else ()
        languages = [post.lang for post in posts]
        found = self.finder.find([post.text for post in posts], contexts, languages=languages)
        return [_record(post, one) for post, one in zip(posts, found, strict=True)]


def extract_posts(
    source: PostSource,
    finder: Finder,
    out: Path,
    *,
    contexts: Sidecar | None = None,
    chunk: int = 256,
    workers: int | None = None,
    executor: Executor | None = None,
    hosts: Hosts | None = None,
    progress: Progress | None = None,
    total: int | None = None,
) -> ExtractionOutcome:
    """Writes what each post names, one JSON object a line in the order of the source; the file is
    replaced when it is whole.

    Until then the lines stand in `.NAME.KEY.part` beside it, where KEY names posts, contexts and
    extractors:
    a run that was killed goes on after its last whole line, and ends with the bytes of an
    undisturbed one.

    Arguments:
        source: The posts.
        finder: What finds.
        out: The file.
        contexts: Of the posts' pictures, for extractors that read them.
        chunk: Posts that are read together; changes speed and memory, never a result.
        workers: Chunks in work at a time; None takes torch's number of threads. Changes speed and
            memory, never a result.
        executor: Where the chunks are worked on; None takes threads, as many as `workers` says, or
            as there are hosts.
        hosts: Hold this step each, see `pipeline.recipes`.
        progress: Called with the rows done and all rows, None where nobody knows.
        total: All rows, where the caller knows.

    Raises:
        InputError: If the source cannot be read, `out` is a folder or is named as a table, another
            run is writing it, or the contexts belong to no post or no extractor.
        RunError: If the disk is full.
    """
    if out.is_dir():
        raise InputError(f"{out} is a folder; --out names the file that is written")
    # somebody would open the lines as a table and find one column of JSON
    if out.suffix.lower() in _OTHER_KINDS:
        raise InputError(
            f"{out.name} would hold lines of JSON under the name of another kind of file; call it "
            f"{out.stem}.jsonl"
        )
    with_context = _with_context(source, contexts, finder) if contexts is not None else 0
    step, tally = ExtractStep(finder, contexts), _Tally()
    asked: Step[dict[str, object]] = step
    if hosts is not None:
        asked, executor = RemoteStep(step, partial(hosts.call, "map")), executor or beside(hosts)
    lines: Lines[dict[str, object]] = Lines(out, _key(source, step), record=_line, seen=tally.add)
    with sole_writer(out.parent, lock=f".{out.name}.lock"):
        with closing(lines):
            count = run_step(
                source,
                asked,
                lines,
                # on one thread each sums are made in one order, whoever stands beside a post
                executor=executor or Threads(workers, each=one_thread_each),
                chunk_posts=chunk,
                progress=progress,
                total=total,
            )
        lines.finish()
    return ExtractionOutcome(
        posts=tally.posts,
        left_alone=tally.left_alone,
        failed=tally.failed,
        entities=tally.entities,
        relations=tally.relations,
        frequent=tuple(tally.named.most_common(20)),
        resumed=count.resumed,
        with_context=with_context,
        relations_unread=tally.relations_unread,
        cut=tally.cut,
    )


def _key(source: PostSource, step: ExtractStep) -> str:
    """All that the lines depend on."""
    parts = {"posts": source.fingerprint(), **step.identity()}
    return fingerprint({**parts, "crisislens": __version__, "record": _RECORD})


def _with_context(source: PostSource, contexts: Sidecar, finder: Finder) -> int:
    """How many posts have a context; the source is read once more for it, which costs next to
    nothing.
    """
    if not finder.reads_contexts:
        raise InputError(
            "these extractors read the text alone; name one that was trained with contexts, or leave them out"
        )
    found = sum(1 for row in source if isinstance(row, Post) and contexts.of(row))
    if not found:
        raise InputError(
            f"none of the {len(contexts)} contexts belongs to one of the posts; both go by the "
            "post's id, or by its photo's path"
        )
    return found


def _record(post: Post, found: Found) -> dict[str, object]:
    """What the file says of a post."""
    # with its text, so that a person can correct the places and train on the file
    # (`data.annotated`)
    return {
        "id": post.id,
        "text": post.text,
        "image": post.image.path if post.image else None,
        "entities": [e.model_dump() for e in found.entities],
        "relations": [r.model_dump() for r in found.relations],
        # nobody knows what such a post names, and it is not to be taken for one that names nothing
        **({} if found.read else {"read": False}),
        **({} if found.relations_read else {"relations_read": False}),
        # names behind it were not looked for
        **({} if found.read_to is None else {"read_to": found.read_to}),
    }


def _line(record: dict[str, object] | FailedPost) -> dict[str, object]:
    return {"failed": record.model_dump(mode="json")} if isinstance(record, FailedPost) else record
