"""Leases: nothing is lost by a worker that dies, and nothing is written by one that is late."""

from datetime import UTC, datetime, timedelta

import pytest

from crisislens.core.errors import NotFoundError
from crisislens.domain.assessment import Assessment
from crisislens.store import Store
from crisislens.store.queue import MOST_TRIES
from crisislens.store.records import Photo, PostFilter
from store_posts import MODEL, PONCE, WHEN, answered, assess_all, done, fill, new

PHOTO = Photo(sha256="ab" + "0" * 62, origin="1" * 64, width=9, height=9, size=9)


def test_posts_are_taken_in_their_order_and_once(store: Store) -> None:
    store.posts.accept("api", [new(i) for i in range(5)])
    first = store.queue.claim("one", 3)
    second = store.queue.claim("two", 3)
    assert [job.post.id for job in first] == ["0", "1", "2"]
    assert [job.post.id for job in second] == ["3", "4"]
    assert store.queue.claim("three") == []
    depth = store.queue.depth()
    assert (depth.queued, depth.leased) == (0, 5)


def test_what_is_found_stands_in_every_table(store: Store) -> None:
    [number] = fill(store, new(1, created_at=WHEN), urgency=0.75, needs=["water", "food"], place=PONCE)
    row = store.posts.get(number)
    assert (row.state, row.model, row.urgency, row.language) == ("done", MODEL, 0.75, "en")
    assert (row.place, row.place_name, row.map_lat) == (PONCE.id, "Ponce", PONCE.lat)
    assert row.answers["damage"].labels == ("severe_damage",)
    assert set(row.answers["needs"].labels) == {"water", "food"}
    # the least sure answer counts
    assert row.uncertainty == pytest.approx(0.2)
    doc = store.posts.assessment(number)
    assert doc is not None
    assert (
        doc
        == answered(
            Assessment.model_validate_json(doc).post, urgency=0.75, needs=["water", "food"], place=PONCE
        ).model_dump_json()
    )
    assert store.posts.assessment(number, model="b" * 16) is None
    [event] = store.events.after(0, kinds=["post.assessed"])
    assert (event.post_id, event.doc) == (number, {"urgency": 0.75, "partial": False})


def test_a_task_of_which_nothing_holds_is_shown_and_one_it_is_unsure_of(store: Store) -> None:
    [number] = fill(store, new(1), not_sure=True)
    answers = store.posts.get(number).answers
    assert answers["needs"].labels == ()
    assert (answers["damage"].labels, answers["damage"].abstained) == (("severe_damage",), True)


def test_a_worker_whose_lease_ran_out_writes_nothing(store: Store) -> None:
    store.posts.accept("api", [new(1)])
    [late] = store.queue.claim("late", lease_s=1)
    assert store.queue.sweep(now=datetime.now(UTC)) == 0
    assert store.queue.sweep(now=datetime.now(UTC) + timedelta(seconds=5)) == 1
    [again] = store.queue.claim("quick")
    assert store.queue.finish("late", [done(late)]) == 0
    assert store.queue.finish("quick", [done(again, urgency=0.9)]) == 1
    assert store.posts.get(again.post_id).urgency == 0.9
    assert store.queue.finish("quick", [done(again)]) == 0


def test_a_lease_that_is_renewed_does_not_run_out(store: Store) -> None:
    store.posts.accept("api", [new(1), new(2)])
    store.queue.claim("slow", lease_s=1)
    assert store.queue.renew("slow", lease_s=600) == 2
    assert store.queue.sweep(now=datetime.now(UTC) + timedelta(seconds=60)) == 0
    assert store.queue.renew("nobody") == 0


def test_a_post_that_kills_its_workers_fails_alone(store: Store) -> None:
    """The batch in which it was is not charged with it: each of them is tried alone after that."""
    store.posts.accept("api", [new("poison"), *(new(i) for i in range(4))])
    assert len(store.queue.claim("w")) == 5
    store.queue.release("w")
    alone = []
    for _ in range(40):
        jobs = store.queue.claim("w")
        if not jobs:
            break
        alone.append([job.post.id for job in jobs])
        if jobs[0].post.id == "poison":
            store.queue.release("w")
        else:
            store.queue.finish("w", [done(job) for job in jobs])
    assert all(len(batch) == 1 for batch in alone)
    assert alone.count(["poison"]) == MOST_TRIES
    failed = store.posts.by_key("api", "poison")
    assert failed is not None
    assert failed.state == "failed"
    assert failed.reason == f"a worker ended {MOST_TRIES + 1} times while it worked on this post"
    depth = store.queue.depth()
    assert (depth.failed, depth.leased, depth.queued) == (1, 0, 0)


def test_posts_that_a_dying_worker_had_not_begun_are_as_before(store: Store) -> None:
    store.posts.accept("api", [new(i) for i in range(4)])
    jobs = store.queue.claim("w")
    store.queue.release("w", begun=[jobs[1].post_id])
    assert [job.post.id for job in store.queue.claim("w")] == ["1"]
    store.queue.release("w", begun=[])
    store.queue.finish("w", [])
    assert store.queue.depth().queued == 4


