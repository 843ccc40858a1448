"""Posts and answers for tests of the store, made without a model."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from crisislens.data.duplicates import numbers_said, text_signature
from crisislens.domain.assessment import Assessment, Provenance, TaskAssessment
from crisislens.domain.place import GeoLocation, Place, PlaceMention
from crisislens.domain.post import Post
from crisislens.store import Store
from crisislens.store.records import Done, Job, NewPost

MODEL = "a" * 16
PONCE = Place(id="city:4563243", name="Ponce", kind="city", country="PR", lat=18.01, lon=-66.61)
WHEN = datetime(2026, 9, 20, 10, 30, tzinfo=UTC)


def new(number: object, text: str | None = None, **more: Any) -> NewPost:
    """A post on its way in."""
    return NewPost(external_id=str(number), text=f"post number {number}" if text is None else text, **more)


def single(label: str, confidence: float, other: str, *, abstained: bool = False) -> TaskAssessment:
    """An answer of two classes."""
    return TaskAssessment(
        label=label,
        labels=() if abstained else (label,),
        confidence=confidence,
        probabilities={label: confidence, other: round(1 - confidence, 4)},
        abstained=abstained,
        reason="too close" if abstained else None,
    )


def answered(
    post: Post,
    *,
    model: str = MODEL,
    urgency: float = 0.5,
    damage: str = "severe_damage",
    confidence: float = 0.9,
    needs: Sequence[str] = (),
    category: str = "",
    not_sure: bool = False,
    place: Place | None = None,
    unread: str | None = None,
) -> Assessment:
    """What a model might say."""
    tasks = {
        "informativeness": single("informative", 0.95, "not_informative"),
        "damage": single(damage, confidence, "little_or_no_damage", abstained=not_sure),
        "needs": TaskAssessment(
            label=needs[0] if needs else "water",
            labels=tuple(needs),
            confidence=0.8,
            probabilities={"water": 0.2, "food": 0.1, **dict.fromkeys(needs, 0.8)},
            abstained=False,
        ),
    }
    if category:
        tasks["humanitarian"] = single(category, confidence, "not_humanitarian", abstained=not_sure)
    mentions = ()
    location = None
    if post.lat is not None and post.lon is not None:
        location = GeoLocation(lat=post.lat, lon=post.lon, source="post", confidence=1.0)
    if place is not None:
        mentions = (PlaceMention(text="Ponce", start=0, end=5, place=place, confidence=0.9),)
        location = GeoLocation(
            lat=place.lat or 0, lon=place.lon or 0, source="text", place=place, confidence=0.9
        )
    return Assessment(
        post=post,
        modalities=("text",),
        language="en",
        unread=unread,
        tasks=tasks,
        places=mentions,
        location=location,
        urgency=urgency,
        provenance=Provenance(
            model="tiny",
            model_version="1",
            model_fingerprint=model,
            encoder_fingerprint="e" * 16,
            crisislens_version="0",
            analyzed_at="2026-09-20T00:00:00+00:00",
        ),
    )


def done(job: Job, phash: int | None = None, **answer: Any) -> Done:
    """What a worker might hand back."""
    signature = text_signature(job.post.text)
    said = numbers_said(job.post.text).to_bytes(8, "little")
    return Done(
        post_id=job.post_id,
        doc=answered(job.post, **answer).model_dump_json(),
        partial=job.partial,
        minhash=None if signature is None else signature.astype("<u4").tobytes() + said,
        phash=phash,
    )


def assess_all(store: Store, worker: str = "tester", **answer: Any) -> list[int]:
    """Answers everything that waits, alike; gives the posts' numbers."""
    numbers: list[int] = []
    while jobs := store.queue.claim(worker):
        assert store.queue.finish(worker, [done(job, **answer) for job in jobs]) == len(jobs)
        numbers += [job.post_id for job in jobs]
    return numbers


def fill(store: Store, *posts: NewPost, source: str = "api", **answer: Any) -> list[int]:
    """Takes posts in and answers them alike; gives their numbers in the order of the posts."""
    ids = [accepted.id for accepted in store.posts.accept(source, posts)]
    assess_all(store, **answer)
    return [number for number in ids if number is not None]
