"""A made-up crisis with texts beside its posts, and tiny stand-ins for every checkpoint that a row of Table 2
names.
"""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from table2_cases import CONFIGS, POSTS, OneRow, drawn_once, read_once, stand_ins

from crisislens.bench.grid import Grid, load_grid
from timm_stand_in import TinyDense, stand_in
from tiny_checkpoints import write_tiny_clip, write_tiny_electra


@pytest.fixture(scope="session")
def crisis_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crisis")


@pytest.fixture(scope="session")
def beside(crisis_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four files of texts that rows name; every third post has none."""
    folder = tmp_path_factory.mktemp("knowledge")
    posts = next(iter(drawn_once(crisis_root, posts=POSTS).values()))
    for name in ("llava", "wiki", "local", "weak"):
        lines = [
            json.dumps({"id": p.post.id, "text": f"{name} says {p.post.text[:20]}" if i % 3 else ""})
            for i, p in enumerate(posts)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`clip`, `electra` and `dense.safetensors`."""
    folder = tmp_path_factory.mktemp("checkpoints")
    write_tiny_clip(folder / "clip")
    write_tiny_electra(folder / "electra")
    torch.manual_seed(0)
    save_file(TinyDense().state_dict(), folder / "dense.safetensors")
    return folder


@pytest.fixture
def one_row(crisis_root: Path, beside: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> OneRow:
    """From the name of a row to a grid of it on the made-up crisis, with stand-ins in place of checkpoints
    that are not here.
    """
    timm = stand_in()
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.data", timm.data)
    monkeypatch.setenv("CRISISLENS_KNOWLEDGE", str(beside))
    # drawing the photos takes longer than training on them
    monkeypatch.setattr("crisislens.demo.crisis.synthetic_labeled", drawn_once)
    # each grid reads what all rows of its table say of themselves, and takes one
    monkeypatch.setattr("crisislens.bench.grid.load_rows", read_once)

    def build(
        *names: str, setting: str = "A1", more: tuple[str, ...] = (), seeds: tuple[int, ...] = (0,)
    ) -> Grid:
        common = [
            "data.source=synthetic",
            f"data.root={crisis_root}",
            f"data.posts={POSTS}",
            "epochs=1",
            "device=cpu",
        ]
        return load_grid(
            CONFIGS,
            "table2",
            settings=(setting,),
            rows=names,
            seeds=seeds,
            overrides=[*common, *stand_ins(names[0], checkpoints), *more],
        )

    return build
