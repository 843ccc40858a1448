"""Registries: a class registers itself by decorator, or an installed package brings it by an entry
point; a failed look-up lists the names and the nearest one.

A name is looked for in three places, in this order:

1. what was registered by decorator;
2. the registry's own table of `module:attribute` strings, each imported when it is first asked for,
   so that a registry can stand below the modules that fill it;
3. the entry points of the registry's group in all installed packages, such as
   `crisislens.annotators`. They are loaded at the first look-up that found nothing, or when the
   registry is listed, and not before: a run with our own parts alone executes no code of others.
   `names()` lists without loading.

Rules for plug-ins: one that cannot be loaded costs itself only, and a failed look-up names it with
its error. A name of ours stays ours: the plug-in's is not loaded. Of two plug-ins with one name
that of the package first in the alphabet counts. What was left out is never silent: `problems()`
says it in sentences, and so does every failed look-up.
"""

import difflib
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Generic, TypeVar, cast

from crisislens.core.errors import NotRegisteredError

__all__ = ["Registry"]

T = TypeVar("T")
_REASON_CHARACTERS = 200
_LONGEST_SHOWN = 100
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


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

    Arguments:
        kind: What it holds, in the singular, for sentences.
        group: The group of entry points that installed packages add to it; empty for a registry
            that only its own modules fill.
        ours: From names to `module:attribute` of our own, imported when first asked for.
    """

    def __init__(self, kind: str, group: str = "", *, ours: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, T] = {}
        self._ours = dict(ours or {})
        self._foreign: dict[str, str] = {}
        self._broken: dict[str, str] = {}
        self._left_out: list[str] = []
        self._seeking = self._sought = False
        # chunks of a run are in work in several threads,
        # and a plug-in may look names up while it is imported
        self._lock = RLock()

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that files its argument under `name`.

        Raises:
            ValueError: If the name is taken: two classes under one name is a programming error.
        """

        def add(entry: T) -> T:
            with self._lock:
                # a module of ours that is imported late still wins over a plug-in that came first
                if name in self._foreign:
                    self._leave_out(name, self._foreign.pop(name))
                elif name in self._entries or name in self._ours:
                    raise ValueError(f"{self.kind} {name!r} is registered already; choose another name")
                self._entries[name] = entry
            return entry

        return add

    def problems(self) -> tuple[str, ...]:
        """What plug-ins brought and could not be used, one sentence each; loads them."""
        self._seek()
        return (*self._broken.values(), *self._left_out)

    def names(self) -> tuple[str, ...]:
        """All names, those of plug-ins as their packages declare them, without loading any."""
        # what a package declares is enough for a list; loading is for those who ask for one
        return tuple(dict.fromkeys((*self._names(), *(point.name for point in self._points()))))

    def origin(self, name: str) -> str:
        """The package and version that a name comes from; empty for our own."""
        self._seek()
        return self._foreign.get(name, "")

    def __getitem__(self, name: str) -> T:
        """Looks a name up.

        Raises:
            NotRegisteredError: With all names and the nearest one,
                and the plug-ins that could not be loaded.
        """
        # without the lock: importing may take seconds, and doing it twice gives the same thing
        if name not in self._entries and name in self._ours:
            self._entries[name] = cast(T, _imported(self._ours[name]))
        if name not in self._entries:
            self._seek()
        if name in self._entries:
            return self._entries[name]
        raise NotRegisteredError(self._unknown(name))

    def __contains__(self, name: object) -> bool:
        if name in self._entries or name in self._ours:
            return True
        self._seek()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._seek()
        return iter(self._names())

    def __len__(self) -> int:
        self._seek()
        return len(self._names())

    def _names(self) -> list[str]:
        return [*dict.fromkeys((*self._ours, *self._entries))]

    def _unknown(self, name: str) -> str:
        """The sentence of a failed look-up."""
        if name in self._broken:
            return self._broken[name]
        names = self._names()
        # a name may come from a stranger's file
        name = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        problems = "".join(f"; {problem}" for problem in (*self._broken.values(), *self._left_out))
        return f"no {self.kind} named {name!r}; known: {', '.join(names) or 'none'}{hint}{problems}"

    def _seek(self) -> None:
        """Loads the plug-ins, once."""
        if self._sought or not self.group:
            return
        with self._lock:
            if self._seeking:
                # a plug-in looks a name up while it is imported, in this very thread
                return
            self._seeking = True
            for point in self._points():
                self._load(point)
            self._sought = True

    def _points(self) -> list[EntryPoint]:
        """The entry points of the group. Names become parts of commands and of files, so others
        than plain ones are passed over.
        """
        found = entry_points(group=self.group) if self.group else ()
        plain = [point for point in found if _PLAIN.fullmatch(point.name)]
        return sorted(plain, key=lambda point: (point.name, _package(point)))

    def _load(self, point: EntryPoint) -> None:
        name, package = point.name, _package(point)
        if name in self._entries or name in self._ours:
            self._leave_out(name, package)
            return
        try:
            thing = point.load()
        # a module may end the process while it is imported, as scripts do
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:_REASON_CHARACTERS]
            self._broken.setdefault(
                name,
                f"the {self.kind} {name!r} of the plug-in {package} cannot be loaded ({reason}); mend that "
                f"package or uninstall it",
            )
            return
        if name not in self._entries:
            self._entries[name], self._foreign[name] = cast(T, thing), package
            self._broken.pop(name, None)
        elif self._entries[name] is thing:
            # its module registered it by decorator, too
            self._foreign[name] = package
        else:
            self._leave_out(name, package)

    def _leave_out(self, name: str, package: str) -> None:
        owner = self._foreign.get(name, "crisislens")
        self._left_out.append(
            f"the {self.kind} {name!r} of the plug-in {package} is not used, for {owner} has one of that "
            f"name; give it another name in the package's entry points"
        )


def _imported(path: str) -> object:
    """What stands at `module:attribute`."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _package(point: EntryPoint) -> str:
    """The package that brings an entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
