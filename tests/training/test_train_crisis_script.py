"""The parts of scripts/train_crisis.py: what is drawn, what is hidden, and what an open question costs."""

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from crisislens.training.crisis_text import COLUMNS, HUMANITARIAN_10, CrisisText

PATH = Path(__file__).parents[2] / "scripts" / "train_crisis.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_crisis", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_crisis"] = module
    spec.loader.exec_module(module)
    return module


def text(words: str, *, source: str = "humaid", event: str = "storm", **labels: int) -> CrisisText:
    return CrisisText(words, source, event, "train", "en", labels)


def test_the_rate_warms_up_stays_and_falls_to_zero(script: ModuleType) -> None:
    rates = [script.rate(step, 1000, 0.35) for step in (0, 59, 600, 825, 999)]
    assert rates == pytest.approx([1 / 60, 1.0, 1.0, 0.5, 1 / 350])


def test_batches_hold_every_row_once_and_similar_lengths(script: ModuleType) -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 500)
    parts = script.batches(lengths, 16, np.random.default_rng(1))
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    assert np.mean([np.ptp(lengths[part]) for part in parts]) < 5


def test_an_event_never_trained_on_is_outside_in_whatever_source(script: ModuleType) -> None:
    assert script.outside(text("a", event="srilanka_floods_2017"))
    assert script.outside(text("a", source="idrisi_en", event="greece_wildfires_2018"))
    assert not script.outside(text("a", event="hurricane_irma_2017"))


def test_words_that_name_an_event_are_found_and_common_ones_are_not(script: ModuleType) -> None:
    irma = [text(f"irma storm number {i}", event="irma") for i in range(120)]
    other = [text(f"quake number {i}", event="quake") for i in range(120)]
    named = script.event_words([*irma, *other])
    assert {"irma", "storm"} <= named["humaid", "irma"]
    assert "number" not in named["humaid", "irma"]


def test_disguise_hides_the_event_in_about_half_and_never_all_words(script: ModuleType) -> None:
    rng = np.random.default_rng(0)
    hidden = sum(
        "irma" not in script.disguise(text("irma hit us"), {"irma"}, rng).lower() for _ in range(400)
    )
    assert 150 < hidden < 250
    assert all(script.disguise(text("irma"), {"irma"}, rng) for _ in range(50))


def test_a_small_group_is_repeated_three_times_at_most(script: ModuleType) -> None:
    texts = [text(str(i), source="disaster_keyword_tweets", informative=0) for i in range(5)]
    drawn = script.draw(texts, {"disaster_keyword_tweets": {"no": 100}}, np.random.default_rng(0))
    assert sorted(drawn) == sorted([*range(5)] * 3)


def test_an_open_question_costs_nothing_and_a_prior_moves_the_classes(script: ModuleType) -> None:
    ten, columns = torch.zeros(1, 10), torch.zeros(1, len(COLUMNS), requires_grad=True)
    answers = torch.full((1, len(COLUMNS)), math.nan)
    nothing = script.loss_of(ten, columns, torch.tensor([-1]), answers, torch.zeros(10))
    assert float(nothing.detach()) == 0.0
    answers[0, 0] = 1.0
    script.loss_of(ten, columns, torch.tensor([-1]), answers, torch.zeros(10)).backward()
    assert columns.grad is not None
    assert (columns.grad != 0).tolist() == [[True] + [False] * (len(COLUMNS) - 1)]
    prior = torch.full((10,), -5.0)
    prior[3] = 0.0
    rare, common = (
        script.loss_of(ten, columns.detach(), torch.tensor([c]), torch.full_like(answers, math.nan), prior)
        for c in (0, 3)
    )
    assert float(rare) > float(common)


def test_groups_are_those_that_budgets_name(script: ModuleType) -> None:
    missing = HUMANITARIAN_10.index("missing_or_found_people")
    for source in ("humaid", "idrisi_en", "crisisnlp_workers"):
        assert script.group_of(text("x", source=source, humanitarian_10=missing)) in script.BUDGETS[source]
    assert script.group_of(text("x", source="crisisnlp_workers", warning=0)) == "ten"
    assert script.group_of(text("x", source="messages_english", request=1)) == "request"


def test_a_checkpoint_brings_back_weights_moments_and_step(script: ModuleType, tmp_path: Path) -> None:
    encoder = torch.nn.Linear(4, 4)
    torch.manual_seed(0)
    run = script.Run(encoder, script.Heads(4), tmp_path)
    for _ in range(3):
        run.optimizer.zero_grad()
        ten, columns = run.heads(encoder(torch.randn(2, 4)))
        (ten.sum() + columns.sum() + encoder.weight.sum()).backward()
        run.optimizer.step()
        run.step += 1
    run.save()
    again = script.Run(torch.nn.Linear(4, 4), script.Heads(4), tmp_path)
    assert again.resume()
    assert again.step == 3
    for mine, theirs in zip(run.parameters, again.parameters, strict=True):
        assert torch.equal(mine, theirs)
        assert torch.equal(run.optimizer.state[mine]["exp_avg"], again.optimizer.state[theirs]["exp_avg"])


def test_humaid_does_not_say_whether_sympathy_is_informative(script: ModuleType) -> None:
    sympathy = HUMANITARIAN_10.index("sympathy_and_support")
    disputed = text("praying", humanitarian_10=sympathy, informative=1, request=0)
    assert script.without_disputed(disputed).labels == {"humanitarian_10": sympathy, "request": 0}
    kept = text("praying", source="crisislex_t26", humanitarian_10=sympathy, informative=0)
    assert script.without_disputed(kept) == kept
    other = text("road closed", humanitarian_10=0, informative=1)
    assert script.without_disputed(other) == other


def test_each_pass_draws_from_groups_that_exist(script: ModuleType) -> None:
    for budget in script.PASSES:
        for source, groups in budget.items():
            assert groups.keys() <= script.BUDGETS[source].keys() | {"need"}
            assert all(count > 0 for count in groups.values())
