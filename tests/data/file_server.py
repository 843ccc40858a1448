"""A server of files on localhost that cuts off, lies and changes its mind, as a test asks."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves bytes by name, with ranges and ETags.

    Attributes:
        files: Content by name.
        cuts: After how many bytes the next answers are cut off, one each.
        lies: Added to the announced size.
        ranges: Whether it knows ranges.
        redirect: Where it sends everybody.
        asked: Path and range of every request.
    """

    def __init__(self, **files: bytes) -> None:
        self.files, self.cuts, self.lies, self.ranges, self.redirect = dict(files), [], 0, True, ""
        self.announce = True
        self.asked: list[tuple[str, str | None]] = []

    def __enter__(self) -> "FileServer":
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.asked.append((self.path, wanted))
                body = server.files.get(self.path.lstrip("/"))
                if server.redirect:
                    self.send_response(302)
                    self.send_header("Location", server.redirect)
                    self.end_headers()
                    return
                if body is None:
                    self.send_error(404)
                    return
                tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
                start = 0
                if server.ranges and wanted and self.headers.get("If-Range") == tag:
                    start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                if server.announce:
                    self.send_header("Content-Length", str(len(body) - start + server.lies))
                self.send_header("ETag", tag)
                self.end_headers()
                end = start + server.cuts.pop(0) if server.cuts else len(body)
                self.wfile.write(body[start:end])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
