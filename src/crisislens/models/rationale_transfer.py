r"""Cross-modal transfer: evidence in words becomes heat on patches, without a parameter and without
a labeled picture.

With joint states of words $e_j$ and patches $e_k$, costs $C_{kj} = 1 - \cos(e_k, e_j)$ and T their
transport plan by IPOT (`nn.transport`),

$$h_k = \max_{j\,:\,y'_j = 1} T_{kj}, \qquad \text{scaled to } [0, 1] \text{ over the picture}.$$

Source: Nguyen, Rudra and Nejdl 2026, https://arxiv.org/abs/2603.18611, Eq. 2, as reported by
secondary sources. In balanced transport every patch must send its mass to some word, everyday
patches too; words that are no evidence take it up.

Where nearly every word is evidence this says nothing: each patch's mass is the same, and all of it
goes to evidence (measured: in collages such heat points away from the evidence).

Ours (`sink` > 0): one more column takes a share s of the patches' mass, so that words take up only
the 1 − s that suits them best (after the dustbin of Sarlin et al. 2020, SuperGlue,
https://arxiv.org/abs/1911.11763, Sec. 3.2; theirs is learned). What it costs to go there changes no
plan, since every plan sends the same mass there. Ours, too, is $h_k = \sum_j T_{kj}$ over the
evidence (`gather: sum`): among photos of disasters one word in common ("damage") fits many patches,
the hazard's own words together fit few.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from crisislens.nn.joint import JointStates
from crisislens.nn.transport import Gather, cosine_cost, ipot, rationale_heat, unit_range

__all__ = ["evidence_heat", "transport_plan"]


def transport_plan(
    states: JointStates, *, beta: float = 0.5, steps: int = 50, sink: float = 0.0
) -> Float[Tensor, "b p t"]:
    """The plan T between patches and words of b posts; zero where a post lacks either.

    Arguments:
        states: Joint states.
        beta: β of the proximal point method.
        steps: Its steps.
        sink: Share of the mass that the sink takes, in [0, 1).
    """
    # one product a post: a batched one may round otherwise beside other posts
    cost = torch.cat([cosine_cost(x[None], y[None]) for x, y in zip(states.image, states.text, strict=True)])
    words = states.text_mask
    if not sink:
        return ipot(cost, states.image_mask, words, beta=beta, steps=steps)
    some = words.any(1, keepdim=True)
    mass = torch.cat(
        [(1 - sink) / words.sum(1, keepdim=True).clamp(min=1) * words, torch.where(some, sink, 1.0)], dim=1
    )
    cost = functional.pad(cost, (0, 1), value=1.0)
    plan = ipot(
        cost, states.image_mask, functional.pad(words, (0, 1), value=True), mass=mass, beta=beta, steps=steps
    )
    return plan[:, :, :-1]


def evidence_heat(
    states: JointStates,
    chosen: Bool[Tensor, "b t"],
    *,
    beta: float = 0.5,
    steps: int = 50,
    sink: float = 0.0,
    gather: Gather = "max",
) -> Float[Tensor, "b p"]:
    """The heat of each patch in [0, 1]; zero where a post has no evidence in words, no picture, or
    all patches are alike.

    Arguments:
        states: Joint states.
        chosen: True where a word is evidence.
        beta, steps, sink: See `transport_plan`.
        gather: See `nn.transport.rationale_heat`.
    """
    plan = transport_plan(states, beta=beta, steps=steps, sink=sink)
    return unit_range(rationale_heat(plan, chosen, gather=gather), states.image_mask)
