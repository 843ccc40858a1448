"""Named places: what a post names, what that may be, and where the post is put on the map."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["GeoLocation", "Place", "PlaceAlternative", "PlaceKind", "PlaceMention"]

PlaceKind = Literal["country", "state", "county", "city"]


class Place(BaseModel):
    """An entry of the gazetteer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        description="`city:` and the GeoNames id, `country:` and ISO 3166-1 alpha-2, `state:` and "
        "the US postal code or country and GeoNames code (`state:IN.13`), `county:` and FIPS or "
        "country, code and name"
    )
    name: str = Field(description="Its usual English name")
    kind: PlaceKind = Field(
        description="What it is; `state` is any first-level division of a country (Kerala, Texas), "
        "`county` a second-level one"
    )
    country: str = Field(description="ISO 3166-1 alpha-2 code of the country it is in")
    admin: str = Field(
        default="",
        description="GeoNames code of the first-level division (in the US, the state); empty for countries",
    )
    lat: float | None = Field(
        default=None,
        ge=-90,
        le=90,
        description="Latitude, WGS 84; of countries and states the mean of their cities weighted "
        "by population; null for some counties",
    )
    lon: float | None = Field(default=None, ge=-180, le=180, description="Longitude, likewise")
    population: int = Field(
        default=0,
        ge=0,
        description="Inhabitants; of states and counties those of their cities; 0 where unknown",
    )


class PlaceAlternative(BaseModel):
    """Another reading of a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: Place
    confidence: float = Field(ge=0, le=1, description="How much of the mention's confidence this reading has")


class PlaceMention(BaseModel):
    """A name in a post's text that is taken for a place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(description="As it stands in the post")
    start: int = Field(ge=0, description="First character in the post's text")
    end: int = Field(ge=0, description="The character after the last")
    place: Place = Field(description="The most likely reading")
    confidence: float = Field(
        ge=0,
        le=1,
        description="That it is a place and this one, in a hand-set scale, not a calibrated probability",
    )
    alternatives: tuple[PlaceAlternative, ...] = Field(
        default=(), description="Other readings, the likeliest first, at most three"
    )


class GeoLocation(BaseModel):
    """Where a post is put on the map."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lat: float = Field(ge=-90, le=90, description="Latitude in degrees, WGS 84")
    lon: float = Field(ge=-180, le=180, description="Longitude in degrees, WGS 84")
    source: Literal["post", "text"] = Field(
        description="`post`: its own coordinates; `text`: a place that its text names, not where "
        "its author is"
    )
    place: Place | None = Field(
        default=None, description="The place that the text names, where it is the source"
    )
    confidence: float = Field(ge=0, le=1, description="1 for the post's own coordinates, else the mention's")
