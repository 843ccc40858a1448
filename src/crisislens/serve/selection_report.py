"""The offline report of a selection of posts: the page that `analyze` writes, from what the store holds."""

import io
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from PIL import Image

from crisislens.core.errors import CrisisLensError
from crisislens.core.version import __version__
from crisislens.data.images import ImageLimits, decode_image
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.report.build import write_report
from crisislens.report.model import ReportCluster, ReportMeta
from crisislens.serve.filters import FilterQuery
from crisislens.serve.task_views import tasks_of
from crisislens.store import Store
from crisislens.store.records import PostRow

__all__ = ["write_selection"]

_THUMB_PX = 320
_FIRST = 200


def write_selection(store: Store, wanted: FilterQuery, out: Path) -> None:
    """Writes the report of a filter's posts.

    Arguments:
        store: Where they are.
        wanted: Which.
        out: The page.
    """
    found = (Assessment.model_validate_json(document) for document in store.posts.documents(wanted.filter))
    first = list(islice(found, _FIRST))
    clusters = list(_clusters(store.posts.stream(wanted.filter)))
    write_report(
        out,
        assessments=chain(first, found),
        failed=(),
        clusters=clusters,
        thumbnails=lambda post: _thumbnail(store, post),
        meta=_meta(first, wanted),
    )


def _meta(first: list[Assessment], wanted: FilterQuery) -> ReportMeta:
    made = first[0].provenance if first else None
    chosen = wanted.but(after=None, limit=None, order=None)
    return ReportMeta(
        title="Situation from the service",
        source_name=f"a selection: {chosen}" if chosen else "all posts of the service",
        model=made.model if made else "none",
        model_version=made.model_version if made else "",
        model_fingerprint=made.model_fingerprint if made else "",
        encoder_fingerprint=made.encoder_fingerprint if made else "",
        crisislens_version=__version__,
        analyzed_at=made.analyzed_at if made else "",
        tasks=tasks_of(first),
        files=("assessments.jsonl",),
    )


def _clusters(rows: Iterator[PostRow]) -> Iterator[ReportCluster]:
    """The near-duplicates within the selection."""
    members: dict[int, list[str]] = {}
    for row in rows:
        if row.cluster_id is not None and row.cluster_size > 1:
            members.setdefault(row.cluster_id, []).append(row.external_id)
    for ids in members.values():
        if len(ids) > 1:
            yield ReportCluster(ids[0], len(ids), tuple(ids), "both")


def _thumbnail(store: Store, post: Post) -> bytes | None:
    if post.image is None:
        return None
    try:
        pixels = decode_image(store.blobs.folder / post.image.path, ImageLimits()).pixels
    except CrisisLensError:
        return None
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMB_PX, _THUMB_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
