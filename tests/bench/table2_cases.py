"""Where the rows of Table 2 are, the made-up crisis that they run on, and overrides that name tiny
checkpoints.
"""

import functools
from collections.abc import Callable
from pathlib import Path

from crisislens.bench.grid import Grid, find_configs, load_rows
from crisislens.demo import synthetic_labeled

POSTS = 40
CONFIGS = find_configs(Path(__file__).resolve().parents[2] / "configs")
OneRow = Callable[..., Grid]
drawn_once = functools.cache(synthetic_labeled)
read_once = functools.cache(load_rows)


def stand_ins(name: str, checkpoints: Path) -> list[str]:
    """Overrides that name tiny checkpoints, by the begin of a row's name."""
    electra = [
        f"encoder.options.text.options.checkpoint={checkpoints / 'electra'}",
        "encoder.options.text.options.max_tokens=24",
    ]
    dense = [f"encoder.options.image.options.weights={checkpoints / 'dense.safetensors'}"]
    if name.startswith("clip"):
        return [f"encoder.options.checkpoint={checkpoints / 'clip'}"]
    if name.startswith("densenet_electra"):
        return electra + dense
    return {"densenet_only": dense, "electra_wiki": electra}.get(name, ["encoder.name=hashing"])
