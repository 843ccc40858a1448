"""What one transaction writes when posts have been assessed: the answers word for word, and beside them what
lists, maps and counts read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, bindparam, delete, exists, insert, select, text, update

from crisislens.store.models import Answer, Assessment, Media, Mention, Place, Post, table_of
from crisislens.store.records import Done
from crisislens.store.tallies import EVERY, Counted, count_post
from crisislens.store.transaction import Transaction, upsert
from crisislens.store.twins import Twin, join_twins

__all__ = ["counted_posts", "finish_all", "take_off_tallies", "uncertainty_of"]

_MOST_MENTIONS = 64
_STEP = 500


def finish_all(tx: Transaction, worker: str, found: Sequence[Done]) -> int:
    """Writes what a worker found; returns of how many posts."""
    held = select(Post.id, Post.at, Post.model, Post.place).where(
        text("post.state IN ('queued','leased','failed')"),
        Post.state == "leased",
        Post.lease_by == worker,
        Post.id.in_([done.post_id for done in found]),
    )
    rows = {row.id: row for row in tx.connection.execute(held.order_by(Post.id).with_for_update())}
    mine = [done for done in found if done.post_id in rows]
    if not mine:
        return 0
    docs = {done.post_id: from_json(done.doc) for done in mine}
    answered = [row for row in rows.values() if row.model is not None and row.id in docs]
    if answered:
        ids = [row.id for row in answered]
        take_off_tallies(tx, ids)
        for table in (Answer, Mention):
            tx.connection.execute(delete(table).where(table.post_id.in_(ids)))
        tx.connection.execute(update(Assessment).where(Assessment.post_id.in_(ids)).values(current=False))
    _write_assessments(tx, mine, docs)
    unsure = {done.post_id: done.uncertainty for done in mine}
    facts = {number: _facts(doc, unsure[number]) for number, doc in docs.items()}
    _write_posts(tx, mine, facts)
    _write_places(tx, docs.values())
    answers = [row for number, doc in docs.items() for row in _answers(rows[number], doc, facts[number])]
    if answers:
        tx.connection.execute(insert(table_of(Answer)), answers)
    mentions = [row for number, doc in docs.items() for row in _mentions(number, doc)]
    if mentions:
        tx.connection.execute(insert(table_of(Mention)), mentions)
    for counted in counted_posts(tx.connection, Post.id.in_(list(docs))):
        count_post(tx.tally, counted, 1)
    join_twins(tx, [Twin(done.post_id, rows[done.post_id].at, done.minhash, done.phash) for done in mine])
    for done in mine:
        urgency = facts[done.post_id]["urgency"]
        tx.event("post.assessed", done.post_id, urgency=urgency, partial=done.partial)
    return len(mine)


def take_off_tallies(tx: Transaction, ids: Sequence[int]) -> None:
    """Takes posts that were answered off the counts, before their answers are removed."""
    for counted in counted_posts(tx.connection, Post.id.in_(ids)):
        count_post(tx.tally, counted, -1)


def counted_posts(connection: Connection, *terms: Any) -> Iterator[Counted]:
    """What of answered posts is counted, as the tables have it; one post after the other, in their order."""
    photo = exists().where(Media.post_id == Post.id)
    wanted = select(Post.id, Post.at, Post.place, Post.language, Post.unread, photo.label("photo"))
    posts = connection.execute(wanted.where(Post.model.is_not(None), *terms).order_by(Post.id))
    while part := posts.fetchmany(_STEP):
        said: dict[int, list[tuple[str, str, float, bool]]] = defaultdict(list)
        answers = select(Answer.post_id, Answer.task, Answer.label, Answer.confidence, Answer.abstained)
        answers = answers.where(Answer.post_id.in_([row.id for row in part]))
        for number, task, label, confidence, leaning in connection.execute(answers):
            said[number].append((task, label, confidence, leaning))
        for row in part:
            unread = row.unread is not None
            yield Counted(row.at, row.place, row.language, unread, bool(row.photo), said[row.id])


def uncertainty_of(tasks: Mapping[str, Any]) -> float:
    """How unsure the least sure answer is, 0 to 1; 1 where there is none.

    >>> uncertainty_of({"a": {"confidence": 0.9}, "b": {"confidence": 0.6}})
    0.4
    """
    return round(1.0 - min((answer["confidence"] for answer in tasks.values()), default=0.0), 4)


def _facts(doc: Mapping[str, Any], uncertainty: float | None) -> dict[str, Any]:
    """What `post` carries of an assessment, and of what its model could not be sure of."""
    location = doc.get("location") or {}
    place = location.get("place") or next((m["place"] for m in doc["places"]), None)
    return {
        "model": doc["provenance"]["model_fingerprint"],
        "urgency": doc["urgency"],
        "uncertainty": uncertainty_of(doc["tasks"]) if uncertainty is None else uncertainty,
        "language": doc["language"],
        "unread": doc.get("unread"),
        "place": place and place["id"],
        "place_name": place and place["name"],
        "map_lat": location.get("lat"),
        "map_lon": location.get("lon"),
    }


def _write_assessments(tx: Transaction, mine: Sequence[Done], docs: Mapping[int, Any]) -> None:
    rows = [
        {
            "post_id": done.post_id,
            "model_fingerprint": docs[done.post_id]["provenance"]["model_fingerprint"],
            "doc": done.doc,
            "partial": done.partial,
            "current": True,
            "at": tx.now,
        }
        for done in mine
    ]
    statement = upsert(tx.connection, Assessment)
    new = {name: statement.excluded[name] for name in ("doc", "partial", "current", "at")}
    keys = [Assessment.post_id, Assessment.model_fingerprint]
    tx.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new), rows)


def _write_posts(tx: Transaction, mine: Sequence[Done], facts: Mapping[int, dict[str, Any]]) -> None:
    names = list(next(iter(facts.values())))
    rows = []
    for done in mine:
        rows.append(
            {
                "b_id": done.post_id,
                # a photo that is left for later is the next thing to do
                "b_state": "queued" if done.partial else "done",
                "b_stage": 1 if done.partial else 0,
                "b_at": tx.now,
                **{f"b_{name}": facts[done.post_id][name] for name in names},
            }
        )
    values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in names}
    values |= {"state": bindparam("b_state"), "stage": bindparam("b_stage"), "assessed_at": bindparam("b_at")}
    values |= {"lease_by": None, "lease_until": None, "tries": 0, "reason": None}
    table = table_of(Post)
    tx.connection.execute(update(table).where(table.c.id == bindparam("b_id")).values(values), rows)


def _write_places(tx: Transaction, docs: Iterable[Mapping[str, Any]]) -> None:
    found: dict[str, dict[str, Any]] = {}
    for doc in docs:
        place = (doc.get("location") or {}).get("place") or next((m["place"] for m in doc["places"]), None)
        if place:
            found[place["id"]] = {name: place[name] for name in ("id", "name", "lat", "lon")}
    if found:
        rows = [found[name] for name in sorted(found)]
        tx.connection.execute(upsert(tx.connection, Place).on_conflict_do_nothing(), rows)


def _answers(row: Any, doc: Mapping[str, Any], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for task, answer in doc["tasks"].items():
        # what it leans to where it abstains; an empty label where several may hold and none does
        said = [answer["label"]] if answer["abstained"] else list(answer["labels"]) or [EVERY]
        for label in dict.fromkeys(said):
            rows.append(
                {
                    "post_id": row.id,
                    "task": task,
                    "label": label,
                    "confidence": answer["probabilities"].get(label, answer["confidence"]),
                    "abstained": answer["abstained"],
                    "at": row.at,
                    "urgency": facts["urgency"],
                    "uncertainty": facts["uncertainty"],
                }
            )
    return rows


def _mentions(number: int, doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = [(entity["type"], entity, None) for entity in doc["entities"]]
    named += [("place", mention, mention["place"]["id"]) for mention in doc["places"]]
    return [
        {
            "post_id": number,
            "number": i,
            "kind": kind,
            "text": thing["text"],
            "start": thing["start"],
            "end": thing["end"],
            "place": place,
        }
        for i, (kind, thing, place) in enumerate(named[:_MOST_MENTIONS])
    ]
