"""Reviews: kept, undone, never deleted; one reviewer a post."""

from datetime import UTC, datetime, timedelta

import pytest

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store import Store
from crisislens.store.records import Photo, PostFilter, UserRow
from store_posts import MODEL, fill, new


@pytest.fixture
def ann(store: Store) -> UserRow:
    return store.users.add("ann", "reviewer", actor="cli")


@pytest.fixture
def bob(store: Store) -> UserRow:
    return store.users.add("bob", "reviewer", actor="cli")


def test_a_correction_stands_beside_the_answer_and_not_instead_of_it(store: Store, ann: UserRow) -> None:
    [number] = fill(store, new(1))
    review = store.reviews.add(
        number, ann.id, verdict="label", task="damage", labels=["little_or_no_damage"], note="I was there"
    )
    assert (review.user, review.labels, review.model_labels) == (
        "ann",
        ("little_or_no_damage",),
        ("severe_damage",),
    )
    row = store.posts.get(number)
    assert row.answers["damage"].labels == ("severe_damage",)
    assert [r.note for r in row.reviews] == ["I was there"]
    assert store.posts.count(PostFilter(reviewed=True)) == 1
    [entry] = store.audit.list(thing=f"post:{number}")
    assert (entry.actor, entry.action) == ("user:ann", "review.add")
    assert entry.before == {"task": "damage", "labels": ["severe_damage"]}
    [event] = store.events.after(0, kinds=["post.reviewed"])
    assert (event.post_id, event.doc["labels"]) == (number, ["little_or_no_damage"])


def test_a_model_that_is_right_and_a_person_who_is_unsure(store: Store, ann: UserRow) -> None:
    [number] = fill(store, new(1), needs=["water", "food"])
    right = store.reviews.add(number, ann.id, verdict="right", task="needs")
    assert set(right.labels) == {"water", "food"}
    assert store.reviews.add(number, ann.id, verdict="unsure", task="damage").labels == ()
    # another word of the same person on the same task takes the place of the first
    store.reviews.add(number, ann.id, verdict="label", task="needs", labels=["food"])
    standing = store.posts.get(number).reviews
    assert sorted((r.task, r.labels) for r in standing) == [("damage", ()), ("needs", ("food",))]
    assert len(store.reviews.of(number)) == 3
    assert [r.task for r in store.reviews.newest(1)] == ["needs"]


def test_to_have_said_none_is_not_the_same_as_not_to_have_been_asked(store: Store, ann: UserRow) -> None:
    [number] = fill(store, new(1), needs=[])
    none = store.reviews.add(number, ann.id, verdict="label", task="needs", labels=["food"])
    assert (none.model_labels, none.model_fingerprint) == ((), MODEL)
    other = store.reviews.add(number, ann.id, verdict="label", task="roofs", labels=["gone"])
    assert (other.model_labels, other.model_fingerprint) == ((), None)


def test_one_review_of_a_whole_post(store: Store, ann: UserRow, bob: UserRow) -> None:
    [number] = fill(store, new(1), needs=["water"], not_sure=True)
    store.reviews.add(number, ann.id, verdict="label", task="needs", labels=["food"])
    whole = store.reviews.add(number, ann.id, verdict="right")
    # what the model was not sure of is not called right, and the person's earlier word is taken back
    assert whole.said == {"informativeness": ("informative",), "needs": ("water",)}
    assert store.posts.get(number).reviews == (whole,)
    assert whole.model_said("needs") == ("water",)
    [entry, *_] = store.audit.list(thing=f"post:{number}")
    assert entry.after == {
        "verdict": "right",
        "answers": {"informativeness": ["informative"], "needs": ["water"]},
    }
    # somebody else's newer word on one task counts for that task alone
    store.reviews.add(number, bob.id, verdict="label", task="needs", labels=["food", "water"])
    assert [row["label"] for row in store.reviews.export("needs")] == ["food;water"]
    assert [row["label"] for row in store.reviews.export("informativeness")] == ["informative"]
    assert list(store.reviews.export("damage")) == []
    [judged] = store.reviews.judged(10, model=MODEL)
    assert judged.said == {"informativeness": ("informative",), "needs": ("food", "water")}
    assert list(store.reviews.judged(10, model="f" * 16)) == []
    undone = store.reviews.undo(whole.id, ann.id)
    assert undone.answers == whole.answers
    assert len(store.posts.get(number).reviews) == 1
    with pytest.raises(InputError, match="of which task"):
        store.reviews.add(number, ann.id, verdict="unsure")


