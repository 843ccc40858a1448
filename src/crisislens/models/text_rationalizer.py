r"""Stage 1 of cross-modal rationale transfer for text: a text encoder, the rationale head, and an
auxiliary classifier of the text.

$$\text{Loss} = \text{Loss}_l + \alpha\, \text{Loss}_r + \alpha_s\, \text{Loss}_s,$$

cross entropy of the class, the loss of the words and the loss of the stretches
(`nn.rationale_head`; the last one is ours, α_s = 0 leaves the paper's). Source: Nguyen, Rudra and
Nejdl 2026, https://arxiv.org/abs/2603.18611, as reported by secondary sources: α = 0.09 there.
Where we differ: the GRU reads words, not tokens; α is larger since rationales are what the model is
for, and the class is the help.

Ours: the model may answer that there is nothing. A gate, one linear map of the text's pooled vector $z$,

$$\text{nothing here} \iff a \cdot z + a_0 < 0,$$

is learned after the rest, on crisis posts and on everyday posts. Without it the best stretch of a joke is
still marked: the head has seen no text in which nobody marked anything.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.encoders.base import TextEncoder
from crisislens.nn.rationale_head import (
    RationaleHead,
    WordScores,
    best_stretch,
    stretch_posterior,
    word_marginals,
    word_states,
)
from crisislens.nn.word_owners import WindowBatch

__all__ = ["Decode", "TextRationales", "TextRationalizer", "TextStates"]

Decode = Literal["stretch", "threshold"]


class TextStates(NamedTuple):
    """What stage 1 computes of b texts.

    Attributes:
        scores: Of words and stretches.
        classes: Logits of the auxiliary classifier over c classes.
        words: States of the words from the encoder, zeros on padding.
    """

    scores: WordScores
    classes: Float[Tensor, "b c"]
    words: Float[Tensor, "b w d"]


class TextRationales(NamedTuple):
    """The rationales of b texts.

    Attributes:
        chosen: True where a word is evidence.
        probability: Of each word to be evidence, in [0, 1].
        words: States of the words from the encoder, zeros on padding.
        classes: Logits of the auxiliary classifier.
    """

    chosen: Bool[Tensor, "b w"]
    probability: Float[Tensor, "b w"]
    words: Float[Tensor, "b w d"]
    classes: Float[Tensor, "b c"]


class TextRationalizer(nn.Module):
    """A text encoder with a rationale head.

    Arguments:
        encoder: The text encoder; what of it is trained decides who trains.
        classes: Classes c of the auxiliary classifier.
        hidden: Width of the head's GRU in each direction.
        pair_width: See `RationaleHead`.
        dropout: Dropout of the head.
        gate: Whether it may answer that there is nothing.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        classes: int,
        hidden: int = 128,
        pair_width: int = 64,
        dropout: float = 0.3,
        gate: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = RationaleHead(width=encoder.width, hidden=hidden, pair_width=pair_width, dropout=dropout)
        self.classifier = nn.Linear(encoder.pooled_width, classes)
        self.gate = nn.Linear(encoder.pooled_width, 1) if gate else None

    def forward(self, batch: WindowBatch, encoded: tuple[Tensor, Tensor] | None = None) -> TextStates:
        """Scores, class logits and word states of b texts.

        Arguments:
            batch: The texts.
            encoded: What the encoder says of them, where it has been asked: token states (b t d)
                and pooled vectors (b d).
        """
        # the product has encoded equal texts together already
        states, pooled = encoded or self.encoder(batch.ids, batch.mask)
        words = word_states(states, batch.owner, batch.words.shape[1])
        return TextStates(
            self.head(words, batch.words),
            self.classifier(functional.dropout(pooled, 0.1, self.training)),
            words,
        )

    @torch.inference_mode()
    def rationales(
        self, batch: WindowBatch, *, decode: Decode = "stretch", encoded: tuple[Tensor, Tensor] | None = None
    ) -> TextRationales:
        """The rationales of b texts.

        Arguments:
            batch: Texts of at most `nn.rationale_head.MAX_WORDS` words.
            decode: `stretch` is the stretch with the largest expected F1 and the probability of a
                word to lie in any; `threshold` is the paper's $p_j > 0.5$ by each word alone.
            encoded: See `forward`.
        """
        encoded = encoded or self.encoder(batch.ids, batch.mask)
        found = self(batch, encoded)
        something = self._something(encoded[1])[:, None]
        if decode == "threshold":
            p = found.scores.words.sigmoid() * batch.words
            return TextRationales((p > 0.5) & something, p, found.words, found.classes)
        posterior = stretch_posterior(found.scores.stretches, batch.words)
        chosen = best_stretch(posterior, batch.words) & something
        return TextRationales(chosen, word_marginals(posterior), found.words, found.classes)

    def _something(self, pooled: Float[Tensor, "b d"]) -> Bool[Tensor, " b"]:
        """Which texts hold any evidence at all; all of them where there is no gate."""
        if self.gate is None:
            return torch.ones(len(pooled), dtype=torch.bool)
        return self.gate(pooled)[:, 0] >= 0
