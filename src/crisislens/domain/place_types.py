"""Kinds of places as data: four taxonomies, and what of one corresponds to what of another.

- `place_paper`: the three kinds that SG-MFT's introduction names ("home", "school", "work"),
  https://arxiv.org/abs/2405.05760. Its full list of classes could not be had.
- `place_poi`: the eight types of points of interest of Sánchez Villegas & Aletras, EMNLP 2021,
  https://aclanthology.org/2021.emnlp-main.614, which are Foursquare's top categories. The names
  were written from memory of that paper.
- `place_scene`: scene classes of photos, as common scene data sets have them.
- `place_crisis`: ours, for responders: adds what a disaster makes of a place (shelter, flooded
  street, collapsed building) and what counts in one (hospital, bridge).

A mapping goes from a finer to a coarser question. None means that nothing corresponds: a post from
a flooded street says nothing of home, school or work.
"""

from collections.abc import Mapping
from itertools import product
from types import MappingProxyType

from crisislens.core.errors import DataError
from crisislens.core.registry import Registry
from crisislens.domain.tasks import TASKS, Label, Task

__all__ = [
    "PLACE_ANSWERS",
    "PLACE_CRISIS",
    "PLACE_MAPPINGS",
    "PLACE_PAPER",
    "PLACE_PHRASES",
    "PLACE_POI",
    "PLACE_SCENE",
    "PLACE_TEMPLATES",
    "TASK",
    "UNCLEAR",
    "map_place",
    "place_prompts",
]

TASK = "place_type"
UNCLEAR = "unclear"
"""The class of posts that say nothing of where they were made."""

_TITLES = {
    "home": "Home",
    "school": "School or university",
    "work": "Workplace",
    "hospital": "Hospital or clinic",
    "shelter": "Shelter or camp",
    "worship": "Place of worship",
    "restaurant": "Restaurant or café",
    "shop": "Shop or market",
    "venue": "Stage, museum or bar",
    "stadium": "Stadium or sports ground",
    "transport": "Airport or station",
    "street": "Street or city",
    "bridge": "Bridge",
    "park": "Park or garden",
    "water": "Coast, river or pool",
    "nature": "Nature or countryside",
    "flooded_street": "Flooded street or town",
    "collapsed_building": "Collapsed building",
}


def _add(name: str, setting: str, classes: tuple[str, ...]) -> Task:
    task = Task(name=name, question=TASK, labels=_labels(classes), settings={setting: ""})
    return TASKS.register(name)(task)


def _labels(classes: tuple[str, ...]) -> tuple[Label, ...]:
    return tuple(Label(name=c, title=_TITLES.get(c, "")) for c in classes)


PLACE_PAPER = _add("place_paper", "SG-MFT", ("home", "school", "work"))
PLACE_POI = _add(
    "place_poi",
    "POI",
    (
        "arts_and_entertainment",
        "college_and_university",
        "food",
        "great_outdoors",
        "nightlife_spot",
        "professional_and_other_places",
        "shop_and_service",
        "travel_and_transport",
    ),
)
PLACE_SCENE = _add(
    "place_scene",
    "scene",
    (
        "airport",
        "auditorium",
        "bedroom",
        "campus",
        "coast",
        "desert",
        "football_stadium",
        "forest",
        "highway",
        "industrial",
        "insidecity",
        "kitchen",
        "landscape",
        "livingroom",
        "mountain",
        "office",
        "opencountry",
        "rainforest",
        "store",
        "street",
        "suburb",
        "tallbuilding",
    ),
)
PLACE_CRISIS = _add("place_crisis", "crisis", tuple(_TITLES))
PLACE_ANSWERS = TASKS.register("place_answers")(
    Task(
        name="place_answers",
        question=TASK,
        settings={"product": ""},
        labels=(*PLACE_CRISIS.labels, Label(name=UNCLEAR, title="No place to be seen", nothing=True)),
    )
)
"""What the package's own model answers: `place_crisis`, and `unclear` for the many posts that say
nothing of where they were made.
"""

PLACE_MAPPINGS: Registry[Mapping[str, str | None]] = Registry("place mapping")
"""By `FROM->TO`; every class of FROM is named."""


def _map(start: Task, end: Task, pairs: Mapping[str, str]) -> None:
    # at import, so that a misspelled class cannot ship
    strange = set(pairs) - set(start.classes) | set(pairs.values()) - set(end.classes)
    if strange:
        raise ValueError(
            f"a mapping from {start.name} to {end.name} names classes that neither has: {sorted(strange)}"
        )
    PLACE_MAPPINGS.register(f"{start.name}->{end.name}")(
        MappingProxyType({c: pairs.get(c) for c in start.classes})
    )