def test_undo_takes_back_ones_own_and_keeps_it_readable(store: Store, ann: UserRow, bob: UserRow) -> None:
    [number] = fill(store, new(1))
    review = store.reviews.add(number, ann.id, verdict="right", task="damage")
    assert store.reviews.last_of(ann.id) == review
    with pytest.raises(NotFoundError, match="only one's own"):
        store.reviews.undo(review.id, bob.id)
    first = store.reviews.undo(review.id, ann.id)
    assert first.undone_at is not None
    assert store.reviews.undo(review.id, ann.id) == first
    assert store.reviews.last_of(ann.id) is None
    assert store.posts.get(number).reviews == ()
    assert store.posts.count(PostFilter(reviewed=True)) == 0
    assert store.posts.detail(number).reviews == (first,)
    assert [e.action for e in store.audit.list(thing=f"post:{number}")] == ["review.undo", "review.add"]


def test_two_reviewers_never_hold_one_post(store: Store, ann: UserRow, bob: UserRow) -> None:
    numbers = fill(store, *(new(i) for i in range(6)))
    queue = PostFilter(order="urgency", reviewed=False)
    taken = []
    for user in (ann, bob) * 3:
        row = store.reviews.hold_next(user.id, queue)
        assert row is not None
        assert row.held_by == user.name
        taken.append(row.id)
    assert sorted(taken) == sorted(numbers)
    assert store.reviews.hold_next(ann.id, queue) is None
    theirs = next(held.post_id for held in store.reviews.held() if held.user == "bob")
    with pytest.raises(ConflictError, match="bob is reviewing post"):
        store.reviews.hold(theirs, ann.id)
    with pytest.raises(ConflictError):
        store.reviews.add(theirs, ann.id, verdict="right", task="damage")
    assert theirs not in [row.id for row in store.posts.find(PostFilter(free_for=ann.id)).rows]
    assert store.reviews.let_go(bob.id, theirs) == 1
    store.reviews.add(theirs, ann.id, verdict="right", task="damage")
    assert store.reviews.let_go(bob.id) == 2


def test_a_hold_runs_out_and_a_review_lets_go(store: Store, ann: UserRow, bob: UserRow) -> None:
    [number] = fill(store, new(1))
    store.reviews.hold(number, ann.id, seconds=-1)
    assert store.reviews.held() == ()
    held = store.reviews.hold(number, bob.id)
    assert store.reviews.hold(number, bob.id, seconds=1200).until > held.until
    store.reviews.add(number, bob.id, verdict="right", task="damage")
    assert store.reviews.held() == ()


def test_what_cannot_be_reviewed(store: Store, ann: UserRow) -> None:
    [waiting] = [a.id for a in store.posts.accept("api", [new(1)])]
    assert waiting is not None
    with pytest.raises(InputError, match="no model has answered 'damage'"):
        store.reviews.add(waiting, ann.id, verdict="right", task="damage")
    with pytest.raises(InputError, match="not sure of anything"):
        store.reviews.add(waiting, ann.id, verdict="right")
    with pytest.raises(InputError, match="2000 may be"):
        store.reviews.add(waiting, ann.id, verdict="unsure", task="damage", note="x" * 2001)
    with pytest.raises(NotFoundError, match="no post 99"):
        store.reviews.add(99, ann.id, verdict="unsure", task="damage")
    with pytest.raises(NotFoundError):
        store.reviews.hold(99, ann.id)
    # people may judge before any model does
    review = store.reviews.add(waiting, ann.id, verdict="label", task="damage", labels=["severe_damage"])
    assert (review.model_labels, review.model_fingerprint) == ((), None)


def test_the_training_table_has_one_row_a_post_and_the_newest_word(
    store: Store, ann: UserRow, bob: UserRow
) -> None:
    photo = Photo(sha256="cd" + "0" * 62, origin="1" * 64)
    posted = datetime(2026, 9, 20, tzinfo=UTC)
    one, two, three, four = fill(
        store, new(1, created_at=posted, photos=(photo,)), new(2), new(3), new(4), source="radio"
    )
    store.reviews.add(one, ann.id, verdict="right", task="damage")
    store.reviews.add(one, bob.id, verdict="label", task="damage", labels=["mild_damage"])
    store.reviews.add(two, ann.id, verdict="unsure", task="damage")
    store.reviews.add(three, ann.id, verdict="label", task="needs", labels=["water", "food"])
    undone = store.reviews.add(four, ann.id, verdict="right", task="damage")
    store.reviews.undo(undone.id, ann.id)
    assert list(store.reviews.export("damage")) == [
        {
            "id": "radio:1",
            "text": "post number 1",
            "image": f"cd/{photo.sha256}.jpg",
            "label": "mild_damage",
            "created_at": "2026-09-20T00:00:00+00:00",
            "model_label": "severe_damage",
        }
    ]
    [row] = store.reviews.export("needs")
    assert (row["label"], row["image"], row["created_at"]) == ("water;food", "", "")
    assert list(store.reviews.export("damage", since=datetime.now(UTC) + timedelta(hours=1))) == []


def test_a_review_remembers_which_model_it_judged(store: Store, ann: UserRow) -> None:
    [number] = fill(store, new(1))
    store.reviews.add(number, ann.id, verdict="right", task="damage")
    assert store.reviews.of(number)[0].model_fingerprint == MODEL
