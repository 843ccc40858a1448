"""The one door for optional packages: absent, it names the extra to install."""

import importlib
from types import ModuleType

from crisislens.core.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Imports an optional module.

    Arguments:
        module: Its dotted name.
        extra: The extra of crisislens that brings it.

    Raises:
        MissingExtraError: If it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{module} is not installed; install it with: pip install 'crisislens[{extra}]'"
        ) from error
