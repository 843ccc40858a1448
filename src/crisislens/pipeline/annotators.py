"""What `analyze` adds to an assessment beside the tasks: places, entities, rationales, …; each from one post
alone.

An annotator fills fields of `Assessment` that are its own. To add one:

1. give `domain.assessment.Assessment` an optional field (default None or empty) with a description;
2. write a class with the attributes and methods of `Annotator` below, in a module of `pipeline`;
3. file a function that makes it: `@ANNOTATORS.register("places")`, and import that module in `_known`;
4. add its name to `DEFAULT_ANNOTATORS` if every run should have it (`analyze --without NAME` leaves it out,
   `--with NAME` adds one).

An annotator that fails on a post costs that post this annotation and nothing else: the analyst asks again
post by post and writes the reason into the assessment's notes. What it has to say of a post itself, such as
why a field is empty, it gives under `notes`; it is added to the others'.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from crisislens.core.registry import Registry
from crisislens.domain.assessment import Modality
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts

if TYPE_CHECKING:
    from crisislens.pipeline.analyst import Analyst

__all__ = [
    "ANNOTATORS",
    "DEFAULT_ANNOTATORS",
    "Annotator",
    "HasCard",
    "NeedsAnalyst",
    "annotate",
    "load_annotators",
    "selected",
]


@runtime_checkable
class Annotator(Protocol):
    """Adds something to each assessment; asked from several threads at once, so it must not change itself.

    Attributes:
        name: Its name, for notes and `--without`.
        tokens: The modalities whose token states it reads; pooled vectors are always there.
    """

    name: str
    tokens: tuple[Modality, ...]

    def fingerprint(self) -> str:
        """16 hex digits over everything that its results depend on; part of a run's identity."""
        ...

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        """For each post the fields of `Assessment` that it fills, and `notes` that are added; an entry never
        depends on another post.

        Arguments:
            posts: b posts.
            encoded: Their features, notes and cleaned texts, in the same order.
        """
        ...


@runtime_checkable
class NeedsAnalyst(Protocol):
    """An annotator that explains the analyst's own answers."""

    def attach(self, analyst: "Analyst") -> None:
        """Called once, before anything is annotated."""
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


ANNOTATORS: Registry[Callable[[], Annotator]] = Registry("annotator")
DEFAULT_ANNOTATORS: tuple[str, ...] = ("places", "place_types")
_OF_THE_TASKS = {"post", "modalities", "language", "tasks", "urgency", "provenance"}


def load_annotators(names: Sequence[str] = DEFAULT_ANNOTATORS) -> tuple[Annotator, ...]:
    """Annotators by name.

    Raises:
        NotRegisteredError: If there is none of a name, with the names that exist.
    """
    known = _known()
    return tuple(known[name]() for name in dict.fromkeys(names))


def selected(*, add: Sequence[str] = (), leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the default annotators with some added and some left out.

    Raises:
        NotRegisteredError: If there is none of a name, with the names that exist.
    """
    known = _known()
    for name in (*add, *leave_out):
        known[name]
    return tuple(name for name in dict.fromkeys((*DEFAULT_ANNOTATORS, *add)) if name not in leave_out)


def _known() -> Registry[Callable[[], Annotator]]:
    """The registry with the annotators of this room in it; they import this module, so they cannot stand at
    its head.
    """
    import crisislens.pipeline.extraction
    import crisislens.pipeline.places
    import crisislens.pipeline.rationale_annotator  # noqa: F401 - all three register

    return ANNOTATORS


def annotate(
    annotators: Sequence[Annotator], posts: Sequence[Post], encoded: EncodedPosts
) -> list[tuple[dict[str, object], list[str]]]:
    """For each post the fields that all annotators fill, and their notes: what they remark, and why one
    failed on it.
    """
    found: list[tuple[dict[str, object], list[str]]] = [({}, []) for _ in posts]
    for annotator in annotators:
        for (fields, notes), one in zip(found, _fields(annotator, posts, encoded), strict=True):
            if isinstance(one, Exception):
                notes.append(
                    f"{annotator.name} could not be found for this post: {type(one).__name__}: {one}"[:300]
                )
                continue
            if taken := set(one) & _OF_THE_TASKS:
                raise TypeError(
                    f"annotator {annotator.name!r} fills {', '.join(sorted(taken))}, which is not its own"
                )
            fields.update({name: value for name, value in one.items() if name != "notes"})
            notes.extend(_remarks(one))
    return found


def _remarks(fields: Mapping[str, object]) -> list[str]:
    remarks = fields.get("notes", ())
    if not isinstance(remarks, tuple | list) or not all(isinstance(remark, str) for remark in remarks):
        raise TypeError(f"notes are a tuple of sentences, not {remarks!r:.100}")
    return [str(remark) for remark in remarks]


def _fields(
    annotator: Annotator, posts: Sequence[Post], encoded: EncodedPosts
) -> list[Mapping[str, object] | Exception]:
    """What an annotator says of each post, or why it could not; asked for all posts, and post by post if that
    fails.
    """
    try:
        return [*annotator.annotate(posts, encoded)]
    except Exception as error:
        if len(posts) == 1:
            return [error]
    return [_fields(annotator, [post], encoded.only(i))[0] for i, post in enumerate(posts)]
