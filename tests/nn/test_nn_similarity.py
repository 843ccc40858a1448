"""Similarity guidance by another, slower road, in fp64: post by post, head by head, component by component;
then the promises.
"""

import math

import pytest
import torch
from torch import Tensor, nn

from crisislens.nn.attention import MultiHeadAttention
from crisislens.nn.correlation import CorrelationLayer, CrossAttentionLayer
from crisislens.nn.similarity import (
    Elements,
    FeatureInterpolation,
    SimilarityFeedForward,
    SimilarityFusion,
    SimilarityInteraction,
    element_context,
    modality_similarity,
)

WIDTH, HEADS = 8, 2
# fp64 sums of a few dozen terms in another order
EXACT = {"atol": 1e-11, "rtol": 0.0}
TEXT, IMAGE = (5, 3, 1, 0), (4, 0, 4, 4)


def sequence(lengths: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, WIDTH, dtype=torch.float64, generator=g), mask


def both() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (*sequence(TEXT, 1), *sequence(IMAGE, 2))


def made(module: nn.Module) -> nn.Module:
    """In fp64, with norms that are not the identity, so that a forgotten one shows."""
    g = torch.Generator().manual_seed(7)
    module.double()
    for p in module.parameters():
        p.data = 0.4 * torch.randn(p.shape, dtype=torch.float64, generator=g) + (0.5 if p.ndim == 1 else 0.0)
    return module


def plain_normal(x: list[float]) -> list[float]:
    mean = sum(x) / len(x)
    variance = sum((a - mean) ** 2 for a in x) / len(x)
    return [(a - mean) / math.sqrt(variance + 1e-5) for a in x]


