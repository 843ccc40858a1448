"""Answers that mean nearly the same: each is known, stands in one meaning, and reads as in what ships."""

import json
from collections import Counter

import pytest

from crisislens.core.assets import asset
from crisislens.domain.asked import asked_tasks
from crisislens.domain.meanings import MEANINGS, meaning_of
from crisislens.domain.tasks import CALLED, Task
from crisislens.report.tally import lane_of


def test_an_answer_has_one_meaning_and_is_asked_for() -> None:
    answers = [answer for meaning in MEANINGS for answer in meaning.answers]
    assert set(Counter(answers).values()) == {1}
    for question, label in answers:
        task = asked_tasks()[question]
        assert label in task.classes
        assert not task.label(label).nothing
        # words of an address, where a space and a colon stand between them
        assert not {" ", ":"} & {*question, *label}
    assert len({meaning.name for meaning in MEANINGS}) == len(MEANINGS)


def test_answers_of_a_meaning_have_one_tone_and_its_title_is_none_of_theirs() -> None:
    for meaning in MEANINGS:
        labels = [asked_tasks()[question].label(label) for question, label in meaning.answers]
        assert len({lane_of(label) for label in labels}) == 1
        assert len({meaning.title, *(label.words for label in labels)}) == len(labels) + 1


def test_an_answer_finds_what_it_means() -> None:
    calls = meaning_of("humanitarian", "requests_or_urgent_needs")
    assert calls is meaning_of("needs", "request") is MEANINGS[0]
    assert meaning_of("needs", "water") is None
    # a user's own question that happens to have such an answer
    assert meaning_of("mine", "request") is None


@pytest.mark.parametrize("bundle", ["crisis-multilingual", "crisis-open"])
def test_calls_and_needs_read_as_in_the_bundle(bundle: str) -> None:
    config = json.loads((asset("bundles", bundle) / "bundle.json").read_text(encoding="utf-8"))
    shipped = Task.model_validate(config["tasks"][CALLED.question]["definition"])
    assert (shipped.name, shipped.question, shipped.heading, shipped.several) == (
        CALLED.name,
        CALLED.question,
        CALLED.heading,
        CALLED.several,
    )
    said = [
        [(label.name, label.words, lane_of(label)) for label in task.labels] for task in (shipped, CALLED)
    ]
    assert said[0] == said[1]
