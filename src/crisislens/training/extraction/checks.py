"""What a run of an extractor must have before it is trained: labels that its data have, inputs that
it reads, and none that it does not.
"""

from pathlib import Path

from crisislens.core.errors import ConfigError
from crisislens.domain.extraction import NO_RELATION
from crisislens.models.extractor_artifact import ExtractorMeta, describe_extractor
from crisislens.training.extraction.config import ExtractionRun
from crisislens.training.extraction.splits import ExtractionSplits

__all__ = ["AUTO", "check_inputs", "check_kept", "check_locked", "with_labels_of"]

AUTO = ("auto",)
"""In place of an extractor's relations, or of its types: those of the data."""


def with_labels_of(run: ExtractionRun, splits: ExtractionSplits) -> ExtractionRun:
    """The run with the relations and types of its data, where its extractor needs them and the run
    file does not name any.

    Raises:
        ConfigError: If the task is none for these data, or they have types that the run file does
            not name.
    """
    task, given = run.extractor.task, run.extractor.relations
    if run.data.name == "table-pairs" and task != "relations":
        raise ConfigError(
            f"data.name=table-pairs has a row for each pair, for extractor.task=relations; {task} takes "
            f"data.name=table"
        )
    if task != "entities" and not splits.relations:
        raise ConfigError(
            f"{run.data.name} has no relations; set extractor.task to entities, or take MNRE, JMERE or the "
            f"stand-in"
        )
    if task == "relations" and not all(len(post.links) == 1 for post in splits.posts()):
        raise ConfigError(f"{run.data.name} is not a set of given pairs; set extractor.task to joint")
    changes: dict[str, object] = {}
    if task != "entities" and given == AUTO:
        changes["relations"] = splits.relations
    if _types_are_those_of_data(run, splits):
        changes["types"] = splits.types
    if changes:
        run = run.model_copy(update={"extractor": run.extractor.model_copy(update=changes)})
    if task == "joint":
        _check_joint(run, splits)
    return run


def _types_are_those_of_data(run: ExtractionRun, splits: ExtractionSplits) -> bool:
    """Whether the extractor takes its types from the data: where it says so, or where it says
    nothing and the default's are too few.
    """
    spec = run.extractor
    if spec.types == AUTO:
        return True
    unnamed = sorted(set(splits.types) - set(spec.types))
    if spec.task == "relations" or not unnamed:
        return False
    # named by the user: a type that is not in the list may be a misspelling of one that is
    if "types" in spec.model_fields_set:
        raise ConfigError(
            f"the data have entities of the types {', '.join(unnamed[:8])}, which extractor.types does "
            f"not name; "
            "mend them, name them too, or set extractor.types=[auto]"
        )
    return True


def _check_joint(run: ExtractionRun, splits: ExtractionSplits) -> None:
    """Entities and relations share one list of labels there."""
    if not all(m.type for post in splits.posts() for m in post.mentions):
        raise ConfigError(
            f"{run.data.name} does not say the type of every entity; set extractor.task to relations"
        )
    spec = run.extractor
    twice = sorted({*spec.types, NO_RELATION} & set(spec.relations[1:]))
    if NO_RELATION in spec.types:
        twice.append(NO_RELATION)
    if twice:
        raise ConfigError(
            f"{twice[0]} is the name of a type and of a relation (or of none); call one of them otherwise in "
            f"the data"
        )


def check_inputs(run: ExtractionRun, splits: ExtractionSplits) -> None:
    """What an extractor reads must be there, and what is given must be read: absent inputs are
    masked, and nobody would notice.
    """
    spec, data = run.extractor, run.data
    if spec.context_pieces and data.contexts == "none" and not splits.contexts:
        raise ConfigError(
            "extractor.context_pieces asks for contexts and data.contexts is none; name them in "
            "data.contexts, or set context_pieces to 0 "
            "and leave extractor.alignment out"
        )
    if data.contexts != "none" and not spec.context_pieces:
        raise ConfigError(
            f"data.contexts is {data.contexts} and extractor.context_pieces 0 reads none; set it to 32, or "
            f"contexts to none"
        )
    if spec.context_pieces and not (spec.fusion or spec.alignment or spec.joint_sequence):
        raise ConfigError(
            "contexts would be read and reach nothing; set extractor.fusion, alignment or joint_sequence, or "
            "context_pieces to 0"
        )
    if (spec.image_encoder or spec.image_width > 1) and not data.image_root:
        raise ConfigError(
            "the extractor reads pictures (image_encoder, image_width) and data.image_root names no folder "
            "of photos"
        )
    if data.image_root and not (spec.fusion or spec.alignment):
        raise ConfigError(
            "photos would be read and reach nothing; set extractor.fusion or extractor.alignment, or leave "
            "data.image_root out"
        )


def check_locked(run: ExtractionRun, keep: ExtractorMeta | None) -> None:
    """Contexts that do not learn must be there by themselves, and belong to a benchmark: what is saved
    reads contexts by the trained model, and would read others than it learned with.
    """
    if not run.data.locked_contexts:
        return
    if not run.extractor.context_pieces or run.extractor.joint_sequence:
        raise ConfigError(
            "data.locked_contexts asks for contexts that are read by themselves; set "
            "extractor.context_pieces to 32 and joint_sequence to false, or locked_contexts to false"
        )
    if keep is not None:
        raise ConfigError(
            "an extractor with locked contexts cannot be saved: what is saved reads contexts by the trained "
            "model; set data.locked_contexts to false"
        )


def check_kept(folder: Path, keep: ExtractorMeta | None) -> None:
    """An extractor of a training that was finished before is the one that is asked for now."""
    if keep is None:
        return
    if not folder.is_dir():
        raise ConfigError(
            f"{folder.name} was trained before and its extractor was not kept; give another folder, or "
            f"remove its result"
        )
    if (known := describe_extractor(folder)[1].languages) != keep.languages:
        raise ConfigError(
            f"{folder} was kept for the languages {known or 'any'}; give another name, or remove it and its "
            f"result"
        )
