"""What crisislens says of one post, in a form that a program can read back and a person can check.

The JSON Schema of the record is `Assessment.model_json_schema()`; the documentation prints it and a
test holds every record against it.
"""

from html import escape
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json, to_json

from crisislens.domain.extraction import Entity, Relation
from crisislens.domain.place import GeoLocation, PlaceMention
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.rationale import Rationale

__all__ = ["EXTENSIONS_BYTES", "Assessment", "FailedPost", "Modality", "Provenance", "TaskAssessment"]

EXTENSIONS_BYTES = 65_536
"""The most that all extensions of one post may take as JSON, bytes."""
Modality = Literal["text", "image"]
# a probability is written with four digits
_ROUNDED = 1e-4
# of a text in a notebook
_SHOWN = 280


def _survives_json(extensions: dict[str, Any]) -> dict[str, Any]:
    """Refuses what a file of records could not give back: too much, numbers that are not finite,
    half of a surrogate pair, or nesting that no reader of JSON follows.
    """
    try:
        # "constants" writes NaN as a word that the reader refuses; else it would become null
        written = to_json(extensions, inf_nan_mode="constants")
        same = from_json(written, allow_inf_nan=False) == extensions
    except (ValueError, RecursionError) as error:
        raise ValueError(f"an extension must survive JSON: {str(error)[:100]}") from None
    if not same:
        raise ValueError("an extension must survive JSON: it reads back as something else")
    if len(written) > EXTENSIONS_BYTES:
        raise ValueError(
            f"the extensions of a post take {len(written)} bytes as JSON, and may take {EXTENSIONS_BYTES}"
        )
    return extensions


class TaskAssessment(BaseModel):
    """One task's answer for one post.

    `label` is always the most probable class, also where the model abstains, so that a reader can
    still see what it leaned to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(description="The most probable class")
    labels: tuple[str, ...] = Field(
        default=(),
        description="The classes that are said to hold: one, or any number where the task allows "
        "several; none where the answer is 'not sure'",
    )
    confidence: float = Field(
        ge=0,
        le=1,
        description="The calibrated probability that the answer is right: of the label, or of the whole "
        "set of labels where several may hold (a cautious number)",
    )
    probabilities: dict[str, float] = Field(
        description="Calibrated probability of every class; they add up to 1 up to rounding, but "
        "for tasks where several may hold"
    )
    abstained: bool = Field(description="True where the answer should be read as 'not sure'")
    reason: str | None = Field(
        default=None, description="Why it abstained, in one sentence; null where it did not"
    )

    @property
    def said(self) -> str:
        """The answer in words: its labels, `none` where several might hold and none does, and what
        the model leans to where it abstains.
        """
        return "none" if self.none_holds else ", ".join(self.labels) or self.label

    @property
    def none_holds(self) -> bool:
        """Whether several labels might hold and surely none does; `label` is then no answer."""
        # probabilities of one answer add up to 1, those of several do not
        several = abs(sum(self.probabilities.values()) - 1) > _ROUNDED * len(self.probabilities)
        return several and not self.labels and not self.abstained

    @property
    def surest(self) -> float:
        """How sure the answer is: of several labels, how sure the strongest is, because how sure the whole
        set is says little to a reader.
        """
        return max((self.probabilities[name] for name in self.labels), default=self.confidence)


class Provenance(BaseModel):
    """What made an assessment: enough to make it again."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str = Field(description="The model's name")
    model_version: str = Field(description="The model's version")
    model_fingerprint: str = Field(description="16 hex digits over the model's configuration and weights")
    encoder_fingerprint: str = Field(description="16 hex digits over the encoders' weights and preprocessing")
    crisislens_version: str = Field(description="The version of the package")
    analyzed_at: str = Field(
        description="When the run started, ISO 8601 UTC; one time for a whole run, however often resumed"
    )
    annotators: dict[str, str] = Field(
        default_factory=dict,
        description="From what is added beside the tasks (`entities`, …) to 16 hex digits over what added it",
    )


