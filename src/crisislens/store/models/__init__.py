"""The tables of the service; `migrations` builds them, and a test holds the two against each other.

`post` holds what was posted, and is the queue: `state` and `stage` say what is left to do. It also carries
what lists are ordered and filtered by (`urgency`, `uncertainty`, `place`, …), copied from the current
assessment, so that a page of a million posts is read from one index. `answer` holds the labels of the
current assessment, one row a label, so that a task of one's own is filtered like one of ours. `tally` counts
them by hour and place, kept up in the transaction that changes an answer, so that the situation of a day is
read in milliseconds.
"""

from crisislens.store.models.alerts import Alert, AlertPost, AlertRule, Bulletin, Delivery, Outlet
from crisislens.store.models.base import Base, table_of
from crisislens.store.models.people import (
    ApiKey,
    Claim,
    Review,
    Session,
    User,
)
from crisislens.store.models.posts import (
    Answer,
    Assessment,
    Band,
    Cluster,
    Media,
    Mention,
    Place,
    Post,
    Rationale,
    Signature,
    Tally,
    Witness,
)
from crisislens.store.models.record import (
    Audit,
    DeadLetter,
    Event,
    EventPair,
    Setting,
    Source,
    Tombstone,
)

__all__ = [
    "Alert",
    "AlertPost",
    "AlertRule",
    "Answer",
    "ApiKey",
    "Assessment",
    "Audit",
    "Band",
    "Base",
    "Bulletin",
    "Claim",
    "Cluster",
    "DeadLetter",
    "Delivery",
    "Event",
    "EventPair",
    "Media",
    "Mention",
    "Outlet",
    "Place",
    "Post",
    "Rationale",
    "Review",
    "Session",
    "Setting",
    "Signature",
    "Source",
    "Tally",
    "Tombstone",
    "User",
    "Witness",
    "table_of",
]
