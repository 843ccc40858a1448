r"""Low-rank adaptation: a frozen linear map learns a difference of small rank, which later
disappears into its weight.

$$y = W x + b + s\, B A x, \qquad A \in \mathbb{R}^{r \times n},\ B \in \mathbb{R}^{m \times r},\ s = \alpha /
r, \qquad
  \hat W = W + s\, B A .$$

Source: Hu et al., LoRA, 2021, https://arxiv.org/abs/2106.09685, Sec. 4.1. $B$ starts at zero, so an
untrained adapter changes nothing; $A$ is drawn from $\mathcal{N}(0, 1/n)$ (the paper says "random
Gaussian" without a scale; its code uses Kaiming's uniform of the same order).

An adapter file is safetensors: `NAME.lora_a` and `NAME.lora_b` for each adapted linear map, any
other trained tensor (layer norms, biases) whole under its own name, and in the metadata the scaling
$s$ and what the adapter belongs to.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.errors import ModelError
from crisislens.core.files import atomic_write

__all__ = [
    "LoraLinear",
    "LoraState",
    "add_lora",
    "fold_lora",
    "lora_state",
    "merge_lora",
    "read_lora",
    "write_lora",
]

_FORMAT = "crisislens-lora-1"
_A, _B = ".lora_a", ".lora_b"


class LoraLinear(nn.Module):
    """A frozen linear map with a trainable difference of low rank.

    Arguments:
        base: The map $W, b$; its parameters are frozen.
        rank: The rank $r$ of the difference.
        alpha: The numerator of the scaling $s = \\alpha / r$.
        dropout: Probability of dropping a component of $x$ on the way into $A$, while training.
    """

    def __init__(self, base: nn.Linear, *, rank: int, alpha: float | int, dropout: float = 0.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scaling = alpha / rank
        self.dropout = dropout
        weight = base.weight
        # in the kind and on the device of the weight: a sum of two kinds would be of the wider
        # one
        a = torch.randn(rank, base.in_features, dtype=weight.dtype, device=weight.device)
        self.a = nn.Parameter(a / math.sqrt(base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank, dtype=weight.dtype, device=weight.device))

    def forward(self, x: Float[Tensor, "*b n"]) -> Float[Tensor, "*b m"]:
        """The adapted map of $x$."""
        low = functional.linear(functional.dropout(x, self.dropout, self.training), self.a)
        y: Tensor = self.base(x)
        return y + self.scaling * functional.linear(low, self.b)


@dataclass(frozen=True)
class LoraState:
    """What an adapter learned.

    Attributes:
        tensors: `NAME.lora_a` and `NAME.lora_b` pairs, and whole tensors under their names.
        scaling: $s$ of all pairs.
        base: What the adapter belongs to, such as the digest of the base weights; empty where
            nobody said.
    """

    tensors: Mapping[str, Tensor]
    scaling: float
    base: str = ""


def add_lora(
    module: nn.Module,
    *,
    rank: int,
    alpha: float | int,
    targets: Sequence[str],
    dropout: float = 0.0,
) -> list[str]:
    """Wraps linear maps of a module, in place, and returns their names.

    Only what is wrapped is frozen; freeze the rest first (encoders come frozen) and then free what
    should be trained whole.

    Arguments:
        module: The module to adapt.
        rank: The rank $r$.
        alpha: Sets the scaling $s = \\alpha / r$.
        targets: Patterns of names within the module; `*` stands for any characters, as in
            `bert.encoder.*.query`.
        dropout: See `LoraLinear`.

    Raises:
        ModelError: If no linear map matches, or some is adapted already.
    """
    # a wrapped map holds a linear one, which would be wrapped again inside it
    if any(isinstance(m, LoraLinear) for m in module.modules()):
        raise ModelError("the module is adapted already; merge or reload it before it is adapted again")
    linear = [name for name, m in module.named_modules() if isinstance(m, nn.Linear)]
    names = [name for name in linear if _is_target(name, targets)]
    if not names:
        raise ModelError(
            f"no linear map matches {list(targets)}; their names are like "
            f"{', '.join(linear[:4]) or 'none at all'}"
        )
    for name in names:
        parent, _, last = name.rpartition(".")
        base = module.get_submodule(name)
        assert isinstance(base, nn.Linear)
        setattr(
            module.get_submodule(parent),
            last,
            LoraLinear(base, rank=rank, alpha=alpha, dropout=dropout),
        )
    return names


def _is_target(name: str, targets: Sequence[str]) -> bool:
    return any(fnmatchcase(name, target) for target in targets)


def lora_state(module: nn.Module, *, base: str = "") -> LoraState:
    """What was trained in an adapted module: the low-rank pairs, and whole every other parameter
    that requires a gradient.

    Arguments:
        module: A module after `add_lora`.
        base: What the adapter belongs to.

    Raises:
        ModelError: If nothing is adapted, or with different scalings.
    """
    adapted = {name: m for name, m in module.named_modules() if isinstance(m, LoraLinear)}
    scalings = {m.scaling for m in adapted.values()}
    if len(scalings) != 1:
        raise ModelError(
            f"expected linear maps adapted with one scaling, found {len(scalings)}; call add_lora once"
        )
    pairs = {name + end: p for name, m in adapted.items() for end, p in ((_A, m.a), (_B, m.b))}
    # by identity: the names of parameters go on behind those of the maps that hold them
    inside = {id(p) for p in pairs.values()}
    whole = {name: p for name, p in module.named_parameters() if p.requires_grad and id(p) not in inside}
    return LoraState(
        # safetensors refuses tensors that share memory, and tied weights do
        {k: v.detach().cpu().contiguous().clone() for k, v in {**pairs, **whole}.items()},
        scalings.pop(),
        base,
    )


@torch.no_grad()
def merge_lora(module: nn.Module, state: LoraState) -> None:
    """Merges an adapter into a plain (unwrapped) module, in place; the module then computes what
    the adapted one did, at no cost.

    Raises:
        ModelError: If the adapter is damaged, a name is not in the module or a shape does not fit; the
            module is then unchanged.
    """
    _check_state(state)
    # buffers too: a network that was trained whole has other running means in its norms
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    changes: dict[str, Tensor] = {}
    for key, tensor in state.tensors.items():
        if key.endswith(_B):
            continue
        name = key.removesuffix(_A) + ".weight" if key.endswith(_A) else key
        if name not in own:
            raise ModelError(
                f"the adapter changes {name}, which this encoder does not have; use the encoder "
                "that it was trained on"
            )
        value = tensor.double()
        if key.endswith(_A):
            b = state.tensors.get(key.removesuffix(_A) + _B)
            if b is None or b.ndim != 2 or value.ndim != 2 or b.shape[1] != value.shape[0]:
                raise ModelError(
                    f"the adapter's pair for {name} is incomplete or its ranks differ; store it again"
                )
            value = state.scaling * (b.double() @ value)
        if value.shape != own[name].shape:
            raise ModelError(
                f"the adapter has shape {tuple(value.shape)} for {name}, the encoder "
                f"{tuple(own[name].shape)}; use its own encoder"
            )
        changes[name] = own[name].double() + value.to(own[name].device) if key.endswith(_A) else value
    for name, value in changes.items():
        own[name].copy_(value)


def _check_state(state: LoraState) -> None:
    """Refuses what would be merged without a word and make every answer wrong."""
    if not math.isfinite(state.scaling):
        raise ModelError(f"the adapter's scaling is {state.scaling}, no finite number; store it again")
    for key, tensor in state.tensors.items():
        if not bool(tensor.isfinite().all()):
            raise ModelError(
                f"the adapter's tensor {key} holds values that are no finite numbers; fetch or train it again"
            )
        if key.endswith(_B) and key.removesuffix(_B) + _A not in state.tensors:
            raise ModelError(
                f"the adapter's pair for {key.removesuffix(_B)}.weight is incomplete; store it again"
            )


@torch.no_grad()
def fold_lora(module: nn.Module) -> None:
    """Turns every adapted map of a module back into one plain map that computes the same, in place;
    the module costs what it did before.
    """
    for name, adapted in [(n, m) for n, m in module.named_modules() if isinstance(m, LoraLinear)]:
        change = adapted.scaling * (adapted.b.double() @ adapted.a.double())
        adapted.base.weight.copy_(adapted.base.weight.double() + change)
        parent, _, last = name.rpartition(".")
        setattr(module.get_submodule(parent), last, adapted.base)


def write_lora(path: Path, state: LoraState) -> None:
    """Writes an adapter, atomically."""
    metadata = {"format": _FORMAT, "scaling": repr(state.scaling), "base": state.base}
    atomic_write(path, save(dict(state.tensors), metadata=metadata))


def read_lora(path: Path) -> LoraState:
    """Reads an adapter.

    Raises:
        ModelError: If the file is missing, damaged or not an adapter.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            # clone: the file may be replaced while the mapped tensors are alive
            tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as an adapter ({error}); fetch or train it again") from error
    if metadata.get("format") != _FORMAT:
        raise ModelError(
            f"{path} is not an adapter of crisislens (format {metadata.get('format')!r}, expected "
            f"{_FORMAT!r}); see encoders.lora"
        )
    try:
        scaling = float(metadata["scaling"])
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"{path} does not say its scaling; store the adapter again with write_lora"
        ) from error
    return LoraState(tensors, scaling, metadata.get("base", ""))
