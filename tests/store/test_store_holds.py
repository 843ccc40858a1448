"""Reviewers beside each other: whoever holds a post holds it alone, and what stands is counted."""

import threading
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisislens.core.errors import ConflictError, NotFoundError
from crisislens.store import Store
from crisislens.store.records import PostFilter
from store_posts import fill, new

USERS = ("ann", "bob", "eve")
steps = st.lists(
    st.tuples(
        st.sampled_from(["hold", "let_go", "right", "label", "unsure", "undo", "expire"]),
        st.sampled_from(USERS),
        st.integers(0, 2),
        st.sampled_from(["damage", "needs"]),
    ),
    max_size=30,
)


class Desk:
    """What should be, after the same steps."""

    def __init__(self, posts: list[int]) -> None:
        self.posts = posts
        self.holder: dict[int, str] = {}
        self.standing: dict[tuple[int, str, str], int] = {}

    def taken(self, post: int, user: str) -> bool:
        """Whether another person holds a post."""
        return self.holder.get(post, user) != user

    def reviews(self, post: int) -> list[int]:
        """The standing reviews of a post, the oldest first."""
        return sorted(review for (number, _, _), review in self.standing.items() if number == post)


def test_any_order_of_holding_reviewing_and_undoing(store: Store) -> None:
    people = {name: store.users.add(name, "reviewer", actor="cli").id for name in USERS}
    names = count()

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(steps)
    def holds(taken: list[tuple[str, str, int, str]]) -> None:
        desk = Desk(fill(store, *(new(next(names)) for _ in range(3))))
        for what, user, which, task in taken:
            step(store, desk, people, what, user, desk.posts[which], task)
        for post in desk.posts:
            row = store.posts.get(post)
            assert row.held_by == desk.holder.get(post)
            assert [review.id for review in row.reviews] == desk.reviews(post)
            every = store.reviews.of(post)
            assert [r.id for r in every if r.undone_at is None] == desk.reviews(post)
        reviewed = [post for post in desk.posts if desk.reviews(post)]
        wanted = PostFilter(ids=tuple(desk.posts), reviewed=True)
        assert sorted(row.id for row in store.posts.stream(wanted)) == reviewed
        held = {held.post_id: held.user for held in store.reviews.held()}
        assert {post: user for post, user in held.items() if post in desk.posts} == desk.holder

    holds()
    assert store.audit.broken_at() is None


def step(
    store: Store, desk: Desk, people: dict[str, int], what: str, user: str, post: int, task: str
) -> None:
    """One step, here and there."""
    if what == "let_go":
        mine = desk.holder.get(post) == user
        assert store.reviews.let_go(people[user], post) == mine
        if mine:
            del desk.holder[post]
        return
    if what == "undo":
        review = desk.standing.get((post, user, task))
        if review is not None:
            other = next(name for name in USERS if name != user)
            refused(NotFoundError, store.reviews.undo, review, people[other])
            assert store.reviews.undo(review, people[user]).undone_at is not None
            del desk.standing[post, user, task]
        return
    if desk.taken(post, user):
        if what in ("hold", "expire"):
            refused(ConflictError, store.reviews.hold, post, people[user])
        else:
            refused(ConflictError, add, store, post, people[user], what, task)
        return
    if what in ("hold", "expire"):
        seconds = 60 if what == "hold" else -1
        assert store.reviews.hold(post, people[user], seconds=seconds).user == user
        desk.holder.pop(post, None)
        # a hold that ran out is no hold
        if what == "hold":
            desk.holder[post] = user
        return
    desk.standing[post, user, task] = add(store, post, people[user], what, task)
    desk.holder.pop(post, None)


def add(store: Store, post: int, user: int, verdict: str, task: str) -> int:
    """A review; its number."""
    labels = ["mild_damage"] if verdict == "label" else []
    return store.reviews.add(post, user, verdict=verdict, task=task, labels=labels).id  # type: ignore[arg-type]


def refused(error: type[Exception], call: object, *given: object) -> None:
    """Whether a call is refused, and leaves nothing."""
    try:
        call(*given)  # type: ignore[operator]
    except error:
        return
    raise AssertionError(f"{call} should have raised {error.__name__}")


def test_reviewers_who_ask_at_once_share_the_queue_out(store: Store) -> None:
    """Four at the same time: every post goes to one of them, and none is left."""
    posts = fill(store, *(new(i) for i in range(24)))
    people = [store.users.add(f"u{i}", "reviewer", actor="cli").id for i in range(4)]
    got: dict[int, list[int]] = {person: [] for person in people}
    start = threading.Barrier(len(people))

    def work(person: int) -> None:
        start.wait(timeout=20)
        # some take one at a time, and some a hand
        most = 1 + 4 * (person % 2)
        while rows := store.reviews.hold_some(person, PostFilter(order="urgency"), most=most, seconds=60):
            got[person] += [row.id for row in rows]

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(number for numbers in got.values() for number in numbers) == sorted(posts)
    assert len(store.reviews.held()) == len(posts)


def test_the_next_post_is_the_most_urgent_one_that_is_free_and_not_yet_mine(store: Store) -> None:
    first, second, third = fill(store, new(1), new(2), new(3))
    ann, bob = (store.users.add(name, "reviewer", actor="cli").id for name in ("ann", "bob"))
    queue = PostFilter(order="urgency", reviewed=False)
    # of equal urgency the newest number comes first
    store.reviews.hold(third, bob)
    got = [row.id for row in (store.reviews.hold_next(ann, queue) for _ in range(2)) if row]
    assert got == [second, first]
    assert store.reviews.hold_next(ann, queue) is None
    store.reviews.add(second, ann, verdict="right", task="damage")
    store.reviews.let_go(bob)
    again = store.reviews.hold_next(ann, queue)
    assert again is not None
    assert again.id == third
    told = [event.doc for event in store.events.after(0, kinds=["post.held"])]
    assert {"held": True, "user": "bob"} in told
    assert {"held": False} in told


def test_a_hand_is_taken_in_one_step(store: Store) -> None:
    posts = fill(store, *(new(i) for i in range(8)))
    ann, bob = (store.users.add(name, "reviewer", actor="cli").id for name in ("ann", "bob"))
    queue = PostFilter(order="urgency", reviewed=False)
    store.reviews.hold(posts[7], bob)
    hand = store.reviews.hold_some(ann, queue, most=5, seconds=60, without=(posts[6],))
    # of equal urgency the newest number comes first; what bob holds and what is put off is passed over
    assert [row.id for row in hand] == posts[5:0:-1]
    assert {row.held_by for row in hand} == {"ann"}
    assert [row.id for row in store.reviews.hold_some(ann, queue, most=5, seconds=60)] == [posts[6], posts[0]]
    assert store.reviews.hold_some(ann, queue, most=5, seconds=60) == []
    assert len(store.reviews.held()) == 8
    assert len(store.events.after(0, kinds=["post.held"])) == 8


def test_a_post_that_is_erased_is_held_by_nobody(store: Store) -> None:
    [post] = fill(store, new(1))
    ann = store.users.add("ann", "reviewer", actor="cli").id
    store.reviews.hold(post, ann)
    store.reviews.add(post, ann, verdict="right", task="damage")
    store.reviews.hold(post, ann)
    store.erasure.posts([post], actor="cli")
    assert store.reviews.held() == ()
    assert store.reviews.last_of(ann) is None
    assert store.reviews.let_go(ann) == 0
    assert list(store.reviews.export("damage")) == []
