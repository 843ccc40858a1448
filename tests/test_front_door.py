"""The front door: what `import crisislens` shows, and that it costs nothing until it is used."""

import json
import os
import subprocess
import sys

import pytest

import crisislens

NAMES = ["Analyst", "Assessment", "Post", "compare", "evaluate", "read_posts", "train"]
HEAVY = ("torch", "numpy", "transformers", "pyarrow", "pydantic", "typer", "sklearn")


def test_the_front_door_is_seven_names() -> None:
    assert dir(crisislens) == NAMES
    assert sorted([*NAMES, "__version__"]) == sorted(crisislens.__all__)


def test_each_name_is_what_its_room_has() -> None:
    from crisislens import api
    from crisislens.data import tabular
    from crisislens.domain import assessment, post
    from crisislens.pipeline import analyst

    rooms = (api, tabular, assessment, post, analyst)
    for name in NAMES:
        found = getattr(crisislens, name)
        assert found.__doc__, f"{name} has a docstring"
        assert any(getattr(room, name, None) is found for room in rooms)


def test_importing_loads_nothing_heavy() -> None:
    script = "import json, sys; import crisislens; print(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    assert not set(json.loads(done.stdout)) & set(HEAVY)


def test_a_name_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'analyse'; it offers Analyst, Assessment"):
        _ = crisislens.analyse
