"""A PostgreSQL server for tests: its own folder, its own socket, no port, gone afterwards.

The server's programs refuse to run as root, which CI is; they run as the user `postgres` then.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

BIN = Path(os.environ.get("CRISISLENS_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
# no autovacuum: it would count rows in the middle of a test, and the next plan would be another one
QUICK = (
    "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=60 -c autovacuum=off"
)
DURABLE = "-c max_connections=60"
_ROOM_BYTES = 2_000_000_000


def missing_programs() -> str:
    """What is missing to start a server; empty where nothing is."""
    if not (BIN / "initdb").exists():
        return f"no initdb in {BIN}"
    if os.geteuid() == 0 and not shutil.which("runuser"):
        return "no runuser, and its programs refuse to run as root"
    return ""


def _run(*command: object) -> None:
    given = [str(part) for part in command]
    if os.geteuid() == 0:
        given = ["runuser", "-u", "postgres", "--", *given]
    subprocess.run(given, check=True, capture_output=True, timeout=120, cwd="/")


def _quick_place() -> str | None:
    """Memory where there is enough of it: a busy disk makes each test wait for others' files."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES:
        return str(memory)
    return None


@dataclass
class PostgresServer:
    """A server that runs.

    Attributes:
        folder: Its data and its socket.
        options: What it is started with.
    """

    folder: Path
    options: str = QUICK

    @classmethod
    def start(cls, options: str = QUICK) -> "PostgresServer":
        """Makes and starts one."""
        # a socket's path has a hundred characters at most, which pytest's own folders pass
        folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_quick_place()))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        server = cls(folder, options)
        _run(
            BIN / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"
        )
        server.up()
        return server

    def up(self) -> None:
        """Starts the server."""
        options = f"-k {self.folder} -c listen_addresses='' {self.options}"
        log = self.folder / "log"
        _run(BIN / "pg_ctl", "-D", self.folder / "data", "-w", "-l", log, "-o", options, "start")

    def down(self, mode: str = "immediate") -> None:
        """Stops the server; `immediate` is as if the power had failed."""
        _run(BIN / "pg_ctl", "-D", self.folder / "data", "-w", "-m", mode, "stop")

    def database(self, name: str) -> str:
        """Makes a database and gives its address."""
        _run(BIN / "createdb", "-h", self.folder, "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def stop(self) -> None:
        """Stops the server and removes it."""
        self.down()
        shutil.rmtree(self.folder, ignore_errors=True)
