"""Alerts on both databases: raised once a window, made graver and not repeated, closed by people."""

from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import update

from alert_posts import CAGUAS, NOW, PONCE, WATER, ask, at
from crisislens.alerts.evaluate import evaluate, try_rule
from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store import Store, alert_hits
from crisislens.store.models import Answer
from crisislens.store.records import AlertRow, Finding, RuleSpec


def raised(store: Store) -> list[AlertRow]:
    """What stands after everything was evaluated."""
    evaluate(store, now=NOW)
    return list(store.alerts.list())


def test_one_alert_a_rule_place_and_window(store: Store) -> None:
    rule = store.alert_rules.add("water", WATER, actor="cli")
    two = ask(store, -20, -15)
    assert raised(store) == []
    third = ask(store, -10)
    [alert] = raised(store)
    assert (alert.rule, alert.place, alert.place_name) == ("water", PONCE.id, "Ponce")
    assert (alert.state, alert.level, alert.most) == ("open", 1, 3)
    assert (alert.began_at, alert.full_at) == (at(-20), at(-10))
    assert alert.post_ids == (*two, *third)
    # again and again, and from the beginning: nothing is raised twice
    assert raised(store) == [alert]
    store.alerts.apply(store.alerts.cursor(), 0, [])
    assert [one.id for one in raised(store)] == [alert.id]
    assert [e.kind for e in store.events.after(0, kinds=("alert.opened",))] == ["alert.opened"]
    assert alert.rule_id == rule.id


def test_it_becomes_graver_and_is_not_repeated(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -25, -24, -23)
    [first] = raised(store)
    ask(store, -22, -21)
    [same] = raised(store)
    assert (same.id, same.level, same.most, len(same.post_ids)) == (first.id, 1, 5, 5)
    ask(store, -20)
    [graver] = raised(store)
    assert (graver.id, graver.uid, graver.level) == (first.id, first.uid, 2)
    kinds = ("alert.opened", "alert.escalated")
    assert [event.kind for event in store.events.after(0, kinds=kinds)] == list(kinds)


def test_new_posts_of_the_moment_of_a_closed_alert_raise_another(store: Store) -> None:
    """A source that gives the day alone: all its posts of one day are of one moment."""
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -20, -20, -20)
    [first] = raised(store)
    store.alerts.close(first.id, "dismissed", actor="user:ann")
    later = ask(store, -20, -20, -20, -20)
    second, closed = raised(store)
    assert (second.state, second.post_ids) == ("open", tuple(later))
    assert second.began_at - first.began_at == timedelta(microseconds=1)
    assert (closed.id, closed.uid, closed.state) == (first.id, first.uid, "dismissed")
    assert second.uid != first.uid
    # what was found before it was closed is raised once
    posts = tuple((number, at(-20)) for number in first.post_ids)
    stale = {"place": first.place, "place_name": "Ponce", "began_at": at(-20), "full_at": at(-20), "most": 3}
    store.alerts.close(second.id, "answered", actor="user:ann")
    cursor = store.alerts.cursor()
    assert cursor is not None
    finding = Finding(rule_id=first.rule_id, posts=posts, **stale)
    assert store.alerts.apply(cursor, cursor, [finding]) == []


NOTHING = [
    ("another place", {"place": CAGUAS}, {}),
    ("no place", {"place": None}, {}),
    ("another need", {"needs": ("food",)}, {}),
    ("none", {"needs": ()}, {}),
    ("the same words", {"text": "we need clean drinking water at the old school by the river now"}, {}),
    ("one author", {"author": "@ann"}, {}),
    ("less sure", {}, {"min_confidence": 0.9}),
    ("another source", {}, {"sources": ("sms",)}),
    ("a place of the rule's own", {}, {"place": CAGUAS.id}),
]


@pytest.mark.parametrize(("posts", "rule"), [case[1:] for case in NOTHING], ids=[c[0] for c in NOTHING])
def test_what_raises_nothing(store: Store, posts: dict[str, object], rule: dict[str, object]) -> None:
    store.alert_rules.add("water", WATER.model_copy(update=rule), actor="cli")
    ask(store, -20, -15, **posts)  # type: ignore[arg-type]
    ask(store, -10)
    assert len(raised(store)) == 0


def test_what_the_model_abstained_from_never_counts(store: Store) -> None:
    spec = RuleSpec(task="damage", label="severe_damage", least=2, window_min=30)
    store.alert_rules.add("damage", spec, actor="cli")
    ask(store, -20, -15, -10, not_sure=True)
    assert raised(store) == []
    ask(store, -9, -8)
    [alert] = raised(store)
    assert alert.most == 2


