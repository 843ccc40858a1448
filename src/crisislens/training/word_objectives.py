"""What is minimized over single words: evidence of a text's class, and entities with their
relations.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from crisislens.models.extraction import Extractor
from crisislens.nn.rationale_head import WordScores, rationale_loss
from crisislens.nn.word_owners import WindowBatch
from crisislens.nn.words import WordBatch
from crisislens.training.recipe import Objective

__all__ = ["EvidenceLoss", "ExtractionLoss"]


class EvidenceLoss(Objective):
    """Which words and which stretches of words are evidence, and which class a text has; see
    `training.rationale`.

    Arguments:
        words: α, the weight of the words' loss.
        stretches: α_s, the weight of the stretches' loss.
        balance: The exponent γ of the class weights of words.
        smoothing: Label smoothing of the class.
    """

    def __init__(self, *, words: float, stretches: float, balance: float, smoothing: float) -> None:
        super().__init__()
        self.words, self.stretches, self.balance, self.smoothing = words, stretches, balance, smoothing

    def loss(
        self, network: nn.Module, batch: tuple[WindowBatch, Tensor, Tensor, Tensor]
    ) -> Float[Tensor, ""]:
        words, y, stretches, label = batch
        found = network(words)
        return self.of(found.scores, found.classes, words, y, stretches, label)

    def of(
        self,
        scores: WordScores,
        classes: Float[Tensor, "b c"],
        words: WindowBatch,
        y: Float[Tensor, "b w"],
        stretches: Float[Tensor, "b w w"],
        label: Int[Tensor, " b"],
    ) -> Float[Tensor, ""]:
        """The loss of what stage 1 says of b texts.

        Arguments:
            scores: Of words and stretches.
            classes: Logits of the auxiliary classifier.
            words: The texts.
            y: 1 where a person marked the word.
            stretches: The share of each stretch in what a person marked.
            label: The class, −1 for none.
        """
        of_words, of_stretches = rationale_loss(scores, y, stretches, words.words, balance=self.balance)
        loss: Tensor = self.words * of_words + self.stretches * of_stretches
        # a mean over no text is NaN, and one batch of it would end the training
        if (label >= 0).any():
            loss = loss + functional.cross_entropy(
                classes, label, ignore_index=-1, label_smoothing=self.smoothing
            )
        return loss


class ExtractionLoss(Objective):
    """The task's loss and λ times the alignment's. Word pieces are hidden at random, and contexts
    with pictures of whole posts, so that the extractor does not lean on either.

    Arguments:
        mask_id: The piece that stands for a hidden one.
        word_dropout: Probability of hiding a word piece of the text.
        image_dropout: Probability of hiding a post's context and picture.
    """

    parts = ("task_loss", "align_loss")

    def __init__(self, *, mask_id: int, word_dropout: float, image_dropout: float) -> None:
        super().__init__()
        self.mask_id, self.word_dropout, self.image_dropout = mask_id, word_dropout, image_dropout
        # of the alignment's permutations
        self.generator = torch.Generator()

    def reseed(self, seed: int) -> None:
        self.generator.manual_seed(seed)

    def loss(self, network: Extractor, batch: tuple[WordBatch, Tensor]) -> Float[Tensor, "2"]:
        inputs, y = batch
        task, align = network.loss(self._hide(inputs), y, self.generator)
        # apart for the records; the loop adds them up
        return torch.stack([task, align])

    def _hide(self, batch: WordBatch) -> WordBatch:
        device = batch.ids.device
        changes: dict[str, Tensor] = {}
        if self.word_dropout:
            chosen = torch.rand(batch.ids.shape, device=device) < self.word_dropout
            # special pieces and markers carry no spelling and stay
            changes["ids"] = batch.ids.masked_fill(chosen & (batch.shapes > 0), self.mask_id)
        if self.image_dropout:
            keep = torch.rand(len(batch), 1, device=device) >= self.image_dropout
            changes["context_mask"] = batch.context_mask & keep
            changes["image_mask"] = batch.image_mask & keep
            # a context that stands behind the text is hidden there
            changes["mask"] = batch.mask & (keep | batch.text_mask)
        return batch.replace(**changes)
