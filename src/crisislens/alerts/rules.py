"""Rules in words, and the rules that a new service may begin with."""

from typing import Final

from crisislens.domain.asked import asked_tasks, usual_title
from crisislens.domain.meanings import ANY_OF, Meaning, meaning_named
from crisislens.domain.samples import RULES
from crisislens.store.records import RuleSpec

__all__ = ["EXAMPLES", "minutes", "rule_in_words", "what_is_counted"]

EXAMPLES: Final[dict[str, RuleSpec]] = {name: RuleSpec(**rule._asdict()) for name, rule in RULES.items()}
"""Offered on the page and by `crisislens alerts add`; none is switched on by itself."""


def minutes(count: int) -> str:
    """A span of time as a person says it.

    >>> minutes(30), minutes(60), minutes(180), minutes(90)
    ('30 minutes', '1 hour', '3 hours', '90 minutes')
    """
    if count % 60:
        return f"{count} minute" + "s" * (count != 1)
    hours = count // 60
    return f"{hours} hour" + "s" * (hours != 1)


def what_is_counted(spec: RuleSpec) -> str:
    """What a post must say, as a person reads it.

    >>> what_is_counted(RuleSpec(task="needs", label="rescue", least=1, window_min=5))
    'Calls and needs: Rescue needed'
    >>> what_is_counted(RuleSpec(task="meaning", label="warnings", least=1, window_min=5))
    'Warnings and advice'
    """
    meaning = _meaning(spec)
    if meaning is not None:
        return meaning.title
    task = asked_tasks().get(spec.task)
    heading = task.heading if task is not None else spec.task
    return f"{heading}: {usual_title(spec.task, spec.label)}"


def _meaning(spec: RuleSpec) -> Meaning | None:
    return meaning_named(spec.label) if spec.task == ANY_OF else None


def rule_in_words(spec: RuleSpec) -> str:
    """The whole rule as one sentence.

    Arguments:
        spec: The rule.
    """
    few = f"at least {spec.least} different posts" if spec.least > 1 else "a post"
    where = f"at {spec.place}" if spec.place else "at one place"
    meaning = _meaning(spec)
    answers = [f"“{usual_title(*answer)}”" for answer in meaning.answers] if meaning else []
    either = f" (either {' or '.join(answers)})" if answers else ""
    parts = [f"{what_is_counted(spec)}{either} – {few} {where} within {minutes(spec.window_min)}"]
    if spec.unanswered:
        parts.append("none answered")
    if spec.min_confidence:
        parts.append(f"the model at least {spec.min_confidence:.0%} sure")
    if spec.sources:
        parts.append("from " + " or ".join(spec.sources))
    return ", ".join(parts)
