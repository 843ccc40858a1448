"""The record in which posts meet mathematics: its rules hold whatever is done to it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.missing import MissingToken, ModalityDropout
from crisislens.nn.widths import FeatureWidths

WIDTH, POOLED = 3, 2
Lengths = st.lists(st.integers(0, 4), min_size=1, max_size=6)


def modality(lengths: list[int], seed: int = 0, width: int = WIDTH) -> ModalityBatch:
    """Posts with so many tokens; 0 lacks the modality."""
    g = torch.Generator().manual_seed(seed)
    rows: list[Tensor | None] = []
    vectors: list[Tensor | None] = []
    for n in lengths:
        rows.append(torch.randn(n, width, generator=g) if n else None)
        vectors.append(torch.randn(POOLED, generator=g) if n else None)
    return ModalityBatch.collate(rows, vectors, width=width, pooled_width=POOLED)


def posts(text: list[int], image: list[int]) -> FeatureBatch:
    return FeatureBatch(text=modality(text), image=modality(image, seed=1))


def test_what_is_not_given_is_taken_away() -> None:
    batch = posts([2, 0, 1], [1, 1, 0]).map(caption=modality([1, 1, 1], seed=2))
    shown = batch.only(("text",))
    assert shown.text is batch.text
    # beside the posts, and none of the two that a run names
    assert shown.caption is batch.caption
    keeps_the_rules(shown.image)
    assert not shown.image.present.any()
    assert batch.image.present.any()
    assert batch.only(("text", "image")).image is batch.image


def keeps_the_rules(m: ModalityBatch) -> None:
    """Mask false on padding, zeros where nothing is, padding at the end."""
    assert not m.mask[~m.present].any()
    assert not m.tokens[~m.mask].any()
    assert not m.pooled[~m.present].any()
    ends = m.mask.int().diff(dim=1)
    assert (ends <= 0).all()


@given(Lengths)
def test_collating_pads_and_keeps_the_rules(lengths: list[int]) -> None:
    m = modality(lengths)
    keeps_the_rules(m)
    assert len(m) == len(lengths)
    assert m.mask.sum(1).tolist() == lengths
    assert m.present.tolist() == [n > 0 for n in lengths]
    # one column at least, so that attention has a legal shape
    assert m.tokens.shape == (len(lengths), max([1, *lengths]), WIDTH)


@given(Lengths, st.data())
def test_what_is_taken_away_is_as_if_it_had_never_been(lengths: list[int], data: st.DataObject) -> None:
    drop = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths))))
    whole, less = modality(lengths), modality(lengths).without(drop)
    keeps_the_rules(less)
    assert torch.equal(less.present, whole.present & ~drop)
    assert torch.equal(less.tokens[~drop], whole.tokens[~drop])
    assert torch.equal(less.pooled[~drop], whole.pooled[~drop])
    # taking away twice changes nothing more
    assert torch.equal(less.without(drop).tokens, less.tokens)


def test_values_that_are_not_finite_are_taken_away_too() -> None:
    """A product with zero would keep NaN."""
    m = modality([2, 2])
    broken = ModalityBatch(m.tokens * torch.nan, m.mask, m.pooled * torch.inf, m.present)
    gone = broken.without(torch.tensor([True, True]))
    assert not gone.tokens.any()
    assert not gone.pooled.any()


@given(Lengths, st.data())
def test_selected_posts_are_those_posts(lengths: list[int], data: st.DataObject) -> None:
    index = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=5)))
    m = modality(lengths)
    some = m.select(index)
    for row, place in enumerate(index.tolist()):
        assert torch.equal(some.tokens[row], m.tokens[place])
        assert some.present[row] == m.present[place]
    by_mask = m.select(m.present)
    assert by_mask.present.all()
    assert len(by_mask) == int(m.present.sum())


def test_only_numbers_change_their_type() -> None:
    m = modality([2, 0]).to(dtype=torch.float64)
    assert (m.tokens.dtype, m.pooled.dtype) == (torch.float64, torch.float64)
    assert (m.mask.dtype, m.present.dtype) == (torch.bool, torch.bool)


def test_modalities_hold_equally_many_posts() -> None:
    with pytest.raises(ValueError, match=r"same number of posts, got \[1, 2\]"):
        FeatureBatch(text=modality([1, 2]), image=modality([1]))
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        FeatureBatch(text=modality([1, 2]), image=modality([1, 1]), caption=modality([1, 1, 1]))


def test_a_caption_is_there_only_where_somebody_made_it() -> None:
    batch = posts([1, 2], [2, 0])
    assert list(batch.modalities()) == ["text", "image"]
    with_caption = batch.map(caption=modality([0, 3], seed=2))
    assert list(with_caption.modalities()) == ["text", "image", "caption"]
    assert batch.caption is None
    assert with_caption.text is batch.text
    assert len(with_caption.select(torch.tensor([1]))) == 1
    moved = with_caption.to(dtype=torch.float64)
    assert moved.caption is not None
    assert moved.caption.tokens.dtype == torch.float64


def test_widths_are_those_of_the_modality_and_positive() -> None:
    widths = FeatureWidths(text=4, text_pooled=5, image=6, image_pooled=7)
    assert widths.of_text() == (4, 5)
    assert widths.of_image() == (6, 7)
    with pytest.raises(ValueError, match="greater than 0"):
        FeatureWidths(text=0, text_pooled=5, image=6, image_pooled=7)


# what is missing, and what is hidden


@given(Lengths)
@settings(deadline=None)
def test_a_learned_token_stands_where_nothing_is_and_nowhere_else(lengths: list[int]) -> None:
    m, missing = modality(lengths), MissingToken(width=WIDTH)
    tokens, mask = missing(m.tokens, m.mask, m.present)
    assert mask.any(1).all()
    assert torch.equal(tokens[m.present], m.tokens[m.present])
    assert torch.equal(mask[m.present], m.mask[m.present])
    for row in tokens[~m.present]:
        assert torch.equal(row[0], missing.token)
        assert not row[1:].any()
    assert (mask[~m.present].sum(1) == 1).all()


def test_the_token_learns_only_from_posts_that_need_it() -> None:
    missing = MissingToken(width=WIDTH)
    for lengths, learns in (([2, 1], False), ([2, 0], True)):
        missing.zero_grad()
        m = modality(lengths)
        missing(m.tokens, m.mask, m.present)[0].sum().backward()
        assert missing.token.grad is not None
        assert bool(missing.token.grad.any()) == learns


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_hiding_takes_one_of_two_as_often_as_asked(rate: float) -> None:
    torch.manual_seed(0)
    n = 4000
    batch = posts([1] * n, [1] * n)
    hidden = ModalityDropout(rate=rate)(batch)
    text, image = ~hidden.text.present, ~hidden.image.present
    assert not (text & image).any()
    for lost in (text, image):
        assert float(lost.float().mean()) == pytest.approx(rate / 2, abs=0.03)


def test_nothing_is_hidden_from_posts_with_one_modality_or_in_evaluation() -> None:
    hide = ModalityDropout(rate=1.0)
    single = posts([1, 0, 0], [0, 1, 0])
    assert torch.equal(hide(single).text.present, single.text.present)
    assert torch.equal(hide(single).image.present, single.image.present)
    both = posts([1], [1])
    assert hide.eval()(both) is both


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_a_rate_is_a_probability(rate: float) -> None:
    with pytest.raises(ValueError, match="must be a probability in"):
        ModalityDropout(rate=rate)
