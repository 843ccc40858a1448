"""Entities and relations as a person, a spreadsheet or a map's label reads them."""

from dataclasses import dataclass

from crisislens.domain.assessment import Assessment

__all__ = ["Named", "entity_texts", "named_of", "relation_texts"]

_KINDS = {"PER": "person", "LOC": "place", "ORG": "organization", "MISC": "other name"}
_MOST = 12


@dataclass(frozen=True)
class Named:
    """One entity on a card: its kind in words, its characters, and the model's score, which is no share of
    right ones.
    """

    kind: str
    text: str
    score: str


def named_of(assessment: Assessment) -> tuple[Named, ...]:
    """The different entities of a post, at most twelve."""
    different = {(e.type, e.text.casefold()): e for e in reversed(assessment.entities)}
    first = sorted(different.values(), key=lambda e: e.start)[:_MOST]
    return tuple(Named(_KINDS.get(e.type, e.type), " ".join(e.text.split()), f"{e.score:.2f}") for e in first)


def entity_texts(assessment: Assessment, *, only: frozenset[str] | None = None) -> list[str]:
    """Each entity as `LOC: Ponce`, in the order of the text, or only those of certain types (upper case; None
    takes all).
    """
    return [
        f"{e.type}: {' '.join(e.text.split())}"
        for e in assessment.entities
        if only is None or e.type.upper() in only
    ]


def relation_texts(assessment: Assessment, *, only: frozenset[str] | None = None) -> list[str]:
    """Each relation as `Ada — place of residence — Ponce`, or only those with both ends of certain types.

    MNRE's `contain` is read as a verb.
    """
    ends = [" ".join(e.text.split()) for e in assessment.entities]
    shown = [only is None or e.type.upper() in only for e in assessment.entities]
    told = [r for r in assessment.relations if shown[r.head] and shown[r.tail]]
    names = [r.type.rpartition("/")[2].replace("_", " ") for r in told]
    return [
        f"{ends[r.head]} — {'contains' if name == 'contain' else name} — {ends[r.tail]}"
        for r, name in zip(told, names, strict=True)
    ]
