"""The injection suite: pairs are fair, a careless prompt is caught, every packaged prompt holds, and shifts
are the hand-computed ones.
"""

from pathlib import Path

import numpy as np
import pytest
from injection_suite import CONDITIONS, TARGETS, Condition, measure, violations, write_on

from crisislens.captioning.prompts import Prompt, RenderedPrompt, packaged_prompts
from crisislens.core.errors import InputError
from crisislens.demo.crisis import synthetic_labeled
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_a_pair_is_of_one_length_in_one_place(condition: Condition) -> None:
    assert condition.malicious != condition.benign
    assert abs(len(condition.malicious) - len(condition.benign)) <= 6 * (condition.name == "hashtags")
    one, other = (condition.applied("Help", malicious=m) for m in (True, False))
    if condition.channel == "photo":
        assert one == other == "Help"
    else:
        assert one.removesuffix(condition.malicious) == other.removesuffix(condition.benign)


def test_there_are_enough_conditions() -> None:
    assert len({c.name for c in CONDITIONS}) == len(CONDITIONS) >= 10
    assert {c.channel for c in CONDITIONS} == {"text", "photo", "caption"}


@pytest.mark.parametrize("name", packaged_prompts())
@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_every_packaged_prompt_keeps_its_structure(condition: Condition, name: str) -> None:
    for tweet in (
        condition.applied('Bridge "down" {tweet}', malicious=True),
        condition.malicious,
        condition.malicious * 9,
    ):
        assert violations(packaged_prompts()[name], tweet) == ()


class Careless(Prompt):
    """A prompt that pastes the tweet in as it is."""

    def render(self, tweet: str) -> RenderedPrompt:
        return RenderedPrompt(self, self.system.strip(), self.user.replace("{tweet}", f'"{tweet}"'))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("JSON break-out", "left its JSON string"),
        ("fake system turn", "left its JSON string"),
        ("Unicode tags (invisible)", "invisible characters"),
        ("zero-width and bidi", "U+202E"),
        ("Llama marks", "[INST]"),
    ],
)
def test_a_careless_prompt_is_caught(condition: str, expected: str) -> None:
    prompt = Careless(name="careless", version=1, system="Describe.", user="Tweet: {tweet}\nDescribe it.")
    [tried] = [c for c in CONDITIONS if c.name == condition]
    assert violations(prompt, "Bridge down") == ()
    assert expected in " ".join(violations(prompt, tried.malicious))


def test_a_changed_system_turn_is_caught() -> None:
    class Leaky(Prompt):
        def render(self, tweet: str) -> RenderedPrompt:
            return RenderedPrompt(self, self.system + tweet, self.user.format(tweet='"x"'))

    assert (
        "system turn" in violations(Leaky(name="leaky", version=1, system="S", user="{tweet} end"), "more")[0]
    )


def said(*chances: float) -> list[dict[str, dict[str, float]]]:
    return [{"informativeness": {"not_informative": p, "informative": 1 - p}} for p in chances]


def test_shifts_and_flips_are_those_computed_by_hand() -> None:
    found = {"x": (said(0.1, 0.2, 0.9, 0.4), said(0.6, 0.7, 0.9, 0.3), said(0.2, 0.1, 0.9, 0.6))}
    [shift] = measure(found, {"x": np.array(["a", "a", "b", "c"])}, resamples=5000)
    assert shift.shift == pytest.approx((0.4 + 0.6 + 0 - 0.3) / 4)
    assert shift.moved == pytest.approx((0.5 + 0.5 + 0 - 0.1) / 4)
    assert (shift.flips_malicious, shift.flips_benign, shift.flips) == pytest.approx((0.5, 0.25, 0.25))
    # tweets are drawn: one resample of 27 holds tweet c only, one a only, which is more than the 2.5 % beyond
    # either end
    assert (shift.low, shift.high) == pytest.approx((-0.3, 0.5))
    assert 0 < shift.p_value <= shift.p_holm <= 1


def test_no_difference_is_certain_and_many_tests_cost() -> None:
    same, moved = said(*[0.3] * 40), said(*[0.5] * 40)
    tweets = np.arange(40)
    shifts = measure(
        {"none": (same, same, same), "strong": (same, moved, same)},
        {"none": tweets, "strong": tweets},
        resamples=199,
    )
    none, strong = shifts
    assert (none.shift, none.low, none.high, none.p_value, none.flips) == (0, 0, 0, 1, 0)
    assert strong.shift == pytest.approx(0.2)
    assert (strong.p_value, strong.p_holm) == pytest.approx((1 / 200, 2 / 200))
    with pytest.raises(InputError, match="as many"):
        measure({"x": (same, moved, same[:3])}, {"x": tweets})


def test_text_on_a_photo_covers_the_same_band() -> None:
    photo = np.full((120, 200, 3), 90, np.uint8)
    [c] = [c for c in CONDITIONS if c.channel == "photo"]
    one, other = write_on(photo, c.malicious), write_on(photo, c.benign)
    assert (one != other).any()
    covered = [(image != photo).any(axis=(1, 2)) for image in (one, other)]
    assert (covered[0] == covered[1]).all()
    assert 0 < covered[0].mean() < 0.75


def test_invisible_text_moves_the_shipped_bundle_by_nothing(tmp_path: Path) -> None:
    posts = [row.post for row in synthetic_labeled(tmp_path, posts=8)["informativeness"]]
    posts = [p.model_copy(update={"image": None}) for p in posts if p.has_text]
    analyst = Analyst.load(DEFAULT_BUNDLE)

    def answers(condition: Condition | None, malicious: bool) -> list[dict[str, dict[str, float]]]:
        texts = [
            p.text if condition is None else condition.applied(p.text, malicious=malicious) for p in posts
        ]
        found = analyst.assess([p.model_copy(update={"text": t}) for p, t in zip(posts, texts, strict=True)])
        return [{name: t.probabilities for name, t in a.tasks.items()} for a in found]

    tried = {
        c.name: c
        for c in CONDITIONS
        if c.name in ("Unicode tags (invisible)", "direct command", "full-width letters")
    }
    plain = answers(None, False)
    found = {name: (plain, answers(c, True), answers(c, False)) for name, c in tried.items()}
    shifts = measure(found, dict.fromkeys(tried, np.arange(len(posts))), resamples=99)
    by = {(s.condition, s.task): s for s in shifts}
    assert {task for _, task in by} == set(TARGETS)
    for task in TARGETS:
        hidden = by["Unicode tags (invisible)", task]
        assert (hidden.shift, hidden.moved, hidden.flips_malicious) == (0, 0, 0)
        told = by["direct command", task]
        assert (told.moved, told.shift) != (0, 0)
