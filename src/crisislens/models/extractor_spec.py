"""Which extractor: its task, its labels, its encoders and how contexts are used."""

from typing import Literal

from pydantic import Field, model_validator

from crisislens.core.config import Config
from crisislens.domain.extraction import ENTITY_TYPES, NO_RELATION
from crisislens.domain.tags import SchemeName
from crisislens.encoders.language import LanguageSpec
from crisislens.encoders.vision import VisionSpec
from crisislens.nn.alignment import AlignmentKind
from crisislens.nn.shapley import Expectation

__all__ = ["AlignmentSpec", "ExtractorSpec", "TaskName"]

TaskName = Literal["entities", "relations", "joint"]
"""Entities alone (MNER), the relation of a given pair (MRE), or both (JMERE)."""


class AlignmentSpec(Config):
    """How contexts, texts and images of a batch are aligned; see `nn.alignment.Alignment`."""

    kind: AlignmentKind = "shapley_softmax"
    """Shapley values in the softmax form (which the benchmark's tables measure) or the margin form
    (the abstract's literal reading, and so the default of `nn.alignment`), or plain InfoNCE."""
    weight: float = Field(default=0.2, ge=0)
    """λ of the loss."""
    width: int = Field(default=128, gt=0)
    """Width of the shared space."""
    samples: int = Field(default=32, gt=0)
    """Permutations a direction, M."""
    expectation: Expectation = "softmax"
    """How a coalition expects the similarity of its members."""
    temperature: float = Field(default=0.1, gt=0.01)
    """τ of the expectation, and of InfoNCE."""
    contrast_temperature: float = Field(default=0.02, gt=0.01)
    """τ' of the softmax form over Shapley values."""
    learn_temperature: bool = False
    """Whether τ is learned, and τ' with it where the form has one."""

    @model_validator(mode="after")
    def _has_what_is_learned(self) -> "AlignmentSpec":
        if self.learn_temperature and self.kind == "shapley_margin" and self.expectation == "uniform":
            raise ValueError(
                "the margin form with a uniform expectation has no temperature; set learn_temperature to "
                "false"
            )
        return self


class ExtractorSpec(Config):
    """Which extractor."""

    task: TaskName = "entities"
    """What it finds."""
    types: tuple[str, ...] = ENTITY_TYPES
    """Types of entities; in a run file `[auto]` for those of the data."""
    relations: tuple[str, ...] = ()
    """Relations, `None` first; of the tasks `relations` and `joint`."""
    scheme: SchemeName = "bio"
    """Tags of the task `entities`."""
    encoder: LanguageSpec = LanguageSpec()
    """The language model."""
    image_encoder: VisionSpec | None = None
    """An image encoder inside the graph; without one, pictures come as patches of a frozen encoder
    or not at all.
    """
    image_width: int = Field(default=1, gt=0)
    """Width of the patches where they come from a frozen encoder; 1 where there are no pictures."""
    context_pieces: int = Field(default=0, ge=0)
    """Word pieces that are read of a context; 0 reads none. They fit into `encoder.max_tokens`, in
    one sequence with the text into half.
    """
    joint_sequence: bool = False
    """Whether text and context are read as one sequence."""
    fusion: bool = False
    """Whether words take from context and picture through the gate of `nn.adaptive`."""
    relevance: bool = False
    """Whether what they take is scaled by the relevance of the context."""
    alignment: AlignmentSpec | None = None
    """The alignment, or none."""
    adapter_rank: int = Field(default=0, ge=0)
    """Rank of a low-rank adapter of the encoder; 0 trains all its weights but the word embeddings.
    """
    adapter_dropout: float = Field(default=0.0, ge=0, lt=1)
    """On the way into the adapter."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Before the head's maps."""
    pieces_a_word: int = Field(default=8, gt=0)
    """Word pieces that are read of a word."""

    @model_validator(mode="after")
    def _relations_fit(self) -> "ExtractorSpec":
        if (self.task == "entities") != (not self.relations):
            raise ValueError(
                "relations belong to the tasks relations and joint, and only to them; `None` is the first"
            )
        if self.relations and self.relations != ("auto",) and self.relations[0] != NO_RELATION:
            raise ValueError(
                f"the first relation is {self.relations[0]!r}; it must be `{NO_RELATION}`, that of pairs "
                f"without one"
            )
        if not self.context_pieces and (self.alignment is not None or self.joint_sequence):
            raise ValueError(
                "an alignment, and one sequence of text and context, need contexts: set context_pieces"
            )
        # the opening and the closing piece are the encoder's, also around a context
        most = self.encoder.max_tokens // 2 if self.joint_sequence else self.encoder.max_tokens - 2
        if self.context_pieces > most:
            raise ValueError(
                f"context_pieces {self.context_pieces} leaves no room; at most {most} fit (see "
                f"encoder.max_tokens)"
            )
        return self
