"""Fetching the pictures that posts name by address, behind the posts themselves.

A post is taken in and assessed by its text at once; its pictures wait in the store and are fetched by some
threads, through the guarded client: public addresses only, three redirects, time and bytes bounded, pictures
only. What came is decoded and encoded anew (`store.blobs`). What cannot be had is *missing*, with the
reason; a server that is only busy is asked three times. A stop or a kill loses nothing: what waits, waits.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from crisislens.core.errors import CrisisLensError, ImageError, StoreError
from crisislens.core.guarded import Guard, fetch
from crisislens.core.http_answers import RequestError
from crisislens.store.records import Photo

if TYPE_CHECKING:
    from crisislens.store import Store
    from crisislens.store.pictures import WaitingPicture

__all__ = ["PICTURE_TYPES", "MediaFetcher", "get_picture", "host_of"]

PICTURE_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/gif")
"""What is read; whatever it then is must still be decoded by `data.images`."""
_TRIES: Final = 3
_LONGEST_WAIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 1.0
_LOG: Final = logging.getLogger("crisislens.streams")


def get_picture(url: str, guard: Guard, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a picture.

    Raises:
        RefusedError: If the address or the answer is none that may be used.
        RequestError: If it cannot be had.
    """
    return fetch(url, types=PICTURE_TYPES, headers=headers, guard=guard).body


class MediaFetcher:
    """Fetches the pictures of one source until told to stop.

    Arguments:
        store: Where they wait and where they go.
        source: The source's name.
        guard: What may be asked.
        headers_for: Headers for an address, such as the token at a form's own server.
        hosts: Only from these; None allows all public ones.
        threads: How many at a time.
    """

    def __init__(
        self,
        store: "Store",
        source: str,
        *,
        guard: Guard,
        headers_for: Callable[[str], Mapping[str, str]] = lambda _: {},
        hosts: Collection[str] | None = None,
        threads: int = 4,
    ) -> None:
        self._store, self._source, self._guard = store, source, guard
        self._headers_for, self._threads = headers_for, threads
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._tries: dict[int, int] = {}
        self._later: dict[int, float] = {}
        self._told_at = float("-inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the pictures that are being fetched."""
        self._stopped.set()
        self._thread.join(self._guard.seconds + 5)

    def _run(self) -> None:
        with ThreadPoolExecutor(self._threads, thread_name_prefix="picture") as pool:
            while not self._stopped.is_set():
                try:
                    busy = self.round(pool)
                except (StoreError, OSError) as error:
                    self._tell(error)
                    busy = False
                if not busy:
                    self._stopped.wait(_LOOK_EVERY_S)

    def round(self, pool: ThreadPoolExecutor) -> bool:
        """Fetches what waits, some at a time; whether anything was done."""
        now, done, after = time.monotonic(), False, 0
        while not self._stopped.is_set():
            waiting = self._store.pictures.waiting(self._source, after=after)
            if not waiting:
                break
            after = waiting[-1].id
            due = [picture for picture in waiting if self._later.get(picture.id, 0.0) <= now]
            # all of them: `any` would end at the first one, and what waits in the pool is given up then
            found = list(pool.map(self._one, due))
            done = any(found) or done
        return done

    def _one(self, picture: "WaitingPicture") -> bool:
        photo = self._looked_at(picture)
        if photo is None or not self._store.pictures.found(picture.id, photo):
            return False
        self._tries.pop(picture.id, None)
        self._later.pop(picture.id, None)
        return True

    def _looked_at(self, picture: "WaitingPicture") -> Photo | None:
        """What became of it; None where it is worth another try later."""
        if self._hosts is not None and host_of(picture.url) not in self._hosts:
            return _missing("its server is none of those that pictures are fetched from")
        try:
            data = get_picture(picture.url, self._guard, self._headers_for(picture.url))
        except RequestError as error:
            tries = self._tries[picture.id] = self._tries.get(picture.id, 0) + 1
            if error.transient and tries < _TRIES:
                wait = error.wait_s if error.wait_s is not None else 2.0**tries
                self._later[picture.id] = time.monotonic() + min(wait, _LONGEST_WAIT_S)
                return None
            return _missing(str(error))
        except CrisisLensError as error:
            return _missing(str(error))
        try:
            return self._store.blobs.keep(data)
        except ImageError as error:
            return Photo(state="refused", reason=f"the photo was not used: {error}"[:300])
        except (StoreError, OSError) as error:
            # a disk that is full: the picture waits, and its server is not asked again and again meanwhile
            self._tell(error)
            self._later[picture.id] = time.monotonic() + _LONGEST_WAIT_S
            return None

    def _tell(self, error: Exception) -> None:
        """Says that pictures cannot be kept, once a minute."""
        now = time.monotonic()
        if now - self._told_at >= _LONGEST_WAIT_S:
            self._told_at = now
            _LOG.warning("pictures cannot be kept just now and wait: %s", error)


def host_of(url: str) -> str:
    """The host of an address, with its port where one is named."""
    return url.partition("://")[2].partition("/")[0].lower()


def _missing(reason: str) -> Photo:
    return Photo(state="missing", reason=reason[:300])
