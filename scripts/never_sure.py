r"""Lets a bundle answer one question with "not sure" alone: its guesses stay, and none is said for sure.

For a question whose confidence was found not to hold: where sure answers are as wrong as the others, no
threshold mends it. What ships: `python scripts/never_sure.py BUNDLE --task damage --version VERSION`, for
what `python benchmarks/damage_of_texts.py DATA` found (docs/which-model.md).
"""

import argparse
import json
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.core.files import atomic_write
from crisislens.domain.calibration import NEVER_SURE
from crisislens.pipeline.bundle import BUNDLE, Bundle


def silence(folder: Path, task: str, version: str) -> None:
    """Raises the thresholds of one question of a bundle, in place; temperatures stay.

    Arguments:
        folder: The bundle.
        task: The question.
        version: That of the new bundle: another answer is another bundle.

    Raises:
        InputError: If the bundle does not have the question.
    """
    asked = Bundle.read(folder).config.tasks
    if task not in asked:
        raise InputError(f"there is no question {task!r}; this bundle has {', '.join(asked)}")
    config = json.loads((folder / BUNDLE).read_bytes())
    for calibration in config["tasks"][task]["calibration"].values():
        calibration["abstain_below"] = NEVER_SURE
    config["version"] = version
    stored = json.dumps(config, indent=1, ensure_ascii=False) + "\n"
    atomic_write(folder / BUNDLE, stored)


def main() -> None:
    """Reads the arguments and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--task", required=True, help="the question of the bundle")
    parser.add_argument("--version", required=True, help="of the new bundle")
    args = parser.parse_args()
    silence(args.bundle, args.task, args.version)
    print(f"{args.task} of {args.bundle}: never surely told")


if __name__ == "__main__":
    main()
