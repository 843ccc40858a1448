"""A client for programs: typed, with retries that cannot send a post twice.

    >>> from crisislens.client import Client                                      # doctest: +SKIP
    >>> with Client("http://127.0.0.1:8765", key="cl_…") as service:              # doctest: +SKIP
    ...     sent = service.send({"id": "1", "text": "Bridge is down"}, source="radio", wait_s=5)
    ...     sent.assessment["urgency"]

A call is repeated where the server could not be reached, was full (429, 507: after the seconds it names) or
had no store (503). That is safe for posts too: a post's key is its source and id, and the same post again is
no new one.
It stands on httpx2 and needs none of the packages of the service itself.
"""

from crisislens.client.records import Event, FoundPost, RowOutcome, Sent, ServiceError
from crisislens.client.service import Client

__all__ = ["Client", "Event", "FoundPost", "RowOutcome", "Sent", "ServiceError"]
