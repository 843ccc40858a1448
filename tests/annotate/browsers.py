"""A real browser, driven over a pipe as its developer tools are."""

import fcntl
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any


class Browser:
    """A headless Chromium with one page, driven by the DevTools protocol over file descriptors 3 and 4."""

    def __init__(self, path: str, profile: Path) -> None:
        to_browser, from_browser = os.pipe(), os.pipe()
        self._out, self._in = to_browser[1], from_browser[0]

        def connect() -> None:
            # one of the pipes may stand where the other must go, so both are moved to free places first
            read = fcntl.fcntl(to_browser[0], fcntl.F_DUPFD, 100)
            write = fcntl.fcntl(from_browser[1], fcntl.F_DUPFD, 100)
            os.dup2(read, 3)
            os.dup2(write, 4)

        flags = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
        )
        command = [
            path,
            *flags,
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            command, close_fds=False, preexec_fn=connect, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._buffer, self._count = b"", 0
        targets = self.call("Target.getTargets", session=None)["targetInfos"]
        page = next(t for t in targets if t["type"] == "page")
        self._session = self.call(
            "Target.attachToTarget", {"targetId": page["targetId"], "flatten": True}, session=None
        )["sessionId"]
        self.call("Page.enable")

    def call(
        self, method: str, parameters: dict[str, Any] | None = None, *, session: str | None = "page"
    ) -> dict[str, Any]:
        """One command and its answer; events in between are dropped."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                part = os.read(self._in, 65536)
                assert part, "the browser went away"
                self._buffer += part
            line, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    def open(self, url: str) -> None:
        """Opens a page and waits for its load."""
        self.call("Page.navigate", {"url": url})
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call(
            "Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True}
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 20) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def key(self, name: str, *, shift: bool = False) -> None:
        """Presses a key as a keyboard does."""
        text = {"Space": " ", "Enter": "\r"}.get(name, name if len(name) == 1 else "")
        code = {
            "Space": 32,
            "Enter": 13,
            "Tab": 9,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }
        event = {
            "key": " " if name == "Space" else name,
            "modifiers": 8 if shift else 0,
            "windowsVirtualKeyCode": code.get(name, ord(name.upper()[0])),
        }
        self.call("Input.dispatchKeyEvent", {"type": "keyDown", **event, **({"text": text} if text else {})})
        self.call("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def close(self) -> None:
        """Ends the browser."""
        self._process.terminate()
        self._process.wait(10)
        os.close(self._out)
        os.close(self._in)
