"""Nothing but `domain.tasks` spells the name of a class or of a question: a new task is one entry there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import crisislens
from crisislens.domain.tasks import TASKS

SOURCE = Path(crisislens.__file__).parent
# the tasks themselves, the made-up crisis, whose stories carry their answers, and the reviewed table from
# other people's labels to ours (docs/label-mappings.md); a migration says what was when it was written
MAY_SPELL = (
    "domain",
    "demo",
    "training/crisis_labels.py",
    "training/crisis_text.py",
    "store/migrations/versions/0010_labels_that_mean_the_same.py",
)
# words that are also a field of records or a label of photos; a class name with an underscore, or a
# question, stands for nothing else
SHARED_WORDS = {"damage", "place_type", "football_stadium"}


def names() -> set[str]:
    """The names of classes that are no plain words, of questions, and of tasks."""
    found = {task.question for task in TASKS.values()} | set(TASKS)
    for task in TASKS.values():
        found |= {name for name in task.classes if "_" in name or task.labels[0].nothing}
    return found


def spelled(path: Path) -> Iterator[tuple[int, str]]:
    """The string constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_other_room_names_a_class_or_a_question() -> None:
    forbidden = names() - SHARED_WORDS
    faults = []
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        if place.startswith(MAY_SPELL):
            continue
        faults += [f"{place}:{line} {word}" for line, word in spelled(path) if word in forbidden]
    assert not faults, "\n".join(faults)
