"""Assessments as GeoJSON (RFC 7946), one point a post that can be placed, for any map program.

The point is the post's own, or that of a place that its text names: `source` says which, and `place_kind` how
exact it is. A country's point is the middle of its people, not where anything happened. Entities and
relations are null where the run found none or did not look for them; only names of places, organizations and
the like are there, because a person's name on a map says where somebody is.

Of each question `T` there are the labels that hold (null where the model is not sure, or none holds), the one
that it leans to, and how sure the strongest of them is; `answer_T` where `T` is the name of something else
here.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.report.display import utc
from crisislens.report.fields import field_of
from crisislens.report.named import entity_texts, relation_texts
from crisislens.runs.sinks import FileSink, Record, pour

__all__ = ["GeoJsonSink", "feature", "write_geojson"]

_DECIMALS = 5
# a type that is not in this list may be one of people (MISSING_PERSON, CHILD, SURVIVOR, …), so it stays out
_REGIONS = {
    "LOC",
    "LOCATION",
    "PLACE",
    "GPE",
    "COUNTRY",
    "STATE",
    "REGION",
    "DISTRICT",
    "CITY",
    "TOWN",
    "VILLAGE",
    "RIVER",
}
_BUILT = {
    "FAC",
    "FACILITY",
    "BUILDING",
    "ROAD",
    "STREET",
    "BRIDGE",
    "HOSPITAL",
    "SCHOOL",
    "SHELTER",
    "AIRPORT",
}
_OTHER = {
    "ORG",
    "ORGANIZATION",
    "ORGANISATION",
    "COMPANY",
    "AGENCY",
    "MISC",
    "EVENT",
    "HAZARD",
    "DISASTER",
    "PRODUCT",
}
_ON_MAPS = frozenset(_REGIONS | _BUILT | _OTHER)


def feature(assessment: Assessment) -> dict[str, object] | None:
    """The feature of one post; None where nothing says where it is."""
    where, post = assessment.location, assessment.post
    if where is None:
        return None
    properties: dict[str, object] = {
        "id": post.id,
        "created_at": utc(post.created_at).isoformat() if post.created_at else None,
        "event": post.event,
        "url": post.url,
        "source": where.source,
        "confidence": where.confidence,
        "place": where.place.name if where.place else None,
        "place_id": where.place.id if where.place else None,
        "place_kind": where.place.kind if where.place else None,
        "country": where.place.country if where.place else None,
        "urgency": assessment.urgency,
        # flat, because most map programs show nothing else
        "entities": " | ".join(entity_texts(assessment, only=_ON_MAPS)) or None,
        "relations": " | ".join(relation_texts(assessment, only=_ON_MAPS)) or None,
    }
    taken = {*properties, "place_type"}
    for name, task in assessment.tasks.items():
        properties |= _answer(field_of(name, taken), task)
    properties |= _answer("place_type", assessment.place_type)
    point = [round(where.lon, _DECIMALS), round(where.lat, _DECIMALS)]
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": point}, "properties": properties}


def _answer(name: str, task: TaskAssessment | None) -> dict[str, object]:
    if task is None:
        return {}
    said = " | ".join(task.labels) or task.label
    return {
        name: None if task.abstained or task.none_holds else said,
        f"{name}_leaning": None if task.none_holds else task.label,
        f"{name}_confidence": task.surest,
    }


class GeoJsonSink(FileSink[Assessment]):
    """A feature collection, one feature a line.

    Arguments:
        path: The file; replaced atomically.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.points = 0
        self.write('{"type": "FeatureCollection", "features": [')

    def add(self, record: Record[Assessment]) -> None:
        """Writes the feature of a post that can be placed."""
        found = feature(record.value)
        if found is None:
            return
        # ASCII only, so that half characters of a post cannot break the file
        text = json.dumps(found)
        self.write(("\n" if self.points == 0 else ",\n") + text)
        self.points += 1

    def finish(self) -> None:
        """Ends the collection."""
        self.write("\n]}\n")


def write_geojson(assessments: Iterable[Assessment], path: Path) -> int:
    """Writes a feature collection, atomically; memory does not grow with the run.

    Arguments:
        assessments: Any number; read once.
        path: The file.

    Returns:
        How many posts have a point.
    """
    sink = GeoJsonSink(path)
    pour((Record.of(a, "") for a in assessments), [sink])
    return sink.points
