r"""The rationale head: which words of a text are evidence.

Word states $x_1 \dots x_w$ go through a bidirectional GRU to $g_1 \dots g_w$, and each word has a
probability of its own,

$$p_j = \sigma(t_j), \qquad t_j = a \cdot g_j + a_0, \qquad
  L_r = \frac{1}{w} \sum_j \Big(\frac{w}{2\, w_j}\Big)^{\gamma} \operatorname{BCE}(y_j, p_j),$$

with $w_j$ the number of words of word j's class (evidence or not) in its text. With γ = 1 this is
the class-balanced loss of arXiv 2603.18611, Eq. 1, as reported by secondary sources, up to a factor
of 2w that their α absorbs (their code sums over words). GRU → sigmoid with $y'_j = 1[p_j > 0.5]$ is
their head (`decode: threshold`).

Ours: people mark stretches, not words (97 % of the tweets of Nepal 2015 have exactly one). So the
head also scores each stretch $(i, j)$,

$$s_{ij} = \tfrac{1}{\sqrt e}\, q_i \cdot k_j + u_i + v_j + \lambda \sum_{m = i}^{j} t_m, \qquad P(i, j)
\propto e^{s_{ij}},\ i \leq j,$$

and the answer is the stretch with the largest expected F1 against the one that a person would mark,

$$(\hat i, \hat j) = \operatorname*{argmax}_{i, j} \sum_{k \leq l} P(k, l)\, F_1\big((i, j), (k, l)\big),
\qquad
  F_1(a, b) = \frac{2\,|a \cap b|}{|a| + |b|},$$

which is exact for w words by one table of overlaps (minimum Bayes risk; Kumar and Byrne 2004,
https://aclanthology.org/N04-1022). A text with several marked stretches teaches
$-\frac{1}{m} \sum \log P$ over its m stretches. The GRU runs over words in their order, each text
by itself; predecessors' code recurs over the batch axis, which mixes texts.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

__all__ = [
    "MAX_WORDS",
    "RationaleHead",
    "WordScores",
    "best_stretch",
    "rationale_loss",
    "stretch_posterior",
    "word_marginals",
    "word_states",
]

MAX_WORDS = 32
"""Words that are looked at together; more make the table of overlaps large, and no tweet has more.
"""


class WordScores(NamedTuple):
    """What the head says of b texts.

    Attributes:
        words: Logit $t_j$ of each word.
        stretches: Score $s_{ij}$ of each stretch; far below all others where it is none.
    """

    words: Float[Tensor, "b w"]
    stretches: Float[Tensor, "b w w"]


def word_states(
    states: Float[Tensor, "b t d"], owner: Int[Tensor, "b t"], words: int
) -> Float[Tensor, "b w d"]:
    """The mean state of each word's tokens; zero for a word without any.

    Arguments:
        states: Token states.
        owner: The word that a token belongs to, −1 for special tokens and padding.
        words: The number w of word places.
    """
    belongs = functional.one_hot(owner + 1, words + 1)[..., 1:].to(states.dtype)
    return einsum(belongs, states, "b t w, b t d -> b w d") / belongs.sum(1).clamp(min=1)[..., None]


class RationaleHead(nn.Module):
    """Word states into scores of words and of stretches.

    Arguments:
        width: Width of the word states.
        hidden: Width of the GRU in each direction.
        pair_width: Width e of the maps that compare a stretch's ends.
        dropout: Dropout before and after the GRU in training.
    """

    def __init__(self, *, width: int, hidden: int = 128, pair_width: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.dropout, self.hidden = dropout, hidden
        self.gru = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.word = nn.Linear(2 * hidden, 1)
        self.first = nn.Linear(2 * hidden, pair_width)
        # a bias of the last ends' map would be one more term that only the first end decides
        self.last = nn.Linear(2 * hidden, pair_width, bias=False)
        self.ends = nn.Linear(2 * hidden, 2, bias=False)
        self.inside = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Float[Tensor, "b w d"], mask: Bool[Tensor, "b w"]) -> WordScores:
        """Scores of b texts; a text's do not depend on the others or on padding.

        Arguments:
            x: Word states.
            mask: True where a word is real; padding stands at the end.
        """
        x = functional.dropout(x, self.dropout, self.training)
        # a text without words goes through as one zero word, since nothing cannot be packed
        lengths = mask.sum(1).clamp(min=1)
        packed = pack_padded_sequence(
            x * mask[..., None], lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        g, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])
        g = functional.dropout(g, self.dropout, self.training)
        t: Float[Tensor, "b w"] = self.word(g)[..., 0]
        return WordScores(t.masked_fill(~mask, 0.0), self._stretches(g, t, mask))

    def _stretches(
        self, g: Float[Tensor, "b w e"], t: Float[Tensor, "b w"], mask: Bool[Tensor, "b w"]
    ) -> Float[Tensor, "b w w"]:
        first, last, ends = self.first(g), self.last(g), self.ends(g)
        begins, stops = ends[:, :, None, 0], ends[:, None, :, 1]
        # running sums, so that the sum of t over a stretch is one subtraction
        total = functional.pad(t.cumsum(1), (1, 0))
        inside = total[:, None, 1:] - total[:, :-1, None]
        s = einsum(first, last, "b i e, b j e -> b i j") / math.sqrt(first.shape[-1])
        s = s + begins + stops + self.inside * inside
        return s.masked_fill(~_legal(mask), torch.finfo(s.dtype).min)


def _legal(mask: Bool[Tensor, "b w"]) -> Bool[Tensor, "b w w"]:
    """Stretches from a real word to itself or a later real one."""
    ordered = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).triu()
    return ordered & mask[:, :, None] & mask[:, None, :]


def rationale_loss(
    scores: WordScores,
    y: Float[Tensor, "b w"],
    stretches: Float[Tensor, "b w w"],
    mask: Bool[Tensor, "b w"],
    *,
    balance: float = 1.0,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The loss $L_r$ of the words and the one of the stretches, means over the texts.

    Arguments:
        scores: Of the head.
        y: 1 where a word is evidence.
        stretches: For each text a distribution over its marked stretches; all zero where nobody
            marked one.
        mask: True where a word is real.
        balance: The exponent γ of the class weights in [0, 1].
    """
    real = mask.to(y.dtype)
    total = real.sum(1, keepdim=True).clamp(min=1)
    ones = (y * real).sum(1, keepdim=True)
    # w_j of each class; a class without words has no term in the sum, so its weight is of no account
    evidence, everyday = ones.clamp(min=1), (total - ones).clamp(min=1)
    weights = torch.where(y > 0, total / (2 * evidence), total / (2 * everyday)) ** balance
    bce = functional.binary_cross_entropy_with_logits(scores.words, y, reduction="none")
    words = (bce * weights * real).sum(1, keepdim=True) / total
    nll = -(stretches.flatten(1) * scores.stretches.flatten(1).log_softmax(1)).sum(1)
    return words.mean(), nll.mean()


