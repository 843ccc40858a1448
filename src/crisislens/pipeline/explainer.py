"""One post to its explanation, by any method."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale
from crisislens.explain.posthoc import PostHoc, ReadPart
from crisislens.explain.rationalizer import Rationalizer
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.heard import Heard, heard_of, without_gaps
from crisislens.pipeline.rationale_annotator import RationaleAnnotator, as_clause

__all__ = ["explainer"]

_OF_PHOTOS = re.compile(r"\bphotos?\b")


def explainer(
    method: str, *, task: str, model: str, rationales: str, image_root: Path | None
) -> Callable[[Post], Rationale]:
    """A function from a post to why it was answered as it was.

    Arguments:
        method: `rationales`, `integrated_gradients` or `attention_rollout`.
        task: Whose answer attribution explains.
        model: A bundle.
        rationales: A rationale model, for `rationales`.
        image_root: The folder of the photos.

    Raises:
        InputError: If the bundle has no such task, or is a joint rationale model.
        ModelError: If a model is damaged or does not allow the method.
    """
    if method == "rationales":
        analyst = Analyst.load(
            model,
            image_root=image_root,
            annotators=[RationaleAnnotator(Rationalizer.load(rationales))],
        )

        def by_rationales(post: Post) -> Rationale:
            [found] = analyst.assess([post])
            if found.rationale is None:
                raise InputError(f"post {post.id!r} could not be explained: {'; '.join(found.notes)}")
            return found.rationale

        return by_rationales
    analyst = Analyst.load(model, image_root=image_root)
    # a joint rationale model answers by its rationales alone, and has no models to attribute to
    if not analyst.models:
        raise InputError(
            f"--method {method} explains classification models, and {model} is none; "
            f"`crisislens analyze --model {model}` says which words and patches it decided on"
        )
    # checked before the first post, which takes seconds to explain
    if task not in analyst.models:
        raise InputError(f"--task {task} is none of the model's tasks; it has {', '.join(analyst.models)}")
    loaded, config = analyst.models[task], analyst.bundle.config
    name = f"{config.name} {config.version}, {task} ({loaded.fingerprint})"
    why = PostHoc(
        analyst.encoder.encoders,
        loaded.model,
        rules=config.rules,
        limits=config.limits,
        name=name,
        given=loaded.meta.modalities,
    )

    def by_attribution(post: Post) -> Rationale:
        [found] = analyst.assess([post])
        heard = heard_of(post)
        read = _part_of(analyst, heard, answer=loaded.meta.classes.index(found.tasks[task].label))
        said_of_photos = [note for note in found.notes if _OF_PHOTOS.search(note) and note not in heard.notes]
        read = replace(read, note=_note(read.note, heard, said_of_photos, found.unread))
        # of several photos the one that the answer rests on, and none that could not be used
        image = found.shown.image if "image" in found.modalities else None
        shown = heard.in_place(post).model_copy(update={"image": image})
        said = why.explain(shown, method, image_root=image_root, read=read)  # type: ignore[arg-type]
        return without_gaps(said, shown.text, heard.gaps)

    return by_attribution


def _part_of(analyst: Analyst, heard: Heard, *, answer: int) -> ReadPart:
    """What of a text was answered, and a note where that is not all of it."""
    whole, left_out = analyst.encoder.clean_ends(heard.post.text)
    part = analyst.part_read(heard.post)
    if part == whole:
        return ReadPart(whole, answer=answer)
    start, count = whole.find(part), len(part.split())
    before, behind = len(whole[:start].split()), len(whole[start + len(part) :].split())
    # the two ends that are kept are of one length; behind the gap only words from the end can be counted
    from_end = left_out > 0 and start > len(whole) // 2
    if not from_end:
        which = f"its words {before + 1:,} to {before + count:,}"
    elif behind:
        which = f"the first {count:,} of its last {count + behind:,} words"
    else:
        which = f"its last {count:,} words"
    note = f"the text is long; what is explained is the part that the answers rest on, {which}"
    # a part is cleaned once more when it is encoded
    return ReadPart(analyst.encoder.clean(part), before, behind if from_end else None, answer, note)


def _note(part: str | None, heard: Heard, said_of_photos: Sequence[str], unread: str | None) -> str | None:
    """What a reader must know of what is explained."""
    notes = [*([part] if part else []), *heard.notes, *said_of_photos]
    if unread is not None:
        notes.append(f"{as_clause(unread)}, so the answer is not to be relied on")
    return "; ".join(notes) or None
