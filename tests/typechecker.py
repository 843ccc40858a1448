"""The run-time checks of the tests: beartype on every function and dataclass of the package, and jaxtyping
where a signature names shapes. An int is allowed where a float is asked for, as PEP 484 says.

jaxtyping's own import hook does the same at a higher price: it binds the arguments of every call to a
signature and checks them twice, whether or not there is a shape to compare. Most of our functions have none;
where one has, beartype checks it within a scope of jaxtyping, in which a name of an axis means one size.
Its hook also marks the bytecode of every library that is imported meanwhile, so that each is compiled again.
"""

import ast
import sys
import typing
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import update_wrapper
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from threading import RLock
from types import CodeType, FunctionType, ModuleType
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, jaxtyped

__all__ = ["check_imports_of", "checked"]

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=TypeError))
_SCOPE = jaxtyped("context")
_SPECIAL = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_ONE_AT_A_TIME = RLock()
# beside the bytecode of users, never in its place; another number where _Decorating changes
_MARK = ".checked1.pyc"


def checked(thing: Any) -> Any:
    """A function or a class under the checks; a class that is no dataclass stays what it is."""
    if isinstance(thing, type):
        # what a dataclass inherits is checked already
        if is_dataclass(thing) and isinstance(vars(thing).get("__init__"), FunctionType):
            thing.__init__ = _checked_function(thing.__init__)  # type: ignore[misc]
        return thing
    return _checked_function(thing)


def _checked_function(function: FunctionType) -> Callable[..., Any]:
    written = function.__annotations__
    hints = {name: _hint(hint, function.__globals__) for name, hint in written.items()}
    if not hints or function.__code__.co_flags & _SPECIAL:
        # the body of a generator runs while its caller is in another scope: jaxtyping itself looks after it
        return jaxtyped(function, typechecker=_beartype) if _shapes(hints) else _with_checks(function, hints)
    waiting = FunctionType(_first_call.__code__, function.__globals__, function.__name__)
    waiting.__kwdefaults__ = {"_waiting": waiting, "_function": function, "_hints": hints}
    return update_wrapper(waiting, function)


def _with_checks(function: FunctionType, hints: dict[str, Any]) -> Callable[..., Any]:
    # what reads signatures (typer, fastapi, pydantic) finds the annotations as they were written
    written = function.__annotations__
    function.__annotations__ = hints
    try:
        wrapped: FunctionType = _beartype(function)
    finally:
        function.__annotations__ = written
    wrapped.__annotations__ = written
    return wrapped


def _first_call(
    *given: Any, _waiting: FunctionType, _function: FunctionType, _hints: dict[str, Any], **named: Any
) -> Any:
    """What a function does at its first call: it takes on the code of its checks, and so is no slower later.

    Five thousand checks are four seconds of each worker, which calls a part of them.
    """
    # not a name of this module: the code runs among the globals of the function
    from typechecker import take_checks

    take_checks(_waiting, _function, _hints)
    return _waiting(*given, **named)


def _handed_on(*given: Any, _function: Callable[..., Any], **named: Any) -> Any:
    return _function(*given, **named)


def _in_a_scope(*given: Any, _function: Callable[..., Any], _scope: Any, **named: Any) -> Any:
    with _scope:
        return _function(*given, **named)


def take_checks(waiting: FunctionType, function: FunctionType, hints: dict[str, Any]) -> None:
    """Turns what waits for its first call into the function under its checks, where it stands."""
    with _ONE_AT_A_TIME:
        if waiting.__code__ is not _first_call.__code__:
            return
        made = _with_checks(function, hints)
        if _shapes(hints):
            waiting.__kwdefaults__ = {**(waiting.__kwdefaults__ or {}), "_function": made, "_scope": _SCOPE}
            waiting.__code__ = _in_a_scope.__code__
            return
        if made is function or made.__closure__:
            # nothing to check, as with a type variable, or a closure, whose code cannot be taken on
            waiting.__kwdefaults__ = {**(waiting.__kwdefaults__ or {}), "_function": made}
            waiting.__code__ = _handed_on.__code__
            return
        vars(waiting).update(vars(made))
        # both codes find their values until the one line that changes it: another thread may be in a call
        waiting.__kwdefaults__ = {**(waiting.__kwdefaults__ or {}), **(made.__kwdefaults__ or {})}
        waiting.__code__ = made.__code__


def _hint(hint: Any, namespace: dict[str, Any]) -> Any:
    """What an annotation means; anything, where it names what only the static checker imports."""
    if hint is None or (isinstance(hint, type) and not typing.get_args(hint)):
        return hint
    holder = FunctionType((lambda: None).__code__, namespace)
    holder.__annotations__ = {"hint": hint}
    try:
        return typing.get_type_hints(holder, include_extras=True)["hint"]
    except Exception:
        return Any


def _shapes(hints: dict[str, Any]) -> bool:
    return any(_names_a_shape(hint) for hint in hints.values())


def _names_a_shape(hint: Any) -> bool:
    parts = hint if isinstance(hint, list) else typing.get_args(hint)
    if not parts:
        return isinstance(hint, type) and issubclass(hint, AbstractArray)
    return any(_names_a_shape(part) for part in parts)


class _Decorating(ast.NodeTransformer):
    """Puts `checked` next to every function, below what else decorates it, and above all on every class."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        self.generic_visit(node)
        first = 0
        for statement in node.body:
            documents = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not documents and getattr(statement, "module", None) != "__future__":
                break
            first += 1
        name = ast.alias("checked", "__checked__")
        node.body.insert(first, ast.ImportFrom(module=__name__, names=[name], level=0))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.decorator_list.append(_decorator(node))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.decorator_list.insert(0, _decorator(node))
        return node


def _decorator(node: ast.stmt) -> ast.expr:
    return ast.copy_location(ast.Name(id="__checked__", ctx=ast.Load()), node)


class _Loader(SourceFileLoader):
    """Compiles a module with its checks, and keeps the bytecode under a name of its own."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = ast.fix_missing_locations(_Decorating().visit(ast.parse(data, path)))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def get_data(self, path: str) -> bytes:
        return super().get_data(_marked(path))

    def set_data(self, path: str, data: bytes, *, _mode: int = 0o666) -> None:
        super().set_data(_marked(path), data, _mode=_mode)


def _marked(path: str) -> str:
    return path.removesuffix(".pyc") + _MARK if path.endswith(".pyc") else path


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self.package:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def check_imports_of(package: str) -> None:
    """Everything of a package that is imported from now on is checked.

    Raises:
        RuntimeError: It is imported already, so that some of it would go unchecked.
    """
    if package in sys.modules:
        raise RuntimeError(f"{package} is imported already; its checks come too late")
    sys.meta_path.insert(0, _Finder(package))
