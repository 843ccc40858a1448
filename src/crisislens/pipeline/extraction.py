"""Entities and relations for every post of a run: the annotator that `analyze` has, and the run that `extract` is."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from crisislens.data.source import PostSource
from crisislens.domain.assessment import FailedPost, Modality
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts
from crisislens.nn.device import one_thread_each
from crisislens.pipeline.annotators import ANNOTATORS
from crisislens.pipeline.finder import Finder, Found

__all__ = ["EntityAnnotator", "ExtractionOutcome", "extract_posts"]


@ANNOTATORS.register("entities")
class EntityAnnotator:
    """Adds `entities` and `relations` to each assessment.

    Arguments:
        finder: What finds them; the extractors that ship where None.
    """

    name = "entities"
    tokens: tuple[Modality, ...] = ()

    def __init__(self, finder: Finder | None = None) -> None:
        self.finder = Finder.load() if finder is None else finder

    def fingerprint(self) -> str:
        """16 hex digits over the extractors."""
        return self.finder.fingerprint()

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        """Entities and relations in the text of each post, with their places in the text as posted."""
        return [{"entities": f.entities, "relations": f.relations} for f in self.finder.find([post.text for post in posts])]


@dataclass(frozen=True)
class ExtractionOutcome:
    """What a run of `extract_posts` came to.

    Attributes:
        posts: Posts read.
        failed: Rows that could not become posts; each stands in the file with its reason.
        entities: Entities found.
        relations: Relations found.
        frequent: The names that stand in the most posts, with their kind and how many these are.
    """

    posts: int
    failed: int
    entities: int
    relations: int
    frequent: tuple[tuple[tuple[str, str], int], ...]


def extract_posts(
    source: PostSource, finder: Finder, out: Path, *, chunk: int = 256, progress: Callable[[int], None] = lambda _: None
) -> ExtractionOutcome:
    """Writes what each post names, one JSON object a line in the order of the source; the file is replaced when it is whole.

    Arguments:
        source: The posts.
        finder: What finds.
        out: The file.
        chunk: Posts that are read together; changes speed and memory, never a result.
        progress: Called with the rows done.

    Raises:
        InputError: If the source cannot be read.
    """
    counted: Counter[tuple[str, str]] = Counter()
    done = {"posts": 0, "failed": 0, "entities": 0, "relations": 0}
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        # on one thread sums are made in one order, whoever stands beside a post
        with one_thread_each(), part.open("w", encoding="utf-8") as stream:
            rows = iter(source)
            while batch := list(islice(rows, chunk)):
                posts = [row for row in batch if isinstance(row, Post)]
                found = iter(finder.find([post.text for post in posts]))
                for row in batch:
                    one = next(found) if isinstance(row, Post) else None
                    stream.write(json.dumps(_record(row, one), ensure_ascii=False) + "\n")
                    done["posts" if one else "failed"] += 1
                    if one:
                        done["entities"] += len(one.entities)
                        done["relations"] += len(one.relations)
                        counted.update({(e.type, " ".join(e.text.split())) for e in one.entities})
                progress(done["posts"] + done["failed"])
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return ExtractionOutcome(**done, frequent=tuple(counted.most_common(20)))


def _record(row: Post | FailedPost, found: Found | None) -> dict[str, object]:
    if isinstance(row, FailedPost) or found is None:
        return {"failed": row.model_dump(mode="json")}
    return {
        "id": row.id,
        "entities": [e.model_dump() for e in found.entities],
        "relations": [r.model_dump() for r in found.relations],
    }
