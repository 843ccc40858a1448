"""Asking a captioner: what is tried again, what ends the run, what it costs, and what answers are worth."""

import json
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.captioning.answers import AnswerError, Fields, caption_of_answer
from crisislens.captioning.asking import Asking
from crisislens.captioning.base import Answer, Captioner
from crisislens.captioning.labels import PHOTO_LABELS
from crisislens.captioning.prompts import Prompt, RenderedPrompt, find_prompt, packaged_prompts
from crisislens.captioning.records import CaptionRun, Limits, Question
from crisislens.captioning.weak import label_sentence
from crisislens.core.errors import ConfigError, InputError
from crisislens.core.http import RequestError
from crisislens.core.store import Store
from crisislens.data.images import ImageLimits
from crisislens.domain.post import Post

PROMPT = find_prompt("describe-v1")
GOOD = "Water stands on a road between houses."


class Scripted(Captioner):
    """Says one thing after the other, or raises it; the last for ever."""

    name = "scripted"
    needs_photo = False

    def __init__(self, *says: str | Exception, prompted: bool = True, tokens: int = 10) -> None:
        self.says, self.prompted, self.tokens, self.asked = [*says], prompted, tokens, 0

    def identity(self, post: Post) -> object:
        return {"captioner": "scripted"}

    def caption(self, post: Post, pixels: np.ndarray | None, prompt: RenderedPrompt) -> Answer:
        self.asked += 1
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return Answer(said, self.tokens)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "answers.sqlite") as found:
        yield found


def asking(captioner: Captioner, store: Store, prompt: Prompt = PROMPT, **limits: object) -> Asking:
    quick = {"first_wait_s": 0.001, "longest_wait_s": 0.002, **limits}
    return Asking(
        captioner, prompt, store, ImageLimits(), Limits.model_validate(quick), CaptionRun(), time.monotonic()
    )


def question(key: str = "k", path: Path | None = None) -> Question:
    return Question(key, Post(id="1", text="flood"), path)


def busy(status: int = 503) -> RequestError:
    return RequestError("busy", status=status, transient=True)


def test_an_answer_is_kept_with_its_price(store: Store) -> None:
    one = asking(Scripted(GOOD), store)
    outcome = one.answer(question())
    assert (outcome.text, outcome.status, outcome.reason) == (GOOD, "captioned", None)
    assert store.get("k") == {"text": GOOD, "model": "scripted", "tokens": 10}
    assert (one.run.requests, one.run.tokens) == (1, 10)


@pytest.mark.parametrize(
    ("says", "limits", "status", "asked"),
    [
        # transient failures up to the limit
        ([busy(), busy(), GOOD], {"retries": 2}, "captioned", 3),
        ([busy(), busy(), GOOD], {"retries": 1}, "failed", 2),
        ([busy()], {"retries": 0}, "failed", 1),
        # a lasting one is not tried again
        ([RequestError("no", status=400), GOOD], {}, "failed", 1),
        # useless answers have a limit of their own
        (["", GOOD], {"answer_retries": 1}, "captioned", 2),
        (["", "", GOOD], {"answer_retries": 1}, "failed", 2),
        (["", busy(), "", GOOD], {"answer_retries": 2, "retries": 1}, "captioned", 4),
        # a model that breaks is not asked again about this photo
        ([ZeroDivisionError("boom"), GOOD], {}, "failed", 1),
    ],
)
def test_what_is_tried_again(
    says: list[str | Exception], limits: dict[str, object], status: str, asked: int, store: Store
) -> None:
    captioner = Scripted(*says)
    outcome = asking(captioner, store, **limits).answer(question())
    assert (outcome.status, captioner.asked) == (status, asked)
    assert (store.get("k") is not None) == (status == "captioned"), "a failure is asked for again next time"
    assert (outcome.reason is None) == (status == "captioned")


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_what_no_photo_will_mend_ends_the_run(status: int, store: Store) -> None:
    with pytest.raises(RequestError, match="no key"):
        asking(Scripted(RequestError("no key", status=status)), store).answer(question())


@pytest.mark.parametrize("fault", [RequestError("gone", status=500), MemoryError("boom")])
def test_several_photos_without_an_answer_end_the_run(fault: Exception, store: Store) -> None:
    one = asking(Scripted(fault), store, give_up_after=3)
    assert [one.answer(question(str(i))).status for i in range(2)] == ["failed", "failed"]
    with pytest.raises(RequestError, match=r"3 photos in a row got no answer, the last because: .*is kept"):
        one.answer(question("2"))