_map(PLACE_CRISIS, PLACE_PAPER, {"home": "home", "school": "school", "work": "work"})
_map(
    PLACE_CRISIS,
    PLACE_POI,
    {
        "school": "college_and_university",
        "work": "professional_and_other_places",
        "hospital": "professional_and_other_places",
        "shelter": "professional_and_other_places",
        "worship": "professional_and_other_places",
        "restaurant": "food",
        "shop": "shop_and_service",
        "venue": "arts_and_entertainment",
        "stadium": "arts_and_entertainment",
        "transport": "travel_and_transport",
        "street": "travel_and_transport",
        "bridge": "great_outdoors",
        "park": "great_outdoors",
        "water": "great_outdoors",
        "nature": "great_outdoors",
        "flooded_street": "travel_and_transport",
    },
)
_map(
    PLACE_SCENE,
    PLACE_CRISIS,
    {
        "airport": "transport",
        "auditorium": "venue",
        "bedroom": "home",
        "campus": "school",
        "coast": "water",
        "desert": "nature",
        "football_stadium": "stadium",
        "forest": "nature",
        "highway": "street",
        "industrial": "work",
        "insidecity": "street",
        "kitchen": "home",
        "landscape": "nature",
        "livingroom": "home",
        "mountain": "nature",
        "office": "work",
        "opencountry": "nature",
        "rainforest": "nature",
        "store": "shop",
        "street": "street",
        "suburb": "home",
        "tallbuilding": "street",
    },
)
_map(
    PLACE_SCENE,
    PLACE_PAPER,
    {
        "bedroom": "home",
        "kitchen": "home",
        "livingroom": "home",
        "suburb": "home",
        "campus": "school",
        "office": "work",
    },
)


PLACE_TEMPLATES: tuple[str, ...] = (
    "a photo of {}.",
    "a photo taken at {}.",
    "a post from {}.",
    "this was posted at {}.",
)
"""Sentences that a class phrase is put into for zero-shot classification."""

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "home": ("a home", "a living room", "a house with a yard"),
    "school": ("a school", "a university campus"),
    "work": ("an office", "a factory", "a workplace"),
    "hospital": ("a hospital", "a clinic"),
    "shelter": ("an emergency shelter", "a camp for displaced people"),
    "worship": ("a church", "a mosque", "a temple"),
    "restaurant": ("a restaurant", "a café"),
    "shop": ("a shop", "a supermarket", "a market"),
    "venue": ("a concert hall", "a museum", "a bar"),
    "stadium": ("a stadium", "a sports ground"),
    "transport": ("an airport", "a train station"),
    "street": ("a street", "a city"),
    "bridge": ("a bridge",),
    "park": ("a park", "a garden"),
    "water": ("a beach", "a river", "a swimming pool"),
    "nature": ("the countryside", "a forest", "the mountains"),
    "flooded_street": ("a flooded street", "a flooded town"),
    "collapsed_building": ("a collapsed building", "the rubble of a house"),
}
"""How each class of `place_crisis` is said in a sentence."""


def place_prompts() -> dict[str, tuple[str, ...]]:
    """The sentences of each class of `place_crisis`: every phrase in every template.

    >>> place_prompts()["bridge"][0]
    'a photo of a bridge.'
    """
    found = {}
    for name, phrases in PLACE_PHRASES.items():
        # phrase by phrase: the first sentence of a class is its first phrase in the first template
        found[name] = tuple(template.format(phrase) for phrase, template in product(phrases, PLACE_TEMPLATES))
    return found


def map_place(label: str, start: Task, end: Task) -> str | None:
    """What a class of one taxonomy is in another, or None where nothing corresponds.

    >>> map_place("kitchen", PLACE_SCENE, PLACE_CRISIS), map_place("bridge", PLACE_CRISIS, PLACE_PAPER)
    ('home', None)

    Raises:
        DataError: If the class is not in the first taxonomy.
        NotRegisteredError: If there is no mapping between the two, with those that exist.
    """
    if label not in start.classes:
        raise DataError(
            f"{label!r} is not a class of {start.name}; expected one of {', '.join(start.classes)}"
        )
    # two taxonomies without a mapping between them are an error, not a None that means "nothing"
    return label if start is end else PLACE_MAPPINGS[f"{start.name}->{end.name}"][label]
