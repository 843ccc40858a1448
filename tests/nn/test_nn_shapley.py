"""Shapley values, contrast, alignment and fusion against slow reference code in double precision, and by
their axioms.
"""

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crisislens.nn.adaptive import AdaptiveFusion
from crisislens.nn.alignment import Alignment, AlignmentKind
from crisislens.nn.contrast import margin_loss, softmax_loss
from crisislens.nn.shapley import (
    Expectation,
    antithetic_permutations,
    coalition_values,
    exact_shapley,
    permutation_shapley,
)

EXPECTATIONS: tuple[Expectation, ...] = ("softmax", "uniform")
KINDS: tuple[AlignmentKind, ...] = ("shapley_margin", "shapley_softmax", "info_nce")


def similarities(k: int, n: int, seed: int = 0) -> Tensor:
    return torch.rand(k, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def slow_value(s: list[float], coalition: list[int], expectation: str, tau: float) -> float:
    """Expected similarity of a coalition, in plain Python."""
    if not coalition:
        return 0.0
    w = [math.exp(s[i] / tau) if expectation == "softmax" else 1.0 for i in coalition]
    return sum(a * s[i] for a, i in zip(w, coalition, strict=True)) / sum(w)


def slow_shapley(s: list[float], orders: list[tuple[int, ...]], expectation: str, tau: float) -> list[float]:
    """Mean marginal contributions over given orders, in plain Python."""
    phi = [0.0] * len(s)
    for order in orders:
        for p, i in enumerate(order):
            before = slow_value(s, list(order[:p]), expectation, tau)
            phi[i] += (slow_value(s, list(order[: p + 1]), expectation, tau) - before) / len(orders)
    return phi


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_exact_values_are_the_mean_over_all_orders(expectation: Expectation) -> None:
    s = similarities(5, 3)
    phi = exact_shapley(s, expectation=expectation, temperature=0.2)
    orders = list(permutations(range(5)))
    for j in range(3):
        assert phi[:, j].tolist() == pytest.approx(
            slow_shapley(s[:, j].tolist(), orders, expectation, 0.2), abs=1e-12
        )


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_estimate_is_the_slow_mean_over_the_same_orders(expectation: Expectation) -> None:
    s = similarities(7, 4, seed=1)
    orders = antithetic_permutations(6, 7, torch.Generator().manual_seed(3))
    phi = permutation_shapley(s, orders, expectation=expectation, temperature=0.1)
    for j in range(4):
        slow = slow_shapley(s[:, j].tolist(), [tuple(o) for o in orders.tolist()], expectation, 0.1)
        assert phi[:, j].tolist() == pytest.approx(slow, abs=1e-12)


@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 10_000),
    st.sampled_from(EXPECTATIONS),
    st.sampled_from([0.02, 0.1, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_efficiency_holds_for_every_single_permutation(
    k: int, n: int, seed: int, expectation: Expectation, tau: float
) -> None:
    s = similarities(k, n, seed)
    whole = coalition_values(s, torch.ones(1, k, dtype=torch.bool), expectation=expectation, temperature=tau)[
        0
    ]
    for order in antithetic_permutations(3, k, torch.Generator().manual_seed(seed)):
        phi = permutation_shapley(s, order[None], expectation=expectation, temperature=tau)
        assert torch.allclose(phi.sum(0), whole, atol=1e-12)


@given(st.integers(2, 7), st.integers(0, 10_000), st.sampled_from(EXPECTATIONS))
@settings(max_examples=40, deadline=None)
def test_symmetric_players_get_the_same(k: int, seed: int, expectation: Expectation) -> None:
    s = similarities(k, 2, seed)
    s[1] = s[0]
    phi = exact_shapley(s, expectation=expectation)
    assert torch.allclose(phi[0], phi[1], atol=1e-12)


@given(st.integers(2, 7), st.integers(0, 10_000), st.sampled_from(EXPECTATIONS))
@settings(max_examples=40, deadline=None)
def test_null_players_get_nothing_and_change_nobody(k: int, seed: int, expectation: Expectation) -> None:
    # an absent player adds nothing to any coalition: the null player of the axiom
    s = similarities(k, 2, seed)
    present = torch.ones(k, dtype=torch.bool)
    present[seed % k] = False
    phi = exact_shapley(s, present=present, expectation=expectation)
    assert (phi[~present] == 0).all()
    assert torch.allclose(phi[present], exact_shapley(s[present], expectation=expectation), atol=1e-12)
    assert not exact_shapley(s, present=torch.zeros_like(present), expectation=expectation).any()
    orders = antithetic_permutations(4, k, torch.Generator().manual_seed(seed))
    for order in orders:
        assert (
            permutation_shapley(s, order[None], present=present, expectation=expectation)[~present] == 0
        ).all()
    estimate = permutation_shapley(s, orders, present=present, expectation=expectation)
    # the same orders without the absent player, in the numbering of those who are left
    left = {int(i): rank for rank, i in enumerate(present.nonzero()[:, 0])}
    fewer = torch.tensor([[left[i] for i in order if i in left] for order in orders.tolist()])
    assert torch.allclose(
        estimate[present], permutation_shapley(s[present], fewer, expectation=expectation), atol=1e-12
    )


@given(st.integers(2, 7), st.integers(0, 10_000), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_a_player_of_no_weight_counts_only_where_it_comes_first(k: int, seed: int, place: int) -> None:
    # at τ = 0.01 a similarity of −1 weighs at most e^-100 of any other here: it changes no coalition but the
    # empty one, which it joins in one order of k, so that it is worth its similarity divided by k
    i = place % k
    s = similarities(k, 2, seed).abs()
    s[i] = -1.0
    assert torch.allclose(
        exact_shapley(s, temperature=0.01)[i], torch.full((2,), -1.0 / k, dtype=torch.float64), atol=1e-12
    )
    for order in antithetic_permutations(6, k, torch.Generator().manual_seed(seed)):
        phi = permutation_shapley(s, order[None], temperature=0.01)[i]
        expected = -1.0 if order[0] == i else 0.0
        assert torch.allclose(phi, torch.full((2,), expected, dtype=torch.float64), atol=1e-12)


def test_antithetic_halves_are_reversed_permutations() -> None:
    orders = antithetic_permutations(10, 6, torch.Generator().manual_seed(0))
    assert orders.sort(1).values.tolist() == [list(range(6))] * 10
    assert torch.equal(orders[5:], orders[:5].flip(1))
    assert antithetic_permutations(3, 4).shape == (3, 4)


def test_more_samples_come_closer_and_antithetic_pairs_help() -> None:
    s = similarities(8, 8, seed=2)
    exact = exact_shapley(s)

    def error(samples: int, *, antithetic: bool) -> float:
        squares = []
        for seed in range(30):
            g = torch.Generator().manual_seed(seed)
            orders = antithetic_permutations(samples if antithetic else 2 * samples, 8, g)[:samples]
            squares.append((permutation_shapley(s, orders) - exact).square().mean())
        return float(torch.stack(squares).mean())

    few, many = error(8, antithetic=True), error(64, antithetic=True)
    # the variance falls as 1/M: eight times the samples, an eighth of the error, with room for chance
    assert few / 12 < many < few / 5
    assert few < error(8, antithetic=False)


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_gradients_of_the_estimate(expectation: Expectation) -> None:
    orders = antithetic_permutations(4, 5, torch.Generator().manual_seed(0))
    present = torch.tensor([True, True, False, True, True])
    tau = torch.tensor(0.3, dtype=torch.float64, requires_grad=expectation == "softmax")
    s = similarities(5, 3).requires_grad_()

    def call(x: Tensor, t: Tensor) -> Tensor:
        return permutation_shapley(x, orders, present=present, expectation=expectation, temperature=t)

    assert torch.autograd.gradcheck(call, (s, tau))


def test_too_many_players_for_enumeration() -> None:
    with pytest.raises(ValueError, match="17 players"):
        exact_shapley(torch.zeros(17, 1))


def test_losses_by_hand() -> None:
    phi = torch.tensor([[0.5, 0.1, 9.0], [0.2, 0.4, 9.0], [9.0, 9.0, 9.0]])
    pairs = torch.tensor([True, True, False])
    assert float(margin_loss(phi, pairs)) == pytest.approx(-((0.5 - 0.2) + (0.4 - 0.1)) / 2)
    expected = (
        -(
            math.log(math.exp(5) / (math.exp(5) + math.exp(2)))
            + math.log(math.exp(4) / (math.exp(4) + math.exp(1)))
        )
        / 2
    )
    assert float(softmax_loss(phi, pairs, 0.1)) == pytest.approx(expected, rel=1e-5)
    alone = torch.tensor([True, False, False])
    assert float(margin_loss(phi, alone)) == 0
    assert float(softmax_loss(phi, alone, 0.1)) == 0


def slow_losses(phi: list[list[float]], pairs: list[bool], tau: float) -> tuple[float, float]:
    """Both losses, sum by sum as they are written."""
    whole = [i for i, there in enumerate(pairs) if there]
    margin = softmax = 0.0
    for j in whole:
        margin -= phi[j][j] - sum(phi[i][j] for i in whole if i != j) / (len(whole) - 1)
        softmax -= math.log(math.exp(phi[j][j] / tau) / math.fsum(math.exp(phi[i][j] / tau) for i in whole))
    return margin / len(whole), softmax / len(whole)


@given(st.integers(2, 7), st.integers(0, 10_000), st.sampled_from([0.05, 0.1, 1.0]))
@settings(max_examples=40, deadline=None)
def test_losses_equal_slow_ones_and_their_gradients_are_those_of_differences(
    k: int, seed: int, tau: float
) -> None:
    phi = similarities(k, k, seed).requires_grad_()
    pairs = torch.rand(k, generator=torch.Generator().manual_seed(seed)) < 0.7
    pairs[:2] = True
    margin, softmax = slow_losses(phi.tolist(), pairs.tolist(), tau)
    assert margin_loss(phi, pairs).item() == pytest.approx(margin, abs=1e-12)
    assert softmax_loss(phi, pairs, tau).item() == pytest.approx(softmax, rel=1e-10, abs=1e-12)
    cold = torch.tensor(tau, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: margin_loss(x, pairs), (phi,))
    assert torch.autograd.gradcheck(lambda x, t: softmax_loss(x, pairs, t), (phi, cold))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_a_direction_equals_the_slow_one(kind: AlignmentKind, expectation: Expectation) -> None:
    s = similarities(5, 5, seed=4)
    align = make(kind, expectation=expectation).double()
    found = align.direction(s, torch.ones(5, dtype=torch.bool), torch.Generator().manual_seed(2)).item()
    orders = antithetic_permutations(8, 5, torch.Generator().manual_seed(2))
    ranked = s.diagonal().argsort()[orders].tolist()
    if expectation == "uniform":
        # its closed form is exact: the mean over all orders, not over some
        ranked = [list(order) for order in permutations(range(5))]
    columns = [
        slow_shapley(s[:, j].tolist(), ranked, expectation, align.temperature.item()) for j in range(5)
    ]
    values = s.tolist() if kind == "info_nce" else [list(row) for row in zip(*columns, strict=True)]
    tau = align.temperature if kind == "info_nce" else align.contrast_temperature
    margin, softmax = slow_losses(values, [True] * 5, tau.item())
    assert found == pytest.approx(margin if kind == "shapley_margin" else softmax, rel=1e-9)


@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_equal_players_get_the_same_from_all_orders_together(expectation: Expectation) -> None:
    s = similarities(4, 3, seed=8)
    s[2] = s[0]
    phi = permutation_shapley(s, torch.tensor(list(permutations(range(4)))), expectation=expectation)
    assert torch.allclose(phi[0], phi[2], atol=1e-12)
    assert torch.allclose(phi, exact_shapley(s, expectation=expectation), atol=1e-12)


@pytest.mark.parametrize("relevance", [False, True])
def test_gradients_of_the_fusion(*, relevance: bool) -> None:
    torch.manual_seed(0)
    fuse = AdaptiveFusion(width=4, image_width=3, heads=2, relevance=relevance).double()
    text, context, image = (
        torch.randn(2, n, w, dtype=torch.float64, requires_grad=True) for n, w in ((3, 4), (2, 4), (2, 3))
    )
    masks = (
        torch.ones(2, 3, dtype=torch.bool),
        torch.tensor([[True, False], [False, False]]),
        torch.ones(2, 2, dtype=torch.bool),
    )

    def call(t: Tensor, c: Tensor, v: Tensor) -> Tensor:
        return fuse(t, masks[0], c, masks[1], v, masks[2])

    assert torch.autograd.gradcheck(call, (text, context, image))


def test_margin_form_is_what_efficiency_makes_of_it() -> None:
    s = similarities(6, 6)
    phi, whole = exact_shapley(s), coalition_values(s, torch.ones(1, 6, dtype=torch.bool))[0]
    expected = -((6 * phi.diagonal() - whole) / 5).mean()
    assert torch.allclose(margin_loss(phi, torch.ones(6, dtype=torch.bool)), expected, atol=1e-12)


def inputs(b: int = 6, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    has_context, has_image = torch.ones(b, dtype=torch.bool), torch.ones(b, dtype=torch.bool)
    has_context[1] = has_image[2] = False
    return (
        torch.randn(b, 8, generator=g),
        torch.randn(b, 8, generator=g),
        torch.randn(b, 12, generator=g),
        has_context,
        has_image,
    )


def make(kind: AlignmentKind, **options: object) -> Alignment:
    torch.manual_seed(0)
    return Alignment(text_width=8, image_width=12, width=5, kind=kind, samples=8, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expectation", EXPECTATIONS)
def test_alignment_does_not_depend_on_the_order_of_the_batch(
    kind: AlignmentKind, expectation: Expectation
) -> None:
    align, batch, order = make(kind, expectation=expectation), inputs(), torch.tensor([3, 1, 5, 0, 4, 2])
    first = align(*batch, torch.Generator().manual_seed(1))
    again = align(*(x[order] for x in batch), torch.Generator().manual_seed(1))
    assert torch.allclose(first, again, atol=1e-6)
    assert first.isfinite()
    if kind != "info_nce" and expectation == "softmax":
        # it is an estimate: other permutations give another number, or the test above would be empty
        assert not torch.allclose(first, align(*batch, torch.Generator().manual_seed(2)), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_absent_does_not_matter(kind: AlignmentKind) -> None:
    align, batch = make(kind), inputs()
    text, context, image, has_context, has_image = batch
    other = (context.masked_fill(~has_context[:, None], 7.0), image.masked_fill(~has_image[:, None], -3.0))
    first = align(*batch, torch.Generator().manual_seed(1))
    assert torch.equal(first, align(text, *other, has_context, has_image, torch.Generator().manual_seed(1)))
    nobody = torch.zeros(6, dtype=torch.bool)
    assert align(text, context, image, nobody, has_image).item() == 0
    # without pictures the two text directions count alone: the mean goes over what there is
    text_only = align(text, context, image, has_context, nobody, torch.Generator().manual_seed(1))
    s = align.similarities(align.context(context), align.text(text))
    g = torch.Generator().manual_seed(1)
    expected = (align.direction(s, has_context, g) + align.direction(s.T, has_context, g)) / 2
    assert torch.allclose(text_only, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_alignment_teaches_every_weight_and_falls(kind: AlignmentKind) -> None:
    align, batch = make(kind, learn_temperature=True), inputs()
    generator = torch.Generator().manual_seed(0)
    align(*batch, generator).backward()
    # each form learns the temperatures that it has
    temperatures = {"info_nce": {"log_temperature"}, "shapley_margin": {"log_temperature"}}
    learned = {name for name, p in align.named_parameters() if p.requires_grad and p.ndim == 0}
    assert learned == temperatures.get(kind, {"log_temperature", "log_contrast_temperature"})
    for name, p in align.named_parameters():
        if not p.requires_grad:
            continue
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().sum() > 0, name
    before = align(*batch, torch.Generator().manual_seed(9)).item()
    optimizer = torch.optim.Adam([align.text.weight, align.context.weight, align.image.weight], lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        align(*batch, generator).backward()
        optimizer.step()
    assert align(*batch, torch.Generator().manual_seed(9)).item() < before - 0.02


def test_directions_are_the_four_of_the_paper() -> None:
    align, (text, context, image, _, _) = make("info_nce"), inputs()
    everyone = torch.ones(6, dtype=torch.bool)
    c, t, v = (
        torch.nn.functional.normalize(x, dim=-1)
        for x in (align.context(context), align.text(text), align.image(image))
    )
    y = torch.arange(6)
    terms = [
        torch.nn.functional.cross_entropy((a @ b.T).double() / 0.1, y)
        for a, b in ((t, c), (c, t), (v, c), (c, v))
    ]
    loss = align(text, context, image, everyone, everyone)
    # cosines in single precision divided by 0.1
    assert loss.item() == pytest.approx(torch.stack(terms).mean().item(), abs=1e-5)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="temperatures"):
        make("info_nce", temperature=0.01)


def fusion(**options: bool) -> AdaptiveFusion:
    torch.manual_seed(0)
    return AdaptiveFusion(width=8, image_width=6, heads=2, **options)


def tokens(b: int, n: int, d: int, lengths: list[int], seed: int) -> tuple[Tensor, Tensor]:
    mask = torch.arange(n) < torch.tensor(lengths)[:, None]
    return torch.randn(b, n, d, generator=torch.Generator().manual_seed(seed)) * mask[..., None], mask


@pytest.mark.parametrize("relevance", [False, True])
def test_fusion_ignores_padding_and_neighbors_and_leaves_text_alone_without_more(relevance: bool) -> None:
    fuse = fusion(relevance=relevance)
    text, context, image = (
        tokens(3, 5, 8, [5, 3, 4], 0),
        tokens(3, 4, 8, [4, 0, 2], 1),
        tokens(3, 3, 6, [3, 0, 0], 2),
    )
    h = fuse(*text, *context, *image)
    assert torch.equal(h[1], text[0][1])
    assert not torch.allclose(h[2], text[0][2])
    padded = [torch.cat([x, torch.full_like(x[:, :2], 5.0)], 1) for x, _ in (context, image)]
    longer = [torch.cat([m, torch.zeros_like(m[:, :1]).expand(-1, 2)], 1) for _, m in (context, image)]
    # sums of a post are made in another order when its neighbors change its padding
    assert torch.allclose(fuse(*text, padded[0], longer[0], padded[1], longer[1]), h, atol=1e-6)
    for i in range(3):
        alone = fuse(*(x[i : i + 1] for x in (*text, *context, *image)))
        assert torch.allclose(alone[0], h[i], atol=1e-6)


def test_a_picture_without_a_context_is_taken_whole() -> None:
    scaled, plain = fusion(relevance=True), fusion()
    text, context, image = tokens(2, 5, 8, [5, 3], 0), tokens(2, 4, 8, [0, 2], 1), tokens(2, 3, 6, [3, 3], 2)
    plain.load_state_dict(scaled.state_dict(), strict=False)
    a, b = scaled(*text, *context, *image), plain(*text, *context, *image)
    assert torch.allclose(a[0], b[0], atol=1e-6)
    assert not torch.allclose(a[1], b[1], atol=1e-3)


def test_fusion_is_its_formula() -> None:
    fuse = fusion().double()
    (t, tm), (c, cm), (v, vm) = (
        (x.double(), m)
        for x, m in (tokens(1, 3, 8, [3], 0), tokens(1, 2, 8, [2], 1), tokens(1, 2, 6, [2], 2))
    )
    keys = torch.cat([c[0], fuse.patches(v[0])])
    heads = []
    q, k, val = fuse.attention.q(t[0]), fuse.attention.k(keys), fuse.attention.v(keys)
    for part in (slice(0, 4), slice(4, 8)):
        heads.append((q[:, part] @ k[:, part].T / math.sqrt(4)).softmax(-1) @ val[:, part])
    a = fuse.attention.out(torch.cat(heads, -1))
    g = torch.sigmoid(torch.cat([t[0], a], -1) @ fuse.gate.weight.T + fuse.gate.bias)
    assert torch.allclose(fuse(t, tm, c, cm, v, vm)[0], t[0] + g * a, atol=1e-12)


@pytest.mark.parametrize("relevance", [False, True])
def test_fusion_teaches_every_weight(relevance: bool) -> None:
    fuse = fusion(relevance=relevance)
    fuse(
        *tokens(3, 5, 8, [5, 3, 4], 0), *tokens(3, 4, 8, [4, 0, 2], 1), *tokens(3, 3, 6, [3, 0, 2], 2)
    ).square().sum().backward()
    for name, p in fuse.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().sum() > 0, name
