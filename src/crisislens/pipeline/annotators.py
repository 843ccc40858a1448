"""What `analyze` adds to an assessment beside the tasks: places, entities, rationales, …; each from
one post alone.

An annotator fills fields of `Assessment` that are its own, or brings a record of its own under
`extensions[NAME]`, where NAME is the annotator's. To add one, write a class with the attributes and
methods of `pipeline.annotator.Annotator` and let a function make it (a class without arguments
does):

- in a package of your own, name it as an entry point of the group `crisislens.annotators`;
- in this one, add a line to `ANNOTATORS` below, and its name to `DEFAULT_ANNOTATORS` if every run
  should have it (`analyze --without NAME` leaves it out, `--with NAME` adds one).

An annotator that fails on a post costs that post this annotation and nothing else: the analyst asks
again post by post and writes the reason into the assessment's notes. So does one that returns what
an assessment cannot hold: an unknown field, one of the tasks', or a value of the wrong type.
`failures` counts both, for the end of a run. What an annotator has to say of a post itself, such as
why a field is empty, it gives under `notes`; it is added to the others'.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from crisislens.core.errors import ModelError
from crisislens.core.registry import Registry
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts
from crisislens.pipeline.annotator import Annotator, Answers, HasCard, NeedsAnalyst

__all__ = [
    "ANNOTATORS",
    "DEFAULT_ANNOTATORS",
    "Annotator",
    "Answers",
    "HasCard",
    "NeedsAnalyst",
    "annotate",
    "failures",
    "load_annotators",
    "selected",
]

ANNOTATORS: Registry[Callable[[], Annotator]] = Registry(
    "annotator",
    "crisislens.annotators",
    ours={
        "places": "crisislens.pipeline.places:Places",
        "place_types": "crisislens.pipeline.places:PlaceTypes",
        "entities": "crisislens.pipeline.extraction:EntityAnnotator",
        "rationale": "crisislens.pipeline.rationale_annotator:build",
    },
)
DEFAULT_ANNOTATORS: tuple[str, ...] = ("places", "place_types")
_OF_THE_TASKS = frozenset({"post", "modalities", "language", "photo", "tasks", "urgency", "provenance"})
_FAILED = " could not be found for this post: "
_NOTE_CHARACTERS = 300


class _MisfitError(Exception):
    """What an annotator returned does not fit an assessment; the message is the whole sentence."""


def load_annotators(names: Sequence[str] = DEFAULT_ANNOTATORS) -> tuple[Annotator, ...]:
    """Annotators by name.

    Raises:
        NotRegisteredError: If there is none of a name, with the names that exist.
        ModelError: If what is registered under a name does not make an annotator.
    """
    return tuple(_made(name) for name in dict.fromkeys(names))


def _made(name: str) -> Annotator:
    build = ANNOTATORS[name]
    made = build() if callable(build) else build
    if isinstance(made, Annotator):
        return made
    raise ModelError(
        f"annotator {name!r}{_of(name)} is a {type(made).__name__}, which lacks some of name, "
        "tokens, fingerprint() and annotate(); see pipeline.annotator.Annotator"
    )


def _of(name: str) -> str:
    origin = ANNOTATORS.origin(name)
    return f" of the plug-in {origin}" if origin else ""


def selected(*, add: Sequence[str] = (), leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the default annotators with some added and some left out.

    Raises:
        NotRegisteredError: If there is none of a name, with the names that exist.
    """
    for name in (*add, *leave_out):
        ANNOTATORS[name]
    return tuple(name for name in dict.fromkeys((*DEFAULT_ANNOTATORS, *add)) if name not in leave_out)


def annotate(
    annotators: Sequence[Annotator], posts: Sequence[Post], encoded: EncodedPosts
) -> list[tuple[dict[str, object], list[str]]]:
    """For each post the fields that all annotators fill, checked against `Assessment`, and their
    notes: what they remark, and why one failed on it.
    """
    found: list[tuple[dict[str, object], list[str]]] = [({}, []) for _ in posts]
    # one annotator after the other over all posts, so that each may encode a batch at once
    for annotator in annotators:
        for (fields, notes), given in zip(found, _given(annotator, posts, encoded), strict=True):
            try:
                if isinstance(given, Exception):
                    raise given
                checked = _checked(annotator.name, given, fields.get("extensions", {}))
            except _MisfitError as error:
                notes.append(f"{annotator.name}{_FAILED}{error}"[:_NOTE_CHARACTERS])
            except Exception as error:
                notes.append(f"{annotator.name}{_FAILED}{type(error).__name__}: {error}"[:_NOTE_CHARACTERS])
            else:
                notes.extend(checked.pop("notes", ()))
                fields.update(checked)
    return found