class Assessment(BaseModel):
    """Everything that is said of one post.

    `tasks` holds `informativeness`, `humanitarian` and `damage` where the model answers them; a
    task that a post gives no ground for (damage without a photo or text) is answered with an
    abstention, never left out silently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    post: Post = Field(description="The post as it was read")
    modalities: tuple[Modality, ...] = Field(
        description="What the assessment rests on; empty where nothing was readable"
    )
    notes: tuple[str, ...] = Field(
        default=(), description="What a reader must know, such as why a photo could not be used"
    )
    language: str | None = Field(
        default=None, description="Detected language (ISO 639-1), null where the text is too short"
    )
    unread: str | None = Field(
        default=None,
        # a record of a post that was read is written as before there was the field
        exclude_if=lambda unread: unread is None,
        description="Why no model reads the text, in one sentence; left out where one does",
    )
    photo: str | None = Field(
        default=None,
        # a record of a post with one photo is written as before there was the field
        exclude_if=lambda photo: photo is None,
        description="Of a post with several photos the path of the one that the answers rest on: "
        "the most urgent, the first of equals; left out elsewhere",
    )
    tasks: dict[str, TaskAssessment] = Field(description="From the task's name to its answer")
    entities: tuple[Entity, ...] = Field(
        default=(), description="Who, what and where the text names, in its order"
    )
    relations: tuple[Relation, ...] = Field(
        default=(), description="How they relate, the most probable first"
    )
    places: tuple[PlaceMention, ...] = Field(default=(), description="Named places in the text, in its order")
    location: GeoLocation | None = Field(
        default=None, description="Where the post is put on the map; null where nothing tells"
    )
    place_type: TaskAssessment | None = Field(
        default=None,
        description="The kind of place that the post was probably made at; null where no model "
        "for it fits the encoder",
    )
    urgency: float = Field(
        ge=0,
        le=1,
        description="Sort key of the report, a function of the tasks' probabilities; not itself one",
    )
    provenance: Provenance
    rationale: Rationale | None = Field(
        default=None, description="The evidence in the post; null where nobody asked (`analyze --explain`)"
    )
    extensions: Annotated[dict[str, JsonValue], AfterValidator(_survives_json)] = Field(
        default_factory=dict,
        # a record without any is written as before there were extensions
        exclude_if=lambda extensions: not extensions,
        description="Records of plug-ins, from an annotator's name to any JSON; left out where there is none",
    )

    @property
    def shown(self) -> Post:
        """The post with the one photo that the answers rest on."""
        if self.photo is None:
            return self.post
        return self.post.model_copy(update={"image": ImageRef(path=self.photo), "more_images": ()})

    def __repr__(self) -> str:
        return f"Assessment({self.post.id!r}, urgency {self.urgency:.2f}: {self._answers()})"

    def _repr_html_(self) -> str:
        """A row of a table, for notebooks; everything of the post is escaped."""
        cells = [self.post.id, self.post.text[:_SHOWN], f"{self.urgency:.2f}"]
        # names of tasks are escaped too: a user's own come from a column of a table
        head = ["post", "text", "urgency", *self.tasks]
        cells += [self._answer(task) for task in self.tasks.values()]
        titles = "".join(f"<th>{escape(title)}</th>" for title in head)
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        return f"<table><thead><tr>{titles}</tr></thead><tbody><tr>{row}</tr></tbody></table>"

    def _answers(self) -> str:
        return ", ".join(f"{name} {self._answer(task)}" for name, task in self.tasks.items())

    @staticmethod
    def _answer(task: TaskAssessment) -> str:
        return f"{'not sure: ' if task.abstained else ''}{task.said} {task.confidence:.2f}"


class FailedPost(BaseModel):
    """A row that could not become a post. It never costs the other rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int = Field(ge=0, description="Position in the source, counted from 0 without the header")
    id: str | None = Field(default=None, description="The row's id where it could be read")
    reason: str = Field(description="What was wrong and what was expected, one sentence")