def test_a_rule_counts_a_post_once_whichever_question_finds_it(store: Store) -> None:
    """Two questions find calls for help each: of one place one finds two, the other one, and both a third."""
    call = "requests_or_urgent_needs"
    calls = RuleSpec(task="meaning", label="calls_for_help", least=4, window_min=30)
    store.alert_rules.add("calls", calls, actor="cli")
    store.alert_rules.add("asks", calls.model_copy(update={"task": "needs", "label": "request"}), actor="cli")
    both = ask(store, -20, needs=("request",), category=call)
    either = [*ask(store, -18, -17, needs=("request",)), *ask(store, -16, needs=("warning",))]
    assert raised(store) == []
    last = ask(store, -10, needs=(), category=call)
    [alert] = raised(store)
    assert (alert.rule, alert.most) == ("calls", 4)
    assert alert.post_ids == (*both, *either[:2], *last)
    [trial] = try_rule(store, calls, at(-60), NOW).raised
    assert trial.post_ids == alert.post_ids
    sure = calls.model_copy(update={"min_confidence": 0.99})
    assert try_rule(store, sure, at(-60), NOW).posts == 0


def test_of_two_answers_the_surer_one_is_enough(store: Store) -> None:
    [post] = ask(store, -20, needs=("request",), category="requests_or_urgent_needs")
    less = update(Answer).where(Answer.post_id == post, Answer.task == "needs").values(confidence=0.6)
    store.database.write(lambda tx: tx.connection.execute(less).rowcount)
    more = update(Answer).where(Answer.post_id == post, Answer.task == "humanitarian")
    store.database.write(lambda tx: tx.connection.execute(more.values(confidence=0.95)).rowcount)
    calls = RuleSpec(task="meaning", label="calls_for_help", least=1, window_min=30, min_confidence=0.9)
    assert try_rule(store, calls, at(-60), NOW).posts == 1
    asks = calls.model_copy(update={"task": "needs", "label": "request"})
    assert try_rule(store, asks, at(-60), NOW).posts == 0


def test_the_newest_posts_are_looked_at_and_each_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_hits, "MOST_HITS", 2)
    ids = ask(store, -20, -19, -18, needs=("request",), category="requests_or_urgent_needs")
    calls = RuleSpec(task="meaning", label="calls_for_help", least=1, window_min=30)
    assert [hit.post_id for hit in store.alerts.hits(calls)] == ids[1:]


def test_a_rule_of_a_meaning_that_nobody_knows_is_refused(store: Store) -> None:
    unknown = RuleSpec(task="meaning", label="cries_for_help", least=4, window_min=30)
    with pytest.raises(InputError, match="no meaning has this name; expected calls_for_help, missing_people"):
        store.alert_rules.add("calls", unknown, actor="cli")
    # what is filtered by is a label, and has a field of its own for this
    with pytest.raises(InputError, match="no model here is asked this question"):
        store.vocabulary.check("meaning", "calls_for_help")


def test_an_answered_alert_is_over_and_new_posts_raise_another(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -25, -24, -23)
    [first] = raised(store)
    closed = store.alerts.close(first.id, "answered", note="a truck is on its way", actor="user:ann")
    assert (closed.state, closed.closed_by, closed.note) == ("answered", "user:ann", "a truck is on its way")
    with pytest.raises(ConflictError, match="was answered by user:ann already"):
        store.alerts.close(first.id, "dismissed", actor="user:bea")
    ask(store, -20, -19)
    assert [one.id for one in raised(store)] == [first.id]
    ask(store, -18)
    second, before = raised(store)
    assert (before.id, second.state, second.most) == (first.id, "open", 3)
    assert not set(second.post_ids) & set(first.post_ids)
    assert store.alerts.count_open() == 1
    assert [one.id for one in store.alerts.list(state="answered")] == [first.id]
    assert [one.id for one in store.alerts.list(before_id=second.id, place=PONCE.id)] == [first.id]


def test_a_false_alarm_does_not_come_back(store: Store) -> None:
    everything = WATER.model_copy(update={"unanswered": False})
    store.alert_rules.add("water", everything, actor="cli")
    ask(store, -25, -24, -23)
    [first] = raised(store)
    store.alerts.close(first.id, "dismissed", actor="user:ann")
    ask(store, -22, -21)
    assert [one.id for one in raised(store)] == [first.id]
    audit = store.audit.list(thing=f"alert:{first.id}")
    assert [entry.action for entry in audit] == ["alert.dismissed"]


