"""Whether a model hub may be asked. It may not unless the user says so: a bundle or a run file from
somebody else must not make this machine contact anybody.

Files that were fetched before (`hf download NAME`) and local folders need no permission.
"""

import os

__all__ = ["ALLOW_HUB", "allow_hub", "hub_allowed"]

ALLOW_HUB = "CRISISLENS_ALLOW_HUB"
"""The environment variable that allows it; `1`, `true` or `yes`.
`crisislens --allow-hub` sets it.
"""


def hub_allowed() -> bool:
    """Whether the user allowed it."""
    return os.environ.get(ALLOW_HUB, "").strip().lower() in {"1", "true", "yes"}


def allow_hub() -> None:
    """Allows it for this process and those that it starts."""
    os.environ[ALLOW_HUB] = "1"