def stretch_posterior(scores: Float[Tensor, "b w w"], mask: Bool[Tensor, "b w"]) -> Float[Tensor, "b w w"]:
    """The probability P of each stretch; zero everywhere for a text without words."""
    return scores.flatten(1).softmax(1).reshape(scores.shape) * _legal(mask)


def word_marginals(posterior: Float[Tensor, "b w w"]) -> Float[Tensor, "b w"]:
    """The probability of each word to lie in the stretch, $\\sum_{i \\leq m \\leq j} P(i, j)$."""
    begins = posterior.sum(2).cumsum(1)
    ended = functional.pad(posterior.sum(1).cumsum(1), (1, 0))[:, :-1]
    return (begins - ended).clamp(0, 1)


def best_stretch(posterior: Float[Tensor, "b w w"], mask: Bool[Tensor, "b w"]) -> Bool[Tensor, "b w"]:
    """The words of the stretch with the largest expected F1; none for a text without words. The
    first of equal ones wins.

    Arguments:
        posterior: The probability P of each stretch.
        mask: True where a word is real.

    Raises:
        ValueError: If there are more than `MAX_WORDS` places.
    """
    w = posterior.shape[1]
    if w > MAX_WORDS:
        raise ValueError(
            f"{w} words are too many for the table of overlaps; cut texts into windows of at most {MAX_WORDS}"
        )
    first, last, overlap = _overlaps(w)
    # in double precision: stretches of nearly the same expectation are told apart alike on every machine
    p = posterior[:, first, last].double()
    expected = einsum(p, overlap, "b r, r s -> b s")
    # an expected F1 is never below 0
    expected = expected.masked_fill(~_legal(mask)[:, first, last], -1.0)
    best = expected.argmax(1)
    place = torch.arange(w)
    return (first[best][:, None] <= place) & (place <= last[best][:, None]) & mask


@lru_cache(maxsize=MAX_WORDS)
def _overlaps(w: int) -> tuple[Int[Tensor, " s"], Int[Tensor, " s"], Float[Tensor, "s s"]]:
    """First and last words of all stretches of w words, and the F1 of each with each."""
    first, last = torch.triu_indices(w, w)
    shared = (torch.minimum(last[:, None], last) - torch.maximum(first[:, None], first) + 1).clamp(min=0)
    length = last - first + 1
    return first, last, 2 * shared / (length[:, None] + length).double()
