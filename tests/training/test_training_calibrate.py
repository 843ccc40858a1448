"""Each kind of evidence is calibrated on posts that offer it, shown with nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import tiny_run
from torch import Tensor, nn

from crisislens.domain.task import own_task
from crisislens.evaluation.judged import judged
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.training.calibrate import FEWEST_POSTS, calibrations, chosen

POSTS = 80
TWO = own_task("need", ["water", "food"])


class Shown:
    """Posts of which some have no photo and some no text; both say the class where they are there."""

    def __init__(self, y: Tensor, text: Tensor, image: Tensor) -> None:
        self.y, self.text, self.image = y, text, image
        self.lengths = np.ones(len(y), np.int64)

    def batch(self, rows: np.ndarray) -> FeatureBatch:
        held = torch.from_numpy(rows)
        return FeatureBatch(text=self._one(held, self.text), image=self._one(held, self.image))

    def _one(self, rows: Tensor, there: Tensor) -> ModalityBatch:
        x = 2.0 * nn.functional.one_hot(self.y[rows], 2).float() * there[rows, None]
        return ModalityBatch(x[:, None], there[rows, None], x, there[rows])


class Sum(nn.Module):
    """Logits from what is there, the photo turned round; it remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, bool]] = []
        self.image_says = 1.0

    def forward(self, batch: FeatureBatch) -> Tensor:
        self.seen.append((bool(batch.text.present.any()), bool(batch.image.present.any())))
        out: Tensor = batch.text.pooled + self.image_says * batch.image.pooled
        return out


def posts(texts: int, photos: int) -> tuple[Shown, np.ndarray]:
    """Posts of two classes in turn, of which the first ones have a text and the last ones a photo."""
    y = torch.arange(POSTS) % 2
    place = torch.arange(POSTS)
    return Shown(y, place < texts, place >= POSTS - photos), y.numpy()


@pytest.mark.parametrize(
    ("texts", "photos", "kinds"),
    [
        (POSTS, POSTS, {"text", "image", "both"}),
        (POSTS, 0, {"text"}),
        (0, POSTS, {"image"}),
        (POSTS, FEWEST_POSTS - 1, {"text"}),
        (POSTS, FEWEST_POSTS, {"text", "image", "both"}),
        (50, 50, {"text", "image"}),
        (5, 5, set()),
    ],
)
def test_a_kind_that_too_few_posts_offer_is_left_out(
    tmp_path: Path, texts: int, photos: int, kinds: set[str]
) -> None:
    inputs, y = posts(texts, photos)
    found = calibrations(Sum(), inputs, y, tiny_run(tmp_path), space=TWO)
    assert set(found) == kinds


def test_what_is_hidden_is_really_hidden(tmp_path: Path) -> None:
    inputs, y = posts(POSTS, POSTS)
    network = Sum()
    # a photo that misleads: a text must be judged without it, and the photo by itself is always wrong
    network.image_says = -5.0
    found = calibrations(network, inputs, y, tiny_run(tmp_path), space=TWO)
    assert set(network.seen) == {(True, False), (False, True), (True, True)}
    assert "the text alone" in found["text"].basis
    assert found["text"].temperature < 1
    assert found["image"].temperature > 10
    assert "could not be promised" in found["image"].basis


def test_posts_of_one_class_calibrate_nothing(tmp_path: Path) -> None:
    inputs, y = posts(POSTS, POSTS)
    assert calibrations(Sum(), inputs, np.zeros_like(y), tiny_run(tmp_path), space=TWO) == {}


def test_the_basis_says_the_risk_and_how_sure_the_promise_is(tmp_path: Path) -> None:
    inputs, y = posts(POSTS, POSTS)
    run = tiny_run(tmp_path, abstention={"target_risk": 0.2, "delta": 0.05})
    basis = calibrations(Sum(), inputs, y, run, space=TWO)["both"].basis
    assert basis == (
        "80 development posts, judged from text and photo; at most 20% of the answers given are to be wrong, "
        "kept with 95% probability"
    )


@pytest.mark.parametrize("several", [False, True])
def test_development_posts_that_are_all_told_apart_make_nothing_certain(
    tmp_path: Path, several: bool
) -> None:
    y: Any = np.arange(40) % 2
    logits = np.where(np.eye(2)[y] == 1, 3.0, -3.0).astype(np.float32)
    held = np.eye(2, dtype=np.int64)[y] if several else y
    space = own_task("need", TWO.classes, several=several)
    temperature, threshold = chosen(logits, held, tiny_run(tmp_path), space=space)
    sure = judged(logits, held, space=space, temperature=temperature)
    # 41 posts of which one is spread evenly over two answers
    assert sure.probabilities.max(1) == pytest.approx(1 - 0.5 / 41)
    assert sure.right.all()
    assert threshold.threshold <= sure.confidence.min()


def test_a_set_of_labels_is_right_as_a_whole(tmp_path: Path) -> None:
    logits = np.array([[2.0, -2.0], [2.0, 2.0], [-2.0, -2.0]], np.float32)
    y = np.array([[1, 0], [1, 0], [0, 0]])
    space = own_task("need", TWO.classes, several=True)
    found = judged(logits, y, space=space, temperature=1.0)
    assert found.right.tolist() == [True, False, True]
    p = 1 / (1 + np.exp(-2.0))
    assert found.confidence == pytest.approx([p * p] * 3)
