r"""Averages two passes of `train_crisis.py`: `python scripts/average_crisis.py FIRST SECOND OUT`.

The second pass begins at the first, so a point between them is a model as well, and often a better one
outside of what the second was trained on (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903). The mean
of two differences of rank r has rank 2 r and is stored exactly,

$$\tfrac12 (B_1 A_1 + B_2 A_2) = \begin{bmatrix} \tfrac12 B_1 & \tfrac12 B_2 \end{bmatrix}
  \begin{bmatrix} A_1 \\ A_2 \end{bmatrix} .$$
"""

import argparse
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from crisislens.core.files import atomic_write
from crisislens.encoders.lora import LoraState, read_lora, write_lora


def averaged(first: LoraState, second: LoraState) -> LoraState:
    """The adapter half way between two of the same encoder."""
    tensors: dict[str, Tensor] = {}
    for name, a in first.tensors.items():
        b = second.tensors[name]
        if name.endswith(".lora_a"):
            tensors[name] = torch.cat([a, b], 0)
        elif name.endswith(".lora_b"):
            tensors[name] = torch.cat([a, b], 1) * 0.5
        else:
            tensors[name] = ((a.float() + b.float()) / 2).to(a.dtype)
    return LoraState(tensors, first.scaling, first.base)


def main() -> None:
    """Reads two folders and writes a third."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("first", "second", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    passes = [read_lora(folder / "adapter.safetensors") for folder in (args.first, args.second)]
    write_lora(args.out / "adapter.safetensors", averaged(*passes))
    heads = [load_file(folder / "heads.safetensors") for folder in (args.first, args.second)]
    with safe_open(args.first / "heads.safetensors", framework="pt") as stored:
        meta = stored.metadata()
    mean = {name: (tensor + heads[1][name]) / 2 for name, tensor in heads[0].items()}
    atomic_write(args.out / "heads.safetensors", save(mean, metadata=meta))


if __name__ == "__main__":
    main()