def test_reviewed_posts_do_not_count_unless_the_rule_says_so(store: Store) -> None:
    person = store.users.add("ann", "reviewer", actor="cli")
    posts = ask(store, -25, -24, -23)
    store.reviews.add(posts[0], person.id, verdict="right", task="needs")
    store.alert_rules.add("unanswered", WATER, actor="cli")
    every = WATER.model_copy(update={"unanswered": False})
    store.alert_rules.add("every", every, actor="cli")
    assert [one.rule for one in raised(store)] == ["every"]
    last = store.reviews.last_of(person.id)
    assert last is not None
    store.reviews.undo(last.id, person.id)
    assert {one.rule for one in raised(store)} == {"every", "unanswered"}


def test_old_windows_raise_nothing(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -3000, -2999, -2998)
    assert raised(store) == []
    late = WATER.model_copy(update={"late_h": 72.0})
    store.alert_rules.add("late", late, actor="cli")
    assert [one.rule for one in raised(store)] == ["late"]


def test_a_new_rule_looks_back_and_a_changed_one_too(store: Store) -> None:
    ask(store, -20, -15, -10)
    rule = store.alert_rules.add("water", WATER.model_copy(update={"least": 4}), actor="user:ann")
    assert raised(store) == []
    store.alert_rules.change(rule.id, spec=WATER, actor="user:ann")
    assert len(raised(store)) == 1
    store.alert_rules.change(rule.id, enabled=False, actor="user:ann")
    ask(store, -9, -8, place=CAGUAS)
    ask(store, -7, place=CAGUAS)
    assert len(raised(store)) == 1
    store.alert_rules.remove(rule.id, actor="user:ann")
    assert store.alert_rules.all() == ()
    assert raised(store)[0].rule == f"water (removed {rule.id})"
    again = store.alert_rules.add("water", WATER, actor="user:ann")
    assert store.alert_rules.by_name("water").id == again.id
    actions = [entry.action for entry in store.audit.list(thing="rule:water")]
    assert actions == ["rule.add", "rule.remove", "rule.change", "rule.change", "rule.add"]


def test_rules_that_are_refused(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    with pytest.raises(ConflictError, match="already"):
        store.alert_rules.add(" water ", WATER, actor="cli")
    for name in ("", "  ", "x" * 81):
        with pytest.raises(InputError, match="1 to 80 characters"):
            store.alert_rules.add(name, WATER, actor="cli")
    with pytest.raises(NotFoundError, match="there are: water"):
        store.alert_rules.by_name("fire")
    for number in (0, 99):
        with pytest.raises(NotFoundError):
            store.alert_rules.change(number, enabled=True, actor="cli")
    with pytest.raises(NotFoundError):
        store.alerts.get(1)
    with pytest.raises(InputError, match="shorten"):
        store.alerts.close(1, "answered", note="x" * 2001, actor="cli")


def test_of_many_evaluators_one_writes(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -20, -15, -10)
    threads = [Thread(target=evaluate, args=(store,), kwargs={"now": NOW}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.kind for e in store.events.after(0, kinds=("alert.opened",))] == ["alert.opened"]
    before = store.alerts.cursor()
    assert before is not None
    [alert] = store.alerts.list()
    finding = Finding(
        rule_id=alert.rule_id,
        place="city:9",
        place_name=None,
        began_at=NOW,
        full_at=NOW,
        most=3,
        posts=((alert.post_ids[0], NOW),),
    )
    # somebody else was quicker: nothing is written
    assert store.alerts.apply(before - 1, before + 1, [finding]) is None
    assert store.alerts.apply(None, before + 1, [finding]) is None
    assert len(store.alerts.list()) == 1


def test_erased_posts_leave_their_alert(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    posts = ask(store, -20, -15, -10)
    [alert] = raised(store)
    store.erasure.posts(posts[:1], actor="cli")
    assert store.alerts.get(alert.id).post_ids == tuple(posts[1:])


def test_a_rule_over_the_past_writes_nothing(store: Store) -> None:
    person = store.users.add("ann", "reviewer", actor="cli")
    posts = ask(store, -3000, -2990, -2985, -100, -95)
    store.reviews.add(posts[0], person.id, verdict="right", task="needs")
    trial = try_rule(store, WATER, at(-4000), NOW)
    # the review came later, so the alert would have been raised
    [one] = trial.raised
    assert (one.name, one.most, one.level, one.post_ids) == ("Ponce", 3, 1, tuple(posts[:3]))
    assert (trial.posts, trial.cut) == (5, False)
    assert store.alerts.list() == ()
    assert try_rule(store, WATER, at(-200), NOW).raised == ()
