"""Rules against what just happened: only the places that an event touched are looked at again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crisislens.alerts.windows import Episode, episodes
from crisislens.store import Store
from crisislens.store.alert_hits import MOST_HITS
from crisislens.store.records import EventRow, Finding, Hit, RuleRow, RuleSpec

__all__ = ["Raised", "Trial", "evaluate", "try_rule"]

_KINDS = ("post.assessed", "post.reviewed", "cluster.changed", "rule.changed")
_STEP = 500
_IDLE = 5_000


def evaluate(store: Store, *, now: datetime | None = None) -> Sequence[int]:
    """Evaluates all rules on all events since the last time; any number of processes may do so.

    Arguments:
        store: Open for writing.
        now: The time it is.

    Returns:
        The alerts that were raised or became graver.
    """
    told: list[int] = []
    while True:
        before = store.alerts.cursor()
        # read before the events: what comes between is read again, and nothing is passed over
        newest = store.events.last()
        rules = [rule for rule in store.alert_rules.all() if rule.enabled]
        events = store.events.after(before or 0, most=_STEP, kinds=_KINDS) if rules else ()
        # a cursor is not moved for every post that came in and says nothing yet
        if not events and before is not None and newest - before < _IDLE:
            return told
        whole = len(events) < _STEP
        after = max([newest, *(event.seq for event in events)]) if whole else events[-1].seq
        raised = store.alerts.apply(before, after, _findings(store, rules, events, now or datetime.now(UTC)))
        told += raised or ()
        if raised is not None and whole:
            return told


def _findings(
    store: Store, rules: Sequence[RuleRow], events: Sequence[EventRow], now: datetime
) -> list[Finding]:
    posts = sorted({event.post_id for event in events if event.post_id is not None})
    clusters = sorted({int(e.doc["cluster"]) for e in events if e.kind == "cluster.changed"})
    changed = {int(event.doc["rule"]) for event in events if event.kind == "rule.changed"}
    found: list[Finding] = []
    for rule in rules:
        since = now - timedelta(hours=rule.spec.late_h) - rule.spec.window
        # a new rule looks at everything, once
        again = rule.id in changed
        chosen = {} if again else {"post_ids": posts, "clusters": clusters}
        hits = store.alerts.hits(rule.spec, rule_id=rule.id, since=since, **chosen)
        found += _of_rule(rule, hits if again else _around(store, rule, hits), now)
    return found


def _around(store: Store, rule: RuleRow, touched: Sequence[Hit]) -> Sequence[Hit]:
    """The posts of the places that some posts are at, from a window before to a window after them."""
    if not touched:
        return ()
    return store.alerts.hits(
        rule.spec,
        rule_id=rule.id,
        places=sorted({hit.place for hit in touched}),
        since=touched[0].at - rule.spec.window,
        until=touched[-1].at + rule.spec.window,
    )


def _of_rule(rule: RuleRow, hits: Iterable[Hit], now: datetime) -> list[Finding]:
    oldest = now - timedelta(hours=rule.spec.late_h)
    found = []
    for place, here in _by_place(hits).items():
        recent = [each for each in episodes(here, rule.spec) if each.full_at >= oldest]
        found += [_finding(rule, place, episode) for episode in recent]
    return found


def _by_place(hits: Iterable[Hit]) -> dict[str, list[Hit]]:
    """Posts by their place, in their order."""
    found: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        found[hit.place].append(hit)
    return dict(sorted(found.items()))


def _finding(rule: RuleRow, place: str, episode: Episode) -> Finding:
    posts = tuple((hit.post_id, hit.at) for hit in episode.hits.values())
    names = [hit.place_name for hit in episode.hits.values() if hit.place_name]
    return Finding(
        rule_id=rule.id,
        place=place,
        place_name=names[-1] if names else None,
        began_at=episode.began_at,
        full_at=episode.full_at,
        most=episode.most,
        posts=posts,
    )


@dataclass(frozen=True)
class Raised:
    """What a rule would have raised.

    Attributes:
        place: The id of the place.
        name: Its name.
        began_at: The first post.
        full_at: When the window was last full.
        most: The most different posts in one window.
        level: How grave it became.
        post_ids: What it rests on.
    """

    place: str
    name: str
    began_at: datetime
    full_at: datetime
    most: int
    level: int
    post_ids: tuple[int, ...]


@dataclass(frozen=True)
class Trial:
    """A rule over the past.

    Attributes:
        since: From when on posts were looked at.
        until: And up to when.
        posts: How many posts it counts, of all places.
        cut: Whether older posts of that time were left out, since there are too many.
        raised: What it would have raised, the oldest first.
    """

    since: datetime
    until: datetime
    posts: int
    cut: bool
    raised: tuple[Raised, ...]


def try_rule(store: Store, spec: RuleSpec, since: datetime, until: datetime) -> Trial:
    """What a rule would have raised, with posts as they stand now; nothing is written.

    A post counts until the moment at which a person judged it. What a model says now may not be what the one
    of that day said, and when a post was assessed is not looked at: a live alert may have come later.

    Arguments:
        store: Open for reading.
        spec: The rule.
        since: From when on posts are looked at.
        until: And up to when.
    """
    hits = store.alerts.hits(spec, since=since, until=until)
    raised = []
    for place, here in _by_place(hits).items():
        for each in episodes(here, spec, as_it_was=True):
            name = next((hit.place_name for hit in each.hits.values() if hit.place_name), place)
            ids = tuple(each.hits)
            level = spec.level(each.most)
            raised.append(Raised(place, name, each.began_at, each.full_at, each.most, level, ids))
    raised.sort(key=lambda one: (one.began_at, one.place))
    return Trial(since, until, len(hits), len(hits) >= MOST_HITS, tuple(raised))
