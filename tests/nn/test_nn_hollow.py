"""Modules whose weights are not drawn."""

import torch
from torch import nn

from crisislens.nn.hollow import hollow


class Drawn(nn.Module):
    """Everything that our constructors do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.words = nn.Linear(3, 4), nn.Embedding(5, 3, padding_idx=0)
        self.norm, self.token = nn.LayerNorm(4), nn.Parameter(0.02 * torch.randn(2, 4))
        self.other = nn.Parameter(torch.rand(3, generator=torch.Generator()))
        nn.init.trunc_normal_(self.linear.weight)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.constant_(self.linear.bias, 3.0)


def test_nothing_is_drawn_and_shapes_are_kept() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with hollow():
        model = Drawn()
    assert torch.equal(torch.get_rng_state(), before)
    assert {name: x.shape for name, x in model.state_dict().items()} == {
        name: x.shape for name, x in Drawn().state_dict().items()
    }
    # what is set to a number still is
    assert model.linear.bias.eq(3.0).all()


def test_weights_that_are_put_in_are_those_that_count() -> None:
    whole = Drawn()
    with hollow():
        model = Drawn()
    model.load_state_dict(whole.state_dict(), assign=True)
    assert all(torch.equal(x, whole.state_dict()[name]) for name, x in model.state_dict().items())


def test_drawing_goes_on_afterwards() -> None:
    with hollow():
        pass
    assert not torch.equal(torch.randn(4), torch.randn(4))
