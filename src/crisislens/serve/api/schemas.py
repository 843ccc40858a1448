"""What the API takes and gives, in the words of its document."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crisislens.domain.tasks import CATEGORY
from crisislens.store.records import NewPost, Photo, PostRow, ReviewRow

__all__ = [
    "Answer",
    "IncomingPost",
    "Outcome",
    "PhotoOut",
    "PostOut",
    "PostPage",
    "Results",
    "ReviewIn",
    "ReviewOut",
    "Taken",
]

EXAMPLE: dict[str, Any] = {
    "id": "1571",
    "text": "Water is up to the first floor in Rue Capois, two people on the roof #flood",
    "author": "@someone",
    "created_at": "2026-03-06T14:05:00Z",
    "lang": "en",
    "lat": 18.54,
    "lon": -72.34,
    "event": "storm_ilva",
}


class IncomingPost(BaseModel):
    """A post on its way in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    id: str = Field(min_length=1, max_length=500, description="The source's own id; the key of the post")
    text: str = Field(default="", max_length=10_000, description="As posted")
    url: str | None = Field(default=None, max_length=2_000, description="Where it stands")
    author: str | None = Field(default=None, max_length=500)
    created_at: datetime | None = Field(default=None, description="ISO 8601; UTC where no zone is given")
    lang: str | None = Field(default=None, max_length=35, description="BCP 47, as the platform says")
    lat: float | None = Field(default=None, ge=-90, le=90, description="Degrees, WGS 84")
    lon: float | None = Field(default=None, ge=-180, le=180)
    event: str | None = Field(default=None, max_length=500, description="What the source files it under")
    edited_at: datetime | None = Field(
        default=None, description="When its source changed it; a later version replaces an earlier one"
    )

    @field_validator("id", mode="before")
    @classmethod
    def _whole_numbers_are_ids(cls, value: Any) -> Any:
        """Platforms write ids as numbers too."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("created_at", "edited_at", mode="after")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise ValueError("the time lies outside the years 1 to 9999 in UTC") from None

    def stored(self, photos: tuple[Photo, ...] = ()) -> NewPost:
        """As the store takes it."""
        return NewPost(external_id=self.id, photos=photos, **self.model_dump(exclude={"id"}))


class Taken(BaseModel):
    """What became of one post."""

    id: int | None = Field(description="Its number here; null where it was not taken")
    external_id: str = Field(description="The id that was sent")
    state: str | None = Field(default=None, description="`queued`, `leased`, `done` or `failed`")
    created: bool = Field(description="False where it was here before, word for word")
    notes: list[str] = Field(default_factory=list, description="Such as why a photo could not be used")
    assessment: dict[str, Any] | None = Field(default=None, description="With `wait`, once it is there")


class Outcome(BaseModel):
    """What became of one row of a batch."""

    row: int = Field(description="From 0")
    external_id: str | None
    id: int | None
    outcome: Literal["created", "same", "replaced", "conflict", "erased", "refused"]
    reason: str | None = Field(default=None, description="Why, where it was not taken")
    state: str | None = None


class Results(BaseModel):
    """What became of a batch: one outcome a row, in order."""

    created: int
    same: int
    refused: int = Field(description="Rows that were not taken; each says why")
    results: list[Outcome]


class Answer(BaseModel):
    """What the model says of one task."""

    labels: list[str]
    confidence: float
    not_sure: bool


class ReviewOut(BaseModel):
    """What a person says of one task, or of a whole post."""

    id: int
    by: str
    task: str = Field(description="Empty where the whole post was judged")
    verdict: Literal["right", "label", "unsure"]
    labels: list[str]
    model_labels: list[str] = Field(description="What the model had said then")
    answers: dict[str, list[str]] = Field(
        default_factory=dict, description="Of a whole post: the labels that were called right, by task"
    )
    note: str | None
    at: datetime
    undone_at: datetime | None

    @classmethod
    def of(cls, row: ReviewRow) -> "ReviewOut":
        """Of a stored one."""
        kept = row.model_dump(exclude={"post_id", "user_id", "user"})
        return cls(by=row.user, **kept)


class PhotoOut(BaseModel):
    """A photo: decoded and encoded anew, never the bytes that were sent."""

    url: str | None
    width: int | None
    height: int | None
    state: str
    reason: str | None


class PostOut(BaseModel):
    """A post with the model's answers, and beside them what people say."""

    id: int
    source: str
    external_id: str
    text: str
    created_at: datetime | None
    received_at: datetime
    lang: str | None
    language: str | None = Field(description="Detected")
    unread: str | None = Field(description="Why no model reads it; null where one does")
    lat: float | None
    lon: float | None
    event: str | None
    state: str
    reason: str | None = Field(description="Why it failed")
    urgency: float | None
    uncertainty: float | None
    place: str | None
    place_name: str | None
    map_lat: float | None
    map_lon: float | None
    answers: dict[str, Answer]
    reviews: list[ReviewOut]
    photos: list[PhotoOut]
    cluster_id: int | None
    cluster_size: int
    held_by: str | None = Field(description="Who reviews it just now")
    model: str | None

    @classmethod
    def of(cls, row: PostRow) -> "PostOut":
        """Of a stored one; the author and the address, which names the author, stay out."""
        same = cls.model_fields.keys() & PostRow.model_fields.keys() - {"answers", "reviews", "photos"}
        return cls(
            answers={
                task: Answer(labels=list(a.labels), confidence=a.confidence, not_sure=a.abstained)
                for task, a in row.answers.items()
            },
            reviews=[ReviewOut.of(review) for review in row.reviews],
            photos=[photo_out(photo) for photo in row.photos],
            **{name: getattr(row, name) for name in same},
        )


def photo_out(photo: Photo) -> PhotoOut:
    """A photo as a client sees it."""
    url = f"/media/{photo.sha256}.jpg" if photo.sha256 and photo.state == "stored" else None
    return PhotoOut(url=url, width=photo.width, height=photo.height, state=photo.state, reason=photo.reason)


class PostPage(BaseModel):
    """Some posts and where the next ones begin."""

    posts: list[PostOut]
    next: str | None = Field(description="Give it as `after`; null at the end")
    capped: bool = Field(
        default=False,
        description="True where more than 5,000 posts hold the words of `q`: only the newest 5,000 were "
        "looked at. Exports look at all",
    )


class ReviewIn(BaseModel):
    """What a person says of one task; without one, `right` judges the whole post."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "task": CATEGORY.question,
                    "verdict": "label",
                    "labels": [CATEGORY.labels[0].name],
                    "note": "roof, two people",
                }
            ]
        },
    )

    task: str = Field(default="", max_length=100, description="Empty for the whole post")
    verdict: Literal["right", "label", "unsure"] = "label"
    labels: list[str] = Field(default_factory=list, max_length=50)
    note: str | None = Field(default=None, max_length=500)
