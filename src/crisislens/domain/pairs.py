"""Word-pair labels: entities and relations of a post as one label for each ordered pair of its
words, and back.

See `models.heads.WordPairHead`. Label 0 is nothing, then come the entity types, then the relations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from crisislens.domain.extraction import NO_RELATION, Link, Mention

__all__ = ["PairScheme"]


@dataclass(frozen=True)
class PairScheme:
    """The labels over some types and relations.

    Attributes:
        types: Types of entities.
        relations: Relations without `NO_RELATION`.
    """

    types: tuple[str, ...]
    relations: tuple[str, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels, nothing first."""
        return (NO_RELATION, *self.types, *self.relations)

    def encode(
        self, mentions: Sequence[Mention], links: Sequence[Link], *, words: int
    ) -> Int[np.ndarray, "w w"]:
        """The labels of a post; where mentions share words, later ones write over earlier ones."""
        grid = np.zeros((words, words), np.int64)
        for m in mentions:
            # a type stands on and over the diagonal, at the pairs i <= j of one mention's words
            block = np.triu(np.ones((m.end - m.start, m.end - m.start), bool))
            grid[m.start : m.end, m.start : m.end][block] = self.labels.index(m.type)
        for link in links:
            if link.type != NO_RELATION:
                head, tail = mentions[link.head], mentions[link.tail]
                # below the diagonal where the tail stands first, so direction is told by place
                grid[head.start : head.end, tail.start : tail.end] = self.labels.index(link.type)
        return grid

    def decode(self, log_p: Float[np.ndarray, "w w c"]) -> tuple[list[Mention], list[Link]]:
        """Entities and relations from log-probabilities of the labels.

        Words hold together while the pair of each with the next says a type; a run's type and a
        relation between two runs are the label with the best mean over their block of pairs.
        """
        kinds = 1 + len(self.types)
        likely = log_p.argmax(-1)
        named = (likely > 0) & (likely < kinds)
        mentions: list[Mention] = []
        i, words = 0, len(log_p)
        while i < words:
            end = i + 1
            if named[i, i]:
                # neighbors of which only the diagonal says a type are two mentions, not one
                while end < words and named[end, end] and named[end - 1, end]:
                    end += 1
                rows, columns = np.triu_indices(end - i)
                # the mean, not the sum: long mentions must not count more than short ones
                scores = log_p[i + rows, i + columns, 1:kinds].mean(0)
                mentions.append(Mention(i, end, self.types[int(scores.argmax())]))
            i = end
        return mentions, self._links(log_p, mentions)

    def _links(self, log_p: Float[np.ndarray, "w w c"], mentions: Sequence[Mention]) -> list[Link]:
        kinds = 1 + len(self.types)
        links = []
        for a, head in enumerate(mentions):
            for b, tail in enumerate(mentions):
                if a == b or not self.relations:
                    continue
                block = log_p[head.start : head.end, tail.start : tail.end].mean((0, 1))
                # only nothing and the relations compete: a type between two mentions says nothing
                scores = np.concatenate([block[:1], block[kinds:]])
                best = int(scores.argmax())
                if best:
                    links.append(Link(a, b, self.relations[best - 1]))
        return links
