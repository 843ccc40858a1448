"""The local annotation page: served to this computer only unless told otherwise, behind an address
that nobody can guess, with no request to anywhere else.

Photos are decoded by `data.images` and encoded anew before a browser sees them; the page runs under
a content security policy that allows its own script and nothing else. What arrives is bounded: the
size of a body, how long a connection may last, how many there are at once (`annotate.bounds`).
"""

import asyncio
import importlib.resources
import io
import json
import secrets
import socket
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crisislens.annotate.bounds import BODY_S, MOST_BODY_BYTES, BoundedServer, Guard
from crisislens.annotate.store import GRID, AnnotationStore
from crisislens.core.errors import CrisisLensError, ImageError
from crisislens.data.images import ImageLimits, decode_image, resolve_image

__all__ = ["AnnotationServer"]

_PHOTO_PX = 900
_FILES = {
    "": ("annotate.html", "text/html"),
    "annotate.js": ("annotate.js", "text/javascript"),
    "annotate.css": ("annotate.css", "text/css"),
}
_NOTHING = "nothing stands at this address; use the one that the command printed"


class AnnotationServer:
    """Serves the page for one store.

    Arguments:
        store: The annotations.
        image_root: The folder of the photos.
        port: The port; 0 takes a free one.
        host: The address that it listens at; that of this computer itself by default.

    Raises:
        OSError: If the port or the address cannot be had.
    """

    def __init__(
        self, store: AnnotationStore, *, image_root: Path, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.store, self.image_root, self.host = store, image_root, host
        self.token = secrets.token_urlsafe(12)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, port), family=family, backlog=64)
        self.app = self._application()
        self._server = BoundedServer(self.app)

    @property
    def url(self) -> str:
        """The page's address."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.socket.getsockname()[1]}/{self.token}/"

    def serve(self) -> int | None:
        """Serves until a signal arrives or `close` is called.

        Returns:
            The number of the signal that ended it, if one did.
        """
        try:
            self._server.run(sockets=[self.socket])
        finally:
            self.socket.close()
        return self._server.ended_by

    def close(self) -> None:
        """Stops serving; what is being saved is finished first."""
        self._server.should_exit = True

    def photo(self, index: int) -> bytes:
        """A post's photo as a fresh JPEG.

        Raises:
            ImageError: If it cannot be used.
        """
        post = self.store.posts[index]
        if post.image is None:
            raise ImageError("missing", f"post {post.id!r} has no photo")
        pixels = decode_image(resolve_image(post.image, self.image_root), ImageLimits()).pixels
        picture = Image.fromarray(pixels)
        picture.thumbnail((_PHOTO_PX, _PHOTO_PX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def _application(self) -> Starlette:
        routes = [
            Route("/setup", self._setup),
            Route("/post/{index}", self._show),
            Route("/post/{index}", self._save, methods=["POST"]),
            Route("/photo/{index}", self._photo),
            Route("/", self._file),
            Route("/{name}", self._file),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(Guard, host=self.host, token=self.token)],
            exception_handlers={
                HTTPException: _refused,
                CrisisLensError: _failed,
                OSError: _not_written,
            },
        )

    def _file(self, request: Request) -> Response:
        """The page and its parts."""
        name = request.path_params.get("name", "")
        if name not in _FILES:
            raise HTTPException(404, _NOTHING)
        file, kind = _FILES[name]
        content = (importlib.resources.files("crisislens.annotate") / "templates" / file).read_bytes()
        return Response(content, media_type=kind)

    def _setup(self, request: Request) -> Response:
        store = self.store
        labels = list(store.labels)
        return JSONResponse(
            {
                "start": store.first_open(),
                "total": len(store.posts),
                "labels": labels,
                "grid": list(GRID),
            }
        )

    def _show(self, request: Request) -> Response:
        return JSONResponse(self.store.show(self._index(request)))

    def _photo(self, request: Request) -> Response:
        try:
            return Response(self.photo(self._index(request)), media_type="image/jpeg")
        except ImageError as error:
            raise HTTPException(404, str(error)) from error

    async def _save(self, request: Request) -> Response:
        """Keeps the marks of a post."""
        index = self._index(request)
        values = _parsed(await _body(request))
        await run_in_threadpool(self.store.save, index, values)
        return JSONResponse({"saved": True, "done": self.store.done()})

    def _index(self, request: Request) -> int:
        text = request.path_params["index"]
        if text.isdecimal() and len(text) < 9 and int(text) < len(self.store.posts):
            return int(text)
        raise HTTPException(404, f"there is no post at this place; there are {len(self.store.posts)}")


async def _body(request: Request) -> bytes:
    """The body of a request, within its bounds.

    Raises:
        HTTPException: If it is too large or does not arrive.
    """
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                parts += part
                if len(parts) > MOST_BODY_BYTES:
                    raise HTTPException(413, f"this is no post to save: more than {MOST_BODY_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, f"this request did not arrive within {BODY_S:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the request was cut off") from None
    return bytes(parts)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(422, "this is no post to save: its body is not JSON") from None


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, CrisisLensError)
    return JSONResponse({"error": str(error)}, error.http_status)


def _not_written(request: Request, error: Exception) -> Response:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return JSONResponse({"error": f"the annotations cannot be written ({reason}); free some room"}, 507)
