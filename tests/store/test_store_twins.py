"""Near-duplicates: the same clusters in whatever order posts come, each led by its earliest."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.data.alike import alike
from crisislens.data.clusters import TEXT_JACCARD
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


def test_the_same_photo_with_other_words_links_and_folds_nothing(store: Store) -> None:
    bridge, school = FAMILIES["bridge"], FAMILIES["school"]
    texts = [bridge, f"RT @ann: {bridge}", school, f"RT @bob: {school}", f"{bridge} now"]
    store.posts.accept("api", [new(i, text) for i, text in enumerate(texts)])
    hashes = {"3": 0b1111, "4": 0b1110}
    for job in store.queue.claim("w"):
        store.queue.finish("w", [done(job, phash=hashes.get(job.post.id))])
    # its words are those of one cluster, its photo that of a post of the other
    assert families(store) == {frozenset("014"), frozenset("23")}
    assert {cluster.kind for cluster in store.clusters.largest()} == {"text"}
    assert led_by_the_earliest(store)
    last, other = store.posts.by_key("api", "4"), store.posts.by_key("api", "3")
    assert last is not None
    assert other is not None
    assert [row.id for row in store.posts.detail(last.id).same_photo] == [other.id]
    assert [row.id for row in store.posts.detail(other.id).same_photo] == [last.id]
    assert len(store.posts.detail(last.id).twins) == 2
    assert check(store) == []
    photos = [number for number in (1, 2, 3) if store.clusters.get(number).kind == "photo"]
    folding = [cluster.id for cluster in store.clusters.largest()]
    with pytest.raises(InputError, match="linked and not folded"):
        store.clusters.merge([*folding, *photos], actor="user:ann")
    # the link ends with the post that it was to
    store.erasure.posts([other.id], actor="cli")
    assert store.posts.detail(last.id).same_photo == ()
    assert check(store) == []


def test_copies_with_their_photo_are_of_both_kinds(store: Store) -> None:
    text = FAMILIES["school"]
    store.posts.accept("api", [new(1, text), new(2, text)])
    for job in store.queue.claim("w"):
        store.queue.finish("w", [done(job, phash=9)])
    [cluster] = store.clusters.largest()
    assert (cluster.kind, cluster.size) == ("both", 2)
    # what folds already is not told again as a link
    assert store.posts.detail(1).same_photo == ()
    fill(store, new(3, text))
    assert (store.clusters.get(cluster.id).kind, store.clusters.get(cluster.id).size) == ("text", 3)


def signed(store: Store, rows: Sequence[Any]) -> None:
    """Posts with these signatures of 64 numbers, one after the other."""
    for i, row in enumerate(rows):
        [accepted] = store.posts.accept("api", [new(i)])
        [job] = store.queue.claim("w")
        assert job.post_id == accepted.id
        minhash = np.asarray(row, "<u4").tobytes()
        store.queue.finish("w", [done(job).model_copy(update={"minhash": minhash})])


def test_other_numbers_are_another_message(store: Store) -> None:
    text = "the toll of the storm has risen to {} people in the province, says the governor of {}"
    posts = [(16, "Ponce"), (17, "Ponce"), (16, "Ponce!"), (0, "Ponce")]
    fill(store, *(new(i, text.format(*said)) for i, said in enumerate(posts)))
    assert families(store) == {frozenset("02")}


def version(changed: Sequence[int]) -> list[int]:
    """A signature that differs from that of nothing in some of its numbers."""
    return [1_000 + i if i in changed else i for i in range(64)]


CHAIN = [version(range(12 * step)) for step in (0, 1, 2)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [((0, 1, 2), {"01"}), ((1, 0, 2), {"01"}), ((2, 1, 0), {"01"}), ((0, 2, 1), {"02"})],
)
def test_a_chain_does_not_hang_together(quick: Store, order: Sequence[int], expected: set[str]) -> None:
    """The middle is like both ends, which are not alike; the names are the places in the order of arrival."""
    signed(quick, [CHAIN[i] for i in order])
    assert families(quick) == {frozenset(names) for names in expected}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.sets(st.integers(0, 30), max_size=14), min_size=2, max_size=12))
def test_every_two_of_a_group_are_alike(new_sqlite: Any, rows: list[set[int]]) -> None:
    store: Store = new_sqlite()
    table = np.array([version(sorted(row)) for row in rows], np.uint32)
    signed(store, table)
    there, none = np.ones(len(rows), bool), np.zeros(len(rows), bool)
    found = families(store)
    for names in found:
        for one, other in combinations(sorted(map(int, names)), 2):
            assert (table[one] == table[other]).mean() >= TEXT_JACCARD
    # who stands alone is like no other that stands alone, as in a report
    alone = [i for i in range(len(rows)) if not any(str(i) in names for names in found)]
    for one, other in combinations(alone, 2):
        assert (table[one] == table[other]).mean() < TEXT_JACCARD
    # where likeness is no chain, the groups are those of a report
    groups = alike(table, there, np.zeros(len(rows), np.uint64), none)
    near = (table[:, None] == table[None, :]).mean(axis=2) >= TEXT_JACCARD
    if all((near[i] == near[j]).all() for i in range(len(rows)) for j in np.flatnonzero(near[i])):
        assert found == {frozenset(map(str, group.members)) for group in groups}


def test_a_group_that_people_joined_takes_what_is_like_a_part_of_it(store: Store) -> None:
    bridge, school = FAMILIES["bridge"], FAMILIES["school"]
    fill(store, new(0, bridge), new(1, bridge), new(2, school), new(3, school))
    merged = store.clusters.merge([cluster.id for cluster in store.clusters.largest()], actor="user:ann")
    fill(store, new(4, f"{school}!"), new(5, f"RT @x: {bridge}"))
    assert families(store) == {frozenset("012345")}
    assert store.clusters.get(merged.id).kind == "person"
    assert check(store) == []


def test_a_photo_that_comes_after_the_text_joins_then(store: Store) -> None:
    store.posts.accept("api", [new(1, ""), new(2, "")])
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
    # they say nothing else, so the same photo is the same message
    assert store.clusters.largest()[0].kind == "both"
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
