r"""Cross-modal rationale transfer with one joint transformer under both stages, and a decision that
rests on nothing but the rationales.

Stage 1 finds the evidence. From the joint states of w words and p patches (`models.joint_tower`),

$$p_j,\ y'_j = \operatorname{Head}(e^t_1 \dots e^t_w), \qquad
  h_k = \max_{j\,:\,y'_j = 1} T_{kj}, \qquad T = \operatorname{IPOT}\big(1 - \cos(e^i_k, e^t_j)\big),$$

words by the rationale head (`nn.rationale_head`), patches by transport from the chosen words, without
a labeled picture (`models.rationale_transfer`). An auxiliary classifier reads the pooled state $g$.

Stage 2 decides. Every word that is no evidence becomes `*`, every patch outside of the share κ with
the most heat is painted over and hidden, and the same transformer reads what is left:

$$\ell = W\, g'\!, \qquad g' = \operatorname{Tower}(\text{words}', \text{photo}').$$

$$\text{Loss} = \text{CE}(\text{auxiliary}) + \alpha\, \text{Loss}_r + \alpha_s\, \text{Loss}_s
  + \gamma\, \text{CE}(\ell).$$

Nothing else reaches ℓ: with the choice fixed, other words and pixels in the places that were not
chosen change no bit of it. What does reach it is where the evidence stands: how many words were taken
out around it.

Source: Nguyen, Rudra and Nejdl 2026, https://arxiv.org/abs/2603.18611, abstract; equations as reported by
secondary sources (two stages, ViLT, GRU head, IPOT, `*` for other words). *Our reconstruction*, since the
paper's choice is not known to us: one shared transformer for both stages, trained together; a hard
share of patches (κ = 1/4) in place of a blur, because a blurred patch still tells what it showed;
one `*` a word, however many tokens it had; words chosen as the best stretch. Ours beyond it: the sink
of the transport, and that nothing may be evidence: then there is no decision.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.models.joint_tower import JointTower, Photos
from crisislens.models.rationale_artifact import TransportConfig
from crisislens.models.rationale_transfer import evidence_heat
from crisislens.models.text_rationalizer import Decode
from crisislens.nn.joint import JointStates
from crisislens.nn.rationale_head import (
    RationaleHead,
    WordScores,
    best_stretch,
    stretch_posterior,
    word_marginals,
)
from crisislens.nn.word_owners import WindowBatch

__all__ = ["Evidence", "FirstStage", "JointRationalizer", "hottest", "only_chosen_words"]


class FirstStage(NamedTuple):
    """What stage 1 computes of b posts.

    Attributes:
        scores: Of words and stretches.
        classes: Logits of the auxiliary classifier.
        aligned: The states that evidence is transferred by.
    """

    scores: WordScores
    classes: Float[Tensor, "b c"]
    aligned: JointStates


class Evidence(NamedTuple):
    """The evidence in b posts.

    Attributes:
        chosen: True where a word is evidence.
        probability: Of each word to be evidence, in [0, 1].
        heat: Heat of each patch in [0, 1].
        patches: True where a patch is evidence.
    """

    chosen: Bool[Tensor, "b w"]
    probability: Float[Tensor, "b w"]
    heat: Float[Tensor, "b p"]
    patches: Bool[Tensor, "b p"]


class JointRationalizer(nn.Module):
    """Both stages over one joint transformer.

    Arguments:
        tower: The joint transformer.
        classes: Classes c.
        hidden: Width of the rationale head's GRU in each direction.
        pair_width: See `RationaleHead`.
        dropout: Dropout of the head.
        share: Which share κ of a photo's patches may be evidence.
        transport: How evidence is carried to patches.
        looks: Whether stage 2 is shown patches; a model whose posts had no photos is not.
        decode: How words are chosen, see `TextRationalizer.rationales`.
    """

    def __init__(
        self,
        tower: JointTower,
        *,
        classes: int,
        hidden: int = 128,
        pair_width: int = 64,
        dropout: float = 0.3,
        share: float = 0.25,
        transport: TransportConfig = TransportConfig(),  # noqa: B008 - frozen
        looks: bool = True,
        decode: Decode = "stretch",
    ) -> None:
        super().__init__()
        self.tower = tower
        self.head = RationaleHead(width=tower.width, hidden=hidden, pair_width=pair_width, dropout=dropout)
        self.auxiliary = nn.Linear(tower.width, classes)
        self.classifier = nn.Linear(tower.width, classes)
        self.share, self.transport, self.looks, self.decode = share, transport, looks, decode
        self._filler = _filler(tower)

    def forward(self, words: WindowBatch, photos: Photos) -> FirstStage:
        """Stage 1 of b posts."""
        states = self.tower(words, photos)
        pooled = functional.dropout(states.mixed.pooled, 0.1, self.training)
        scores = self.head(states.mixed.text, words.words)
        return FirstStage(scores, self.auxiliary(pooled), states.aligned)

    @torch.no_grad()
    def evidence(self, first: FirstStage, words: WindowBatch) -> Evidence:
        """Which words and patches are evidence; a choice, so nothing is learned through it."""
        if self.decode == "threshold":
            probability = first.scores.words.sigmoid() * words.words
            chosen = probability > 0.5
        else:
            posterior = stretch_posterior(first.scores.stretches, words.words)
            probability, chosen = word_marginals(posterior), best_stretch(posterior, words.words)
        t = self.transport
        heat = evidence_heat(first.aligned, chosen, beta=t.beta, steps=t.steps, sink=t.sink, gather=t.gather)
        return Evidence(chosen, probability, heat, hottest(heat, self.share))

    def reduced(self, words: WindowBatch, photos: Photos, found: Evidence) -> tuple[WindowBatch, Photos]:
        """What stage 2 sees of b posts, and all that it sees."""
        left = only_chosen_words(words, found.chosen, self._filler, self.tower.pad_id)
        keep = found.patches & photos.keep
        seen = keep.any(1) & photos.seen
        if not self.looks or not seen.any():
            return left, self.tower.no_photos(len(words))
        # photos without any evidence in them are left out, not shown as gray
        return left, Photos(photos.images[seen[photos.seen]], seen, keep & seen[:, None])

    def decide(self, words: WindowBatch, photos: Photos) -> Float[Tensor, "b c"]:
        """Logits of stage 2.

        Arguments:
            words, photos: What `reduced` left of the posts.
        """
        pooled = self.tower(words, photos).mixed.pooled
        return self.classifier(functional.dropout(pooled, 0.1, self.training))


def hottest(heat: Float[Tensor, "b p"], share: float) -> Bool[Tensor, "b p"]:
    """The share of the patches with the most heat, at least one and of equals the first; none without
    heat.
    """
    count = max(1, round(share * heat.shape[1]))
    order = heat.argsort(dim=1, descending=True, stable=True)[:, :count]
    return torch.zeros_like(heat, dtype=torch.bool).scatter(1, order, True) & (heat > 0)


def only_chosen_words(
    words: WindowBatch, chosen: Bool[Tensor, "b w"], filler: int | None, pad_id: int
) -> WindowBatch:
    """Texts in which every word that was not chosen is one filler token.

    Arguments:
        words: The texts.
        chosen: Which words stay.
        filler: The token `*`; None for an encoder that does not read it: words then leave no trace.
        pad_id: The id of padding.
    """
    rows = [_left(*row, filler) for row in zip(words.ids, words.mask, words.owner, chosen, strict=True)]
    longest = max(len(ids) for ids, _ in rows)
    ids = words.ids.new_full((len(rows), longest), pad_id)
    owner = words.owner.new_full((len(rows), longest), -1)
    for i, (tokens, owners) in enumerate(rows):
        ids[i, : len(tokens)] = ids.new_tensor(tokens)
        owner[i, : len(owners)] = owner.new_tensor(owners)
    lengths = torch.tensor([len(tokens) for tokens, _ in rows], device=ids.device)
    mask = torch.arange(longest, device=ids.device) < lengths[:, None]
    return WindowBatch(ids, mask, owner, words.words)


def _left(
    ids: Tensor, mask: Tensor, owner: Tensor, chosen: Tensor, filler: int | None
) -> tuple[list[int], list[int]]:
    """Tokens and owners of one text; a word that was not chosen keeps its place and nothing else."""
    keeps = chosen.tolist()
    tokens: list[int] = []
    owners: list[int] = []
    for token, real, word in zip(ids.tolist(), mask.tolist(), owner.tolist(), strict=True):
        if not real:
            break
        if word < 0 or keeps[word]:
            tokens.append(token)
            owners.append(word)
        elif filler is not None and (not owners or owners[-1] != word):
            # the first token of the word stands for all: how many there were would tell its length
            tokens.append(filler)
            owners.append(word)
    return tokens, owners


def _filler(tower: JointTower) -> int | None:
    [star] = tower.tokenize(["*"])
    inside = [i for i, (start, end) in zip(star.ids, star.offsets, strict=True) if end > start]
    return inside[0] if inside else None