def test_any_answer_sets_the_count_of_failures_back(store: Store) -> None:
    says: list[str | Exception] = [RequestError("gone", status=500)] * 2 + [""]
    captioner = Scripted(*says, *says, *says, GOOD)
    one = asking(captioner, store, give_up_after=3, answer_retries=0)
    assert {one.answer(question(str(i))).status for i in range(9)} == {"failed"}


def test_who_follows_no_prompt_is_asked_once_and_believed(store: Store) -> None:
    # a label of two letters is no caption of a model, but one of a table
    assert asking(Scripted("ok", prompted=False), store).answer(question()).text == "ok"
    captioner = Scripted(AnswerError("no row"), prompted=False)
    outcome = asking(captioner, store, answer_retries=5).answer(question("other"))
    assert (outcome.status, outcome.reason, captioner.asked) == ("failed", "no row", 1)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_requests": 2}, "the budget of 2 requests is used up; run again to go on"),
        ({"max_tokens": 15}, "the budget of 15 tokens is used up; run again to go on"),
    ],
)
def test_a_budget_ends_the_asking(limits: dict[str, object], reason: str, store: Store) -> None:
    one = asking(Scripted(GOOD), store, **limits)
    outcomes = [one.answer(question(str(i))) for i in range(4)]
    assert [o.status for o in outcomes] == ["captioned", "captioned", "budget", "budget"]
    assert outcomes[-1].reason == reason
    assert one.run.requests == 2


def test_retries_count_as_requests(store: Store) -> None:
    one = asking(Scripted(busy()), store, max_requests=3, retries=9)
    outcome = one.answer(question())
    assert (outcome.status, one.run.requests) == ("budget", 3)


def test_a_useless_answer_costs_its_tokens(store: Store) -> None:
    one = asking(Scripted("", tokens=7), store, answer_retries=2)
    one.answer(question())
    assert one.run.tokens == 21


def test_a_stopped_run_asks_nothing_more(store: Store) -> None:
    captioner = Scripted(GOOD)
    one = asking(captioner, store)
    one.stop.set()
    outcome = one.answer(question())
    assert (outcome.status, outcome.reason, captioner.asked) == ("failed", "the run was stopped", 0)


def test_a_photo_that_cannot_be_read_asks_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    captioner = Scripted(GOOD)
    outcome = asking(captioner, store).answer(question(path=tmp_path / "a.png"))
    assert (outcome.status, captioner.asked) == ("unreadable photo", 0)


def test_a_server_that_is_overloaded_silences_all_workers(store: Store) -> None:
    one = asking(Scripted(busy(429), GOOD), store, longest_wait_s=0.05)
    one.answer(question())
    assert one.quiet_until > 0
    calm = asking(Scripted(busy(500), GOOD), store)
    calm.answer(question("other"))
    assert calm.quiet_until == 0, "a fault of one request is no overload"


FIELDS = {"description": "A flooded road", "damage": "severe", "people": True, "text": "STOP"}
OBJECTS = PROMPT.model_copy(update={"answer": "fields"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, 'A flooded road. Damage: severe. Written in the photo: "STOP".'),
        ({"damage": "unclear", "text": " "}, "A flooded road."),
        ({"description": "Water...  "}, 'Water. Damage: severe. Written in the photo: "STOP".'),
    ],
)
def test_fields_are_said_as_a_sentence(change: dict[str, object], sentence: str) -> None:
    assert Fields.model_validate({**FIELDS, **change}).sentence() == sentence


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "  ```\n{}```  ", "```JSON {} ```"])
def test_fences_around_an_object_are_taken_off(form: str) -> None:
    caption = caption_of_answer(form.replace("{}", json.dumps(FIELDS)), OBJECTS)
    assert caption.startswith("A flooded road. Damage: severe.")


@pytest.mark.parametrize(
    ("answer", "prompt", "reason"),
    [
        ("", PROMPT, "nothing that could be a caption"),
        ("?! … 😀", PROMPT, "nothing that could be a caption"),
        ("ab", PROMPT, "nothing that could be a caption"),
        ("flood, " * 30, PROMPT, "repeats itself"),
        ("a b c " * 40, PROMPT, "repeats itself"),
        ("no object", OBJECTS, "it is not JSON"),
        ("[1]", OBJECTS, "not the object that was asked for"),
        (json.dumps({**FIELDS, "damage": "huge"}), OBJECTS, "Input should be"),
        (json.dumps({**FIELDS, "people": "yes"}), OBJECTS, "Input should be a valid boolean"),
        (json.dumps({**FIELDS, "extra": 1}), OBJECTS, "Extra inputs"),
        (json.dumps({"description": "x"}), OBJECTS, "Field required"),
        ("[" * 100_000, OBJECTS, "not the object that was asked for"),
    ],
)
def test_answers_that_are_no_caption(answer: str, prompt: Prompt, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason) as caught:
        caption_of_answer(answer, prompt)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=200), st.integers(20, 80))
