"""All that a report counts of some posts, as its sink does, and a place to put them."""

from collections.abc import Sequence
from datetime import datetime

from made_up_posts import meta

from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.place import GeoLocation, Place
from crisislens.report.changes import Changes
from crisislens.report.geography import Geography
from crisislens.report.grounds import Grounds
from crisislens.report.groups import Groups
from crisislens.report.labels import LabelTallies
from crisislens.report.model import ReportCluster
from crisislens.report.summary import Counted
from crisislens.report.tally import Tally
from crisislens.report.unread import Unread

PLAIN = [task.task for task in meta().tasks]
PONCE = Place(id="city:1", name="Ponce", kind="city", country="PR", lat=18.01, lon=-66.61)


def at_ponce(a: Assessment) -> Assessment:
    assert PONCE.lat is not None
    assert PONCE.lon is not None
    where = GeoLocation(lat=PONCE.lat, lon=PONCE.lon, source="text", place=PONCE, confidence=0.9)
    return a.model_copy(update={"location": where})


def counted(
    found: list[Assessment],
    clusters: list[ReportCluster] | None = None,
    since: datetime | None = None,
    failures: Sequence[FailedPost] = (),
) -> Counted:
    """All that a report counts, as its sink does."""
    tasks, groups = meta().tasks, Groups(clusters or [])
    run = Counted(
        meta=meta(),
        tally=Tally(tasks),
        labels=LabelTallies(tasks, groups),
        unread=Unread(PLAIN, groups),
        geography=Geography(),
        changes=Changes(tasks, groups, since),
        grounds=Grounds(tasks, groups),
        timeline=None,
        failed=len(failures),
        repeats=sum(c.size - 1 for c in groups.clusters if c.one_message),
        failures=failures,
    )
    for position, a in enumerate(found, start=1):
        fresh = run.changes.is_fresh(a)
        run.tally.add(a)
        run.labels.add(a, position)
        run.unread.add(a, position)
        run.geography.add(a)
        run.changes.add(a, position, fresh=fresh)
        run.grounds.add(a, position)
    return run
