"""The formulas of the modules by another, slower road, in fp64: head by head and post by post, as the papers
write them.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crisislens.nn.attention import MultiHeadAttention, SelfAttentionBlock, masked_mean
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.differential import DifferentialAttention, PublishedDifferentialAttention, lambda_start
from crisislens.nn.guided import GuidedCrossAttention, PublishedGuidedFusion
from crisislens.nn.losses import class_weights
from crisislens.nn.missing import MissingToken, ModalityDropout

WIDTH, HEADS = 16, 2
# fp64 sums of a few dozen terms in another order
EXACT = {"atol": 1e-11, "rtol": 0.0}


def tokens(lengths: tuple[int, ...] = (5, 3, 1, 0), seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, WIDTH, dtype=torch.float64, generator=generator), mask


def test_attention_is_the_formula_and_zero_without_context() -> None:
    torch.manual_seed(0)
    attend = MultiHeadAttention(width=WIDTH, heads=HEADS).double()
    x, mask = tokens()
    y, e = attend(x, x, mask), WIDTH // HEADS
    for i, n in enumerate(mask.sum(1).tolist()):
        if n == 0:
            assert y[i].abs().max() == 0
            continue
        heads = []
        for h in range(HEADS):
            rows = slice(h * e, (h + 1) * e)
            q, k, v = (f(x[i])[:, rows] for f in (attend.q, attend.k, attend.v))
            heads.append(torch.softmax(q @ k[:n].T / math.sqrt(e), -1) @ v[:n])
        torch.testing.assert_close(y[i], attend.out(torch.cat(heads, -1)), **EXACT)


def plain_differential(m: DifferentialAttention, x: torch.Tensor) -> torch.Tensor:
    """One unpadded post, head by head (Ye et al. 2024, Eq. 1-3)."""
    w_q, w_k, w_v = m.q_k_v.weight.chunk(3)
    size, e, heads = WIDTH // HEADS, WIDTH // (2 * HEADS), []
    for h in range(HEADS):
        rows = slice(h * size, (h + 1) * size)
        q, k, v = x @ w_q[rows].T, x @ w_k[rows].T, x @ w_v[rows].T
        a_1 = torch.softmax(q[:, :e] @ k[:, :e].T / math.sqrt(e), -1)
        a_2 = torch.softmax(q[:, e:] @ k[:, e:].T / math.sqrt(e), -1)
        y = (a_1 - m.lambda_()[h] * a_2) @ v
        heads.append((1 - m.lambda_0) * y / (y.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * m.norm.weight)
    return torch.cat(heads, -1) @ m.out.weight.T


def test_differential_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    m = DifferentialAttention(width=WIDTH, heads=HEADS, depth=1).double()
    x, mask = tokens()
    y = m(x, mask)
    for i, n in enumerate(mask.sum(1).tolist()):
        torch.testing.assert_close(y[i, :n], plain_differential(m, x[i, :n]), **EXACT)
        assert y[i, n:].abs().sum() == 0


def test_lambda_starts_as_in_the_paper() -> None:
    assert lambda_start(0) == pytest.approx(0.2)
    assert lambda_start(1) == pytest.approx(0.355509, abs=1e-6)
    with pytest.raises(ValueError, match=r"multiple of 2 \* heads, got width=30"):
        DifferentialAttention(width=30, heads=4)


def test_published_differential_attention_is_a_normalized_linear_map() -> None:
    torch.manual_seed(0)
    m = PublishedDifferentialAttention(width=WIDTH, heads=HEADS).double()
    z = torch.randn(4, WIDTH, dtype=torch.float64)
    v = (z @ m.v.weight.T).reshape(4, HEADS, -1) * (1 - m.lambda_())
    y = v / (v.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * m.norm.weight * (1 - m.lambda_0)
    torch.testing.assert_close(m(z), y.reshape(4, WIDTH) @ m.out.weight.T, **EXACT)


def test_published_differential_attention_teaches_nothing_to_queries_and_keys() -> None:
    torch.manual_seed(0)
    m = PublishedDifferentialAttention(width=WIDTH, heads=HEADS).double()
    m(torch.randn(4, WIDTH, dtype=torch.float64)).square().sum().backward()
    for name, p in m.named_parameters():
        assert p.grad is not None
        if name in ("q.weight", "k.weight"):
            assert p.grad.abs().max() == 0
        elif name == "lambda_terms":
            # RMSNorm cancels λ but for its ε of 1e-5
            assert p.grad.abs().max() < 1e-2 * m.v.weight.grad.abs().max()  # type: ignore[union-attr]
        else:
            assert p.grad.abs().max() > 0


def test_guided_cross_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    m = GuidedCrossAttention(width=WIDTH, heads=HEADS).double()
    (image, image_mask), (text, text_mask) = tokens((4, 4, 4), 1), tokens((5, 2, 1), 2)
    z_i, z_t = m(image, image_mask, text, text_mask)
    for i in range(3):
        p, t = int(image_mask[i].sum()), int(text_mask[i].sum())
        f_i = m.mix_image(image[i : i + 1, :p], image_mask[i : i + 1, :p])[0]
        f_t = m.mix_text(text[i : i + 1, :t], text_mask[i : i + 1, :t])[0]
        alpha_i, alpha_t = torch.sigmoid(m.gate_image(f_i.mean(0))), torch.sigmoid(m.gate_text(f_t.mean(0)))
        torch.testing.assert_close(z_i[i, :p], alpha_t * m.value_image(f_i).clamp(min=0), **EXACT)
        torch.testing.assert_close(z_t[i, :t], alpha_i * m.value_text(f_t).clamp(min=0), **EXACT)
        assert z_t[i, t:].abs().sum() == 0


def test_published_fusion_is_the_authors_computation() -> None:
    torch.manual_seed(0)
    m = PublishedGuidedFusion(
        image_pooled_width=6, text_pooled_width=5, projection=4, hidden=8, width=3
    ).double()
    image, text = torch.randn(7, 6, dtype=torch.float64), torch.randn(7, 5, dtype=torch.float64)
    m(image, text)  # moves the running statistics away from their start
    m.eval()
    f_i = m.widen_image((image @ m.project_image.weight.T).clamp(min=0))
    f_t = m.widen_text((text @ m.project_text.weight.T).clamp(min=0))
    halves = []
    for f, norm, value, other, gate in (
        (f_i, m.norm_image, m.value_image, f_t, m.gate_text),
        (f_t, m.norm_text, m.value_text, f_i, m.gate_image),
    ):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        z = (value(f) - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        mixed = torch.stack(
            [sum(w * row for w, row in zip(torch.softmax(other @ x, 0), other, strict=True)) for x in other]
        )  # type: ignore[misc]
        halves.append(torch.sigmoid(gate(mixed)) * z.clamp(min=0))
    torch.testing.assert_close(m(image, text), torch.cat(halves, -1), **EXACT)


def test_a_block_leaves_padding_and_neighbors_alone() -> None:
    torch.manual_seed(0)
    block = SelfAttentionBlock(width=WIDTH, heads=HEADS).double()
    x, mask = tokens()
    other = torch.where(mask[..., None], x, 1e6)
    y = torch.where(mask[..., None], block(x, mask), 0.0)
    torch.testing.assert_close(torch.where(mask[..., None], block(other, mask), 0.0), y, **EXACT)
    torch.testing.assert_close(block(x[1:2], mask[1:2])[0][mask[1]], y[1][mask[1]], **EXACT)


def test_the_missing_token_stands_in_for_nothing_but_what_is_missing() -> None:
    torch.manual_seed(0)
    missing = MissingToken(width=WIDTH).double()
    x, mask = tokens()
    y, filled = missing(torch.where(mask[..., None], x, 0.0), mask, mask.any(1))
    torch.testing.assert_close(y[:3], torch.where(mask[..., None], x, 0.0)[:3], **EXACT)
    assert filled.sum(1).tolist() == [5, 3, 1, 1]
    torch.testing.assert_close(y[3, 0], missing.token, **EXACT)


def batch(b: int = 2000) -> FeatureBatch:
    def full(there: torch.Tensor) -> ModalityBatch:
        return ModalityBatch(
            torch.ones(b, 1, 2) * there[:, None, None],
            there[:, None],
            torch.ones(b, 2) * there[:, None],
            there,
        )

    index = torch.arange(b)
    return FeatureBatch(text=full(index % 4 != 0), image=full(index % 4 != 1))


def test_modality_dropout_hides_one_of_two_and_never_the_last() -> None:
    torch.manual_seed(0)
    hide, given_posts = ModalityDropout(rate=0.4), batch()
    hidden = hide(given_posts)
    both = given_posts.text.present & given_posts.image.present
    assert (hidden.text.present | hidden.image.present).equal(
        given_posts.text.present | given_posts.image.present
    )
    for m in ("text", "image"):
        lost = getattr(given_posts, m).present & ~getattr(hidden, m).present
        assert not (lost & ~both).any()
        # a share of 0.2 among 1,000 posts has a standard error of 0.013
        assert lost[both].double().mean().item() == pytest.approx(0.2, abs=0.05)
        assert getattr(hidden, m).tokens[lost].abs().sum() == 0
    hide.eval()
    assert hide(given_posts) is given_posts
    with pytest.raises(ValueError, match="probability in"):
        ModalityDropout(rate=1.5)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sampled_from(["none", "sqrt", "balanced"]))
def test_class_weights_have_mean_one_over_the_posts(labels: list[int], balance: str) -> None:
    y = torch.tensor(labels)
    weights = class_weights(y, 4, balance)  # type: ignore[arg-type]
    assert weights[y].mean().item() == pytest.approx(1, rel=1e-5)
    if balance == "none":
        assert weights.tolist() == pytest.approx([1] * 4)
    if balance == "balanced":
        mass = [weights[k].item() * labels.count(k) for k in set(labels)]
        assert mass == pytest.approx([mass[0]] * len(mass), rel=1e-4)


def test_masked_mean_of_nothing_is_zero() -> None:
    x, mask = tokens()
    mean = masked_mean(x, mask)
    assert mean[3].abs().sum() == 0
    torch.testing.assert_close(mean[1], x[1, :3].mean(0), **EXACT)


def test_a_batch_is_padded_selected_and_refused_when_ragged() -> None:
    part = ModalityBatch.collate([torch.ones(2, 3), None], [torch.ones(4), None], width=3, pooled_width=4)
    assert (part.tokens.shape, part.mask.tolist(), part.present.tolist()) == (
        (2, 2, 3),
        [[True, True], [False, False]],
        [True, False],
    )
    whole = FeatureBatch(text=part, image=part)
    assert len(whole.select(torch.tensor([1]))) == 1
    with pytest.raises(ValueError, match=r"same number of posts, got \[1, 2\]"):
        FeatureBatch(text=part, image=part.select(torch.tensor([0])))
