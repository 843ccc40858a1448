"""Knowledge of many posts: one record a post, in their order, in the form that a run file joins to
the posts (`data.sidecar`). The loop is that of `crisislens.runs`; here stands the step.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from crisislens.core.fingerprint import fingerprint
from crisislens.core.http import RequestError
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.knowledge.base import KnowledgeSource
from crisislens.runs.engine import Progress, run_step
from crisislens.runs.executor import Here
from crisislens.runs.ledger import Through
from crisislens.runs.sinks import Feed, InMemory, Record, Sink

__all__ = ["KnowStep", "KnowledgeRecord", "KnowledgeRun", "know_posts", "run_knowledge"]

_GIVE_UP_AFTER = 3


class KnowledgeRecord(BaseModel):
    """One line of the output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """The post."""
    text: str
    """Summaries, one after the other; empty where nothing is known."""
    titles: tuple[str, ...] = ()
    """The pages."""
    mentions: tuple[str, ...] = ()
    """The words of the post that led to them."""
    source: str
    reason: str | None = None
    """Why there is nothing, where asking failed."""


@dataclass
class KnowledgeRun:
    """What a run came to.

    Attributes:
        posts: Posts that have a record.
        found: How many of them name something that is known.
        unanswered: How many could not be asked about.
        failed: Rows that could not become a post.
    """

    posts: int = 0
    found: int = 0
    unanswered: int = 0
    failed: int = 0


class KnowStep:
    """Posts into what is known of their names: the step that `knowledge` is. One post after the
    other, since it counts who got no answer.

    Arguments:
        source: Where to look.
    """

    name = "knowledge"
    failure = "could not be looked up"

    def __init__(self, source: KnowledgeSource) -> None:
        self.source = source
        self._known: dict[str, KnowledgeRecord] = {}
        self._failures = 0

    def fingerprint(self) -> str:
        """See `runs.step.Step`; what a source knows may change from day to day."""
        return fingerprint({"source": self.source.name})

    def map(self, posts: Sequence[Post]) -> list[KnowledgeRecord]:
        """See `runs.step.Step`.

        Raises:
            RequestError: If several posts in a row got no answer;
                what was answered is kept by the source.
        """
        return [self._record(post) for post in posts]

    def _record(self, post: Post) -> KnowledgeRecord:
        # retweets are looked up once
        if (earlier := self._known.get(post.text)) is not None:
            return earlier.model_copy(update={"id": post.id})
        before = self.source.requests
        try:
            pages = self.source.pages(post.text)
        except RequestError as error:
            self._failures += 1
            # one post may be at fault, several in a row are the server's
            if self._failures >= _GIVE_UP_AFTER:
                raise
            return KnowledgeRecord(id=post.id, text="", source=self.source.name, reason=str(error))
        # a post that names nothing, or whose answer is kept, says nothing of the server
        if before is None or self.source.requests != before:
            self._failures = 0
        record = KnowledgeRecord(
            id=post.id,
            text=" ".join(page.summary for page in pages),
            titles=tuple(page.title for page in pages),
            mentions=tuple(page.mention for page in pages),
            source=self.source.name,
        )
        self._known[post.text] = record
        return record


def run_knowledge(
    posts: Iterable[Post | FailedPost],
    source: KnowledgeSource,
    sinks: Sequence[Sink[KnowledgeRecord]],
    *,
    progress: Progress | None = None,
    total: int | None = None,
) -> KnowledgeRun:
    """Looks up the names in posts.

    Arguments:
        posts: The posts; rows that could not become one are counted and have no record.
        source: Where to look.
        sinks: Where the records go.
        progress: Called with the rows that are done and all rows, None where nobody knows.
        total: All rows, where the caller knows.

    Raises:
        RequestError: If several posts in a row got no answer;
            what was answered is kept by the source.
    """
    run = KnowledgeRun()
    feed: Feed[KnowledgeRecord] = Feed([_Counts(run), *sinks])
    where = "what was answered is kept by the source"
    try:
        run_step(
            posts,
            KnowStep(source),
            Through(feed, line=KnowledgeRecord.model_dump_json, where=where),
            executor=Here(),
            chunk_posts=1,
            progress=progress,
            total=total,
        )
        feed.commit()
    except BaseException:
        feed.discard()
        raise
    return run


def know_posts(
    posts: Iterable[Post | FailedPost],
    source: KnowledgeSource,
    *,
    progress: Progress | None = None,
) -> list[KnowledgeRecord]:
    """The records of `run_knowledge` in a list.

    Arguments:
        posts: The posts.
        source: Where to look.
        progress: Called with the rows that are done and all rows, None where nobody knows.

    Raises:
        RequestError: See `run_knowledge`.
    """
    memory: InMemory[KnowledgeRecord] = InMemory()
    run_knowledge(posts, source, [memory], progress=progress)
    return memory.records


class _Counts:
    """Counts what posts came to.

    Arguments:
        run: Where.
    """

    name = "counts"

    def __init__(self, run: KnowledgeRun) -> None:
        self.lost, self._run = 0, run

    def add(self, record: Record[KnowledgeRecord]) -> None:
        """Counts a record."""
        self._run.posts += 1
        self._run.found += bool(record.value.text)
        self._run.unanswered += record.value.reason is not None

    def fail(self, record: Record[KnowledgeRecord]) -> None:
        """Counts a failed row."""
        self._run.failed += 1

    def commit(self) -> None:
        """Nothing to do."""

    def discard(self) -> None:
        """Nothing to do."""
