"""The compact joint encoder and its alignment: independence, gradients, similarity by hand."""

import pytest
import torch

from crisislens.nn.joint import JointEncoder, JointStates, alignment_loss, alignment_scores


def encoder() -> JointEncoder:
    torch.manual_seed(0)
    return JointEncoder(text_width=6, image_width=5, width=8, layers=2, heads=2).eval()


def post(
    b: int, t: int, p: int, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    masks = torch.ones(b, t, dtype=torch.bool), torch.ones(b, p, dtype=torch.bool)
    return torch.randn(b, t, 6, generator=random), masks[0], torch.randn(b, p, 5, generator=random), masks[1]


def test_neighbors_and_padding_change_nothing() -> None:
    text, text_mask, image, image_mask = post(3, 4, 5)
    text_mask[1, 2:] = False
    image_mask[1, 3:] = False
    image_mask[2] = False
    together = encoder()(text, text_mask, image, image_mask)
    alone = encoder()(text[1:2, :2], text_mask[1:2, :2], image[1:2, :3], image_mask[1:2, :3])
    # attention over fewer places sums in another order
    assert torch.allclose(together.text[1, :2], alone.text[0], atol=1e-6)
    assert torch.allclose(together.image[1, :3], alone.image[0], atol=1e-6)
    assert torch.allclose(together.pooled[1], alone.pooled[0], atol=1e-6)
    assert together.image[2].abs().sum() == 0
    assert together.pooled.isfinite().all()


def test_every_weight_learns() -> None:
    module = encoder()
    aligned = module.aligned(*post(3, 4, 5))
    mixed = module.mix(aligned)
    loss = (
        alignment_loss(alignment_scores(aligned), torch.tensor([0, 1, 2]))
        + (mixed.pooled**3).sum()
        + (mixed.image**3).sum()
    )
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_similarity_is_the_mean_of_each_words_best_patch() -> None:
    text = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [9.0, 9.0]]])
    image = torch.tensor([[[2.0, 0.0], [1.0, 1.0]], [[-1.0, 0.0], [0.0, 0.0]]])
    text_mask = torch.tensor([[True, True], [True, False]])
    image_mask = torch.tensor([[True, True], [True, False]])
    scores = alignment_scores(JointStates(text, text_mask, image, image_mask, text[:, 0]))
    half = 2**-0.5
    # text 0, picture 0: the first word has a patch of its own direction, the second one at 45°; picture 1 has
    # one opposite patch
    assert scores[0].tolist() == pytest.approx([(1 + half) / 2, -0.5])
    assert scores[1].tolist() == pytest.approx([1.0, -half])


def test_pairs_of_one_group_are_no_negatives() -> None:
    scores = torch.tensor([[0.5, 0.9], [0.9, 0.5]])
    assert float(alignment_loss(scores, torch.tensor([7, 7]))) == pytest.approx(0.0, abs=1e-6)
    assert float(alignment_loss(scores, torch.tensor([1, 2]))) > 1


def test_attention_maps_are_what_the_blocks_use() -> None:
    module = encoder()
    text, text_mask, image, image_mask = post(2, 3, 4)
    image_mask[1, 2:] = False
    aligned = module.aligned(text, text_mask, image, image_mask)
    [first, _] = module.attention_maps(aligned)
    assert torch.allclose(first.sum(-1), torch.ones(2, 2, 8), atol=1e-6)
    assert first[1, :, :, 6:].abs().sum() == 0
    # the block's output from its own weights, by hand
    block = module.blocks[0]
    x, mask = module._enter(aligned)
    value = block.attention.v(block.norm(x)).reshape(2, 8, 2, 4).transpose(1, 2)
    mixed = (first @ value).transpose(1, 2).reshape(2, 8, 8)
    y = x + block.attention.out(mixed)
    assert torch.allclose(y + block.mlp(y), block(x, mask), atol=1e-5)
