"""Counts, days, near-duplicates, the audit trail, events, sources, settings."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from crisislens.core.errors import InputError, NotFoundError
from crisislens.data.duplicates import SIGNATURE_LENGTH
from crisislens.domain.meanings import meaning_of
from crisislens.domain.place import Place
from crisislens.store import Store
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check
from store_posts import MODEL, PONCE, WHEN, assess_all, done, fill, new

MANILA = Place(id="city:1701668", name="Manila", kind="city", country="PH", lat=14.6, lon=120.98)


def counted(store: Store, hours: float = 3, **more: object) -> dict[tuple[str, str], int]:
    """Labels and how many, of some hours from `WHEN` on."""
    counts = store.statistics.counts(WHEN, WHEN + timedelta(hours=hours), **more)  # type: ignore[arg-type]
    return {(c.task, c.label): c.posts for c in counts.labels}


def test_the_situation_by_label_place_and_hour(store: Store) -> None:
    at = [new(i, created_at=WHEN + timedelta(hours=i)) for i in range(4)]
    fill(store, *at[:2], place=PONCE, needs=["water", "food"])
    fill(store, at[2], place=MANILA, needs=["water"], not_sure=True)
    fill(store, at[3])
    assert counted(store, 2.5) == {
        ("damage", "severe_damage"): 2,
        ("damage", ""): 1,
        ("informativeness", "informative"): 3,
        ("needs", "water"): 3,
        ("needs", "food"): 2,
    }
    assert counted(store, place=MANILA.id)[("needs", "water")] == 1
    counts = store.statistics.counts(WHEN, WHEN + timedelta(hours=2.5))
    assert counts.posts == 3
    assert [(p.name, p.posts) for p in counts.places] == [("Ponce", 2), ("Manila", 1)]
    assert (counts.places[0].lat, counts.places[0].lon) == (PONCE.lat, PONCE.lon)
    water = [(h.hour.hour, h.posts) for h in counts.hours if h.label == "water"]
    assert water == [(10, 1), (11, 1), (12, 1)]
    on_map = store.statistics.places(WHEN, WHEN + timedelta(hours=5))
    assert [(p.name, p.posts) for p in on_map] == [("Ponce", 2), ("Manila", 1)]
    assert check(store) == []


CALL = "requests_or_urgent_needs"


def meant(store: Store, **more: object) -> dict[str, int]:
    counts = store.statistics.counts(WHEN, WHEN + timedelta(hours=3), **more)  # type: ignore[arg-type]
    return {c.meaning: c.posts for c in counts.meanings}


def test_labels_that_mean_the_same_count_a_post_once(store: Store) -> None:
    at = [new(i, created_at=WHEN) for i in range(6)]
    both = fill(store, *at[:2], place=PONCE, needs=["request", "water"], category=CALL)
    fill(store, at[2], place=MANILA, needs=["request"])
    fill(store, at[3], category=CALL)
    # a leaning is no label
    fill(store, at[4], category=CALL, not_sure=True)
    fill(store, at[5], needs=["missing_people", "warning"])
    assert meant(store) == {"calls_for_help": 4, "missing_people": 1, "warnings": 1}
    assert meant(store, place=PONCE.id) == {"calls_for_help": 2}
    counts = store.statistics.counts(WHEN, WHEN + timedelta(hours=3))
    assert {p.name: [(m.meaning, m.posts) for m in p.meanings] for p in counts.places} == {
        "Ponce": [("calls_for_help", 2)],
        "Manila": [("calls_for_help", 1)],
    }
    # what is counted beside the labels is none of them
    assert not any(":" in c.task for p in counts.places for c in p.labels)
    found = store.posts.find(PostFilter(any_label=meaning_of("needs", "request").answers))  # type: ignore[union-attr]
    assert len(found.rows) == 4
    store.erasure.posts(both, actor="cli")
    assert meant(store)["calls_for_help"] == 2
    assert check(store) == []


def test_a_new_answer_takes_the_old_one_off_the_counts(store: Store) -> None:
    numbers = fill(store, new(1, created_at=WHEN), new(2, created_at=WHEN), place=PONCE, needs=["water"])
    store.queue.renew_model("b" * 16)
    assess_all(store, model="b" * 16, needs=["food"], place=MANILA)
    assert counted(store)[("needs", "food")] == 2
    assert ("needs", "water") not in counted(store)
    assert counted(store, place=PONCE.id) == {}
    store.erasure.posts(numbers, actor="cli")
    assert counted(store) == {}


def test_what_days_looked_like(store: Store) -> None:
    fill(store, new(1, created_at=WHEN), confidence=0.55)
    fill(store, new(2, created_at=WHEN), confidence=1.0, needs=["water"])
    fill(store, new(3, created_at=WHEN + timedelta(days=1)), unread="no model reads this", not_sure=True)
    first, second = store.statistics.days(3, until=WHEN + timedelta(days=2))
    assert (first.day.date(), first.posts, first.unread) == (WHEN.date(), 2, 0)
    assert first.languages == {"en": 2}
    assert first.labels["damage"] == {"severe_damage": 2}
    assert first.confidence["damage"] == (0, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    assert (second.unread, second.labels["damage"]) == (1, {"": 1})
    assert store.statistics.models() == {MODEL: 3}
    assert store.statistics.sizes()["free_bytes"] > 0
    with pytest.raises(InputError, match="two models"):
        store.statistics.agreement([MODEL])


LONG = "the bridge on mill road is gone and the water is rising please send boats"


def test_near_duplicates_are_folded_behind_the_earliest(store: Store) -> None:
    late, other, early, photo, both = fill(
        store,
        new(1, LONG, created_at=WHEN + timedelta(hours=2)),
        new(2, "schools are closed tomorrow in the whole province"),
        new(3, f"RT @ann: {LONG} https://t.co/x", created_at=WHEN),
        new(4, "a photo", created_at=WHEN),
        new(5, LONG + "!!", created_at=WHEN + timedelta(hours=3)),
    )
    cluster = store.posts.get(late).cluster_id
    assert cluster is not None
    assert store.clusters.get(cluster).model_dump() == {
        "id": cluster,
        "lead_post_id": early,
        "size": 3,
        "kind": "text",
    }
    leads = {row.id for row in store.posts.find(PostFilter(folded=True)).rows}
    assert leads == {other, early, photo}
    assert [row.id for row in store.posts.detail(early).twins] == [late, both]
    assert store.posts.get(early).cluster_size == 3
    assert store.posts.count(PostFilter(cluster=cluster)) == 3


def test_posts_without_words_fold_by_their_photo(store: Store) -> None:
    store.posts.accept("api", [new(1, LONG), new(2, ""), new(3, ""), new(4, LONG)])
    jobs = store.queue.claim("w")
    hashes = {"2": 0b1011, "3": 0b1000, "4": 0b1011, "1": 2**64 - 1}
    store.queue.finish("w", [done(job, phash=hashes[job.post.id]) for job in jobs])
    said, shown = sorted(store.clusters.largest(), key=lambda cluster: cluster.lead_post_id)
    assert (said.size, said.kind, shown.size, shown.kind) == (2, "text", 2, "both")
    # the same photo under words of its own is linked
    assert [row.external_id for row in store.posts.detail(4).same_photo] == ["2", "3"]
    # hashes of five different bits are not alike
    store.posts.accept("api", [new(5, "")])
    [job] = store.queue.claim("w")
    store.queue.finish("w", [done(job, phash=0b1011 ^ 0b1111100000)])
    assert store.posts.get(job.post_id).cluster_id is None


def test_a_person_splits_and_merges(store: Store) -> None:
    words = "all roads to the north are open again says the ministry of public works"
    numbers = fill(store, new(1, LONG), new(2, LONG), new(3, LONG), new(4, words), new(5, words))
    one, two = store.posts.get(numbers[0]).cluster_id, store.posts.get(numbers[3]).cluster_id
    assert one is not None
    assert two is not None
    store.clusters.split(numbers[0], actor="user:ann")
    assert (store.posts.get(numbers[0]).cluster_id, store.posts.get(numbers[0]).lead) == (None, True)
    assert store.clusters.get(one).lead_post_id == numbers[1]
    # a model that looks again does not undo what a person did
    store.queue.renew_model("b" * 16)
    assess_all(store, model="b" * 16)
    assert store.posts.get(numbers[0]).cluster_id is None
    merged = store.clusters.merge([one, two], actor="user:ann")
    assert (merged.id, merged.size, merged.kind) == (one, 4, "person")
    with pytest.raises(NotFoundError, match="no cluster"):
        store.clusters.get(two)
    with pytest.raises(NotFoundError, match="in no cluster"):
        store.clusters.split(numbers[0], actor="user:ann")
    with pytest.raises(InputError, match="give two"):
        store.clusters.merge([one, one], actor="user:ann")
    assert check(store) == []


def test_a_flood_of_copies_costs_no_more_for_each(store: Store) -> None:
    """Of equal posts one stands in the buckets, however many there are."""
    fill(store, *(new(i, LONG) for i in range(60)))
    with store.database.read() as connection:
        largest = connection.execute(
            text("SELECT max(n) FROM (SELECT count(*) AS n FROM band GROUP BY band, key) AS b")
        ).scalar_one()
    assert largest == 1
    assert store.clusters.largest()[0].size == 60
    assert SIGNATURE_LENGTH == 64


def test_the_audit_trail_shows_that_it_was_changed(store: Store) -> None:
    for i in range(4):
        store.audit.add("user:ann", "test", f"thing:{i}", before={"a": i}, after={"b": "é\u2028"})
    assert [row.object for row in store.audit.list(most=2)] == ["thing:3", "thing:2"]
    assert [row.object for row in store.audit.list(before_id=3, most=9)] == ["thing:1", "thing:0"]
    assert store.audit.broken_at() is None
    changes = [
        "UPDATE audit SET actor = 'user:bob' WHERE id = 2",
        "DELETE FROM audit WHERE id = 3",
    ]
    for i, change in enumerate(changes):
        store.database.write(lambda tx, change=change: tx.connection.execute(text(change)).rowcount)  # type: ignore[misc]
        assert store.audit.broken_at() == 2, i
    assert any("audit trail does not hold" in finding.said for finding in check(store))


def test_events_wake_whoever_waits(store: Store) -> None:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(store.events.wait(0, timeout_s=20)))
    thread.start()
    told: list[int] = []
    stop = store.events.on_change(lambda: told.append(1))
    store.posts.accept("api", [new(1)])
    thread.join(timeout=20)
    assert seen == [True]
    assert told
    stop()
    stop()
    count = len(told)
    store.posts.accept("api", [new(2)])
    assert len(told) == count
    assert store.events.first() == 1
    assert len(store.events.after(1, most=1)) == 1


def test_sources_and_their_dead_letters(store: Store) -> None:
    made = store.sources.ensure("radio", "rss", {"url": "https://x"})
    assert store.sources.ensure("radio", "rss") == made
    changed = store.sources.change("radio", enabled=False, config={"token": "hidden"}, actor="user:ann")
    assert (changed.enabled, changed.config) == (False, {"token": "hidden"})
    assert "hidden" not in str(store.audit.list(thing="source:radio"))
    with pytest.raises(NotFoundError):
        store.sources.change("tv", enabled=True, actor="user:ann")
    store.dead_letters.add("radio", "x" * 70_000 + "\0", "no id")
    store.dead_letters.add("radio", "y", "no text")
    newest, oldest = store.dead_letters.list(source="radio")
    assert (newest.raw, oldest.reason, len(oldest.raw)) == ("y", "no id", 65_536)
    assert store.dead_letters.list(before_id=newest.id) == (oldest,)
    assert store.sources.all()[0].dead == 2
    store.dead_letters.remove(newest.id, actor="user:ann")
    with pytest.raises(NotFoundError):
        store.dead_letters.get(newest.id)
    with pytest.raises(NotFoundError):
        store.dead_letters.remove(newest.id, actor="user:ann")
    assert store.sources.by_name("tv") is None


def test_settings_remember_who_changed_them(store: Store) -> None:
    assert store.settings.get("title") is None
    store.settings.put("title", {"text": "Flood"}, actor="user:ann")
    store.settings.put("title", {"text": "Storm"}, actor="user:bob")
    assert store.settings.get("title") == {"text": "Storm"}
    assert store.settings.all() == {"title": {"text": "Storm"}}
    entry = store.audit.list(thing="setting:title")[0]
    assert (entry.actor, entry.before, entry.after) == ("user:bob", {"text": "Flood"}, {"text": "Storm"})


def test_an_evening_in_another_zone_is_counted_in_its_hour(store: Store) -> None:
    evening = datetime(2026, 9, 20, 23, 59, tzinfo=UTC).astimezone()
    fill(store, new(1, created_at=evening))
    counts = store.statistics.counts(evening, evening + timedelta(minutes=1))
    assert [hour.hour.hour for hour in counts.hours if not hour.task] == [23]
