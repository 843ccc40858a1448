"""Photos of posts that lie elsewhere: which are still to be fetched, and what became of them."""

from typing import NamedTuple

from sqlalchemy import select, update

from crisislens.store.database import Database
from crisislens.store.models import Media, Post, Source
from crisislens.store.records import Photo
from crisislens.store.transaction import Transaction

__all__ = ["Pictures", "WaitingPicture"]


class WaitingPicture(NamedTuple):
    """A photo that is to be fetched.

    Attributes:
        id: Its number.
        url: From where.
    """

    id: int
    url: str


class Pictures:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, source: str, *, after: int = 0, most: int = 50) -> tuple[WaitingPicture, ...]:
        """Photos of a source that are to be fetched, the oldest first.

        Arguments:
            source: Its name.
            after: Only those with a greater number: whoever asks again and again need not read what is done.
            most: How many.
        """
        wanted = select(Media.id, Media.url).join(Post, Post.id == Media.post_id)
        wanted = wanted.join(Source, Source.id == Post.source_id)
        wanted = wanted.where(Media.id > after, Media.state == "pending", Source.name == source)
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(Media.id).limit(most))
            return tuple(WaitingPicture(number, str(url)) for number, url in rows)

    def found(self, picture: int, photo: Photo) -> bool:
        """Writes what became of a photo, and has its post looked at again where there is one now.

        Returns:
            False where its post is in work just now: the worker would not see it, so come again.
        """

        def write(tx: Transaction) -> bool:
            wanted = select(Media.post_id, Media.state, Post.state).join(Post, Post.id == Media.post_id)
            row = tx.connection.execute(wanted.where(Media.id == picture).with_for_update()).first()
            # erased meanwhile, or another process was faster
            if row is None or row[1] != "pending":
                return True
            post, _, state = row
            if state == "leased" and photo.state == "stored":
                return False
            mime = "image/jpeg" if photo.sha256 else None
            values = {**photo.model_dump(exclude={"url"}), "mime": mime}
            tx.connection.execute(update(Media).where(Media.id == picture).values(values))
            if state == "done" and photo.state == "stored":
                # behind the texts that wait, as every photo is
                again = {"state": "queued", "stage": 1, "tries": 0}
                tx.connection.execute(update(Post).where(Post.id == post).values(again))
            return True

        return self._database.write(write)
