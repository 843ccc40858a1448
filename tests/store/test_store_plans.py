"""Which index each page walks: a page of a million posts is read from one, and nothing is sorted.

`benchmarks/store_queries.py` tells what that takes in milliseconds.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Select, insert, select, text

from crisislens.store import Store
from crisislens.store.engines import engine_for
from crisislens.store.listing import Cursor, page_statement, unanswered_statement
from crisislens.store.models import Answer, Post, Review, Source, Tally
from crisislens.store.records import Box, PostFilter
from crisislens.store.tallies import EVERYWHERE
from store_posts import WHEN

POSTS = 3_000
SEVERE = ("damage", "severe_damage")
QUEUE: dict[str, Any] = {"reviewed": False, "folded": True, "free_for": 1}
PLANS = [
    (PostFilter(), "ix_post_at"),
    (PostFilter(order="urgency"), "ix_post_urgency"),
    (PostFilter(order="uncertainty"), "ix_post_uncertainty"),
    (PostFilter(order="urgency", **QUEUE), "ix_post_urgency"),
    (PostFilter(order="urgency", labels=(SEVERE,)), "ix_answer_urgency"),
    (PostFilter(order="uncertainty", labels=(SEVERE,)), "ix_answer_uncertainty"),
    (PostFilter(order="time", labels=(SEVERE,)), "ix_answer_at"),
    (PostFilter(order="urgency", labels=(SEVERE, ("needs", "water")), **QUEUE), "ix_answer_urgency"),
    # of labels that mean nearly the same the posts are walked, and each is looked up
    (PostFilter(order="urgency", any_label=(SEVERE, ("needs", "water"))), "ix_post_urgency"),
    (PostFilter(order="time", any_label=(SEVERE, ("needs", "water"))), "ix_post_at"),
    (PostFilter(order="time", place="city:1"), "ix_post_place"),
    (PostFilter(order="urgency", place="city:1"), "ix_post_place_urgency"),
    (PostFilter(order="time", source="api"), "ix_post_source"),
]


def plan(connection: Connection, statement: Select[Any]) -> str:
    """How the database goes about a statement."""
    if connection.dialect.name == "sqlite":
        word = "EXPLAIN QUERY PLAN"
    else:
        word = "EXPLAIN"
        # a table of few rows is quickest read whole; a large one is what is asked for
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_incremental_sort"):
            connection.execute(text(f"SET LOCAL {setting} = off"))
    compiled = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
    return "\n".join(
        str(row[-1]) for row in connection.exec_driver_sql(f"{word} {compiled}".replace("%", "%%"))
    )


@pytest.fixture
def many(store: Store) -> Iterator[Connection]:
    """A connection that sees many posts, which the planner has counted, and that is rolled back.

    On an empty table several indexes cost the same, and which one is taken is left to chance. Here a source
    and a place have few of the posts, as they have in a disaster.
    """
    for number in range(20):
        store.sources.ensure(f"source {number}" if number else "api", "api")
    engine = engine_for(store.database.url, write=True, connections=1)
    with engine.connect() as connection:
        sources = list(connection.scalars(select(Source.id)))
        posts = [post(i, sources[i % len(sources)]) for i in range(1, POSTS + 1)]
        connection.execute(insert(Post), posts)
        connection.execute(insert(Answer), [given for row in posts for given in answers(row)])
        for table in ("source", "post", "answer"):
            connection.execute(text(f"ANALYZE {table}"))
        yield connection
        connection.rollback()
    engine.dispose()


def post(number: int, source: int) -> dict[str, Any]:
    """A row of a post that was assessed."""
    at = WHEN - timedelta(minutes=number)
    return {
        "id": number,
        "source_id": source,
        "external_id": str(number),
        "digest": "",
        "text": "water",
        "at": at,
        "received_at": at,
        "state": "done",
        "urgency": number % 997 / 997,
        "uncertainty": number % 991 / 991,
        "place": f"city:{number % 100}",
    }


def answers(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is said of it: one label is common, the other is not."""
    given = {name: row[name] for name in ("at", "urgency", "uncertainty")}
    given |= {"post_id": row["id"], "confidence": 0.9, "abstained": False}
    label = "severe_damage" if row["id"] % 2 else "mild_damage"
    yield given | {"task": "damage", "label": label}
    if row["id"] % 5 == 0:
        yield given | {"task": "needs", "label": "water"}


@pytest.mark.parametrize("after", [False, True], ids=["first", "next"])
def test_every_page_walks_its_index_and_sorts_nothing(many: Connection, after: bool) -> None:
    for wanted, index in PLANS:
        if after:
            value = WHEN.isoformat() if wanted.order == "time" else 0.5
            wanted = wanted.model_copy(update={"after": Cursor(wanted.order, value, 7).written()})
        found = plan(many, page_statement(many, wanted).limit(50))
        assert index in found, (wanted, found)
        assert "TEMP B-TREE" not in found, (wanted, found)
        assert "Sort" not in found, (wanted, found)


