"""The token of a source: from a file or from the environment, and never shown.

A token that stands in a command line is seen by everybody who lists processes and stays in the history of
the shell, so no option takes one.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crisislens.core.errors import InputError

__all__ = ["TOKEN_VARIABLE", "Token", "read_token"]

TOKEN_VARIABLE = "CRISISLENS_STREAM_TOKEN"
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True)
class Token:
    """A token; its `repr` holds nothing of it."""

    value: str = field(repr=False)

    def header(self, scheme: str) -> dict[str, str]:
        """The header that carries it, as `Authorization: Bearer …`."""
        return {"Authorization": f"{scheme} {self.value}"}


def read_token(file: Path | None, environment: Mapping[str, str] | None = None) -> Token | None:
    """The token of a file's only line, else of the environment's `CRISISLENS_STREAM_TOKEN`; None without.

    Raises:
        InputError: If the file cannot be read, or holds no token.
    """
    if file is not None:
        try:
            given, where = file.read_text(encoding="utf-8").strip(), str(file)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(f"the token in {file} cannot be read ({reason}); check --token-file") from error
    else:
        given, where = (environment or os.environ).get(TOKEN_VARIABLE, "").strip(), TOKEN_VARIABLE
        if not given:
            return None
    if not _TOKEN.fullmatch(given):
        raise InputError(f"{where} holds no token: one line without blanks is expected")
    return Token(given)
