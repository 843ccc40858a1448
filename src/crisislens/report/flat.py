"""One assessment as one flat row: which columns a run has, and what stands in them.

One row a post. Columns: the post, what its assessment rests on, the entities and relations of its text, per
task `T_label` (the most probable one; empty where several may hold and surely none does), `T_labels` (those
that hold; empty where it is not sure), `T_confidence`, `T_not_sure`, `T_reason` and a `T_p_CLASS` for each
class, then places and the provenance; of a question called `location` or `place_type` they begin with
`answer_`. The columns follow from the first assessment: all of a run have the
same tasks and classes.
"""

import re
from datetime import datetime
from typing import Any

from crisislens.core.errors import DataError
from crisislens.domain.assessment import Assessment
from crisislens.report.display import utc
from crisislens.report.fields import field_of
from crisislens.report.named import entity_texts, relation_texts

__all__ = ["columns_of", "row_of", "spreadsheet_cell"]

_INNER_FORMULA = re.compile("([;,|\t\r\n][ \"']*)([=+@＝＋＠]|[-－](?=[^\\W_]))")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_POST = {
    "id": "string",
    "created_at": "time",
    "event": "string",
    "url": "string",
    "lang": "string",
    "lat": "float",
    "lon": "float",
    "text": "string",
    "image": "string",
    "more_images": "list",
    "photo": "string",
    "modalities": "list",
    "language": "string",
    "notes": "list",
    "entities": "list",
    "relations": "list",
    "urgency": "float",
}
_PLACE = {
    "places": "list",
    "location_lat": "float",
    "location_lon": "float",
    "location_source": "string",
    "location_place": "string",
    "location_confidence": "float",
    "place_type_label": "string",
    "place_type_confidence": "float",
    "place_type_not_sure": "bool",
}
_PROVENANCE = {
    **dict.fromkeys(
        (
            "model",
            "model_version",
            "model_fingerprint",
            "encoder_fingerprint",
            "crisislens_version",
            "analyzed_at",
        ),
        "string",
    ),
    "annotators": "list",
}


# with these names a question's columns would be those of the place
_TAKEN = ("location", "place_type")


def columns_of(assessment: Assessment | None) -> dict[str, str]:
    """The columns with their kinds (`string`, `float`, `bool`, `time`, `list`), as the first assessment of a
    run has them; None for a run without any.
    """
    columns = dict(_POST)
    if assessment is None:
        return {**columns, **_PLACE, **_PROVENANCE}
    for question, task in assessment.tasks.items():
        name = field_of(question, _TAKEN)
        columns |= {
            f"{name}_label": "string",
            f"{name}_labels": "list",
            f"{name}_confidence": "float",
            f"{name}_not_sure": "bool",
            f"{name}_reason": "string",
        }
        columns |= {f"{name}_p_{label}": "float" for label in task.probabilities}
    # always there, since posts of one run differ in whether they have a place
    columns |= _PLACE
    return columns | _PROVENANCE


def row_of(assessment: Assessment, columns: dict[str, str]) -> dict[str, Any]:
    """The row of one post, by column.

    Raises:
        DataError: If it has columns that the first assessment of the run does not have.
    """
    post = assessment.post
    row: dict[str, Any] = post.model_dump(exclude={"image", "more_images", "created_at"})
    row |= {
        "created_at": utc(post.created_at) if post.created_at else None,
        "image": post.image.path if post.image else None,
        "more_images": [image.path for image in post.more_images],
        "url": post.url,
        "photo": assessment.photo,
        "modalities": list(assessment.modalities),
        "language": assessment.language,
        "notes": list(assessment.notes),
        "entities": entity_texts(assessment),
        "relations": relation_texts(assessment),
        "urgency": assessment.urgency,
    }
    for question, task in assessment.tasks.items():
        name = field_of(question, _TAKEN)
        # the strongest of labels that do not hold is no answer: "warning" would be read off each calm post
        label = None if task.none_holds else task.label
        row |= {f"{name}_label": label, f"{name}_labels": list(task.labels)}
        row |= {f"{name}_confidence": task.confidence}
        row |= {f"{name}_not_sure": task.abstained, f"{name}_reason": task.reason}
        row |= {f"{name}_p_{label}": p for label, p in task.probabilities.items()}
    row |= _place(assessment)
    row |= assessment.provenance.model_dump()
    row["annotators"] = [f"{name}: {mark}" for name, mark in assessment.provenance.annotators.items()]
    row = {name: _whole(value) for name, value in row.items()}
    if strange := row.keys() - columns.keys():
        names = ", ".join(sorted(strange)[:5])
        raise DataError(
            f"post {post.id!r:.80} has columns that the first assessment does not have ({names}); export one "
            f"run at a time"
        )
    return row


def _place(assessment: Assessment) -> dict[str, Any]:
    where, kind = assessment.location, assessment.place_type
    return {
        "places": [mention.place.name for mention in assessment.places],
        "location_lat": where.lat if where else None,
        "location_lon": where.lon if where else None,
        "location_source": where.source if where else None,
        "location_place": where.place.name if where and where.place else None,
        "location_confidence": where.confidence if where else None,
        "place_type_label": kind.label if kind else None,
        "place_type_confidence": kind.confidence if kind else None,
        "place_type_not_sure": kind.abstained if kind else None,
    }


def _whole(value: Any) -> Any:
    """A value whose texts can be written as UTF-8: halves of characters, which Python's strings can hold,
    become question marks.
    """
    if isinstance(value, list):
        return [_whole(part) for part in value]
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def spreadsheet_cell(value: object) -> object:
    """A value as a spreadsheet may hold it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        value = " | ".join(value)
    if isinstance(value, str):
        value = value.replace("\0", "\ufffd")
        # a spreadsheet of another country splits at another delimiter, and then a new cell starts there
        value = _INNER_FORMULA.sub(r"\1'\2", value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value
