r"""Attribution after the fact: what a model that was never told about evidence reacted to.

Integrated gradients of a scalar f from a baseline $x'$ to the input x, by the midpoint rule with s
steps,

$$\operatorname{IG}_i(x) = (x_i - x'_i)\, \frac{1}{s} \sum_{k=1}^{s}
  \frac{\partial f}{\partial x_i}\Big(x' + \tfrac{k - 1/2}{s} (x - x')\Big), \qquad
  \sum_i \operatorname{IG}_i \to f(x) - f(x').$$

Attention rollout through layers with attention $A_l$ averaged over heads,

$$R = \bar A_L \cdots \bar A_1, \qquad \bar A_l = \tfrac12 (A_l + I),$$

of which the mean row tells what the mean of the last states looks at. Grad-CAM of patch states
$y_k$,

$$h_k = \operatorname{ReLU}\Big(\sum_d y_{kd}\, \frac{1}{p} \sum_m \frac{\partial f}{\partial y_{md}}\Big).$$

Sources: Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, Eq. 3; Abnar and Zuidema 2020,
https://arxiv.org/abs/2005.00928, Eq. 1; Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391,
Eq. 1 and 2. Attribution shows what moves an output; it does not show what a person would call
evidence, and every record that holds it says so.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.core.errors import ModelError
from crisislens.encoders.e5 import PackedEmbedding

__all__ = ["attention_rollout", "embeddings_of", "grad_cam", "injected", "integrated_gradients"]


def integrated_gradients(
    f: Callable[[Float[Tensor, " s *x"]], Float[Tensor, " s"]],
    x: Float[Tensor, "*x"],
    baseline: Float[Tensor, "*x"],
    *,
    steps: int = 32,
    batch: int = 8,
) -> Float[Tensor, "*x"]:
    """Integrated gradients of one input.

    Arguments:
        f: From s inputs to s scalars; differentiable.
        x: The input.
        baseline: Where the path starts.
        steps: Points s on the path.
        batch: Points that are computed together.
    """
    total = torch.zeros_like(x)
    places = (torch.arange(steps) + 0.5) / steps
    for part in torch.split(places, batch):
        along = part.to(x).reshape(-1, *[1] * x.ndim)
        points = (baseline + along * (x - baseline)).detach().requires_grad_()
        # of the sum over points: no point's value depends on another, so each gets its own gradient
        with torch.enable_grad():
            [gradient] = torch.autograd.grad(f(points).sum(), points)
        total = total + gradient.sum(0)
    return (x - baseline) * total / steps


def attention_rollout(maps: Sequence[Float[Tensor, "b h t t"]]) -> Float[Tensor, "b t"]:
    """How much of each token flows into the mean of the last states; each row adds up to 1.

    Arguments:
        maps: Attention of every layer, the first one first.
    """
    t = maps[0].shape[-1]
    flow = torch.eye(t).expand(len(maps[0]), t, t)
    for attention in maps:
        # half of what a layer hands on is its own input, the residual connection
        flow = (attention.float().mean(1) + torch.eye(t)) / 2 @ flow
    return flow.mean(1)


def grad_cam(
    f: Callable[[Float[Tensor, "b p d"]], Float[Tensor, " b"]], patches: Float[Tensor, "b p d"]
) -> Float[Tensor, "b p"]:
    """Grad-CAM of b pictures.

    Arguments:
        f: From patch states to one scalar a picture; differentiable.
        patches: Patch states.
    """
    y = patches.detach().clone().requires_grad_()
    with torch.enable_grad():
        [gradient] = torch.autograd.grad(f(y).sum(), y)
    return (y.detach() * gradient.mean(1, keepdim=True)).sum(2).relu()


def embeddings_of(encoder: nn.Module) -> nn.Embedding | PackedEmbedding:
    """The table of word embeddings: the largest embedding table of an encoder, packed or not.

    Raises:
        ModelError: If there is none.
    """
    tables = [m for m in encoder.modules() if isinstance(m, nn.Embedding | PackedEmbedding)]
    if not tables:
        raise ModelError(
            "this text encoder has no word embeddings that gradients could reach; use another --method"
        )
    # positions and token types are tables as well, but far smaller ones
    return max(tables, key=lambda m: m.num_embeddings)


@contextmanager
def injected(table: nn.Module, embeddings: Float[Tensor, "s t d"]) -> Iterator[None]:
    """Gives embeddings in place of those that a table would look up, for a while."""
    handle = table.register_forward_hook(lambda *_: embeddings)
    try:
        yield
    finally:
        handle.remove()
