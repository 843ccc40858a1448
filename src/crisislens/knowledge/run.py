"""Knowledge of many posts: one record a post, in their order, in the form that a run file joins to the posts
(`data.sidecar`).
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from crisislens.core.files import atomic_write
from crisislens.core.http import RequestError
from crisislens.domain.post import Post
from crisislens.knowledge.base import KnowledgeSource

__all__ = ["KnowledgeRecord", "know_posts", "write_knowledge"]

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


def know_posts(
    posts: Iterable[Post],
    source: KnowledgeSource,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> list[KnowledgeRecord]:
    """Looks up the names in posts.

    Arguments:
        posts: The posts.
        source: Where to look.
        progress: Called with the posts that are done, and None for their number.

    Raises:
        RequestError: If several posts in a row got no answer; what was answered is kept by the source.
    """
    records: list[KnowledgeRecord] = []
    known: dict[str, KnowledgeRecord] = {}
    failures = 0
    for post in posts:
        if progress is not None:
            progress(len(records), None)
        # retweets are looked up once
        if (earlier := known.get(post.text)) is not None:
            records.append(earlier.model_copy(update={"id": post.id}))
            continue
        try:
            pages = source.pages(post.text)
        except RequestError as error:
            failures += 1
            if failures >= _GIVE_UP_AFTER:
                raise
            records.append(KnowledgeRecord(id=post.id, text="", source=source.name, reason=str(error)))
            continue
        failures = 0
        record = KnowledgeRecord(
            id=post.id,
            text=" ".join(page.summary for page in pages),
            titles=tuple(page.title for page in pages),
            mentions=tuple(page.mention for page in pages),
            source=source.name,
        )
        records.append(record)
        known[post.text] = record
    if progress is not None:
        progress(len(records), None)
    return records


def write_knowledge(path: Path, records: Iterable[KnowledgeRecord]) -> None:
    """Writes records as JSONL, atomically."""
    atomic_write(path, "".join(record.model_dump_json() + "\n" for record in records))
