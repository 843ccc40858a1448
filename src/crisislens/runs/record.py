"""One record of a run: its line of JSON, and its value, which is parsed only where somebody asks."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from crisislens.domain.assessment import FailedPost

__all__ = ["Record", "line_of_failed"]

R = TypeVar("R")


class Record(Generic[R]):
    """One record: its line of JSON, and its value, which is parsed where a sink asks for it.

    Arguments:
        line: The JSON, without a line end.
        read: A value from its line.
        failed: Whether it is a row without a record.
    """

    # one of these stands for every row of a run
    __slots__ = ("_read", "_value", "failed", "line")

    def __init__(self, line: str, read: Callable[[str], R], *, failed: bool = False) -> None:
        self.line, self.failed, self._read = line, failed, read
        self._value: R | None = None

    @classmethod
    def of(cls, value: R, line: str) -> "Record[R]":
        """A record whose value is at hand."""
        record = cls(line, lambda _: value)
        record._value = value
        return record

    @classmethod
    def of_failed(cls, failed: FailedPost) -> "Record[Any]":
        """A row without a record."""
        return Record(line_of_failed(failed), _no_record, failed=True)

    @property
    def value(self) -> R:
        """The record.

        Raises:
            ValueError: If the line cannot be read, or it is that of a failed row.
        """
        if self.failed:
            _no_record(self.line)
        if self._value is None:
            self._value = self._read(self.line)
        return self._value

    @property
    def failure(self) -> FailedPost:
        """What is said of a row without a record."""
        return FailedPost.model_validate_json(self.line)


def _no_record(_line: str) -> Any:
    raise ValueError("a failed row has no record; ask for its failure")


def line_of_failed(failed: FailedPost) -> str:
    """A failed row as one line of JSON; half characters, which cannot be written,
    become question marks.
    """
    try:
        return failed.model_dump_json()
    except ValueError:
        whole = {"id": None if failed.id is None else _whole(failed.id), "reason": _whole(failed.reason)}
        return failed.model_copy(update=whole).model_dump_json()


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
