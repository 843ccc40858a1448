"""Entities and relations as a person, a spreadsheet or a map's label reads them."""

from dataclasses import dataclass

from crisislens.domain.assessment import Assessment
from crisislens.report.display import percent

__all__ = ["Named", "entity_texts", "named_of", "relation_texts"]

_KINDS = {"PER": "person", "LOC": "place", "ORG": "organization", "MISC": "other name"}
_MOST = 12


@dataclass(frozen=True)
class Named:
    """One entity on a card: its kind in words, its characters, and how sure the model is."""

    kind: str
    text: str
    percent: str


def named_of(assessment: Assessment) -> tuple[Named, ...]:
    """The different entities of a post, at most twelve."""
    different = {(e.type, e.text.casefold()): e for e in reversed(assessment.entities)}
    first = sorted(different.values(), key=lambda e: e.start)[:_MOST]
    return tuple(Named(_KINDS.get(e.type, e.type), " ".join(e.text.split()), percent(e.score)) for e in first)


def entity_texts(assessment: Assessment, *, without: tuple[str, ...] = ()) -> list[str]:
    """Each entity as `LOC: Ponce`, in the order of the text, but for the types that are left out."""
    return [f"{e.type}: {' '.join(e.text.split())}" for e in assessment.entities if e.type not in without]


def relation_texts(assessment: Assessment, *, without: tuple[str, ...] = ()) -> list[str]:
    """Each relation as `Ada — place of residence — Ponce`, but for those with an end of the types that are left out; MNRE's `contain` is
    read as a verb."""
    ends = [" ".join(e.text.split()) for e in assessment.entities]
    told = [r for r in assessment.relations if not {assessment.entities[end].type for end in (r.head, r.tail)} & set(without)]
    names = [r.type.rpartition("/")[2].replace("_", " ") for r in told]
    return [f"{ends[r.head]} — {'contains' if name == 'contain' else name} — {ends[r.tail]}" for r, name in zip(told, names, strict=True)]
