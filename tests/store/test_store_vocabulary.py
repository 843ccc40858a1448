"""Questions and answers that exist: those that ship, and those that models gave here; on both databases."""

from typing import Any

import pytest
from sqlalchemy import event

from crisislens.core.errors import InputError
from crisislens.domain.asked import asked_tasks, shipped_answers
from crisislens.store import Store
from crisislens.store.records import RuleSpec
from crisislens.store.vocabulary import _judged
from store_posts import fill, new


def test_what_ships_is_known_without_a_post(store: Store) -> None:
    for question, task in asked_tasks().items():
        store.vocabulary.check(question)
        for label in task.classes:
            store.vocabulary.check(question, label)
        assert set(task.classes) <= set(store.vocabulary.answers(question))
    # another task that asks the same question, of a bundle that one may still use
    assert "affected" in shipped_answers("humanitarian")
    store.vocabulary.check("humanitarian", "affected")
    assert store.vocabulary.answers("roofs") == ()


@pytest.mark.parametrize(
    ("task", "label", "told"),
    [
        ("roofs", None, "expected informativeness"),
        ("roofs", "gone", "expected informativeness"),
        ("damage", "gold", "expected little_or_no_damage"),
        ("", None, "no model here is asked"),
    ],
)
def test_what_nobody_knows_is_refused(store: Store, task: str, label: str | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        store.vocabulary.check(task, label)


def test_questions_are_those_that_models_and_people_answered_here(store: Store) -> None:
    assert store.vocabulary.tasks() == ()
    numbers = fill(store, new(1), new(2))
    user = store.users.add("ann", "reviewer", actor="cli")
    store.reviews.add(numbers[0], user.id, verdict="label", task="roofs", labels=["gone"])
    store.reviews.add(numbers[1], user.id, verdict="right")
    assert store.vocabulary.tasks() == ("damage", "informativeness", "needs", "roofs")


def test_questions_of_people_are_read_from_an_index(store: Store) -> None:
    """However many reviews there are: a look a question, and the newest that judge a whole post."""
    [number] = fill(store, new(1))
    user = store.users.add("ann", "reviewer", actor="cli")
    for task in ("walls", "roofs", "roofs", "doors"):
        review = store.reviews.add(number, user.id, verdict="label", task=task, labels=["gone"])
    store.reviews.undo(review.id, user.id)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append(statement)

    with store.database.read() as connection:
        event.listen(connection, "before_cursor_execute", note)
        assert sorted(_judged(connection)) == ["roofs", "walls"]
    assert len(asked) == 4
    assert all("LIMIT" in statement for statement in asked)


def test_an_answer_that_a_model_gave_here_is_known(store: Store) -> None:
    fill(store, new(1), damage="heavy")
    store.vocabulary.check("damage", "heavy")
    assert "heavy" in store.vocabulary.answers("damage")
    # of many names some are told
    with pytest.raises(InputError, match=r"or \d+ more|expected"):
        store.vocabulary.check("damage", "gold")


def test_rules_that_are_added_or_changed_count_what_exists(store: Store) -> None:
    spec = RuleSpec(task="damage", label="severe_damage", least=2, window_min=30)
    rule = store.alert_rules.add("a", spec, actor="cli")
    silent = spec.model_copy(update={"label": "sever_damage"})
    with pytest.raises(InputError, match="expected little_or_no_damage"):
        store.alert_rules.add("b", silent, actor="cli")
    with pytest.raises(InputError, match="expected little_or_no_damage"):
        store.alert_rules.change(rule.id, spec=silent, actor="cli")
    assert [row.spec for row in store.alert_rules.all()] == [spec]
    assert store.alert_rules.change(rule.id, enabled=False, actor="cli").enabled is False
