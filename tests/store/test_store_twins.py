"""Near-duplicates: the same clusters in whatever order posts come, each led by its earliest."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisislens.store import Store
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check
from store_posts import WHEN, done, fill, new

FAMILIES = {
    "bridge": "the bridge on mill road is gone and the water is rising please send boats",
    "school": "all schools of the northern province stay closed tomorrow says the ministry",
    "hospital": "the hospital needs blood of every group, come to the west entrance before dark",
}
VERSIONS = ("{}", "RT @ann: {}", "{} https://t.co/x", "{}!!", "{} 🙏")
TEXTS = [(name, version.format(text)) for name, text in FAMILIES.items() for version in VERSIONS[:4]]
TEXTS += [("", f"nothing is like number {i} of these words at all {'xyz'[i] * 9}") for i in range(3)]


def families(store: Store) -> set[frozenset[str]]:
    """The clusters, as the ids of their posts."""
    found: dict[int, set[str]] = defaultdict(set)
    for row in store.posts.stream(PostFilter()):
        if row.cluster_id is not None:
            found[row.cluster_id].add(row.external_id)
    return {frozenset(ids) for ids in found.values()}


def led_by_the_earliest(store: Store) -> bool:
    """Whether of each cluster one post leads, the earliest, and the cluster knows its size."""
    members: dict[int, list[Any]] = defaultdict(list)
    for row in store.posts.stream(PostFilter()):
        if row.cluster_id is None:
            assert row.lead
        else:
            members[row.cluster_id].append(row)
    for number, rows in members.items():
        earliest = min(rows, key=lambda row: (row.at, row.id))
        kept = store.clusters.get(number)
        if [row.id for row in rows if row.lead] != [earliest.id]:
            return False
        if (kept.lead_post_id, kept.size) != (earliest.id, len(rows)):
            return False
    return True


def test_clusters_do_not_depend_on_the_order_of_arrival(new_sqlite: Any) -> None:
    right = {frozenset(str(i) for i, (family, _) in enumerate(TEXTS) if family == name) for name in FAMILIES}

    @settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.permutations(range(len(TEXTS))), st.permutations(range(len(TEXTS))), st.integers(1, 6))
    def holds(order: list[int], hours: list[int], at_once: int) -> None:
        store: Store = new_sqlite()
        for start in range(0, len(order), at_once):
            part = order[start : start + at_once]
            sent = [new(i, TEXTS[i][1], created_at=WHEN + timedelta(hours=hours[i])) for i in part]
            fill(store, *sent)
            assert led_by_the_earliest(store)
        assert families(store) == right
        assert check(store) == []

    holds()


def test_a_post_that_is_like_two_clusters_joins_them(store: Store) -> None:
    bridge, school = FAMILIES["bridge"], FAMILIES["school"]
    texts = [bridge, f"RT @ann: {bridge}", school, f"RT @bob: {school}"]
    store.posts.accept("api", [new(i, text) for i, text in enumerate(texts)])
    hashes = {"3": 0b1111}
    for job in store.queue.claim("w"):
        store.queue.finish("w", [done(job, phash=hashes.get(job.post.id))])
    assert families(store) == {frozenset("01"), frozenset("23")}
    ids = [cluster.id for cluster in store.clusters.largest()]
    # its words are those of one, its photo that of the other
    store.posts.accept("api", [new(4, f"{bridge} now")])
    [job] = store.queue.claim("w")
    store.queue.finish("w", [done(job, phash=0b1110)])
    assert families(store) == {frozenset("01234")}
    [cluster] = store.clusters.largest()
    assert (cluster.size, cluster.kind) == (5, "both")
    assert cluster.id in ids
    assert led_by_the_earliest(store)
    changed = [event.doc for event in store.events.after(0, kinds=["cluster.changed"])]
    assert changed[-1] == {"cluster": cluster.id, "size": 5}
    assert check(store) == []


def test_a_photo_that_comes_after_the_text_joins_then(store: Store) -> None:
    store.posts.accept("api", [new(1, "one"), new(2, "two")])
    for job in store.queue.claim("w"):
        store.queue.finish("w", [done(job)])
    assert families(store) == set()
    for name, phash in (("1", 7), ("2", 5)):
        row = store.posts.by_key("api", name)
        assert row is not None
        store.queue.retry(row.id, actor="cli")
        [job] = store.queue.claim("w")
        store.queue.finish("w", [done(job, phash=phash)])
    assert families(store) == {frozenset("12")}
    assert store.clusters.largest()[0].kind == "photo"
    # a third look changes nothing
    store.queue.renew_model("z" * 16)
    told = store.events.last()
    for job in store.queue.claim("w"):
        store.queue.finish("w", [done(job, phash=7 if job.post.id == "1" else 5)])
    assert families(store) == {frozenset("12")}
    assert store.events.after(told, kinds=["cluster.changed"]) == ()


def test_what_was_split_stays_out_and_the_rest_goes_on(store: Store) -> None:
    text = FAMILIES["hospital"]
    first, second, third = fill(store, *(new(i, text) for i in range(3)))
    store.clusters.split(first, actor="user:ann")
    [late] = fill(store, new(3, text))
    assert families(store) == {frozenset("123")}
    assert store.posts.get(first).lead
    assert led_by_the_earliest(store)
    store.clusters.split(second, actor="user:ann")
    store.clusters.split(third, actor="user:ann")
    # one post alone is no cluster
    assert families(store) == set()
    assert store.clusters.largest() == ()
    assert store.posts.get(late).lead
    assert check(store) == []