@pytest.mark.parametrize("after", [False, True], ids=["first", "next"])
def test_what_no_model_has_answered_is_read_from_the_same_index(many: Connection, after: bool) -> None:
    for order in ("urgency", "uncertainty"):
        wanted = PostFilter(order=order, after=Cursor(order, None, 7).written() if after else None)
        statement = unanswered_statement(many, wanted)
        assert statement is not None
        found = plan(many, statement.limit(50))
        assert f"ix_post_{order}" in found, found
        assert "TEMP B-TREE" not in found, found
        assert "Sort" not in found, found


def test_what_waits_at_a_source_or_a_place_is_read_from_an_index(many: Connection) -> None:
    plans = [
        (PostFilter(order="urgency", source="api"), "ix_post_source"),
        (PostFilter(order="urgency", place="city:1"), "ix_post_place"),
    ]
    for wanted, index in plans:
        statement = unanswered_statement(many, wanted)
        assert statement is not None
        found = plan(many, statement.limit(50))
        # where few wait, all of them are as good as those of one source
        assert "ix_post_urgency" in found or index in found, found
        assert "SCAN post" not in found, found
        assert "Seq Scan" not in found, found


def test_what_is_answered_is_not_looked_for_among_what_waits(many: Connection) -> None:
    answered: list[dict[str, Any]] = [
        {"assessed": True},
        {"not_sure": "damage"},
        {"labels": (SEVERE,)},
        {"any_label": (SEVERE,)},
        {"states": ("done",)},
    ]
    for more in answered:
        for order in ("urgency", "uncertainty"):
            assert unanswered_statement(many, PostFilter(order=order, **more)) is None
    assert unanswered_statement(many, PostFilter(order="urgency", assessed=False)) is not None


def test_words_are_looked_up_in_their_index(store: Store) -> None:
    with store.database.read() as connection:
        if connection.dialect.name != "sqlite":
            connection.execute(text("SET LOCAL enable_indexscan = off"))
            statement = page_statement(connection, PostFilter(words="water"), capped=False)
            compiled = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            found = "\n".join(str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {compiled}"))
            assert "ix_post_words" in found
            return
        found = plan(connection, page_statement(connection, PostFilter(words="water")).limit(50))
    assert "VIRTUAL TABLE" in found
    assert "SCAN post\n" not in found


OTHERS = [
    (select(Tally).where(Tally.place == EVERYWHERE, Tally.hour >= text("'2026-01-01'")), "pk_tally"),
    (select(Post.id).where(Post.cluster_id == 7).order_by(Post.at, Post.id), "ix_post_cluster"),
    (
        select(Review.task).where(Review.undone_at.is_(None), Review.task > "a").order_by(Review.task),
        "ix_review_task",
    ),
    (select(Post.id).where(Post.shown_id == 7).order_by(Post.at, Post.id), "ix_post_shown"),
]


def test_the_other_pages_read_an_index_too(store: Store) -> None:
    with store.database.read() as connection:
        for statement, index in OTHERS:
            found = plan(connection, statement)
            # SQLite names the index of a primary key after the table
            assert index in found or "sqlite_autoindex_tally" in found, found


def test_the_queue_is_read_from_what_waits_alone(store: Store) -> None:
    """The index holds only posts that wait, so a million that are done cost nothing."""
    waiting = text("post.state IN ('queued','leased','failed')")
    statement = select(Post.id).where(waiting, Post.state == "queued").order_by(Post.stage, Post.id).limit(64)
    with store.database.read() as connection:
        found = plan(connection, statement)
    assert "ix_post_queue" in found
    assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    "box", [Box(west=-1, south=-1, east=1, north=1), Box(west=170, south=-9, east=-170, north=9)]
)
def test_a_box_is_looked_up_on_the_map_or_walked_in_order(store: Store, box: Box) -> None:
    with store.database.read() as connection:
        found = plan(connection, page_statement(connection, PostFilter(box=box, order="urgency")).limit(50))
    assert "ix_post_map" in found or "ix_post_urgency" in found


def test_postgres_knows_that_a_label_belongs_to_its_task(store: Store) -> None:
    """Without that it expects few posts of two labels, and reads all of one before it begins."""
    if store.database.sqlite:
        pytest.skip("SQLite reads its indexes in order")
    kept = text("SELECT count(*) FROM pg_statistic_ext WHERE stxname = 'st_answer_said'")
    with store.database.read() as connection:
        assert connection.execute(kept).scalar() == 1
        for name in ("jit", "max_parallel_workers_per_gather"):
            assert connection.execute(text(f"SHOW {name}")).scalar() in ("off", "0")
