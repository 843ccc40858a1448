"""What the posts of the made-up crisis say, with the labels that a careful reader would give.

Storm Ilva: the river Ardane floods the town of Velmora on a Friday, lightning sets Kestrel Hill on fire the
night after. Town, river, streets and people are invented; the coordinates lie in the open Atlantic; links use
the reserved name `example`.

The order mixes what a feed mixes, so that any beginning of the list holds some of everything.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from crisislens.core.lines import cut_lines

__all__ = ["PLACES", "REACTIONS", "SLOTS", "Story", "stories"]

PLACES: dict[str, tuple[float, float]] = {
    "Lower Quay": (44.9012, -21.3305),
    "Saltmarsh": (44.8957, -21.3188),
    "Old Mill": (44.9061, -21.3417),
    "Harrow Bridge": (44.9088, -21.3352),
    "Station Road": (44.9105, -21.3279),
    "Marrowfield": (44.9153, -21.3496),
    "Northgate": (44.9187, -21.3241),
    "Kestrel Hill": (44.9302, -21.3608),
}
"""Districts of Velmora: latitude and longitude in degrees."""

SLOTS: dict[str, tuple[str, ...]] = {
    "street": (
        "Weir Street",
        "Cooper Lane",
        "Tanner's Row",
        "Chapel Lane",
        "Almond Street",
        "Quarry Road",
        "Ferry Lane",
        "Granary Street",
    ),
    "number": ("3", "7", "12", "18", "24", "31", "46", "52"),
    "name": (
        "Mrs Okafor",
        "Mr Tamm",
        "Uncle Pavel",
        "Joan from number 9",
        "Mr Haddad",
        "Grandma Ilse",
        "Mrs Lindqvist",
    ),
    "level": ("3.1", "3.4", "3.8", "4.2", "4.6"),
    "count": ("four", "six", "nine", "eleven", "fourteen", "twenty"),
    "shelter": (
        "Northgate School",
        "the sports hall on Station Road",
        "St Brannoc's church hall",
        "the Marrowfield library",
    ),
}
"""What the blanks of a text are filled with."""

REACTIONS = (
    "Still true: ",
    "From my cousin: ",
    "Please read. ",
    "Seen just now. ",
    "Passing this on: ",
    "Update from the group chat: ",
)
"""What stands before a text without blanks when a long feed comes to it again."""


@dataclass(frozen=True)
class Story:
    """One post before its blanks are filled.

    Attributes:
        text: With blanks of `SLOTS` in braces.
        humanitarian: A raw humanitarian label of CrisisMMD; `not_humanitarian` posts are not informative, all
            others are.
        scene: The picture, a name of `demo.pictures.SCENES`, or None.
        place: A district whose coordinates the post carries, or None.
        hour: Hours after the first post.
        lang: Language tag as a platform would give it.
        photo: `whole`; `missing` where the file is not there; `cut` where it ends early; `again` where the
            post repeats the first story with the same scene: its blanks are filled alike, and its photo is
                the same, saved once more and smaller.
        call: Whether it calls for help; None where a text says nothing that could be judged.
        classes: The classes of `humanitarian_10` that a careful reader accepts.
    """

    text: str
    humanitarian: str
    scene: str | None = None
    place: str | None = None
    hour: float = 0.0
    lang: str | None = "en"
    photo: Literal["whole", "missing", "cut", "again"] = "whole"
    call: bool | None = None
    classes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def stories() -> tuple[Story, ...]:
    """The posts, in the order of the feed's file; they stand in `stories.jsonl` beside this module."""
    text = (files(__package__) / "stories.jsonl").read_text(encoding="utf-8")
    told = [json.loads(line) for line in cut_lines(text)]
    return tuple(Story(**{**one, "classes": tuple(one.get("classes", ()))}) for one in told)
