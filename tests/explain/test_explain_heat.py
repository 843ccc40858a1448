"""Heat on any photo: shares that add up, pixels that stay, words for those who do not see it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import ModelError
from crisislens.data.words import word_spans
from crisislens.explain.attribution import attention_rollout, embeddings_of, injected, integrated_gradients
from crisislens.explain.faithfulness import most_important, shown_patches, shown_words
from crisislens.explain.heat import _thirds, describe_heat, keep_patches, soft_blur, upsample
from crisislens.explain.reduce import reduce_text

Shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "center", "right")


def heat_of(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def photo(height: int = 18, width: int = 24) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(st.integers(1, 40))
def test_thirds_share_out_every_patch_whole(n: int) -> None:
    shares = _thirds(n)
    assert shares.sum(0) == pytest.approx(np.ones(n))
    assert shares.sum(1) == pytest.approx(np.full(3, n / 3))


@given(st.integers(0, 2), st.integers(0, 2), st.integers(1, 4))
def test_a_patch_inside_one_ninth_is_called_by_its_name(row: int, column: int, fine: int) -> None:
    heat = np.zeros((3 * fine, 3 * fine))
    heat[row * fine + fine // 2, column * fine + fine // 2] = 1
    said = describe_heat(heat)
    place = "center" if (row, column) == (1, 1) else f"{ROWS[row]} {COLUMNS[column]}"
    assert said.startswith(f"most of the evidence lies in the {place};")
    assert f"1 of {heat.size} parts of the photo is marked" in said


@given(Shapes, st.integers(0, 5))
def test_any_heat_can_be_said(shape: tuple[int, int], seed: int) -> None:
    heat = heat_of(shape, seed)
    said = describe_heat(heat)
    assert f"{int((heat >= 0.5).sum())} of {heat.size} parts" in said
    if min(shape) < 3:
        # one patch lies in several thirds alike, and the first of them is named
        return
    # a turn of the photo by half a circle turns the words
    back = describe_heat(heat[::-1, ::-1])
    for one, other in (("upper", "lower"), ("left", "right")):
        assert (one in said) == (other in back)


def test_evidence_that_is_everywhere_is_not_called_most() -> None:
    assert describe_heat(np.ones((6, 6))).startswith("the largest share of the evidence lies in")
    assert "36 of 36 parts of the photo are marked" in describe_heat(np.ones((6, 6)))


@given(Shapes, st.booleans())
@settings(deadline=None)
def test_the_heat_of_pixels_stays_in_bounds_and_has_their_shape(shape: tuple[int, int], smooth: bool) -> None:
    fine = upsample(heat_of(shape), 18, 24, smooth=smooth)
    assert fine.shape == (18, 24)
    assert fine.min() >= 0
    assert fine.max() <= 1
    assert upsample(np.full(shape, 0.25), 18, 24, smooth=smooth) == pytest.approx(0.25)


@given(st.integers(0, 12))
@settings(deadline=None)
def test_a_share_of_the_patches_is_kept_and_the_rest_is_one_color(count: int) -> None:
    pixels, heat = photo(), heat_of((3, 4))
    kept = keep_patches(pixels, heat, count / 12)
    mean = np.rint(pixels.reshape(-1, 3).mean(0)).astype(np.uint8)
    there, hottest = 0, set(np.argsort(-heat.ravel())[:count].tolist())
    for place in range(12):
        row, column = divmod(place, 4)
        part = (slice(6 * row, 6 * row + 6), slice(6 * column, 6 * column + 6))
        if place in hottest:
            assert (kept[part] == pixels[part]).all()
            there += 1
        else:
            assert (kept[part] == mean).all()
    assert there == count


@given(st.integers(0, 12))
@settings(deadline=None)
def test_deletion_and_insertion_show_every_patch_once(count: int) -> None:
    pixels, heat = photo(), heat_of((3, 4))
    mean = np.rint(pixels.reshape(-1, 3).mean(0)).astype(np.uint8)
    with_it = shown_patches(pixels, heat, count / 12, insert=True) != mean
    without = shown_patches(pixels, heat, count / 12, insert=False) != mean
    whole = pixels != mean
    assert not (with_it & without).any()
    assert ((with_it | without) == whole).all()


def test_a_tiny_photo_can_be_blurred() -> None:
    """A radius of a sixteenth of its side would be none."""
    pixels = photo(2, 2)
    assert (soft_blur(pixels, np.ones((1, 1))) == pixels).all()
    assert soft_blur(pixels, np.zeros((1, 1))).std() < pixels.std()


# words


@given(st.lists(st.sampled_from(["flood", "hits", "🌊", "the", "town"]), min_size=1, max_size=8), st.data())
def test_a_rationale_and_its_complement_share_no_word(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    spans = word_spans(text)
    chosen = data.draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans)))
    inside = reduce_text(text, spans, chosen, "both").split(" ")
    outside = reduce_text(text, spans, chosen, "complement").split(" ")
    assert len(inside) == len(outside) == len(spans)
    for word, a, b in zip(words, inside, outside, strict=True):
        assert {a, b} == {word, "*"}


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_the_most_important_are_no_less_important_than_the_others(
    importance: list[float], share: float
) -> None:
    chosen = most_important(importance, share)
    assert sum(chosen) == round(share * len(importance))
    inside = [x for x, c in zip(importance, chosen, strict=True) if c]
    outside = [x for x, c in zip(importance, chosen, strict=True) if not c]
    assert not inside or not outside or min(inside) >= max(outside)


def test_at_the_ends_of_the_curves_all_or_nothing_is_shown() -> None:
    text = "water rises fast"
    words, importance = word_spans(text), [0.3, 0.2, 0.1]
    assert shown_words(text, words, importance, 0.0, insert=True) == "* * *"
    assert shown_words(text, words, importance, 1.0, insert=True) == text
    assert shown_words(text, words, importance, 0.0, insert=False) == text
    assert shown_words(text, words, importance, 1.0, insert=False) == "* * *"


# attribution


@given(st.integers(1, 40), st.integers(1, 9))
@settings(deadline=None)
def test_points_of_the_path_may_be_computed_in_any_parts(steps: int, batch: int) -> None:
    x, zero = torch.tensor([1.0, -2.0, 0.5]).double(), torch.zeros(3).double()

    def f(points: torch.Tensor) -> torch.Tensor:
        return points.pow(3).sum(1)

    whole = integrated_gradients(f, x, zero, steps=steps, batch=steps)
    assert torch.allclose(integrated_gradients(f, x, zero, steps=steps, batch=batch), whole)


def test_rollout_of_no_attention_leaves_every_token_its_own() -> None:
    still = torch.eye(4).expand(2, 3, 4, 4)
    assert torch.allclose(attention_rollout([still, still]), torch.full((2, 4), 0.25))


@given(st.integers(1, 4), st.integers(0, 5))
@settings(deadline=None)
def test_rollout_hands_all_of_it_on(layers: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    maps = [torch.randn(2, 3, 5, 5, generator=g).softmax(-1) for _ in range(layers)]
    flow = attention_rollout(maps)
    assert torch.allclose(flow.sum(1), torch.ones(2), atol=1e-5)
    assert (flow >= 0).all()


def test_embeddings_are_given_for_a_while_only_also_where_something_fails() -> None:
    table, given_ones = torch.nn.Embedding(5, 2), torch.ones(1, 3, 2)
    ids = torch.tensor([[0, 1, 2]])
    before = table(ids)

    def fail() -> None:
        with injected(table, given_ones):
            assert torch.equal(table(ids), given_ones)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(table(ids), before)


def test_word_embeddings_are_the_largest_table() -> None:
    encoder = torch.nn.ModuleDict({"places": torch.nn.Embedding(4, 2), "words": torch.nn.Embedding(9, 2)})
    assert embeddings_of(encoder) is encoder["words"]
    with pytest.raises(
        ModelError, match="no word embeddings that gradients could reach; use another --method"
    ):
        embeddings_of(torch.nn.Linear(2, 2))
