"""A post: what a person wrote and showed, as it came.
Nothing here is cleaned, decoded or judged.
"""

import re
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

__all__ = ["ImageRef", "Post"]

# without what ends an address where it is written, and without what deceives who reads it
_WEB_ADDRESS = re.compile(
    r"""https?://[^\s"'<>\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]{1,2000}""",
    re.IGNORECASE,
)


def _whole_characters(text: str) -> str:
    """The text where half a surrogate pair, which is no character and cannot be written as UTF-8, is
    U+FFFD.
    """
    # utf-16 joins the two halves of one character, which some exports write apart
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ImageRef(BaseModel):
    """Where a picture stands. It is only a reference: bytes become pixels in `data.images` and
    nowhere else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="Path as given, relative to the image folder or absolute")

    @field_validator("path", mode="after")
    @classmethod
    def _no_half_characters(cls, value: str) -> str:
        return _whole_characters(value)


class Post(BaseModel):
    """One post of one author.

    >>> Post(id="1", text="Bridge is down", lat=18.2, lon=-66.5).has_text
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="Unique within its source")
    text: str = Field(default="", description="The text as posted; may be empty")
    image: ImageRef | None = Field(
        default=None, description="The photo, if one was posted; of several the first"
    )
    more_images: tuple[ImageRef, ...] = Field(
        default=(),
        # a record of a post with one photo is written as before there was the field
        exclude_if=lambda images: not images,
        description="The other photos, in their order; left out where there is none",
    )
    created_at: datetime | None = Field(
        default=None, description="When it was posted; a time without a zone is taken as UTC"
    )
    lang: str | None = Field(default=None, description="BCP 47 language tag as given by the platform, if any")
    lat: float | None = Field(default=None, ge=-90, le=90, description="Latitude in degrees, WGS 84")
    lon: float | None = Field(default=None, ge=-180, le=180, description="Longitude in degrees, WGS 84")
    event: str | None = Field(default=None, description="The event the source files it under, if any")
    url: str | None = Field(
        default=None,
        # a record of a post without one is written as before there was the field
        exclude_if=lambda url: url is None,
        description="Where the post stands on the web (http or https), if the source says so",
    )
    # of the reading, not of the post: they stand in the assessment's notes and reasons,
    # never in the record
    remarks: SkipJsonSchema[tuple[str, ...]] = Field(
        default=(),
        exclude=True,
        repr=False,
        description="What reading changed or left out, one sentence each",
    )
    doubt: SkipJsonSchema[str | None] = Field(
        default=None, exclude=True, repr=False, description="Why the text may not be what was written"
    )

    @field_validator("id", "text", "lang", "event", "url", mode="after")
    @classmethod
    def _no_half_characters(cls, value: str | None) -> str | None:
        return None if value is None else _whole_characters(value)

    @field_validator("url", mode="after")
    @classmethod
    def _only_web_addresses(cls, value: str | None) -> str | None:
        """What is no web address is none: it is handed on, and somebody may open it."""
        return value if value is not None and _WEB_ADDRESS.fullmatch(value) else None

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """All photos, in their order."""
        return (*([self.image] if self.image is not None else []), *self.more_images)

    @property
    def has_text(self) -> bool:
        """Whether any character but white space was posted."""
        return bool(self.text.strip())
