r"""Zero-shot classification in a space that texts and pictures share: each class is the mean
direction of sentences that name it.

With $n(x) = x / \lVert x \rVert$ and the sentences $s_{c1} \ldots s_{ck}$ of class c,

$$w_c = n\Big(\frac{1}{k} \sum_j n(E_t(s_{cj}))\Big), \qquad \ell_c = \gamma \cdot \frac{1}{|M|} \sum_{m \in
M} n(z_m) \cdot w_c,$$

over the modalities M that a post has. Source: Radford et al., 2021, CLIP,
https://arxiv.org/abs/2103.00020, Sec. 3.1.4 (prompt ensembles, for pictures; γ = 100 is where its
learned scale was clipped). That a post's text counts like its picture is ours.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from crisislens.core.errors import ConfigError, ModelError
from crisislens.encoders.base import EncoderPair, pad_ids

__all__ = ["PromptClassifier"]


class PromptClassifier:
    """Classes by sentences, no training.

    Arguments:
        encoders: A text and a picture encoder whose pooled vectors lie in one space.
        prompts: From each class to its sentences.
        scale: γ.

    Raises:
        ModelError: If the pooled vectors have different widths, so there is no common space.
        ConfigError: If a class has no sentence or there are fewer than two classes.
    """

    def __init__(
        self, encoders: EncoderPair, prompts: Mapping[str, Sequence[str]], *, scale: float = 100.0
    ) -> None:
        widths = encoders.widths()
        if widths.text_pooled != widths.image_pooled:
            raise ModelError(
                "zero-shot needs encoders with one space for texts and pictures; "
                f"{encoders.spec.name!r} gives vectors of "
                f"{widths.text_pooled} and {widths.image_pooled} components; use the encoder "
                "'clip' with pooled: projected"
            )
        empty = [name for name, sentences in prompts.items() if not sentences]
        if len(prompts) < 2 or empty:
            raise ConfigError(
                "zero-shot needs two classes or more with a sentence each; without one: "
                f"{', '.join(empty) or 'none'}"
            )
        self.classes = tuple(prompts)
        self.scale = scale
        self.vectors = torch.stack([self._direction(encoders, sentences) for sentences in prompts.values()])
        """$w$, one row a class."""

    @staticmethod
    def _direction(encoders: EncoderPair, sentences: Sequence[str]) -> Float[Tensor, " e"]:
        device, rows = next(encoders.text.parameters()).device, []
        with torch.inference_mode():
            for tokenized in encoders.text.tokenize(list(sentences)):
                ids, mask = pad_ids([tokenized], encoders.text.pad_id)
                rows.append(
                    functional.normalize(
                        encoders.text(ids.to(device), mask.to(device))[1][0].float().cpu(), dim=0
                    )
                )
        return functional.normalize(torch.stack(rows).mean(0), dim=0).clone()

    def logits(
        self, text: Float[Tensor, " e"] | None, image: Float[Tensor, " e"] | None
    ) -> Float[Tensor, " c"]:
        """Logits of one post from its pooled vectors; zeros where it has none.

        Arguments:
            text: Pooled vector of the text, or None.
            image: Pooled vector of the picture, or None.
        """
        there = [
            functional.normalize(z.float(), dim=0) @ self.vectors.T for z in (text, image) if z is not None
        ]
        return self.scale * torch.stack(there).mean(0) if there else torch.zeros(len(self.classes))
