"""Where a training runs: one rule for all trainers, and the sentence that is said where it cannot."""

from typing import Literal

import torch

from crisislens.core.errors import ConfigError

__all__ = ["Device", "device_name", "resolve_device"]

Device = Literal["auto", "cpu", "cuda", "mps"]
"""Names of devices in run files; `auto` takes CUDA, else Apple's GPU, else the CPU."""


def resolve_device(name: str, *, double: bool = False) -> torch.device:
    """The device of a name.

    Arguments:
        name: `auto`, `cpu`, `cuda` or `mps`; a number may follow, as in `cuda:1`.
        double: Whether double precision is needed, which Apple's GPUs lack: `auto` passes them
            over.

    Raises:
        ConfigError: If the device is not there, or lacks the precision.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        usable = [kind for kind, found in there.items() if found and not (double and kind == "mps")]
        return torch.device(usable[0])
    kind = name.partition(":")[0]
    if not there.get(kind, False):
        raise ConfigError(f"device {name} is not available here; leave device out (auto), or say cpu")
    if double and kind == "mps":
        raise ConfigError("device mps lacks the double precision that is needed here; say cpu or cuda")
    return torch.device(name)


def device_name(name: str, *, double: bool = False) -> str:
    """What a training on a device says that it ran on: the card's own name, or the processor with its
    threads.

    Arguments:
        name: As for `resolve_device`.
        double: Whether double precision is needed.

    Raises:
        ConfigError: If the device is not there, or lacks the precision.
    """
    device = resolve_device(name, double=double)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