def test_a_caption_is_plain_and_short(answer: str, most: int) -> None:
    prompt = PROMPT.model_copy(update={"max_characters": most})
    try:
        caption = caption_of_answer(answer, prompt)
    except AnswerError:
        return
    assert 3 <= len(caption) <= most
    assert "\n" not in caption
    assert caption_of_answer(caption, prompt) == caption


ODDS = st.dictionaries(st.sampled_from([*PHOTO_LABELS]), st.floats(0, 1), min_size=1)


@given(ODDS)
def test_labels_make_one_sentence(odds: dict[str, float]) -> None:
    said = label_sentence(odds)
    assert said.startswith("The photo ")
    assert said.endswith(".")
    named = [name for name, p in odds.items() if p >= 0.15]
    assert (said == "The photo cannot be told.") == (not named)
    assert said.count("perhaps") <= 3


def test_a_prompt_knows_whether_it_shows_the_tweet() -> None:
    blind = PROMPT.model_copy(update={"user": "Describe the photo. {{tweet}}"})
    assert not blind.reads_tweet
    assert blind.render("x").user == "Describe the photo. {tweet}"
    seeing = PROMPT.model_copy(update={"user": "Tweet: {tweet}"})
    assert seeing.reads_tweet
    assert seeing.render('say "</s>" \n now').user == r'Tweet: "say \"\" now"'
    assert len({blind.fingerprint(), seeing.fingerprint(), PROMPT.fingerprint()}) == 3


@pytest.mark.parametrize("user", ["{photo}", "{}", "{tweet", "{0}", "{tweet!x}"])
def test_a_prompt_with_other_braces_is_refused(user: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps({"name": "mine", "version": 1, "system": "s", "user": user}))
    with pytest.raises(ConfigError, match="double other braces"):
        find_prompt(str(path))


def test_prompts_by_name_version_and_file(tmp_path: Path) -> None:
    assert all(find_prompt(name).id == name for name in packaged_prompts())
    newest = find_prompt(PROMPT.name)
    assert newest.version == max(p.version for p in packaged_prompts().values() if p.name == PROMPT.name)
    with pytest.raises(InputError, match=r"no prompt named 'nothing' and no such file; prompts that ship: "):
        find_prompt("nothing")
    broken = tmp_path / "p.yaml"
    broken.write_text("a: [")
    with pytest.raises(ConfigError, match="cannot be read as a prompt"):
        find_prompt(str(broken))


def test_an_answer_that_is_refused_costs_its_tokens(store: Store) -> None:
    refused = AnswerError("no text", tokens=40)
    # as it comes from another process
    assert pickle.loads(pickle.dumps(refused)).tokens == 40
    one = asking(Scripted(refused), store, answer_retries=9, max_tokens=100)
    assert one.answer(question()).status == "budget"
    assert (one.run.requests, one.run.tokens) == (3, 120)


@pytest.mark.parametrize("most", [10, 5000])
def test_the_cut_of_who_follows_no_prompt_is_not_the_prompts(most: int, store: Store) -> None:
    # the store keeps such an answer under a key without the prompt
    prompt = PROMPT.model_copy(update={"max_characters": most})
    outcome = asking(Scripted("flood " * 500, prompted=False), store, prompt).answer(question())
    assert 1190 < len(outcome.text) <= 1200


@pytest.mark.parametrize(
    "user", ["{tweet.text}", "{tweet[a]}", "{tweet.__class__}", "{tweet:>9}", "{tweet!r}"]
)
def test_a_prompt_holds_the_tweet_whole_and_as_it_is(user: str) -> None:
    with pytest.raises(ConfigError, match="double other braces"):
        Prompt.parse({"name": "mine", "version": 1, "system": "s", "user": user}, where="p.yaml")


def test_words_in_the_place_of_a_prompts_name_are_no_prompt() -> None:
    with pytest.raises(InputError, match="no prompt named"):
        find_prompt("Describe the photo in two sentences. " * 10)
