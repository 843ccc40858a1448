"""What a fetched data set was made from, written beside it so that a later run knows what is in place."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from crisislens.core.files import atomic_write

__all__ = ["OFFICIAL", "FetchNote"]

OFFICIAL: Final = "https://crisisnlp.qcri.org/data/crisismmd"


@dataclass(frozen=True)
class FetchNote:
    """What was unpacked: in the staging folder once all of it is there,
    in the target once it is in place.

    Attributes:
        digests: SHA-256 of each archive by its name.
        files: Files unpacked.
        folders: The data set's folders that came of them.
        unverified: Archives whose digest was compared with nothing.
    """

    digests: dict[str, str]
    files: int
    folders: list[str]
    unverified: list[str]

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        atomic_write(
            path, json.dumps({"source": OFFICIAL, "license": "CC BY-NC-SA 4.0", **asdict(self)}, indent=1)
        )

    @staticmethod
    def read(path: Path) -> "FetchNote | None":
        """None where there is none."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            return FetchNote(
                dict(value["digests"]), int(value["files"]), list(value["folders"]), list(value["unverified"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
