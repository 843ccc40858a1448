"""Tables beside the map: the places most posts are at, and the kinds of places."""

from dataclasses import dataclass

from crisislens.domain.place_types import PLACE_ANSWERS
from crisislens.report.display import number, shorten
from crisislens.report.geography import Geography, Spot
from crisislens.report.overview import exactly, link

__all__ = ["PlaceRow", "kind_rows", "place_rows"]

_MOST = 12


@dataclass(frozen=True)
class PlaceRow:
    """One place or kind; `width` in [0, 100] is its share of the first one's, `link` the filter that lists
    its posts, empty for none.
    """

    name: str
    count: str
    width: float
    link: str


def place_rows(geography: Geography) -> tuple[PlaceRow, ...]:
    """The named places with most posts, regions among them; posts with coordinates of their own have no name
    and are not here, nor are names that are doubtful.

    Arguments:
        geography: What was gathered.
    """
    doubtful = geography.doubtful()
    found: dict[str, Spot] = {}
    for spot in (*geography.points.values(), *geography.regions.values()):
        for name, count in spot.names.items():
            if name not in doubtful:
                found.setdefault(name, Spot()).count += count
    order = sorted(found.items(), key=lambda item: (-item[1].count, item[0]))[:_MOST]
    most = order[0][1].count if order else 1
    return tuple(
        PlaceRow(
            shorten(name, 60)[0],
            number(spot.count),
            round(100 * spot.count / most, 1),
            link(place=exactly(name)),
        )
        for name, spot in order
    )


def kind_rows(geography: Geography) -> tuple[PlaceRow, ...]:
    """The kinds of places that the model was sure of, the most frequent first."""
    order = geography.kinds.most_common()
    most = order[0][1] if order else 1
    return tuple(
        PlaceRow(PLACE_ANSWERS.title(name), number(n), round(100 * n / most, 1), "") for name, n in order
    )
