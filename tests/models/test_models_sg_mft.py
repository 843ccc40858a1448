"""SG-MFT's switches: each takes away what it names and nothing else; the pooled form and its one-token
reading.
"""

import pytest
import torch
from cases import CLASSES, WIDTHS, posts

from crisislens.core.errors import ConfigError
from crisislens.models.base import FusionModel, ModelSpec

SMALL: dict[str, object] = {"width": 16, "heads": 2, "dropout": 0.0, "modality_dropout": 0.0}


def build(**options: object) -> FusionModel:
    torch.manual_seed(0)
    return ModelSpec(name="sg_mft", options={**SMALL, **options}).build(WIDTHS, CLASSES).double()  # type: ignore[arg-type, dict-item]


def names(model: FusionModel) -> set[str]:
    return {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ({"coarse": False}, "interpolate"),
        ({"fine": False}, ".guide."),
        ({"layers": 0}, "layers."),
        ({"fusion": "concat"}, "join."),
        ({"gate": "fixed"}, "interpolate.map"),
    ],
)
def test_a_switch_takes_away_its_part_only(options: dict[str, object], gone: str) -> None:
    whole, less = names(build()), names(build(**options))
    assert less < whole
    assert {name for name in whole - less if gone not in name} == set()
    assert not any(gone in name for name in less)


@pytest.mark.parametrize(
    "options",
    [
        {"coarse": False},
        {"fine": False},
        {"layers": 0},
        {"fusion": "concat"},
        {"gate": "fixed", "beta": 0.3},
        {"elements": "components"},
        {"source": "pooled"},
        {"source": "pooled", "pooled_tokens": 1},
    ],
)
def test_every_variant_learns_and_keeps_posts_apart(options: dict[str, object]) -> None:
    model, batch = build(**options), posts()
    logits = model(batch)
    (
        logits.tanh()
        * torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    ).sum().backward()
    silent = {n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-15}
    if options.get("pooled_tokens") == 1:
        # the literal reading: softmax over one key is 1, so SFM's queries and keys learn nothing; SIM has two
        # keys, which do
        assert silent == {
            f"join.cross_{m}.{x}" for m in ("text", "image") for x in ("q.weight", "q.bias", "k.weight")
        }
    else:
        assert silent == set()
    model.eval()
    together = model(batch)
    for i in range(5):
        # fp64: sums of a few dozen terms in another order
        torch.testing.assert_close(model(batch.select(torch.tensor([i])))[0], together[i], atol=1e-10, rtol=0)


@pytest.mark.parametrize(("only", "hidden"), [("text", "image"), ("image", "text")])
def test_one_modality_only_does_not_see_the_other(only: str, hidden: str) -> None:
    model, batch = build(only=only).eval(), posts()
    other = batch.map(**{hidden: batch.modalities()[hidden].select(torch.tensor([2, 3, 4, 0, 1]))})
    assert torch.equal(model(other), model(batch))
    seen = batch.map(**{only: batch.modalities()[only].select(torch.tensor([2, 3, 4, 0, 1]))})
    assert not torch.equal(model(seen), model(batch))


def test_the_pooled_form_does_not_read_tokens() -> None:
    model, batch = build(source="pooled").eval(), posts()
    assert not model.reads_tokens
    other = batch.map(
        text=batch.text.__class__(
            batch.text.tokens + 1, batch.text.mask, batch.text.pooled, batch.text.present
        )
    )
    assert torch.equal(model(other), model(batch))


def test_says_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="positive multiple of heads"):
        build(width=15)
    with pytest.raises(ConfigError, match="option fusion of model 'sg_mft' does not fit"):
        build(fusion="sum")
