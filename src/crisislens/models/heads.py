r"""Heads over fused words: entities by a conditional random field, relations by markers, both at
once by word pairs.

Entities (MNER): the state of each word's first piece through a linear map into a linear-chain CRF
(`nn.crf`).

Relations (MRE): with head and tail between markers,
$[h_{\texttt{[CLS]}};\ h_{\text{head}};\ h_{\text{tail}}]$, the states of the first piece and of the
two opening markers, through one hidden layer to the relations (Baldini Soares et al., 2019,
https://arxiv.org/abs/1906.03158, ENTITY START).

Both (JMERE): a label for each ordered pair of words $(i, j)$. Within an entity's words $i \leq j$
it is the entity's type, from a head's words to a tail's it is the relation, elsewhere nothing:

$$\ell_{ij} = W \operatorname{GELU}(A h_i + B h_j + e_{\text{dist}(i, j)}) + b .$$

Word-pair tagging after Yuan et al., 2023 (EEGA), https://arxiv.org/abs/2211.15028, Sec. "Word-Pair
Relation Tagging". Where we differ: theirs labels the upper triangle only, in which the direction of
a relation is lost; here a relation stands at (head, tail), above or below the diagonal. An entity's
words hold together where the pairs of neighbors say so; its type and a relation are decided by the
mean over their block of pairs.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.crf import LinearChainCRF

__all__ = ["RelationHead", "TaggingHead", "WordPairHead", "first_pieces"]

_DISTANCES = 16


def first_pieces(states: Float[Tensor, "b t d"], starts: Int[Tensor, "b w"]) -> Float[Tensor, "b w d"]:
    """The state of each word's first piece."""
    return states.gather(1, starts[..., None].expand(-1, -1, states.shape[-1]))


class TaggingHead(nn.Module):
    """A linear map into a CRF.

    Arguments:
        width: Width of the states.
        may_follow: Row i, column j: whether tag j may follow tag i.
        may_start: Whether a sequence may start with each tag.
        may_end: Whether it may end with each tag.
        dropout: Before the map.
    """

    def __init__(
        self,
        *,
        width: int,
        may_follow: list[list[bool]],
        may_start: list[bool],
        may_end: list[bool],
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, len(may_start))
        self.crf = LinearChainCRF(
            transitions_allowed=may_follow, starts_allowed=may_start, ends_allowed=may_end
        )

    def forward(self, words: Float[Tensor, "b w d"]) -> Float[Tensor, "b w c"]:
        """Emissions of the tags."""
        return self.out(self.dropout(words))

    def loss(
        self, emissions: Float[Tensor, "b w c"], y: Int[Tensor, "b w"], mask: Bool[Tensor, "b w"]
    ) -> Float[Tensor, ""]:
        """The mean over posts of −log p(tags)."""
        return -self.crf.log_likelihood(emissions, y, mask).mean()


class RelationHead(nn.Module):
    """Two markers and the sequence into relations.

    Arguments:
        width: Width of the states.
        relations: The number of relations, none among them.
        dropout: Before each map.
    """

    def __init__(self, *, width: int, relations: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(3 * width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, relations),
        )

    def forward(self, states: Float[Tensor, "b t d"], ends: Int[Tensor, "b 2"]) -> Float[Tensor, "b r"]:
        """Logits of the relations.

        Arguments:
            states: The fused states.
            ends: Places of the markers that open head and tail.
        """
        marked = first_pieces(states, ends)
        return self.layers(torch.cat([states[:, 0], marked[:, 0], marked[:, 1]], dim=-1))

    def loss(self, logits: Float[Tensor, "b r"], y: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """Cross-entropy."""
        return functional.cross_entropy(logits, y)


class WordPairHead(nn.Module):
    """A label for each ordered pair of words.

    Arguments:
        width: Width of the states.
        labels: The number of labels; 0 is nothing.
        hidden: Width of the pairs.
        nothing_weight: Weight of pairs without a label in the loss; nearly all have none.
        dropout: Before the maps.
    """

    def __init__(
        self, *, width: int, labels: int, hidden: int = 128, nothing_weight: float = 0.3, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.dropout, self.nothing_weight = nn.Dropout(dropout), nothing_weight
        self.row, self.column = nn.Linear(width, hidden), nn.Linear(width, hidden, bias=False)
        self.distance = nn.Embedding(2 * _DISTANCES + 1, hidden)
        self.out = nn.Linear(hidden, labels)

    def forward(self, words: Float[Tensor, "b w d"]) -> Float[Tensor, "b w w c"]:
        """Logits of the labels."""
        place = torch.arange(words.shape[1], device=words.device)
        # signed: a head before its tail is another pair than one behind it
        apart = (place[None, :] - place[:, None]).clamp(-_DISTANCES, _DISTANCES) + _DISTANCES
        words = self.dropout(words)
        pairs = self.row(words)[:, :, None] + self.column(words)[:, None] + self.distance(apart)
        return self.out(functional.gelu(pairs))

    def loss(
        self, logits: Float[Tensor, "b w w c"], y: Int[Tensor, "b w w"], mask: Bool[Tensor, "b w"]
    ) -> Float[Tensor, ""]:
        """Weighted cross-entropy, the mean over pairs of each post and then over posts."""
        # a pair is real where both of its words are
        real = mask[:, :, None] & mask[:, None]
        losses = functional.cross_entropy(
            logits.permute(0, 3, 1, 2), y.masked_fill(~real, 0), reduction="none"
        )
        weights = torch.ones_like(losses).masked_fill(y == 0, self.nothing_weight).masked_fill(~real, 0.0)
        # by words and not by pairs: a long post has more labels, but not quadratically more
        return ((losses * weights).sum((1, 2)) / mask.sum(1)).mean()
