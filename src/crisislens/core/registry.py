"""Registries: a class registers itself by decorator; a failed look-up lists the names and the nearest one."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from crisislens.core.errors import NotRegisteredError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """An ordered, read-only-from-outside mapping from a name to a class or a value.

    >>> shapes: Registry[type] = Registry("shape")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes["circle"].__name__
    'Circle'
    >>> shapes["cirle"]
    Traceback (most recent call last):
    crisislens.core.errors.NotRegisteredError: no shape named 'cirle'; known: circle; did you mean 'circle'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that files its argument under `name`.

        Raises:
            ValueError: If the name is taken: two classes under one name is a programming error.
        """

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered already; choose another name")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        """Looks a name up.

        Raises:
            NotRegisteredError: With all names and the nearest one.
        """
        if name in self._entries:
            return self._entries[name]
        near = difflib.get_close_matches(name, self._entries, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise NotRegisteredError(
            f"no {self.kind} named {name!r}; known: {', '.join(self._entries) or 'none'}{hint}"
        )

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
