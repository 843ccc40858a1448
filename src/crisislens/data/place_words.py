r"""Place words: a lexicon that labels a text by the kind of place it names, and hides those words
from the model that learns from it.

Distant labels (Mintz et al. 2009, https://aclanthology.org/P09-1113, the idea): what the text says
gives the label $y(x)$, and the model sees $x$ with every word of the lexicon replaced by a mask, of
all classes and not only of $y$, so that it cannot read the label back. The label is a guess:
"thinking of those at the hospital" is not written there. Words were chosen by us;
no list was copied.
"""

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["MASK", "PLACE_WORDS", "label_by_words", "majority_label", "mask_places"]

MASK = "[place]"

# singular forms; a plural "s" or "es" is understood; a space stands for any white space or hyphen
_WORDS = """
home: home, house, apartment, bedroom, bed room, kitchen, living room, livingroom, couch, sofa,
    backyard, back yard, front yard, yard, bathroom, bathtub, lawn, driveway, crib, my place, dorm,
    porch
school: school, classroom, class room, campus, university, college, kindergarten, schoolyard,
    student union
work: office, workplace, factory, warehouse, construction site, cubicle, conference room, my job, at
    work, workshop, industrial site, chemical plant
hospital: hospital, clinic, emergency room, nursing home, medical center, medical centre, intensive
    care, field hospital
shelter: shelter, evacuation center, evacuation centre, refugee camp, tent camp, tent city, relief
    camp, relief center
worship: church, mosque, temple, cathedral, synagogue, monastery, chapel, shrine
restaurant: restaurant, cafe, café, diner, coffee shop, cafeteria, pizzeria, food truck, dining room
shop: shop, store, supermarket, market, mall, grocery, gas station, bakery, pharmacy, boutique,
    vendor, marketplace, shopping center, walmart, costco, home depot
venue: theater, theatre, museum, concert, nightclub, night club, auditorium, cinema, bar, pub,
    stage, amusement park, carnival, ferris wheel, circus, party, ballroom, art gallery, parade,
    festival
stadium: stadium, arena, gym, gymnasium, court, soccer, football, baseball, basketball, tennis,
    hockey, rugby, softball, soccer field, football field, baseball field, playing field, tennis
    court, basketball court, rink, race, race track, racetrack, racing, track, rodeo, bowling alley,
    skate park, skatepark, skate ramp, halfpipe, half pipe
transport: airport, runway, train station, bus station, bus stop, subway, terminal, platform,
    railway, train, train track
street: street, road, sidewalk, highway, alley, city, downtown, intersection, crosswalk, parking
    lot, freeway, curb, town square, pavement, traffic, motorway, interstate
bridge: bridge, overpass, footbridge, viaduct
park: park, playground, garden, swing, swing set, slide, picnic, zoo, bench, fountain
water: beach, ocean, sea, lake, river, pool, swimming pool, shore, coast, stream, pond, wave, surf,
    surfboard, surfer, surfing, boat, kayak, canoe, raft, dock, pier, harbor, creek, seaside, water
    park, waterfall, in the water, into the water, out of the water, through the water, on the
    water, above the water, shallow water, the surf
nature: field, forest, mountain, hill, desert, woods, wooded, trail, snow, snowy, snowboarder,
    skier, skiing, cliff, rock, rocky, valley, meadow, countryside, jungle, canyon, farm, pasture,
    dirt path, wood, wilderness, glacier, mountainside, hillside, slope, campfire, campsite,
    rainforest, grass, grassy, climber, sand dune
flooded_street: flooded street, flooded road, flooded home, flooded house, flooded neighborhood,
    street flooded, street flooding, street are flooded, flooded city, flooded highway, under water,
    underwater, floodwater, flood water, street turned into river
collapsed_building: rubble, collapsed building, building collapsed, collapsed house, damaged
    building, destroyed building, destroyed home, ruins, debris of building, collapsed, flattened
"""


def _read(lines: str) -> dict[str, tuple[str, ...]]:
    found = {}
    # an entry goes on over line breaks, and so may a word of it
    for entry in re.split(r"\n(?=\w+:)", lines.strip()):
        name, _, rest = entry.partition(":")
        found[name] = tuple(" ".join(word.split()) for word in rest.split(","))
    return found


PLACE_WORDS: dict[str, tuple[str, ...]] = _read(_WORDS)
"""From each class of `place_crisis` to its words."""


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    # the longest first, so that "swimming pool" is one place and not a pool after swimming
    parts = sorted((re.escape(w).replace(r"\ ", r"[\s-]+") for w in words), key=len, reverse=True)
    return re.compile(r"(?<![\w])#?(?:" + "|".join(parts) + r")(?:e?s)?(?![\w])", re.IGNORECASE)


_CLASS_OF = {re.sub(r"[\s-]+", " ", w).casefold(): c for c, words in PLACE_WORDS.items() for w in words}
_ANY = _pattern(tuple(_CLASS_OF))


def _class(found: str) -> str:
    word = re.sub(r"[\s-]+", " ", found).casefold().removeprefix("#")
    return next(
        # the word itself first: "woods" and "ruins" are listed as they are
        _CLASS_OF[w]
        for w in (word, word.removesuffix("s"), word.removesuffix("es"))
        if w in _CLASS_OF
    )


def label_by_words(text: str) -> str | None:
    """The class that most place words of a text belong to; None where it has none, or two classes
    have equally many.

    >>> label_by_words("Two kids run down the sidewalk of a busy street to the park")
    'street'
    >>> label_by_words("Two kids run") is None
    True
    """
    return _single(Counter(_class(m.group()) for m in _ANY.finditer(text)))


def majority_label(texts: Sequence[str], *, at_least: int = 2) -> str | None:
    """The class that most of several texts on one photo are labeled with.

    Arguments:
        texts: The texts; those without a label do not vote.
        at_least: Votes that the winner needs.
    """
    votes = Counter(label for text in texts if (label := label_by_words(text)) is not None)
    winner = _single(votes)
    return winner if winner is not None and votes[winner] >= at_least else None


def mask_places(text: str, mask: str = MASK) -> str:
    """The text with every place word, of whatever class, replaced.

    >>> mask_places("A dog swims in the swimming-pool near our houses")
    'A dog swims in the [place] near our [place]'
    """
    return _ANY.sub(mask, text)


def _single(votes: Counter[str]) -> str | None:
    """The strict winner of a vote."""
    first = votes.most_common(2)
    if not first or (len(first) == 2 and first[0][1] == first[1][1]):
        return None
    return first[0][0]
