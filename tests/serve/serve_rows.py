"""Posts as the store gives them, made by hand."""

from datetime import UTC, datetime
from typing import Any

from crisislens.store.records import AnswerRow, PostRow, ReviewRow

__all__ = ["AT", "post_row", "review_row"]

AT = datetime(2026, 3, 6, 14, 5, tzinfo=UTC)


def post_row(number: int = 1, **more: Any) -> PostRow:
    """A post that was assessed, with what is given changed."""
    values: dict[str, Any] = {
        "id": number,
        "source": "radio",
        "external_id": f"r-{number}",
        "url": "https://social.example/@ann/1",
        "author": "@ann",
        "text": "Bridge is down",
        "lang": "en",
        "at": AT,
        "created_at": AT,
        "received_at": AT,
        "lat": 18.5,
        "lon": -72.3,
        "event": None,
        "state": "done",
        "reason": None,
        "model": "f" * 16,
        "assessed_at": AT,
        "urgency": 0.71,
        "uncertainty": 0.2,
        "language": "en",
        "unread": None,
        "place": "city:1",
        "place_name": "Velmora",
        "map_lat": 18.5,
        "map_lon": -72.3,
        "answers": {
            "humanitarian": AnswerRow(
                labels=("infrastructure_and_utility_damage",), confidence=0.8, abstained=False
            ),
            "damage": AnswerRow(labels=("severe_damage",), confidence=0.4, abstained=True),
        },
        "photos": (),
        "reviews": (),
        "cluster_id": None,
        "cluster_size": 1,
        "lead": True,
    }
    return PostRow(**{**values, **more})


def review_row(number: int = 1, **more: Any) -> ReviewRow:
    """A person's answer, with what is given changed."""
    values: dict[str, Any] = {
        "id": number,
        "post_id": 1,
        "user_id": 1,
        "user": "ann",
        "verdict": "label",
        "task": "humanitarian",
        "labels": ("affected",),
        "model_labels": ("infrastructure_and_utility_damage",),
        "model_fingerprint": "f" * 16,
        "note": None,
        "at": AT,
        "undone_at": None,
    }
    return ReviewRow(**{**values, **more})
