r"""Moves the logit of one need in a bundle: how much evidence it takes before the bundle speaks of it.

A head that was trained with its few positive rows weighted up says them too often. With $b_l$ the bias of
the label $l$, $b_l \leftarrow b_l + s$: every probability moves, and the order of posts by that need stays.

What ships: `python scripts/shift_need.py BUNDLE --label missing_people --by -2`, chosen by
`python benchmarks/need_shift.py DATA`: of whole shifts from 0 to -6 the one with the best F1 of that need on
the half `develop` of the stress set. Ours, no paper.
"""

import argparse
from pathlib import Path

import torch

from crisislens.core.errors import InputError
from crisislens.models.artifact import load_artifact, save_artifact
from crisislens.pipeline.bundle import Bundle


def shift(folder: Path, label: str, by: float) -> None:
    """Adds to the bias of a label of a linear head, in place.

    Arguments:
        folder: The artifact.
        label: One of its classes.
        by: What is added to its logit; natural logarithm of odds.

    Raises:
        InputError: If the head has no such label.
    """
    loaded = load_artifact(folder)
    if label not in loaded.meta.classes:
        raise InputError(f"there is no label {label!r}; this head has {', '.join(loaded.meta.classes)}")
    with torch.no_grad():
        loaded.model.get_parameter("map.bias")[loaded.meta.classes.index(label)] += by
    # in single precision, so that no other label moves
    save_artifact(folder, loaded.model, loaded.spec, loaded.meta, dtype="float32")


def main() -> None:
    """Reads the arguments and moves the logit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--task", default="needs", help="the question of the bundle")
    parser.add_argument("--label", required=True)
    parser.add_argument("--by", type=float, required=True, help="added to the logit")
    args = parser.parse_args()
    folder = Bundle.read(args.bundle).artifact(args.task)
    shift(folder, args.label, args.by)
    print(f"{args.label} of {folder}: logit moved by {args.by:+g}")


if __name__ == "__main__":
    main()
