"""What an annotator is, and what it may ask of the analyst: protocols only, so that annotators and
the registry that lists them need not know each other.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from crisislens.domain.assessment import Modality
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts, PostEncoder
from crisislens.models.artifact import LoadedModel

__all__ = ["Annotator", "Answers", "HasCard", "NeedsAnalyst"]


@runtime_checkable
class Annotator(Protocol):
    """Adds something to each assessment; asked from several threads at once, so it must not change
    itself.

    Attributes:
        name: Its name, for notes and `--without`.
        tokens: The modalities whose token states it reads; pooled vectors are always there.
    """

    name: str
    tokens: tuple[Modality, ...]

    def fingerprint(self) -> str:
        """16 hex digits over everything that its results depend on; part of a run's identity."""
        ...

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> Sequence[Mapping[str, object]]:
        """For each post the fields of `Assessment` that it fills, and `notes` that are added; an
        entry never depends on another post.

        Arguments:
            posts: b posts.
            encoded: Their features, notes and cleaned texts, in the same order.
        """
        ...


@runtime_checkable
class Answers(Protocol):
    """Who gives the answers of the tasks: the models by task, the encoder that they read, and the languages
    that they learned.
    """

    @property
    def models(self) -> Mapping[str, LoadedModel]:
        """The models by task."""
        ...

    @property
    def encoder(self) -> PostEncoder:
        """What encodes posts for them."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes of the languages that they learned; empty where nobody says."""
        ...


@runtime_checkable
class NeedsAnalyst(Protocol):
    """An annotator that explains the analyst's own answers."""

    def attach(self, answers: Answers) -> None:
        """Called once, before anything is annotated.

        Arguments:
            answers: Whose answers are explained.
        """
        ...


@runtime_checkable
class HasCard(Protocol):
    """An annotator of whose models a reader of the report must know something.

    Attributes:
        title: Its models with their versions.
        known_limits: What is known of their errors, one sentence each.
    """

    @property
    def title(self) -> str: ...

    @property
    def known_limits(self) -> tuple[str, ...]: ...
