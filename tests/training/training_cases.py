"""A run of seconds on the made-up crisis, and posts whose words give their class away."""

from pathlib import Path
from typing import Any

import numpy as np

from crisislens.data.labeled import LabeledData
from crisislens.data.source import LabeledPost
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS
from crisislens.training.config import RunConfig

_WORDS = ("storm town people today water road help news live see " * 3).split()
_TELLING = ("family stranded", "bridge collapsed", "donate volunteers", "update forecast", "concert music")


def small_values(root: Path) -> dict[str, Any]:
    """Hashed words, concatenation, a few epochs."""
    return {
        "name": "small",
        "data": {"source": "synthetic", "root": str(root), "setting": "A1", "posts": 64},
        "encoder": {"name": "hashing"},
        "model": {"name": "concat", "options": {"width": 32, "hidden": 0}},
        "optimizer": {"learning_rate": 3e-3},
        "loss": {"balance": "balanced"},
        "batch_posts": 8,
        "epochs": 4,
        "stopping": {"monitor": "loss", "patience": None},
        "device": "cpu",
    }


def small_run(root: Path, **changes: Any) -> RunConfig:
    """The run with some keys replaced."""
    return RunConfig.parse({**small_values(root), **changes}, where="test")


def telling_posts(
    shares: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2), *, noise: float = 0.0, posts: int = 240
) -> LabeledData:
    """Posts of B2 without photos; each holds one word of its class among others, or, with probability
    `noise`, of a random class.
    """
    random, splits = np.random.default_rng(0), dict[str, list[LabeledPost]](train=[], dev=[], test=[])
    for i in range(posts):
        c = int(random.choice(5, p=shares))
        shown = int(random.integers(5)) if random.random() < noise else c
        words = [*random.choice(_WORDS, 4), random.choice(_TELLING[shown].split())]
        split = ("train", "train", "train", "dev", "test")[i % 5]
        splits[split].append(
            LabeledPost(Post(id=f"{i}_0", text=" ".join(words)), TASKS["humanitarian_b2"].classes[c], split)
        )
    return LabeledData(
        TASKS["humanitarian_b2"],
        splits,
        Path("nowhere"),
        f"telling-{shares}-{noise}",
        {"kind": "telling words"},
    )
