"""A stand-in for a model hub on this machine: repositories in memory, the few addresses that pushing and
pulling ask for. It keeps a list of what was asked.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Repositories by name, each a mapping from paths to bytes."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.address = ""

    def commit(self, repo: str) -> str:
        """The commit that a repository stands at, 40 hex digits."""
        files = sorted(self.repositories[repo].items())
        return hashlib.sha1(repr(files).encode()).hexdigest()


def tree(files: dict[str, bytes]) -> list[dict[str, object]]:
    """The files of a repository as a hub lists them."""
    return [
        {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        for path, data in files.items()
    ]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hub.asked.append(f"POST {self.path}")
            if self.path == "/api/repos/create":
                given = json.loads(body)
                name = f"{given['organization']}/{given['name']}"
                hub.repositories.setdefault(name, {})
                hub.private.setdefault(
                    name, given.get("visibility") == "private" or given.get("private") is True
                )
                self.answer({"url": f"{hub.address}/{name}"})
            elif self.path == "/api/validate-yaml":
                self.answer({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                names = [file["path"] for file in json.loads(body)["files"]]
                self.answer(
                    {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
                )
            elif found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
                self.take(found[1], body)
            else:
                self.send_error(404)

        def take(self, repo: str, body: bytes) -> None:
            for line in body.decode().split("\n"):
                operation = json.loads(line) if line else {"key": ""}
                if operation["key"] == "file":
                    content = base64.b64decode(operation["value"]["content"])
                    hub.repositories[repo][operation["value"]["path"]] = content
            commit = hub.commit(repo)
            self.answer({"commitUrl": f"{hub.address}/{repo}/commit/{commit}", "commitOid": commit})

        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.+)?", path):
                self.describe(found[1])
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/.+", path):
                self.answer(tree(hub.repositories[found[1]]))
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
                self.send(found[1], found[2])
            else:
                self.missing()

        do_HEAD = do_GET

        def describe(self, repo: str) -> None:
            if repo not in hub.repositories:
                self.missing()
                return
            names = [{"rfilename": name} for name in hub.repositories[repo]]
            self.answer({"id": repo, "sha": hub.commit(repo), "siblings": names})

        def send(self, repo: str, name: str) -> None:
            data = hub.repositories.get(repo, {}).get(name)
            if data is None:
                self.missing()
                return
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", hub.commit(repo))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def missing(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