def _given(annotator: Annotator, posts: Sequence[Post], encoded: EncodedPosts) -> list[object]:
    """What an annotator says of each post, or why it could not; asked for all posts, and post by
    post if that fails.
    """
    try:
        found: list[object] = [*annotator.annotate(posts, encoded)]
        if len(found) == len(posts):
            return found
        raise _MisfitError(
            f"annotator {annotator.name!r} gave {len(found)} entries for {len(posts)} posts; it owes one each"
        )
    except Exception as error:
        # a single post cannot be asked apart: what went wrong is its own
        if len(posts) == 1:
            return [error]
    return [_given(annotator, [post], encoded.only(i))[0] for i, post in enumerate(posts)]


def _checked(name: str, given: object, extensions: object) -> dict[str, Any]:
    """The fields that an annotator gave for one post, as `Assessment` holds them.

    Arguments:
        name: The annotator's name.
        given: What it returned.
        extensions: What annotators before it brought.
    """
    if not isinstance(given, Mapping):
        raise _MisfitError(f"annotator {name!r} gave a {type(given).__name__} where fields are expected")
    if taken := sorted(set(given) & _OF_THE_TASKS):
        raise _MisfitError(
            f"annotator {name!r} fills {', '.join(taken)}, which belongs to the tasks; leave it out"
        )
    # a value that is no mapping is told below, in the words of the record that cannot hold it
    own = given.get("extensions", {})
    if isinstance(own, Mapping) and isinstance(extensions, Mapping):
        if strange := sorted(str(key) for key in own if key != name):
            raise _MisfitError(
                f"annotator {name!r} fills extensions[{strange[0]!r}]; its own record is extensions[{name!r}]"
            )
        if own:
            # the limit is one of the post, so it counts what others brought
            given = {**given, "extensions": {**extensions, **own}}
    try:
        checked = _own_fields().model_validate(dict(given))
    except ValidationError as error:
        raise _MisfitError(_misfit(name, error)) from None
    return {field: getattr(checked, field) for field in given}


@cache
def _own_fields() -> type[BaseModel]:
    """A model of the fields that annotators may fill, with the types of `Assessment`."""
    fields: dict[str, Any] = {
        name: (info.annotation, info)
        for name, info in Assessment.model_fields.items()
        if name not in _OF_THE_TASKS
    }
    return create_model("AnnotatorFields", __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def _misfit(name: str, error: ValidationError) -> str:
    """The sentence on the first thing that does not fit."""
    first = error.errors(include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "fields"
    if first["type"] == "extra_forbidden":
        known = ", ".join(_own_fields().model_fields)
        return f"annotator {name!r} fills {field!r}, which an assessment does not have; it may fill {known}"
    # pydantic counts into lists and records: the whole path, since a field may hold hundreds of
    # places
    where = ".".join(str(part) for part in first["loc"])
    return f"annotator {name!r} fills {field!r} with what it cannot hold: {where}: {first['msg']}"


def failures(assessments: Path) -> dict[str, tuple[int, str]]:
    """The annotators that failed in a finished run: on how many posts, and why on the first of
    them.

    The records themselves are asked, so that it holds for a run that was killed and resumed, too.

    Arguments:
        assessments: The run's `assessments.jsonl`.
    """
    found: dict[str, tuple[int, str]] = {}
    with assessments.open("rb") as lines:
        for line in lines:
            # reading all of a large file as JSON would cost seconds; nearly no record has such a
            # note
            if _FAILED.encode() not in line:
                continue
            for note in json.loads(line)["notes"]:
                name, failed, reason = str(note).partition(_FAILED)
                if failed:
                    posts, first = found.get(name, (0, reason))
                    found[name] = (posts + 1, first)
    return found
