"""Extractors: a Shap-CA trunk with one head, as built from a specification; what training fits and
the product loads.

Three tasks. `entities` tags words, `relations` judges a marked pair, `joint` labels pairs of words.
`Prediction` is what each says of a post.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from crisislens.domain.extraction import Link, Mention
from crisislens.domain.pairs import PairScheme
from crisislens.domain.tags import TagScheme
from crisislens.encoders.base import ImageEncoder
from crisislens.encoders.language import LanguageEncoder, load_language
from crisislens.encoders.lora import add_lora
from crisislens.encoders.vision import load_vision
from crisislens.models.extractor_spec import AlignmentSpec, ExtractorSpec, TaskName
from crisislens.models.heads import RelationHead, TaggingHead, WordPairHead, first_pieces
from crisislens.models.shap_ca import FusedWords, ShapCA
from crisislens.nn.alignment import Alignment
from crisislens.nn.words import WordBatch

__all__ = ["AlignmentSpec", "Extractor", "ExtractorSpec", "Prediction", "TaskName"]

# names of linear maps in BERT, DeBERTa and DistilBERT
_LAYERS = (
    "*.query",
    "*.key",
    "*.value",
    "*.dense",
    "*.query_proj",
    "*.key_proj",
    "*.value_proj",
    "*.q_lin",
    "*.k_lin",
    "*.v_lin",
)


@dataclass(frozen=True)
class Prediction:
    """What an extractor says of one post.

    Attributes:
        mentions: The entities, for the tasks `entities` and `joint`.
        scores: The probability of each entity.
        links: The relations, between places in `mentions`; of the task `relations` one link (0, 1).
        link_scores: The probability of each relation.
    """

    mentions: tuple[Mention, ...] = ()
    scores: tuple[float, ...] = ()
    links: tuple[Link, ...] = ()
    link_scores: tuple[float, ...] = ()

    def above(self, least: float, least_links: float | None = None) -> "Prediction":
        """Entities that are at least so probable, and relations between them that are (`least`
        again where None); not of given pairs.

        >>> Prediction((Mention(0, 1, "LOC"), Mention(2, 3, "LOC")), (0.4, 0.9)).above(0.5).mentions
        (Mention(start=2, end=3, type='LOC'),)
        """
        kept = [place for place, score in enumerate(self.scores) if score >= least]
        # entities move up where others went, and the ends of relations with them
        places = {old: new for new, old in enumerate(kept)}
        # 0.0 is a threshold, so the default is told by None
        least_links = least if least_links is None else least_links
        links = [
            (Link(places[link.head], places[link.tail], link.type), score)
            for link, score in zip(self.links, self.link_scores, strict=True)
            if score >= least_links and link.head in places and link.tail in places
        ]
        return Prediction(
            tuple(self.mentions[i] for i in places),
            tuple(self.scores[i] for i in places),
            tuple(link for link, _ in links),
            tuple(score for _, score in links),
        )


class Extractor(nn.Module):
    """A trunk and a head.

    Arguments:
        spec: Which.
        encoder: The language model; loaded by the specification where None.

    Raises:
        ModelError: If weights are missing or not what they should be.
    """

    def __init__(self, spec: ExtractorSpec, encoder: LanguageEncoder | None = None) -> None:
        super().__init__()
        self.spec = spec
        encoder = load_language(spec.encoder) if encoder is None else encoder
        _free(encoder, spec)
        # one inside the graph is there to be trained, but comes frozen
        image_encoder = load_vision(spec.image_encoder).requires_grad_() if spec.image_encoder else None
        width, image_width = encoder.width, image_encoder.width if image_encoder else spec.image_width
        self.trunk = ShapCA(
            encoder=encoder,
            width=width,
            embedding_width=encoder.embedding_width,
            image_width=image_width,
            fusion=spec.fusion,
            relevance=spec.relevance,
            alignment=_alignment(spec.alignment, width, image_width),
            image_encoder=image_encoder,
        )
        self.tags = TagScheme(spec.scheme, spec.types)
        # without `None`: a pair without a relation has no label there
        self.pairs = PairScheme(spec.types, spec.relations[1:])
        self.head = self._head(width)

    def _head(self, width: int) -> TaggingHead | RelationHead | WordPairHead:
        if self.spec.task == "relations":
            return RelationHead(width=width, relations=len(self.spec.relations), dropout=self.spec.dropout)
        if self.spec.task == "joint":
            return WordPairHead(width=width, labels=len(self.pairs.labels), dropout=self.spec.dropout)
        return TaggingHead(
            width=width,
            may_follow=self.tags.may_follow(),
            may_start=self.tags.may_start(),
            may_end=self.tags.may_end(),
            dropout=self.spec.dropout,
        )

    @property
    def patch_width(self) -> int:
        """Width of the patches that it takes, those of its image encoder where it has one."""
        encoder = self.trunk.image_encoder
        # pixels become patches inside the graph, of the encoder's width and not of the
        # specification's
        return encoder.width if isinstance(encoder, ImageEncoder) else self.spec.image_width

    @property
    def encoder(self) -> LanguageEncoder:
        """The language model."""
        assert isinstance(self.trunk.encoder, LanguageEncoder)
        return self.trunk.encoder

    def scores(self, batch: WordBatch, fused: FusedWords) -> Float[Tensor, "b ..."]:
        """What the head says: emissions (b, w, c), logits of relations (b, r) or of pairs of words
        (b, w, w, c).
        """
        if isinstance(self.head, RelationHead):
            return self.head(fused.states, batch.ends)
        return self.head(first_pieces(fused.states, batch.starts))

    def loss(
        self, batch: WordBatch, y: Int[Tensor, "b ..."], generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """The task's loss and the weighted alignment's.

        Arguments:
            batch: b posts.
            y: Tags (b, w), relations (b) or labels of pairs (b, w, w); anything on padding.
            generator: Of the alignment's permutations, on the CPU.
        """
        fused = self.trunk(batch)
        scores = self.scores(batch, fused)
        task = (
            self.head.loss(scores, y)
            if isinstance(self.head, RelationHead)
            else self.head.loss(scores, y, batch.word_mask)
        )
        # the alignment is summed in double precision; its loss comes back in the task's
        weight = self.spec.alignment.weight if self.spec.alignment else 0.0
        return task, (weight * self.trunk.align(fused, generator)).to(task.dtype)

    @torch.inference_mode()
    def predict(self, batch: WordBatch, *, with_scores: bool = True) -> list[Prediction]:
        """What it says of each post of a batch.

        Arguments:
            batch: b posts.
            with_scores: Whether the probability of each entity is computed too, which costs about a
                decoding.
        """
        scores = self.scores(batch, self.trunk(batch))
        if isinstance(self.head, RelationHead):
            return self._relations(scores)
        if isinstance(self.head, WordPairHead):
            return self._joint(scores, batch)
        decoded = self.head.crf.decode(scores, batch.word_mask)
        mentions = [tuple(self.tags.decode(row)) for row in decoded]
        sure = (
            self._span_scores(scores, batch, mentions) if with_scores else [(0.0,) * len(m) for m in mentions]
        )
        return [Prediction(m, s) for m, s in zip(mentions, sure, strict=True)]

    @torch.inference_mode()
    def relation_probabilities(
        self, batch: WordBatch, allowed: Sequence[Sequence[int]]
    ) -> list[dict[int, float]]:
        """Of the task `relations`: for each pair the probabilities of the relations that it may
        have, among all relations there are.

        Arguments:
            batch: b posts with a pair each.
            allowed: For each of them the places of the relations among which is chosen.
        """
        logits = self.scores(batch, self.trunk(batch))
        rows = zip(logits, allowed, strict=True)
        # the softmax over all relations and not over the allowed ones: a pair that fits none of
        # them must be able to say so
        return [dict(zip(places, row.softmax(0)[list(places)].tolist(), strict=True)) for row, places in rows]

    def _relations(self, logits: Float[Tensor, "b r"]) -> list[Prediction]:
        best = logits.softmax(-1).max(-1)
        found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [Prediction(links=(Link(0, 1, self.spec.relations[i]),), link_scores=(p,)) for i, p in found]

    def _joint(self, logits: Float[Tensor, "b w w c"], batch: WordBatch) -> list[Prediction]:
        grids, found = logits.log_softmax(-1).numpy(force=True), []
        for grid, n in zip(grids, batch.word_mask.sum(1).tolist(), strict=True):
            # a post's own words only, in double precision: decoding must not depend on the padding
            # of its batch
            log_p = grid[:n, :n].astype(np.float64)
            mentions, links = self.pairs.decode(log_p)
            found.append(self.pairs_prediction(log_p, mentions, links))
        return found

    def pairs_prediction(
        self, log_p: Float[np.ndarray, "w w c"], mentions: Sequence[Mention], links: Sequence[Link]
    ) -> Prediction:
        """A joint prediction; its scores are mean probabilities over the block of pairs."""
        labels = self.pairs.labels

        def over(rows: Mention, columns: Mention, label: str) -> float:
            # an entity is marked on the upper triangle of its block, a relation on all of it
            block = log_p[rows.start : rows.end, columns.start : columns.end, labels.index(label)]
            return float(np.exp(block[np.triu_indices(len(block))] if rows == columns else block).mean())

        return Prediction(
            tuple(mentions),
            tuple(over(m, m, m.type) for m in mentions),
            tuple(links),
            tuple(over(mentions[link.head], mentions[link.tail], link.type) for link in links),
        )

    def _span_scores(
        self, emissions: Float[Tensor, "b w c"], batch: WordBatch, mentions: Sequence[Sequence[Mention]]
    ) -> list[tuple[float, ...]]:
        assert isinstance(self.head, TaggingHead)
        spans = [(row, m) for row, found in enumerate(mentions) for m in found]
        if not spans:
            return [() for _ in mentions]
        rows = torch.tensor([row for row, _ in spans], device=emissions.device)
        places = len(spans), emissions.shape[1]
        # every entity becomes a row of its own, so that the probabilities of all are one pass of
        # the CRF
        y, inside = torch.zeros(places, dtype=torch.long), torch.zeros(places, dtype=torch.bool)
        for i, (_, m) in enumerate(spans):
            length = m.end - m.start
            tags = self.tags.encode([Mention(0, length, m.type)], words=length)
            y[i, m.start : m.end] = torch.tensor([self.tags.numbers[tag] for tag in tags])
            inside[i, m.start : m.end] = True
        # what may stand behind an entity that has ended: anything that does not go on with one
        after = torch.tensor([tag[0] not in "IE" for tag in self.tags.tags])
        where = emissions.device
        log_p = self.head.crf.span_log_probability(
            emissions[rows], batch.word_mask[rows], y.to(where), inside.to(where), after.to(where)
        )
        # rounding may lift a sure span a little above 1
        flat = iter(log_p.exp().clamp(max=1.0).tolist())
        return [tuple(islice(flat, len(found))) for found in mentions]


def _alignment(spec: AlignmentSpec | None, width: int, image_width: int) -> Alignment | None:
    if spec is None:
        return None
    # λ belongs to the extractor, which adds up the losses
    options = spec.model_dump(exclude={"weight"})
    return Alignment(text_width=width, image_width=image_width, **options)


def _free(encoder: LanguageEncoder, spec: ExtractorSpec) -> None:
    """Lets train what should: an adapter, or everything but the word embeddings, which a small data
    set only spoils.
    """
    encoder.requires_grad_(False)
    if spec.adapter_rank:
        add_lora(
            encoder,
            rank=spec.adapter_rank,
            # a scaling of 2 at every rank, so that another rank needs no other learning rate
            alpha=2 * spec.adapter_rank,
            targets=_LAYERS,
            dropout=spec.adapter_dropout,
        )
        return
    encoder.requires_grad_(True)
    encoder.model.get_input_embeddings().requires_grad_(False)
