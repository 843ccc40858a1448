r"""Sets what a label of a bundle counts in the order of reading: the weight $w_c$ of `domain.tasks`.

What ships: `python scripts/weigh.py BUNDLE --task needs --label missing_people --urgency 0.5` and
`python scripts/weigh.py BUNDLE --task humanitarian --label missing_or_found_people --urgency 0.4`. The labels
hold of people who are looked for and of people who were found. The first ask for help, which counts 1, and
the second can wait; before, a child that was back home stood beside calls. Ours, no paper.
"""

import argparse
from pathlib import Path

from linear_heads import LinearHeads

from crisislens.core.errors import InputError
from crisislens.pipeline.bundle import Bundle


def weigh(bundle: Path, question: str, label: str, urgency: float) -> None:
    """Changes the weight of a label of a linear head's question, in place.

    Arguments:
        bundle: The bundle.
        question: One of its questions.
        label: One of its labels.
        urgency: The weight, in [0, 1].

    Raises:
        InputError: If there is no such question or label, or the weight is out of range.
    """
    if not 0 <= urgency <= 1:
        raise InputError(f"the weight {urgency} is out of range; give one from 0 to 1")
    config = Bundle.read(bundle).config
    if question not in config.tasks:
        raise InputError(f"there is no question {question!r}; this bundle has {', '.join(config.tasks)}")
    task = config.tasks[question].space
    if label not in task.classes:
        raise InputError(f"there is no label {label!r}; this question has {', '.join(task.classes)}")
    labels = tuple(
        one.model_copy(update={"urgency": urgency}) if one.name == label else one for one in task.labels
    )
    heads = LinearHeads.read(bundle, question)
    heads.write(bundle, config.version, task=task.model_copy(update={"labels": labels}))


def main() -> None:
    """Reads the arguments and changes the weight."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--task", required=True, help="the question of the bundle")
    parser.add_argument("--label", required=True)
    parser.add_argument("--urgency", type=float, required=True)
    args = parser.parse_args()
    weigh(args.bundle, args.task, args.label, args.urgency)
    print(f"{args.label} of {args.bundle}: counts {args.urgency}")


if __name__ == "__main__":
    main()
