"""Towns that a larger namesake hides, named beside a city near them:
`python benchmarks/towns_nearby.py [--towns N]`.

No posts are needed: the gazetteer itself says which towns have a more populous namesake and a city
within 50 km that only one place is called like. 1,500 such towns of 3,000 inhabitants and more are
drawn with a fixed seed, each with such a city, and put into two sentences. `right` is the town,
`wrong` another place of its name, and the rest was not taken for a place.

The other way round, `large`: cities of a million inhabitants that have a small namesake near a
city, in a sentence that does not say which one is meant. It should mostly stay the large one.

The sentences are made up and the towns are drawn evenly from the gazetteer, not as often as people
write of them: the figures tell readings of names apart, and say nothing of real posts
(`places_on_crisis_posts.py` does).
"""

import argparse
import json
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crisislens.domain.place import Place
from crisislens.domain.post import Post
from crisislens.knowledge.coordinates import distance_km
from crisislens.knowledge.gazetteer import Gazetteer, load_gazetteer
from crisislens.knowledge.mentions import find_places
from crisislens.knowledge.name_keys import name_key

NEAR_KM = 50.0
SMALLEST_TOWN, SMALLEST_CITY, LARGE = 3_000, 50_000, 1_000_000
SENTENCES = {
    "near": "Flooding in {town} near {city}, send boats",
    "and": "{city} and {town} are under water",
}
OF_LARGE = "{town} sends help to {city}"


class Pair(NamedTuple):
    """A town, and a city near it."""

    town: Place
    city: Place


def cities_of(gazetteer: Gazetteer, least: int) -> list[Place]:
    """All cities with so many inhabitants."""
    at, columns = gazetteer.index.cities()
    return [
        gazetteer.index.place(int(i)) for i, people in zip(at, columns[:, 2], strict=True) if people >= least
    ]


def is_certain(city: Place, gazetteer: Gazetteer) -> bool:
    """Whether hardly anything else is called like a city."""
    called = gazetteer.find(name_key(city.name))
    if not called or called[0].id != city.id:
        return False
    return city.population > 5 * sum(place.population for place in called[1:])


class Cities:
    """Cities that are found by where they are.

    Arguments:
        cities: The cities, all with a point.
    """

    def __init__(self, cities: Sequence[Place]) -> None:
        self.cities = cities
        self.points = np.array([(city.lat, city.lon) for city in cities], np.float64)

    def near(self, place: Place) -> list[Place]:
        """Those within 50 km that are called otherwise."""
        assert place.lat is not None
        assert place.lon is not None
        # a box first: half a degree of latitude is 56 km
        box = (np.abs(self.points - (place.lat, place.lon)) < 0.5).all(axis=1)
        return [
            self.cities[i]
            for i in np.flatnonzero(box)
            if self.cities[i].name != place.name
            and distance_km(*self.points[i].tolist(), place.lat, place.lon) < NEAR_KM
        ]


def hidden_towns(gazetteer: Gazetteer, around: Cities, towns: int, draw: random.Random) -> list[Pair]:
    """Towns with a more populous namesake, each with a city near it."""
    found = []
    places = cities_of(gazetteer, SMALLEST_TOWN)
    draw.shuffle(places)
    for town in places:
        called = gazetteer.find(name_key(town.name))
        hidden = any(place.id == town.id for place in called[1:])
        near = around.near(town) if hidden else []
        # names of three letters are mostly words, and no namesake hides those
        if near and len(town.name) > 3:
            found.append(Pair(town, draw.choice(near)))
        if len(found) == towns:
            break
    return found


def large_cities(gazetteer: Gazetteer, around: Cities, draw: random.Random) -> list[Pair]:
    """Cities of a million with a small namesake near another city, each with that city."""
    found = []
    for large in cities_of(gazetteer, LARGE):
        called = gazetteer.find(name_key(large.name))
        if not called or called[0].id != large.id:
            continue
        for place in called[1:]:
            near = around.near(place) if place.kind == "city" else []
            if near:
                found.append(Pair(large, draw.choice(near)))
                break
    return found


def shares(pairs: Sequence[Pair], sentence: str, gazetteer: Gazetteer) -> dict[str, float]:
    """In percent of the towns: taken for themselves, and for another place of their name."""
    right = wrong = 0
    for town, city in pairs:
        text = sentence.format(town=town.name, city=city.name)
        start = text.index(town.name)
        for mention in find_places(Post(id="1", text=text), gazetteer):
            if mention.start == start:
                right += mention.place.id == town.id
                wrong += mention.place.id != town.id
    return {"right": round(100 * right / len(pairs), 1), "wrong": round(100 * wrong / len(pairs), 1)}


def main() -> None:
    """Prints a JSON line for each kind of town and sentence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--towns", type=int, default=1500)
    arguments = parser.parse_args()
    gazetteer, draw = load_gazetteer(), random.Random(0)
    around = Cities([c for c in cities_of(gazetteer, SMALLEST_CITY) if is_certain(c, gazetteer)])
    hidden = hidden_towns(gazetteer, around, arguments.towns, draw)
    abroad = []
    home = []
    for pair in hidden:
        first = gazetteer.find(name_key(pair.town.name))[0]
        (home if first.country == pair.town.country else abroad).append(pair)
    groups = {"namesake in the same country": home, "namesake in another country": abroad}
    for name, pairs in groups.items():
        for kind, sentence in SENTENCES.items():
            line = {"towns": name, "count": len(pairs), "sentence": kind} | shares(pairs, sentence, gazetteer)
            print(json.dumps(line))
    large = large_cities(gazetteer, around, draw)
    line = {"towns": "large", "count": len(large), "sentence": "sends help to"}
    print(json.dumps(line | shares(large, OF_LARGE, gazetteer)))


if __name__ == "__main__":
    main()
