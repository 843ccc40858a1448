"""What goes into the store and what comes out: plain records that know no database.

Ids are the store's own numbers and never used again; `external_id` is the id that the source gave, which
exports keep. Times are in UTC. Every list has a cursor, `Page.next`, that stays right while posts arrive.
"""

from crisislens.store.records.base import Order, Page, Record, Role, State, Verdict
from crisislens.store.records.counts import (
    ClusterRow,
    Counts,
    DayRow,
    Depth,
    Health,
    HourCount,
    LabelCount,
    PlaceCount,
    Swept,
)
from crisislens.store.records.people import (
    AuditRow,
    DeadLetterRow,
    EventRow,
    Held,
    JudgedPost,
    KeyRow,
    ReviewRow,
    SessionRow,
    SourceRow,
    UserRow,
)
from crisislens.store.records.posts import (
    Accepted,
    AnswerRow,
    AssessmentRow,
    Box,
    Done,
    Job,
    NewPost,
    Photo,
    PostDetail,
    PostFilter,
    PostRow,
    Unread,
)

__all__ = [
    "Accepted",
    "AnswerRow",
    "AssessmentRow",
    "AuditRow",
    "Box",
    "ClusterRow",
    "Counts",
    "DayRow",
    "DeadLetterRow",
    "Depth",
    "Done",
    "EventRow",
    "Health",
    "Held",
    "HourCount",
    "Job",
    "JudgedPost",
    "KeyRow",
    "LabelCount",
    "NewPost",
    "Order",
    "Page",
    "Photo",
    "PlaceCount",
    "PostDetail",
    "PostFilter",
    "PostRow",
    "Record",
    "ReviewRow",
    "Role",
    "SessionRow",
    "SourceRow",
    "State",
    "Swept",
    "Unread",
    "UserRow",
    "Verdict",
]
