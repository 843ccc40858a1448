"""A study that trains nothing: whether a post is right is drawn. It stands in a module of its own, which
processes of `--jobs` can import.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crisislens.bench.study import Outcome, Study, Trial
from crisislens.core.errors import DataError

TITLES = {"good": "Good <b>", "twin": "=Twin", "bad": "Bad | worse", "like": "Like"}
RIGHT = {"good": 0.8, "twin": 0.8, "bad": 0.4, "like": 0.8}


@dataclass(frozen=True)
class Drawn(Study[int]):
    """`good` and `twin` are right on the same posts, `bad` on half of them, `like` on as many others."""

    name = "drawn"
    title = "Drawn <numbers> & | what they show"
    axis = "harder"
    settings = ("here", "gone")
    systems = TITLES
    points = (0.0, 0.5)
    metrics = ("right", "share")
    pairs = (("good", "bad"), ("good", "twin"), ("good", "like"))
    seeds = (0, 1, 2)

    posts: int = 120
    mark: str = "first"

    def terms(self) -> object:
        return self.posts

    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[int, str]:
        if not (data / setting).is_dir():
            raise DataError(f"no <data> in {setting}; draw some")
        return self.posts, self.mark

    def run(self, materials: int, trial: Trial) -> Outcome:
        common = np.random.default_rng([trial.seed, 10]).random(materials)
        own = np.random.default_rng([trial.seed, 11]).random(materials)
        drawn = own if trial.system == "like" else common
        right = drawn < RIGHT[trial.system] - 0.1 * trial.at
        return Outcome({"right": right, "share": np.where(right, 0.75, 0.25)}, {"seed": trial.seed})