def test_a_post_that_cannot_be_assessed_says_why_and_can_be_tried_again(store: Store) -> None:
    store.posts.accept("api", [new(1)])
    [job] = store.queue.claim("w")
    store.queue.fail("w", job.post_id, "could not be assessed: ValueError: no")
    row = store.posts.get(job.post_id)
    assert (row.state, row.reason) == ("failed", "could not be assessed: ValueError: no")
    store.queue.retry(job.post_id, actor="user:ann")
    assert assess_all(store) == [job.post_id]
    assert store.posts.get(job.post_id).reason is None
    assert store.audit.list(thing=f"post:{job.post_id}")[0].action == "post.retry"
    with pytest.raises(NotFoundError, match="no post 99"):
        store.queue.retry(99, actor="user:ann")


def test_in_a_flood_texts_come_first_and_photos_after(store: Store) -> None:
    store.posts.accept("api", [new(1, photos=(PHOTO,)), new(2), new(3, "", photos=(PHOTO,))])
    jobs = store.queue.claim("w", 3)
    # a post that is nothing but a photo has nothing to be judged by before
    assert [job.partial for job in jobs] == [True, False, False]
    assert [job.post.image is not None for job in jobs] == [False, False, True]
    assert jobs[2].post.image is not None
    assert jobs[2].post.image.path == f"ab/{PHOTO.sha256}.jpg"
    store.queue.finish("w", [done(job) for job in jobs])
    assert store.queue.depth().photos == 1
    row = store.posts.get(jobs[0].post_id)
    assert (row.state, row.urgency) == ("queued", 0.5)
    store.posts.accept("api", [new(4)])
    mixed = store.queue.claim("w", 10)
    assert [(job.post.id, job.partial) for job in mixed] == [("1", False), ("4", False)]
    assert mixed[0].post.image is not None
    store.queue.finish("w", [done(job, urgency=0.8) for job in mixed])
    assert (store.posts.get(jobs[0].post_id).state, store.posts.get(jobs[0].post_id).urgency) == ("done", 0.8)
    [shown] = store.posts.detail(jobs[0].post_id).assessments
    assert not shown.partial


def test_without_a_flood_a_post_is_assessed_whole_at_once(store: Store) -> None:
    store.posts.accept("api", [new(1, photos=(PHOTO,))])
    [job] = store.queue.claim("w", 3)
    assert not job.partial
    assert job.post.image is not None


def test_a_new_model_looks_at_old_posts_behind_all_others(store: Store) -> None:
    old = fill(store, new(1), new(2), new(3))
    assert store.queue.renew_model(MODEL) == 0
    assert store.queue.renew_model("b" * 16, most=2) == 2
    store.posts.accept("api", [new(4)])
    depth = store.queue.depth()
    assert (depth.queued, depth.background) == (1, 2)
    jobs = store.queue.claim("w", 1)
    assert [job.post.id for job in jobs] == ["4"]
    calm = "little_or_no_damage"
    store.queue.finish("w", [done(job, model="b" * 16, damage=calm) for job in jobs])
    # meanwhile the older answers stand
    assert store.posts.get(old[2]).urgency == 0.5
    assess_all(store, model="b" * 16, damage="little_or_no_damage", urgency=0.1)
    assert store.queue.renew_model("b" * 16) == 1
    assess_all(store, model="b" * 16, damage="little_or_no_damage", urgency=0.1)
    assert store.queue.renew_model("b" * 16) == 0
    both = store.posts.detail(old[0]).assessments
    assert {a.model_fingerprint: a.current for a in both} == {MODEL: False, "b" * 16: True}
    assert store.statistics.models() == {"b" * 16: 4}
    agreement = store.statistics.agreement([MODEL, "b" * 16])
    assert agreement == {"damage": (0, 3), "informativeness": (3, 3), "needs": (3, 3)}
    # its labels have taken the older ones' place
    assert store.posts.find(PostFilter(labels=(("damage", "severe_damage"),))).rows == ()


def test_what_is_erased_while_a_worker_holds_it_stays_erased(store: Store) -> None:
    store.posts.accept("api", [new(1), new(2)])
    jobs = store.queue.claim("w")
    store.erasure.posts([jobs[0].post_id], actor="cli")
    assert store.queue.finish("w", [done(job) for job in jobs]) == 1
    assert store.posts.by_key("api", "1") is None


def test_a_sqlite_store_that_is_opened_again_has_no_leases(opened: object, address: str) -> None:
    store: Store = opened()  # type: ignore[operator]
    store.posts.accept("api", [new(1)])
    store.queue.claim("killed")
    store.close()
    again: Store = opened()  # type: ignore[operator]
    # PostgreSQL's other workers may live, so there the lease runs out by itself
    assert again.queue.depth().leased == (0 if address.startswith("sqlite") else 1)
