"""Word lists of the gazetteer: names that are words or people,
and words that speak for or against places.
"""

import importlib.resources
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from crisislens.knowledge.name_keys import name_key

__all__ = [
    "affixes",
    "agencies",
    "asset_rows",
    "asset_text",
    "cue_words",
    "cues_of",
    "is_compass",
    "no_places",
    "word_list",
]

_DIVISIONS = frozenset(("province", "region", "governorate", "department", "state", "district"))


def asset_rows(name: str) -> Iterator[list[str]]:
    """The rows of a table among the gazetteer's assets, split at tabs, without comments.

    Arguments:
        name: Its file name.
    """
    for line in asset_text(name).split("\n"):
        if line and not line.startswith("#"):
            yield line.split("\t")


@lru_cache(maxsize=8)
def word_list(name: str) -> frozenset[str]:
    """The keys in a word list of the package, such as `weak`, `names`, `given`, `storms`.

    Arguments:
        name: The file's name without `.txt`.
    """
    # comments may stand behind words
    lines = (line.partition("#")[0] for line in asset_text(f"{name}.txt").split("\n"))
    return frozenset(name_key(word) for line in lines for word in line.split())


@lru_cache(maxsize=1)
def _cues() -> dict[str, frozenset[str]]:
    lines = [line for line in asset_text("cues.txt").split("\n") if line and not line.startswith("#")]
    rows = (line.partition(":") for line in lines)
    return {name: frozenset(words.split()) for name, _, words in rows}


def cue_words(name: str) -> frozenset[str]:
    """The lower-case words of one kind in `cues.txt` of the package.

    Arguments:
        name: The kind, as it stands there.
    """
    return _cues()[name]


@lru_cache(maxsize=1)
def agencies() -> frozenset[str]:
    """The keys of agencies and aid organizations."""
    return frozenset(name_key(row[0]) for row in asset_rows("agencies.txt"))


@lru_cache(maxsize=1)
def no_places() -> Mapping[str, frozenset[str]]:
    """The keys of names of several words that may hold a place's name and are no place themselves
    (agencies, parts of the world), by the first word of each.
    """
    parts = frozenset(name_key(row[0]) for row in asset_rows("parts_of_the_world.txt"))
    names: dict[str, set[str]] = defaultdict(set)
    for key in agencies() | parts:
        if " " in key:
            names[key.partition(" ")[0]].add(key)
    return {first: frozenset(keys) for first, keys in names.items()}


def is_compass(key: str) -> bool:
    """Whether a name says no more than a part of the sky, and perhaps what kind of division lies there:
    `north west`, `central region`.

    Arguments:
        key: The name's key.
    """
    words = key.split(" ")
    if len(words) > 1 and words[-1] in _DIVISIONS:
        words = words[:-1]
    return all(word in word_list("compass") for word in words)


@lru_cache(maxsize=32)
def cues_of(*names: str) -> frozenset[str]:
    """The words of several kinds together.

    Arguments:
        names: The kinds.
    """
    return frozenset[str]().union(*(cue_words(name) for name in names))


@lru_cache(maxsize=4)
def affixes(name: str) -> tuple[str, ...]:
    """The words of one kind, the longest first.

    Arguments:
        name: The kind.
    """
    return tuple(sorted(cue_words(name), key=lambda word: (-len(word), word)))


def asset_text(name: str) -> str:
    """A file among the gazetteer's assets.

    Arguments:
        name: Its file name.
    """
    folder = importlib.resources.files("crisislens").joinpath("assets", "gazetteer")
    return folder.joinpath(name).read_text(encoding="utf-8")
