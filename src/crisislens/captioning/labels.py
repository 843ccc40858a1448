"""The photo labels of the weak captioner as data: what each class is called in a sentence, and
whether it shows a disaster.
"""

from typing import NamedTuple

__all__ = ["PHOTO_LABELS", "PhotoLabel"]


class PhotoLabel(NamedTuple):
    """One class of photos.

    Attributes:
        phrase: As it stands in a sentence after "a photo of".
        disaster: Whether it shows a disaster.
    """

    phrase: str
    disaster: bool = False


PHOTO_LABELS: dict[str, PhotoLabel] = {
    "flood": PhotoLabel("a flood", disaster=True),
    "wildfire": PhotoLabel("a wildfire", disaster=True),
    "urban_fire": PhotoLabel("a burning building", disaster=True),
    "landslide": PhotoLabel("a landslide", disaster=True),
    "cyclone": PhotoLabel("storm damage", disaster=True),
    "earthquake": PhotoLabel("collapsed buildings", disaster=True),
    "drought": PhotoLabel("drought", disaster=True),
    "everyday": PhotoLabel("people or things of everyday life"),
    "airport": PhotoLabel("an airport"),
    "auditorium": PhotoLabel("an auditorium"),
    "bedroom": PhotoLabel("a bedroom"),
    "campus": PhotoLabel("a campus"),
    "coast": PhotoLabel("a coast"),
    "desert": PhotoLabel("a desert"),
    "football_stadium": PhotoLabel("a stadium"),
    "forest": PhotoLabel("a forest"),
    "highway": PhotoLabel("a highway"),
    "industrial": PhotoLabel("an industrial site"),
    "insidecity": PhotoLabel("a city"),
    "kitchen": PhotoLabel("a kitchen"),
    "landscape": PhotoLabel("a landscape"),
    "livingroom": PhotoLabel("a living room"),
    "mountain": PhotoLabel("mountains"),
    "office": PhotoLabel("an office"),
    "opencountry": PhotoLabel("open country"),
    "rainforest": PhotoLabel("a rainforest"),
    "store": PhotoLabel("a store"),
    "street": PhotoLabel("a street"),
    "suburb": PhotoLabel("a suburb"),
    "tallbuilding": PhotoLabel("tall buildings"),
}
"""From the name of a class to what it is; the order is that of the logits."""
