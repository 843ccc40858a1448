"""Text decides, the photo nudges: what `models.bounded` promises, whatever the weights and the photo."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import ConfigError
from crisislens.models.base import ModelSpec
from crisislens.models.bounded import BoundedFusion
from crisislens.nn.batch import FeatureBatch
from models.cases import CLASSES, WIDTHS, build, modality


def posts(text: list[int], image: list[int], seed: int = 0) -> FeatureBatch:
    """Posts with and without text and photo."""
    return FeatureBatch(
        text=modality(text, WIDTHS.text, WIDTHS.text_pooled, seed),
        image=modality(image, WIDTHS.image, WIDTHS.image_pooled, seed + 1),
    )


def model(bound: float, seed: int = 0) -> BoundedFusion:
    """A model whose maps of the photo are loud."""
    torch.manual_seed(seed)
    made = ModelSpec(name="bounded_fusion", options={"bound": bound}).build(WIDTHS, CLASSES)
    assert isinstance(made, BoundedFusion)
    with torch.no_grad():
        made.nudge.weight.mul_(50.0)
    return made.double().eval()


@given(bound=st.floats(0.05, 5.0), seed=st.integers(0, 50))
def test_a_photo_moves_two_classes_by_less_than_twice_the_bound(bound: float, seed: int) -> None:
    made = model(bound, seed)
    both = posts([3, 2], [4, 4], seed)
    alone = both.map(image=both.image.without(torch.tensor([True, True])))
    moved = (made(both) - made(alone)).detach()
    assert moved.abs().max() <= bound + 1e-5
    spread = moved.amax(1) - moved.amin(1)
    assert bool((spread <= 2 * bound + 1e-5).all())


@given(seed=st.integers(0, 50))
def test_a_text_surer_than_the_bound_keeps_its_class_beside_any_photo(seed: int) -> None:
    made = model(0.5, seed)
    with torch.no_grad():
        made.text.weight.mul_(20.0)
    both = posts([3] * 8, [4] * 8, seed)
    alone = made(both.map(image=both.image.without(torch.ones(8, dtype=torch.bool)))).detach()
    two = alone.topk(2, dim=1).values
    clear = (two[:, 0] - two[:, 1]) > 1.0
    assert bool(clear.any())
    assert torch.equal(made(both).argmax(1)[clear], alone.argmax(1)[clear])


def test_a_loud_photo_does_move_an_open_text() -> None:
    made = model(1.0)
    with torch.no_grad():
        made.text.weight.zero_()
    both = posts([3], [4])
    assert float((made(both) - made.text.bias).detach().abs().max()) > 0.5


def test_a_photo_alone_is_judged_by_its_own_map_and_nothing_by_none() -> None:
    made = model(1.0)
    batch = posts([0, 0], [4, 0])
    logits = made(batch)
    assert torch.allclose(logits[0], made.photo(batch.image.pooled)[0])
    assert torch.equal(logits[1], torch.zeros(CLASSES, dtype=torch.double))


def test_standardizing_takes_center_and_scale_of_posts_that_have_the_modality() -> None:
    made = model(1.0)
    batch = posts([2, 3, 0, 4], [4, 0, 4, 4])
    made.standardize(batch)
    there = batch.text.pooled[batch.text.present]
    assert torch.allclose(made.text_mean, there.mean(0), atol=1e-6)
    assert torch.allclose(made.text_scale, there.std(0), atol=1e-6)
    assert made.image_mean.shape == (WIDTHS.image_pooled,)


def test_in_training_a_post_with_both_may_lose_one() -> None:
    torch.manual_seed(0)
    made = BoundedFusion(widths=WIDTHS, classes=CLASSES, dropout=0.0, modality_dropout=0.9)
    made.double().train()
    both = posts([3] * 30, [4] * 30)
    assert not torch.allclose(made(both), made.eval()(both))


@pytest.mark.parametrize("bound", [0.0, -1.0])
def test_a_bound_that_is_not_positive_is_refused(bound: float) -> None:
    with pytest.raises(ConfigError, match="the bound must be positive"):
        ModelSpec(name="bounded_fusion", options={"bound": bound}).build(WIDTHS, CLASSES)


def test_the_model_is_registered_and_reads_no_tokens() -> None:
    assert build("bounded_fusion").reads_tokens is False
