r"""A linear-chain conditional random field with tags and transitions that a scheme forbids.

For emissions $e \in \mathbb{R}^{t \times c}$ of a sequence, transitions
$A \in \mathbb{R}^{c \times c}$, starts $a$ and ends $z$, a sequence of tags $y$ scores

$$s(y) = a_{y_1} + \sum_{j=1}^{t} e_{j y_j} + \sum_{j=2}^{t} A_{y_{j-1} y_j} + z_{y_t}, \qquad
  p(y) = \frac{\exp s(y)}{Z}, \quad Z = \sum_{y' \text{ allowed}} \exp s(y').$$

$\log Z$ by the forward algorithm, the best sequence by Viterbi's, in log space. What a scheme
forbids (an `I-PER` after an `O`) scores `FORBIDDEN`: it takes no part in $Z$ and is never decoded.
The probability of a span, that is of the tags $y_{i:k}$ *and* of the entity ending there, is exact
too: $Z$ over the sequences that agree with it, divided by $Z$.

Sources: Lafferty et al., 2001 (CRF); Lample et al., 2016, https://arxiv.org/abs/1603.01360, Sec.
2.2 (over a network's emissions); Culotta and McCallum, 2004, https://aclanthology.org/N04-4028
(confidence of a span by the constrained forward algorithm). Of the kept libraries the one that is
maintained neither constrains nor gives spans their probability; hence this file, held against
enumeration in the tests.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

__all__ = ["FORBIDDEN", "LinearChainCRF"]

FORBIDDEN = -1e4
"""The score of what is forbidden: finite, so that gradients stay numbers, and e to it is 0 in every
float.
"""


class LinearChainCRF(nn.Module):
    """Scores, normalizes and decodes sequences of c tags.

    Arguments:
        transitions_allowed: Row i, column j: whether tag j may follow tag i.
        starts_allowed: Whether a sequence may start with each tag.
        ends_allowed: Whether it may end with each tag.

    Raises:
        ValueError: If the shapes do not agree.
    """

    def __init__(
        self, *, transitions_allowed: list[list[bool]], starts_allowed: list[bool], ends_allowed: list[bool]
    ) -> None:
        super().__init__()
        c = len(starts_allowed)
        if len(ends_allowed) != c or [len(row) for row in transitions_allowed] != [c] * c:
            raise ValueError(f"{c} starts need {c} ends and {c} x {c} transitions")
        self.transitions = nn.Parameter(torch.zeros(c, c))
        self.starts = nn.Parameter(torch.zeros(c))
        self.ends = nn.Parameter(torch.zeros(c))
        for name, allowed in (
            ("transition", transitions_allowed),
            ("start", starts_allowed),
            ("end", ends_allowed),
        ):
            self.register_buffer(f"no_{name}", ~torch.tensor(allowed), persistent=False)

    @property
    def tags(self) -> int:
        """The number of tags c."""
        return int(self.starts.shape[0])

    def log_likelihood(
        self, emissions: Float[Tensor, "b t c"], y: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> Float[Tensor, " b"]:
        r"""$\log p(y)$ of b sequences; the sum over a batch's rows does not depend on their order.

        Arguments:
            emissions: Scores of the tags.
            y: The tags; what stands on padding does not matter.
            mask: True where a position is real; each row starts with a real one and padding stands
                at the end.
        """
        return self.score(emissions, y, mask) - self.log_partition(emissions, mask)

    def score(
        self, emissions: Float[Tensor, "b t c"], y: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
    ) -> Float[Tensor, " b"]:
        """$s(y)$; a forbidden sequence scores below `FORBIDDEN` plus a little. Arguments: see
        `log_likelihood`.
        """
        starts, transitions, ends = self._scores()
        y = y.masked_fill(~mask, 0)
        emitted = emissions.gather(2, y[..., None])[..., 0].masked_fill(~mask, 0.0).sum(1)
        moved = transitions[y[:, :-1], y[:, 1:]].masked_fill(~mask[:, 1:], 0.0).sum(1)
        last = y.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]
        return starts[y[:, 0]] + emitted + moved + ends[last]

    def log_partition(
        self, emissions: Float[Tensor, "b t c"], mask: Bool[Tensor, "b t"]
    ) -> Float[Tensor, " b"]:
        r"""$\log Z$ by the forward algorithm, $\alpha_j = e_j + \log \sum \exp(\alpha_{j-1} + A)$.
        Arguments: see `log_likelihood`.
        """
        starts, transitions, ends = self._scores()
        alpha = starts + emissions[:, 0]
        for j in range(1, emissions.shape[1]):
            moved = torch.logsumexp(alpha[:, :, None] + transitions, dim=1) + emissions[:, j]
            alpha = torch.where(mask[:, j, None], moved, alpha)
        return torch.logsumexp(alpha + ends, dim=1)

    @torch.no_grad()
    def decode(self, emissions: Float[Tensor, "b t c"], mask: Bool[Tensor, "b t"]) -> list[list[int]]:
        """The best allowed sequence of each row, without padding. Arguments: see `log_likelihood`."""
        starts, transitions, ends = self._scores()
        best, pointers = starts + emissions[:, 0], []
        keep = torch.arange(self.tags, device=emissions.device)
        for j in range(1, emissions.shape[1]):
            value, pointer = (best[:, :, None] + transitions).max(1)
            real = mask[:, j, None]
            best = torch.where(real, value + emissions[:, j], best)
            pointers.append(torch.where(real, pointer, keep))
        at = (best + ends).argmax(1)
        path = [at]
        for pointer in reversed(pointers):
            at = pointer.gather(1, at[:, None])[:, 0]
            path.append(at)
        rows = torch.stack(path[::-1], dim=1).tolist()
        return [row[:n] for row, n in zip(rows, mask.sum(1).tolist(), strict=True)]

    def span_log_probability(
        self,
        emissions: Float[Tensor, "s t c"],
        mask: Bool[Tensor, "s t"],
        y: Int[Tensor, "s t"],
        inside: Bool[Tensor, "s t"],
        after: Bool[Tensor, " c"],
    ) -> Float[Tensor, " s"]:
        r"""Log-probability of s spans: of their tags, and of a tag after each that does not go on
        with it.

        Arguments:
            emissions: The scores of each span's sequence.
            mask: True where a position is real.
            y: The span's tags; elsewhere anything.
            inside: True at the positions of the span.
            after: Tags that may stand after a span's end; padding and the end of the sequence are
                always well.
        """
        other = torch.arange(self.tags, device=y.device) != y[..., None]
        follows = torch.zeros_like(inside)
        follows[:, 1:] = inside[:, :-1] & ~inside[:, 1:] & mask[:, 1:]
        held = emissions.masked_fill(inside[..., None] & other, FORBIDDEN).masked_fill(
            follows[..., None] & ~after, FORBIDDEN
        )
        return self.log_partition(held, mask) - self.log_partition(emissions, mask)

    def _scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Starts, transitions and ends with what is forbidden."""
        return (
            self.starts.masked_fill(self.no_start, FORBIDDEN),  # type: ignore[arg-type]
            self.transitions.masked_fill(self.no_transition, FORBIDDEN),  # type: ignore[arg-type]
            self.ends.masked_fill(self.no_end, FORBIDDEN),  # type: ignore[arg-type]
        )
