"""A stub of an OpenAI-compatible server on localhost: slow, failing, rate-limiting, or lying about JSON, as a
test asks.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]


def completion(text: object, **more: object) -> Reply:
    """An answer as such servers give it."""
    body = {
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"total_tokens": 50},
        **more,
    }
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def described(body: dict[str, Any]) -> Reply:
    """Always a caption."""
    return completion("The photo shows a flooded street with two cars.")


@dataclass
class Stub:
    """The server and what it was asked.

    Attributes:
        answer: From the body of a request to the reply; told in what order it came through `count`.
        delay_s: Wait before an answer.
        asked: Bodies of all requests.
        paths: Their paths.
        keys: Their authorization headers.
        most_at_once: Requests that were under way at the same time, at most.
    """

    answer: Callable[[dict[str, Any]], Reply] = described
    delay_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def __enter__(self) -> "Stub":
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with stub._lock:
                    stub.asked.append(body)
                    stub.paths.append(self.path)
                    stub.keys.append(self.headers.get("Authorization"))
                    stub._at_once += 1
                    stub.most_at_once = max(stub.most_at_once, stub._at_once)
                    status, headers, data = stub.answer(body)
                time.sleep(stub.delay_s)
                with stub._lock:
                    stub._at_once -= 1
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
