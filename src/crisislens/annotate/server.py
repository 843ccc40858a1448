"""The local annotation page: served to this computer only, behind an address that nobody can guess, with no
request to anywhere else.

Photos are decoded by `data.images` and encoded anew before a browser sees them; the page runs under a content
security policy that allows its own script and nothing else.
"""

import importlib.resources
import io
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from crisislens.annotate.store import GRID, AnnotationStore
from crisislens.core.errors import CrisisLensError, ImageError
from crisislens.data.images import ImageLimits, decode_image, resolve_image

__all__ = ["AnnotationServer"]

_PHOTO_PX = 900
_MOST_BODY_BYTES = 1_000_000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri "
    "'none'; form-action 'none'"
)
_FILES = {
    "": ("annotate.html", "text/html"),
    "annotate.js": ("annotate.js", "text/javascript"),
    "annotate.css": ("annotate.css", "text/css"),
}


class AnnotationServer:
    """Serves the page for one store.

    Arguments:
        store: The annotations.
        image_root: The folder of the photos.
        port: The port; 0 takes a free one.
    """

    def __init__(self, store: AnnotationStore, *, image_root: Path, port: int = 0) -> None:
        self.store, self.image_root, self.token = store, image_root, secrets.token_urlsafe(12)
        handler = type("Handler", (_Handler,), {"site": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", port), handler)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.http.server_address[1]}/{self.token}/"

    def serve(self) -> None:
        """Serves until it is interrupted or `close` is called."""
        self.http.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stops serving."""
        self.http.shutdown()
        self.http.server_close()

    def photo(self, index: int) -> bytes:
        """A post's photo as a fresh JPEG.

        Raises:
            ImageError: If it cannot be used.
        """
        post = self.store.posts[index]
        if post.image is None:
            raise ImageError("missing", f"post {post.id!r} has no photo")
        picture = Image.fromarray(
            decode_image(resolve_image(post.image, self.image_root), ImageLimits()).pixels
        )
        picture.thumbnail((_PHOTO_PX, _PHOTO_PX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    site: AnnotationServer

    def do_GET(self) -> None:
        """The page, its parts, a post, a photo."""
        path = self._path()
        if path is None:
            return
        name, _, rest = path.partition("/")
        if path in _FILES:
            file, kind = _FILES[path]
            self._send(
                HTTPStatus.OK,
                (importlib.resources.files("crisislens.annotate") / "templates" / file).read_bytes(),
                kind,
            )
        elif path == "setup":
            store = self.site.store
            self._json(
                {"start": store.first_open(), "total": len(store.posts), "labels": store.labels, "grid": GRID}
            )
        elif name == "post" and (index := self._index(rest)) is not None:
            self._json(self.site.store.show(index))
        elif name == "photo" and (index := self._index(rest)) is not None:
            try:
                self._send(HTTPStatus.OK, self.site.photo(index), "image/jpeg")
            except ImageError as error:
                self._fail(HTTPStatus.NOT_FOUND, str(error))
        else:
            self._fail(HTTPStatus.NOT_FOUND, "nothing stands at this address")

    def do_POST(self) -> None:
        """Keeps the marks of a post."""
        path = self._path()
        if path is None:
            return
        name, _, rest = path.partition("/")
        index = self._index(rest)
        size = int(self.headers.get("Content-Length") or 0)
        if name != "post" or index is None or not 0 < size <= _MOST_BODY_BYTES:
            self._fail(HTTPStatus.BAD_REQUEST, "this is no post to save")
            return
        try:
            self.site.store.save(index, json.loads(self.rfile.read(size)))
        except (ValueError, CrisisLensError) as error:
            self._fail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
            return
        self._json({"saved": True, "done": self.site.store.done()})

    def _path(self) -> str | None:
        """The path after the token; answers by itself where the token or the host is wrong."""
        host = (self.headers.get("Host") or "").partition(":")[0]
        start = f"/{self.site.token}/"
        path = self.path.partition("?")[0]
        # the host check keeps a page of another site from talking to this one through a name of its own
        if host in ("127.0.0.1", "localhost") and path.startswith(start):
            return path[len(start) :]
        self._fail(
            HTTPStatus.NOT_FOUND, "nothing stands at this address; use the one that the command printed"
        )
        return None

    def _index(self, text: str) -> int | None:
        return (
            int(text)
            if text.isdecimal() and len(text) < 9 and int(text) < len(self.site.store.posts)
            else None
        )

    def _json(self, values: dict[str, Any]) -> None:
        self._send(HTTPStatus.OK, json.dumps(values).encode(), "application/json")

    def _fail(self, status: HTTPStatus, message: str) -> None:
        self._send(status, json.dumps({"error": message}).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": f"{kind}; charset=utf-8" if kind != "image/jpeg" else kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the terminal shows the address and nothing else."""
