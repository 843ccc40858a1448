"""Modules whose first weights are not drawn, for weights that are put in afterwards: names and shapes, in
memory that nobody has touched and that the system therefore has not given yet.

Not torch's device `meta`: an operation on it runs torch's Python decompositions, whose import takes
two seconds of processor time and 150 MB, at each start of a command.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

__all__ = ["hollow"]

# what a constructor draws its weights with
_MAKES = frozenset({torch.rand, torch.randn})
_FILLS = frozenset(
    {
        Tensor.normal_,
        Tensor.uniform_,
        init.normal_,
        init.trunc_normal_,
        init.uniform_,
        init.kaiming_normal_,
        init.kaiming_uniform_,
        init.xavier_normal_,
        init.xavier_uniform_,
    }
)


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in _MAKES:
            named.pop("generator", None)
            return torch.empty(*args, **named)
        if func in _FILLS:
            # of `init` by name, of a tensor as the first argument
            return named.get("tensor", args[0] if args else None)
        return func(*args, **named)


@contextmanager
def hollow() -> Iterator[None]:
    """Modules that are built within hold whatever was in memory; assign their weights before use
    (`load_state_dict(…, assign=True)`). No random number is drawn.
    """
    with _Undrawn():
        yield
