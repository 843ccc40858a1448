"""All figures of speed and of bfloat16 on one machine, one after the other:
`python benchmarks/machine.py POSTS [--images DIR] --out OUT [--cores 0,1] [--before CHECKOUT]`.

Runs the scripts beside this one over the same posts, each as a process on the named processors (the
first two by default) and for ten minutes at most; one that fails or is stopped keeps none of the
others from running. What each prints stands in OUT/NAME.jsonl, what it complains of in
OUT/NAME.err, and OUT/machine.txt says which processor and card they are. Where the processor does
not multiply in bfloat16 those parts are emulated and slow, and are left out unless `--only` names
them. Nothing else may run on the machine; a thousand posts, a third of them with photos, are
enough.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from crisislens.encoders.precision import ASKED, choose

_HERE = Path(__file__).resolve().parent
_LIMIT_S = 600


@dataclass(frozen=True)
class Step:
    """One script.

    Attributes:
        name: Of its file in the output.
        command: The script below `benchmarks`, and what it is given.
        precision: What encoders are asked to compute in; empty to leave it to the script.
        bfloat16: Whether it says something only where the processor multiplies in bfloat16.
    """

    name: str
    command: tuple[str, ...]
    precision: str = ""
    bfloat16: bool = False


def plan(posts: Path, images: Path, before: Path | None) -> list[Step]:
    """What is run, what tells most first."""
    given = (str(posts), "--images", str(images))
    ways = ("--way", "fp32", "--way", "bf16")
    other = () if before is None else ("--way", f"before={before / 'src'}@")
    side = ("analyze_speed.py", *given, "--repeats", "5", "--side-by-side")
    return [
        Step("paired", ("paired.py", *given, *ways, *other), bfloat16=True),
        Step("precision", ("precision.py", *given, "--bits", "100"), bfloat16=True),
        Step("bare_fp32", side, "fp32"),
        Step("bare_bf16", side, "bf16", bfloat16=True),
        Step("roof_fp32", ("roof.py",)),
        Step("roof_bf16", ("roof.py", "--precision", "bf16"), bfloat16=True),
        Step("gpu", ("gpu.py", "--posts", str(posts), "--images", str(images))),
        Step("clip_bf16", ("clip_shape.py", "--precision", "bf16", "--rounds", "3"), bfloat16=True),
        Step("runtimes_fp32", ("runtimes.py",)),
        Step("runtimes_bf16", ("runtimes.py", "--precision", "bf16"), bfloat16=True),
        Step("start", ("start.py",)),
    ]


def run(step: Step, out: Path) -> str:
    """Runs one step and says how it ended."""
    environment = dict(os.environ) | ({ASKED: step.precision} if step.precision else {})
    command = [sys.executable, str(_HERE / step.command[0]), *step.command[1:]]
    with (out / f"{step.name}.jsonl").open("w") as said, (out / f"{step.name}.err").open("w") as complained:
        try:
            done = subprocess.run(
                command, env=environment, stdout=said, stderr=complained, timeout=_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"was stopped after {_LIMIT_S} s"
    return "is done" if done.returncode == 0 else f"failed ({done.returncode}), see {step.name}.err"


def described() -> str:
    """The processor, torch and the card."""
    processor = Path("/proc/cpuinfo")
    lines = processor.read_text().splitlines() if processor.is_file() else [platform.processor()]
    names = sorted({line.partition(":")[2].strip() for line in lines if line.startswith("model name")})
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    kind = torch.backends.cpu.get_cpu_capability()
    return (
        f"processor: {', '.join(names)}, {os.cpu_count()} of them, torch uses {kind}\n"
        f"bfloat16: {'yes' if choose('auto') == 'bf16' else 'no'}\n"
        f"card: {card}\ntorch: {torch.__version__}\n"
    )


def chosen(steps: Sequence[Step], only: Sequence[str], *, native: bool) -> list[Step]:
    """The steps that are named, else those that say something on this processor."""
    if only:
        return [step for step in steps if step.name in only]
    return [step for step in steps if native or not step.bfloat16]


def main() -> None:
    """Prints a line a step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cores", default="0,1", help="numbers of processors to stay on")
    parser.add_argument("--before", type=Path, help="a checkout of another commit, for pairs")
    parser.add_argument("--only", nargs="+", default=[])
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "machine.txt").write_text(described())
    steps = plan(arguments.posts, arguments.images or arguments.posts.resolve().parent, arguments.before)
    for step in chosen(steps, arguments.only, native=choose("auto") == "bf16"):
        began = time.monotonic()
        print(f"{step.name} {run(step, arguments.out)}, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
