r"""A bundle between two, of which one was trained further from the other:
`python scripts/blend_passes.py BEFORE AFTER --out DIR --version VERSION [--share 0.5]`.

What is trained further gains on what it sees and loses a little of what it does not. With the weights before,
$\theta_0$, and after, $\theta_1$, of the adapter and of the linear maps of category and needs, it is written

$$\theta = (1 - \alpha)\,\theta_0 + \alpha\,\theta_1,$$

which for fine-tuned models often keeps most of both (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models", https://arxiv.org/abs/2109.01903, Sec. 3). The adapter's product of two low-rank matrices is not
linear in them; the pass moves both a little, and the middle of the factors is what is taken. α is one half as
there, and not chosen.
"""

import argparse
import tempfile
from pathlib import Path

import readapted
import torch
from linear_heads import LinearHeads

from crisislens.encoders.lora import read_lora, write_lora

QUESTIONS = ("humanitarian", "needs")


def between(before: torch.Tensor, after: torch.Tensor, share: float) -> torch.Tensor:
    """(1 − α) before + α after, of any one shape."""
    return torch.lerp(before.float(), after.float(), share)


def main() -> None:
    """Reads the arguments and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("before", type=Path, help="the bundle that was trained further")
    parser.add_argument("after", type=Path, help="what came of it")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle")
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--share", type=float, default=0.5, help="α, the weight of what came of it")
    args = parser.parse_args()
    first, second = (read_lora(folder / "adapter.safetensors") for folder in (args.before, args.after))
    if first.tensors.keys() != second.tensors.keys() or first.base != second.base:
        raise SystemExit(f"{args.after} does not adapt what {args.before} adapts; give a pass from it")
    mixed = {
        name: between(tensor, second.tensors[name], args.share).half()
        for name, tensor in first.tensors.items()
    }
    maps = {}
    for question in QUESTIONS:
        old, new = (LinearHeads.read(folder, question) for folder in (args.before, args.after))
        maps[question] = tuple(
            (1 - args.share) * a + args.share * b for a, b in ((old.weight, new.weight), (old.bias, new.bias))
        )
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder) / "adapter.safetensors"
        write_lora(adapter, type(first)(mixed, first.scaling, first.base))
        readapted.write(args.before, args.out, adapter, maps, args.version)
    print("written", args.out)


if __name__ == "__main__":
    main()
