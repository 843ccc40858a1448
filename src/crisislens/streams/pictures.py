"""Pictures that a stream's posts name by an address."""

from dataclasses import replace

from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch

__all__ = ["without_pictures"]

_NOT_FETCHED = "its pictures were not fetched; the post is judged by its text"
_ONLY_PICTURES = "it has no text, and its pictures are not fetched"


def without_pictures(batch: Batch) -> Batch:
    """The batch where no pictures are fetched: posts say so, and what has no text is no post."""
    posts: list[NewPost] = []
    dead = list(batch.dead)
    for post in batch.posts:
        if not any(photo.state == "pending" for photo in post.photos):
            posts.append(post)
        elif post.text.strip():
            remarks = (*post.remarks, _NOT_FETCHED)
            kept = tuple(photo for photo in post.photos if photo.state != "pending")
            posts.append(post.model_copy(update={"photos": kept, "remarks": remarks}))
        else:
            dead.append(Unread(raw=post.model_dump_json(exclude_defaults=True), reason=_ONLY_PICTURES))
    return replace(batch, posts=tuple(posts), dead=tuple(dead))