def plain_mean(rows: list[list[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)] if rows else [0.0] * WIDTH


def plain_similarity(text: list[list[float]], image: list[list[float]]) -> list[float]:
    return [
        a * b for a, b in zip(plain_normal(plain_mean(text)), plain_normal(plain_mean(image)), strict=True)
    ]


def plain_softmax(x: list[float]) -> list[float]:
    e = [math.exp(a) for a in x]
    return [a / sum(e) for a in e]


def plain_context(x: list[list[float]], other: list[list[float]], elements: Elements) -> list[list[float]]:
    scale = math.sqrt(WIDTH)
    if elements == "components":
        a, b = plain_normal(plain_mean(x)), plain_normal(plain_mean(other))
        mean = plain_mean(other)
        weights = [plain_softmax([i * j / scale for j in b]) for i in a]
        return [[sum(w * m for w, m in zip(row, mean, strict=True)) for row in weights]]
    if not other:
        return [[0.0] * WIDTH for _ in x]
    keys, out = [plain_normal(row) for row in other], []
    for row in x:
        n = plain_normal(row)
        w = plain_softmax([sum(i * j for i, j in zip(n, key, strict=True)) / scale for key in keys])
        out.append([sum(w[j] * other[j][c] for j in range(len(other))) for c in range(WIDTH)])
    return out


def plain_attention(m: MultiHeadAttention, x: Tensor, context: Tensor) -> Tensor:
    if len(context) == 0:
        return torch.zeros_like(x)
    e, heads = WIDTH // HEADS, []
    for h in range(HEADS):
        rows = slice(h * e, (h + 1) * e)
        q, k, v = m.q(x)[:, rows], m.k(context)[:, rows], m.v(context)[:, rows]
        heads.append(torch.softmax(q @ k.T / math.sqrt(e), -1) @ v)
    return m.out(torch.cat(heads, -1))


def plain_feed(m: SimilarityFeedForward, x: Tensor, c: Tensor | None) -> Tensor:
    h = m.up(m.norm(x))
    if c is not None:
        assert m.guide is not None
        h = h + c @ m.guide.weight.T
    return x + m.down(0.5 * h * (1 + torch.erf(h / math.sqrt(2))))


def plain_interaction(m: SimilarityInteraction, text: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """One post without padding."""
    s = torch.tensor(plain_similarity(text.tolist(), image.tolist()), dtype=torch.float64)
    out = []
    for x, attend in ((text, m.attend_text), (image, m.attend_image)):
        context = attend.norm(x)
        if attend.interpolate is not None:
            gate = attend.interpolate
            g = (
                gate.beta
                if gate.map is None
                else 1 / (1 + torch.exp(-gate.map(torch.cat([x, s.expand_as(x)], -1))))
            )
            context = torch.cat([context, attend.norm(g * x + (1 - g) * s)])
        out.append(x + plain_attention(attend.attention, attend.norm(x), context))
    a, b = out
    c_t = (
        torch.tensor(plain_context(a.tolist(), b.tolist(), m.elements), dtype=torch.float64).reshape(
            -1, WIDTH
        )
        if m.fine
        else None
    )
    c_v = (
        torch.tensor(plain_context(b.tolist(), a.tolist(), m.elements), dtype=torch.float64).reshape(
            -1, WIDTH
        )
        if m.fine
        else None
    )
    return plain_feed(m.feed_text, a, c_t), plain_feed(m.feed_image, b, c_v)


def test_similarities_are_the_formulas() -> None:
    text, text_mask, image, image_mask = both()
    s = modality_similarity(text, text_mask, image, image_mask)
    for i, (n, p) in enumerate(zip(TEXT, IMAGE, strict=True)):
        expected = plain_similarity(text[i, :n].tolist(), image[i, :p].tolist())
        torch.testing.assert_close(s[i], torch.tensor(expected, dtype=torch.float64), **EXACT)
        for elements in ("tokens", "components"):
            c = element_context(text, text_mask, image, image_mask, elements)[i]
            rows = plain_context(text[i, :n].tolist(), image[i, :p].tolist(), elements)
            torch.testing.assert_close(
                c[: len(rows)], torch.tensor(rows, dtype=torch.float64).reshape(-1, WIDTH), **EXACT
            )


def test_by_hand() -> None:
    # n((1, −1)) = (1, −1) up to the norm's 1e-5, so a post is alike with itself in every component and S_m is
    # (1, 1)
    x = torch.tensor([[[1.0, -1.0]]], dtype=torch.float64)
    y, there = torch.tensor([[[3.0, 1.0]]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.bool)
    torch.testing.assert_close(
        modality_similarity(x, there, x, there), torch.ones(1, 2, dtype=torch.float64), atol=2e-5, rtol=0
    )
    # components of x: scores ±1/√2 against those of y, whose mean is y = (3, 1)
    high = math.exp(1 / math.sqrt(2)) / (math.exp(1 / math.sqrt(2)) + math.exp(-1 / math.sqrt(2)))
    expected = torch.tensor([[[3 * high + 1 - high, 3 * (1 - high) + high]]], dtype=torch.float64)
    torch.testing.assert_close(element_context(x, there, y, there, "components"), expected, atol=2e-5, rtol=0)
    # one key: all weight on it
    assert torch.equal(element_context(x, there, y, there), y)
    fixed = FeatureInterpolation(width=2, gate="fixed", beta=0.25)
    assert torch.equal(
        fixed(x, torch.tensor([[2.0, 2.0]], dtype=torch.float64)),
        torch.tensor([[[1.75, 1.25]]], dtype=torch.float64),
    )


@pytest.mark.parametrize("coarse", [True, False])
@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("elements", ["tokens", "components"])
@pytest.mark.parametrize("gate", ["learned", "fixed"])
def test_interaction_is_the_formula(coarse: bool, fine: bool, elements: Elements, gate: str) -> None:
    m = made(
        SimilarityInteraction(
            width=WIDTH, heads=HEADS, expansion=2, coarse=coarse, fine=fine, elements=elements, gate=gate
        )  # type: ignore[arg-type]
    )
    assert isinstance(m, SimilarityInteraction)
    text, text_mask, image, image_mask = both()
    y_t, y_v = m(text, text_mask, image, image_mask)
    for i, (n, p) in enumerate(zip(TEXT, IMAGE, strict=True)):
        expected_t, expected_v = plain_interaction(m, text[i, :n], image[i, :p])
        torch.testing.assert_close(y_t[i, :n], expected_t, **EXACT)
        torch.testing.assert_close(y_v[i, :p], expected_v, **EXACT)


def test_fusion_is_the_formula() -> None:
    m = made(SimilarityFusion(width=WIDTH, heads=HEADS))
    assert isinstance(m, SimilarityFusion)
    text, text_mask, image, image_mask = both()
    z = m(text, text_mask, image, image_mask)
    for i, (n, p) in enumerate(zip(TEXT, IMAGE, strict=True)):
        t, v = text[i, :n], image[i, :p]
        s = torch.tensor(plain_similarity(t.tolist(), v.tolist()), dtype=torch.float64)
        rho = 1 / (1 + math.exp(-(m.weigh.weight[0] @ s + m.weigh.bias[0]).item()))
        z_t = rho * plain_attention(m.cross_text, m.norm_text(t), m.norm_image(v)) + t
        z_v = (1 - rho) * plain_attention(m.cross_image, m.norm_image(v), m.norm_text(t)) + v
        expected = torch.cat([z_t.sum(0) / max(n, 1), z_v.sum(0) / max(p, 1)])
        torch.testing.assert_close(z[i], expected, **EXACT)


def test_the_rivals_are_their_formulas() -> None:
    text, text_mask, image, image_mask = both()
    hybrid, cross = (
        made(kind(width=WIDTH, heads=HEADS, expansion=2)) for kind in (CorrelationLayer, CrossAttentionLayer)
    )
    assert isinstance(hybrid, CorrelationLayer)
    assert isinstance(cross, CrossAttentionLayer)
    h_t, h_v = hybrid(text, text_mask, image, image_mask)
    c_t, c_v = cross(text, text_mask, image, image_mask)
    for i, (n, p) in enumerate(zip(TEXT, IMAGE, strict=True)):
        t, v = text[i, :n], image[i, :p]
        own = hybrid.norm_image(v)
        v_1 = v + plain_attention(hybrid.mix_image, own, torch.cat([own, hybrid.norm_prefix(t)]))
        z = hybrid.mix_text.norm(t)
        t_1 = t + plain_attention(hybrid.mix_text.attention, z, z)
        context = torch.tensor(
            plain_context(t_1.tolist(), v_1.tolist(), "tokens"), dtype=torch.float64
        ).reshape(-1, WIDTH)
        torch.testing.assert_close(h_t[i, :n], plain_feed(hybrid.feed_text, t_1, context), **EXACT)
        torch.testing.assert_close(h_v[i, :p], plain_feed(hybrid.feed_image, v_1, None), **EXACT)
        n_t, n_v = cross.norm_text(t), cross.norm_image(v)
        t_2, v_2 = (
            t + plain_attention(cross.cross_text, n_t, n_v),
            v + plain_attention(cross.cross_image, n_v, n_t),
        )
        for x, mix, feed, found in (
            (t_2, cross.mix_text, cross.feed_text, c_t[i, :n]),
            (v_2, cross.mix_image, cross.feed_image, c_v[i, :p]),
        ):
            z = mix.norm(x)
            torch.testing.assert_close(
                found, plain_feed(feed, x + plain_attention(mix.attention, z, z), None), **EXACT
            )


@pytest.mark.parametrize(
    "make", [SimilarityInteraction, CorrelationLayer, CrossAttentionLayer, SimilarityFusion]
)
def test_padding_and_neighbors_change_nothing(make: type[nn.Module]) -> None:
    m = made(make(width=WIDTH, heads=HEADS))
    text, text_mask, image, image_mask = both()
    junk_text, junk_image = (
        torch.where(k[..., None], x, 1e3) for x, k in ((text, text_mask), (image, image_mask))
    )

    def real(out: Tensor | tuple[Tensor, Tensor], i: int) -> list[Tensor]:
        return [out[i]] if isinstance(out, Tensor) else [out[0][i, : TEXT[i]], out[1][i, : IMAGE[i]]]

    together, junk = m(text, text_mask, image, image_mask), m(junk_text, text_mask, junk_image, image_mask)
    for i in range(4):
        alone = m(text[i : i + 1], text_mask[i : i + 1], image[i : i + 1], image_mask[i : i + 1])
        for a, b, c in zip(
            real(together, i), real(junk, i), [x[0] for x in real_alone(alone, i)], strict=True
        ):
            torch.testing.assert_close(b, a, **EXACT)
            torch.testing.assert_close(c, a, **EXACT)


def real_alone(out: Tensor | tuple[Tensor, Tensor], i: int) -> list[Tensor]:
    return [out] if isinstance(out, Tensor) else [out[0][:, : TEXT[i]], out[1][:, : IMAGE[i]]]


@pytest.mark.parametrize("make", [SimilarityInteraction, SimilarityFusion])
def test_gradients_are_those_of_differences(make: type[nn.Module]) -> None:
    m = made(make(width=4, heads=2))
    g = torch.Generator().manual_seed(3)
    text, image = (torch.randn(2, n, 4, dtype=torch.float64, generator=g, requires_grad=True) for n in (3, 2))
    text_mask, image_mask = (
        torch.tensor([[True, True, True], [True, False, False]]),
        torch.tensor([[True, True], [True, True]]),
    )

    def real(t: Tensor, v: Tensor) -> Tensor:
        out = m(t, text_mask, v, image_mask)
        return (
            out
            if isinstance(out, Tensor)
            else (out[0] * text_mask[..., None]).sum() + (out[1] * image_mask[..., None]).square().sum()
        )

    assert torch.autograd.gradcheck(real, (text, image))
