r"""What a text classifier leans on, word by word, and what it says of a text with words taken away.

For classifiers $\ell = h(z)$ of the mean state $z = \frac{1}{t} \sum_j X_j$ of a text encoder, with c the
class that the whole text is given and $f = \ell_c - \bar\ell$ its centered logit, a token j counts

$$\underbrace{\tfrac{1}{t}\, X_j \cdot \nabla_{\!z} f}_{\text{own}}, \qquad
  \underbrace{x_j \cdot \nabla_{\!x_j} f}_{\text{gradient × input}}, \qquad
  \underbrace{\tfrac{1}{t\,h} \sum_{i,h} A^{(h)}_{ij}}_{\text{attention of the last layer}}$$

with embeddings x and the last layer's attention A. Where h is linear, *own* is exact: the tokens' shares
add up to the logit but for its bias (and *gradient × input* of the last states is the same thing). A
word counts the sum of its tokens. *Left out* is how far $p_c$ falls when the word alone is taken away,
as many readings as there are words.

A word is taken away by `*` in its place, as stage 2 sees posts (`explain.reduce`), or altogether, as
ERASER does. Sources: DeYoung et al. 2020, https://aclanthology.org/2020.acl-main.408; Shrikumar et al.
2017, https://arxiv.org/abs/1704.02685 (gradient × input); Li et al. 2016,
https://arxiv.org/abs/1612.08220 (leaving out).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from crisislens.encoders.attention import text_attentions
from crisislens.encoders.base import TextEncoder
from crisislens.explain.attribution import embeddings_of, injected
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows

__all__ = ["TextAnswers", "shown_window"]

_BATCH = 32


def shown_window(
    window: WordWindow, keep: Sequence[bool] | Bool[np.ndarray, " w"], filler: Sequence[int]
) -> WordWindow:
    """A window without some of its words; every word keeps its number.

    Arguments:
        window: The whole text.
        keep: Which of its w words stay.
        filler: The token ids that stand in for a word taken away; none takes it away altogether.
    """
    ids: list[int] = []
    owner: list[int] = []
    before = -1
    for token, word in zip(window.ids, window.owner, strict=True):
        if word < 0 or keep[word]:
            ids.append(token)
            owner.append(word)
        elif word != before:
            # once for the whole word, however many tokens it has
            ids += filler
            owner += [word] * len(filler)
        before = word
    return WordWindow(tuple(ids), tuple(owner), window.spans)


@dataclass(frozen=True)
class TextAnswers:
    """A classifier of a text encoder's mean state.

    Attributes:
        encoder: The text encoder.
        head: From b pooled vectors to logits over c classes; differentiable.
    """

    encoder: TextEncoder
    head: Callable[[Float[Tensor, "b e"]], Float[Tensor, "b c"]]

    def star(self) -> tuple[int, ...]:
        """The tokens of `*` in place of a word."""
        [window] = WordCutter(self.encoder).cut("*")
        return tuple(token for token, word in zip(window.ids, window.owner, strict=True) if word >= 0)

    @torch.inference_mode()
    def probabilities(self, windows: Sequence[WordWindow]) -> Float[np.ndarray, "n c"]:
        """The classifier's probabilities for n texts."""
        found: dict[int, Float[np.ndarray, " c"]] = {}
        # by length, so that little is padded
        order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            batch = collate_windows([windows[i] for i in rows], self.encoder.pad_id)
            p = self.head(self.encoder(batch.ids, batch.mask)[1]).double().softmax(1).numpy()
            found |= dict(zip(rows, p, strict=True))
        return np.stack([found[i] for i in range(len(windows))]) if windows else np.zeros((0, 0))

    def own(self, window: WordWindow, answer: int) -> Float[np.ndarray, " w"]:
        """Each word's share of the answer's centered logit, from the last states."""
        ids, mask = _alone(window)
        with torch.no_grad():
            states, pooled = self.encoder(ids, mask)
        [gradient] = _gradients(self._centered(answer), pooled)
        return _by_word((states[0] @ gradient[0]) / len(window.ids), window)

    def gradient_times_input(self, window: WordWindow, answer: int) -> Float[np.ndarray, " w"]:
        """The same to first order from the word embeddings, through all layers."""
        ids, mask = _alone(window)
        table = embeddings_of(self.encoder)
        with torch.no_grad():
            embeddings = table(ids)

        def f(x: Tensor) -> Tensor:
            with injected(table, x):
                return self._centered(answer)(self.encoder(ids, mask)[1])

        [gradient] = _gradients(f, embeddings)
        return _by_word((embeddings * gradient)[0].sum(1), window)

    def attention(self, window: WordWindow) -> Float[np.ndarray, " w"]:
        """How much the last layer attends to each word, the mean over heads and tokens.

        Raises:
            ModelError: If the encoder has no attention that could be read.
        """
        ids, mask = _alone(window)
        return _by_word(text_attentions(self.encoder, ids, mask)[-1][0].float().mean((0, 1)), window)

    def left_out(self, window: WordWindow, answer: int, filler: Sequence[int]) -> Float[np.ndarray, " w"]:
        """How far the answer's probability falls without each word."""
        words = len(window.spans)
        without = [shown_window(window, np.arange(words) != i, filler) for i in range(words)]
        p = self.probabilities([window, *without])[:, answer]
        return np.asarray(p[0] - p[1:])

    def _centered(self, answer: int) -> Callable[[Tensor], Tensor]:
        def f(pooled: Tensor) -> Tensor:
            logits = self.head(pooled)
            # centered, as softmax does not see what all classes share
            return logits[:, answer] - logits.mean(1)

        return f


def _alone(window: WordWindow) -> tuple[Int[Tensor, "1 t"], Bool[Tensor, "1 t"]]:
    ids = torch.tensor([window.ids])
    return ids, torch.ones_like(ids, dtype=torch.bool)


def _gradients(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, ...]:
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(f(leaf).sum(), leaf)


def _by_word(tokens: Float[Tensor, " t"], window: WordWindow) -> Float[np.ndarray, " w"]:
    """Sums over the tokens of each word; special tokens belong to none."""
    owner = np.array(window.owner)
    values = tokens.detach().double().numpy()
    return np.bincount(owner[owner >= 0], weights=values[owner >= 0], minlength=len(window.spans))
