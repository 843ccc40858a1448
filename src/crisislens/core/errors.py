"""One error tree. Every message says what was given, what was expected and what to do; the class
carries the exit code and HTTP status.

Only what derives from `CrisisLensError` is shown to a user as one line; anything else is a bug and
keeps its stack trace.
"""

from typing import ClassVar

__all__ = [
    "CacheError",
    "ConfigError",
    "ConflictError",
    "CrisisLensError",
    "DataError",
    "ImageError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "NotRegisteredError",
    "RunError",
    "StoppedError",
    "StoreBusyError",
    "StoreError",
    "StoreFullError",
    "TerminatedError",
]


class CrisisLensError(Exception):
    """The root of all errors that crisislens raises on purpose."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500


class InputError(CrisisLensError):
    """What the user gave (arguments, a posts file) cannot be used as it is."""

    exit_code = 2
    http_status = 422


class ConfigError(InputError):
    """A run file or an override does not fit its schema."""


class DataError(CrisisLensError):
    """A data set is missing, incomplete or contradicts itself."""

    exit_code = 3
    http_status = 422


class ImageError(DataError):
    """One image cannot be decoded within the limits; the post goes on without it.

    Arguments:
        reason: A short machine-readable word (`missing`, `too_large`, `truncated`, …) that is
            recorded with the post.
        message: The sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelError(CrisisLensError):
    """A model, an encoder or its weights cannot be loaded or do not fit together."""

    exit_code = 4
    http_status = 503


class CacheError(CrisisLensError):
    """A feature cache, or a run that is there already, is unreadable or belongs to something else."""

    exit_code = 5


class MissingExtraError(CrisisLensError):
    """An optional package is needed and absent; the message names the extra to install."""

    exit_code = 6
    http_status = 501


class NotRegisteredError(InputError):
    """A name is not in a registry; the message lists the names and the nearest one."""

    http_status = 404


class RunError(CrisisLensError):
    """A run came to nothing, or could not go on: every post failed, or the disk is full."""

    exit_code = 7


class StoppedError(CrisisLensError):
    """Somebody stopped the command (Ctrl+C); the message says what is kept and how to go on."""

    exit_code = 130


class TerminatedError(StoppedError):
    """The system stopped the command (SIGTERM)."""

    exit_code = 143


class StoreError(CrisisLensError):
    """The store of the service cannot be opened, read or written; nothing is half-written."""

    exit_code = 8
    http_status = 503


class NotFoundError(InputError):
    """What was asked for by its number or name is not in the store."""

    http_status = 404


class ConflictError(InputError):
    """What was asked for goes against what is there, as where another reviewer holds the post."""

    http_status = 409


class StoreBusyError(StoreError):
    """Another process writes the store, and its database takes one."""


class StoreFullError(StoreError):
    """The queue or the disk is full: nothing was accepted, and the sender should come again.

    Arguments:
        message: The sentence for people.
        retry_after_s: When to come again, in seconds.
        status: 429 where the queue is full, 507 where the disk is.
    """

    http_status = 429

    def __init__(self, message: str, *, retry_after_s: int = 30, status: int = 429) -> None:
        super().__init__(message)
        self.retry_after_s, self.status = retry_after_s, status
