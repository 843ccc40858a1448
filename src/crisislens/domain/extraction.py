"""Entities and relations: what people marked in the words of a post,
and what a model finds in its text.

Words count from 0 and ends are exclusive, in words (`Mention`) as in characters (`Entity`).
"""

from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ENTITY_TYPES",
    "MOST_ENTITIES",
    "NO_RELATION",
    "AnnotatedPost",
    "Entity",
    "Link",
    "Mention",
    "Relation",
]

ENTITY_TYPES: tuple[str, ...] = ("PER", "LOC", "ORG", "MISC")
"""People, places, organizations and the rest (events, works, products, …), as Twitter-2015/2017,
MNRE and JMERE have them.
"""

NO_RELATION = "None"
"""What the data sets call a pair of entities without a relation."""

MOST_ENTITIES = 8
"""Of how many entities of a post pairs are made: relations are asked for, and learned from, every
ordered pair of the first ones.
"""


@dataclass(frozen=True, order=True)
class Mention:
    """Words that name something.

    Attributes:
        start: The first word.
        end: The word after the last one.
        type: The kind of thing, one of `ENTITY_TYPES` or empty where the data do not say.
    """

    start: int
    end: int
    type: str

    def moved(self, by: int) -> "Mention":
        """The same, so many words further on; negative where words are left out at the start."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, order=True)
class Link:
    """How two mentions of a post relate.

    Attributes:
        head: Place of the head among the post's mentions.
        tail: Place of the tail.
        type: The relation, as `/per/loc/place_of_residence`, or `NO_RELATION` where people looked
            and found none.
    """

    head: int
    tail: int
    type: str


@dataclass(frozen=True)
class AnnotatedPost:
    """A post's words with what people marked in them.

    Attributes:
        id: Unique within its data set and split.
        words: The words, as the data set cuts them.
        mentions: The marked words; of a relation data set only the two that the row asks about.
        links: The relations between mentions.
        image: The id or file name of the picture, or None.
        split: `train`, `dev` or `test`.
    """

    id: str
    words: tuple[str, ...]
    mentions: tuple[Mention, ...] = ()
    links: tuple[Link, ...] = ()
    image: str | None = None
    split: str = "train"


class Entity(BaseModel):
    """A thing that a post names, found by a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(
        description="PER (a person), LOC (a place), ORG (an organization) or MISC (an event, a "
        "work, a product, …)"
    )
    text: str = Field(min_length=1, description="The characters of the post, as they stand there")
    start: int = Field(ge=0, description="The first character, counted from 0 in the text as posted")
    end: int = Field(gt=0, description="The character after the last one")
    score: float = Field(
        ge=0,
        le=1,
        description="The model's probability that exactly these words are such an entity (of a "
        "joint extractor a mean); not calibrated",
    )


class Relation(BaseModel):
    """How two entities of a post relate, found by a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(
        description="The relation with the kinds of its ends, such as /per/loc/place_of_residence"
    )
    head: int = Field(
        ge=0, description="Place of the head in the list of the post's entities, counted from 0"
    )
    tail: int = Field(ge=0, description="Place of the tail, likewise")
    score: float = Field(
        ge=0,
        le=1,
        description="The model's probability of the relation, given the two entities; not calibrated",
    )
