"""What logits mean for a post, without a model: the lane of what nobody read, and what chooses a photo."""

from typing import Any

import numpy as np
import pytest
import torch

from crisislens.domain.assessment import Modality, Provenance
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.rationale import Rationale
from crisislens.features.encode import PostFeatures
from crisislens.pipeline.answering import Answering
from crisislens.pipeline.deciding import Decided
from crisislens.pipeline.joining import find_bundle
from crisislens.pipeline.photos import PhotoChoice
from crisislens.pipeline.readable import UNKNOWN, Readable

MADE_BY = Provenance(
    model="m",
    model_version="1",
    model_fingerprint="f",
    encoder_fingerprint="e",
    crisislens_version="0",
    analyzed_at="2026-01-01T00:00:00+00:00",
)
TEXT = PostFeatures(text_tokens=torch.zeros(1, 4))
PHOTO = PostFeatures(image_pooled=torch.zeros(4))
READ = Readable("en", None)
NOTHING = Rationale(method="rationales", model="m", note="no word stands out")


def answering(*, photos: tuple[str, ...]) -> Answering:
    """The default's tasks and calibration; only those named look at photos."""
    config = find_bundle("crisis-multilingual").config
    given: dict[str, tuple[Modality, ...]] = {
        name: ("text", "image") if name in photos else ("text",) for name in config.tasks
    }
    return Answering(config, given)


def logits(of: Answering, **told: str) -> dict[str, Any]:
    """Sure of one class in the tasks that are named; elsewhere of the first one, or of none of several."""
    found = {}
    for name, space in of.spaces.items():
        row = np.full(len(space), -9, np.float32)
        if name in told or not space.several:
            row[space.classes.index(told[name]) if name in told else 0] = 9
        found[name] = row
    return found


def record(of: Answering, features: PostFeatures, readable: Readable = READ, **told: str) -> Any:
    chosen = PhotoChoice(None, features, logits(of, **told))
    return of.assessment(Post(id="1", text="x"), chosen, readable, MADE_BY, notes=(), doubt=None)


ASKED = {"informativeness": "informative", "humanitarian": "requests_or_urgent_needs", "needs": "request"}


def test_what_was_read_is_ordered_by_its_answers() -> None:
    of = answering(photos=())
    call, talk = record(of, TEXT, **ASKED), record(of, TEXT, humanitarian="not_humanitarian")
    assert call.urgency > of.config.unread_urgency > talk.urgency
    assert call.unread is None
    assert call.modalities == ("text",)


@pytest.mark.parametrize("language", [None, "ht", "xx"])
def test_what_nobody_read_stands_at_the_rate_of_calls_whatever_its_logits_say(language: str | None) -> None:
    of = answering(photos=())
    found = [record(of, TEXT, Readable(language, "not read"), **told) for told in (ASKED, {})]
    ranked = (language or UNKNOWN) in of.config.ranked_languages
    assert [x.urgency == of.config.unread_urgency for x in found] == [not ranked] * 2
    assert all(answer.abstained for x in found for answer in x.tasks.values())
    assert all(x.unread == "not read" for x in found)


def test_a_question_that_is_never_surely_answered_does_not_make_a_post_uncertain() -> None:
    # the default's damage question has no confidence from which on it would be answered
    of = answering(photos=("damage",))
    sure = logits(of, informativeness="informative")
    doubtful = {**sure, "damage": np.zeros(3, np.float32)}
    found = [_uncertainty(of, TEXT, told) for told in (sure, doubtful)]
    assert found[0] == found[1] < 0.01
    # one that could have been sure counts
    torn = {**sure, "informativeness": np.zeros(2, np.float32)}
    assert _uncertainty(of, TEXT, torn) == 0.5
    # and so does one that another answer contradicts, however sure it is
    denied = logits(of, informativeness="not_informative", needs="request")
    assert _uncertainty(of, TEXT, denied) == 0.5


def test_a_post_of_which_nothing_could_be_surely_told_is_as_uncertain_as_can_be() -> None:
    # the default's other questions look at no photo
    of = answering(photos=("damage",))
    assert _uncertainty(of, PHOTO, logits(of)) == 1.0
    assert _uncertainty(of, PostFeatures(), logits(of)) == 1.0


def _uncertainty(of: Answering, features: PostFeatures, told: dict[str, Any]) -> float:
    chosen = PhotoChoice(None, features, told)
    said = of.assessment(Post(id="1", text="x"), chosen, READ, MADE_BY, notes=(), doubt=None)
    return of.uncertainty(said)


def test_a_photo_that_no_ordering_task_saw_makes_no_order() -> None:
    blind, seeing = answering(photos=("damage",)), answering(photos=("humanitarian",))
    assert record(blind, PHOTO, **ASKED).urgency == blind.config.unread_urgency
    assert record(seeing, PHOTO, **ASKED).urgency != seeing.config.unread_urgency
    # of a photo alone no language is missing
    assert record(blind, PHOTO, Readable(None, None)).unread is None


def test_a_photo_is_chosen_by_the_tasks_that_look_at_photos() -> None:
    of = answering(photos=("informativeness", "damage"))
    assert set(of.telling) == {"informativeness", "damage"}
    assert {(space.share, space.gate) for space in of.telling.values()} == {(0.5, False)}
    ordering = answering(photos=("humanitarian",))
    assert ordering.telling is ordering.spaces
    both = PostFeatures(text_tokens=torch.zeros(1, 4), image_pooled=torch.zeros(4))
    severe, none = (
        logits(of, informativeness="informative", damage=damage)
        for damage in ("severe_damage", "little_or_no_damage")
    )
    assert of.urgency_with_photo(both, severe) > of.urgency_with_photo(both, none)


def test_evidence_that_decides_alone_needs_one_task_and_says_why_it_found_none() -> None:
    config = find_bundle("crisis-multilingual").config
    one = config.model_copy(update={"tasks": {"humanitarian": config.tasks["humanitarian"]}})
    of = Answering(one, {"humanitarian": ("text",)})
    classes = len(of.spaces["humanitarian"])
    decided = Decided(np.zeros(classes, np.float32), kind=None, rationale=NOTHING)
    [answer] = of.of_evidence(decided).values()
    assert answer.abstained
    assert answer.reason == "No word stands out."


def test_no_task_is_sure_of_hardly_a_letter_that_is_all_it_was_given() -> None:
    of = answering(photos=("informativeness", "damage"))
    both = PostFeatures(text_tokens=torch.zeros(1, 4), image_pooled=torch.zeros(4))
    told = logits(of, **ASKED)
    sure = of.of_post(both, told)
    found = of.of_post(both, told, little="Too few letters.")
    assert sure["needs"].labels == ("request",)
    assert (found["needs"].labels, found["needs"].reason) == ((), "Too few letters.")
    # with the photo there is more to go by
    assert found["informativeness"] == sure["informativeness"]
    # and the order is that of a photo, which no ordering task saw
    photo = Post(id="1", text=".", image=ImageRef(path="a.jpg"))
    chosen = PhotoChoice(None, both, told)
    said = of.assessment(photo, chosen, READ, MADE_BY, notes=(), doubt=None, little="Too few letters.")
    assert said.urgency == of.config.unread_urgency
