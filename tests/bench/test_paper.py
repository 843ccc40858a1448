"""The paper's protocol with fewer training posts, on the made-up crisis."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from table2_cases import POSTS, drawn_once

from crisislens.bench.paper import Paper, PaperPosts, _Some, share_of_posts
from crisislens.bench.study import Outcome, Trial
from crisislens.core.errors import DataError
from crisislens.nn.batch import FeatureBatch

STUDY = Paper()
SMALL = Paper(
    changes=("data.source=synthetic", f"data.posts={POSTS}", "epochs=2", "encoder.name=hashing"),
)


@pytest.fixture(scope="module")
def posts(crisis_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PaperPosts, str]:
    data = tmp_path_factory.mktemp("paper")
    (data / "crisismmd").symlink_to(crisis_root)
    with pytest.MonkeyPatch.context() as patch:
        # drawing the photos takes longer than training on them
        patch.setattr(
            "crisislens.demo.crisis.synthetic_labeled", lambda _, posts: drawn_once(crisis_root, posts=posts)
        )
        return SMALL.prepare("A2", data, data / "cache")


@given(
    y=arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4)),
    seed=st.integers(0, 99),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted),
)
@settings(max_examples=30)
def test_a_share_holds_every_class_and_every_smaller_share(
    y: np.ndarray, seed: int, shares: list[float]
) -> None:
    few, more = (share_of_posts(y, share, seed) for share in shares)
    assert set(few.tolist()) <= set(more.tolist())
    assert set(y[few].tolist()) == set(y.tolist())
    for label in set(y.tolist()):
        n = int((y == label).sum())
        assert int((y[more] == label).sum()) == max(1, round(shares[1] * n))
    assert len(set(more.tolist())) == len(more)
    assert share_of_posts(y, 1.0, seed).tolist() == list(range(len(y)))


def test_another_seed_draws_other_posts() -> None:
    y = np.repeat([0, 1], 50)
    assert share_of_posts(y, 0.2, 0).tolist() != share_of_posts(y, 0.2, 1).tolist()


@pytest.mark.parametrize("setting", STUDY.settings)
@pytest.mark.parametrize("system", list(STUDY.systems))
def test_every_system_is_trained_as_the_paper_trains(setting: str, system: str) -> None:
    run = STUDY.run_of(setting, system)
    o, stop = run.optimizer, run.stopping
    assert (o.name, o.learning_rate, o.momentum, o.weight_decay) == ("sgd", 1e-3, 0, 0)
    # the file of the few posts with a photo has a recipe of its own, which would be another protocol
    assert (run.batch_posts, run.epochs, stop.monitor, stop.patience) == (32, 50, "loss", 5)
    assert run.loss.smoothing == 0
    assert run.model.name.endswith("_published") == run.as_published == system.endswith("published")
    assert ("differential" in run.model.name) == ("differential" in system)
    assert run.data.with_photo == (setting == "A3-photos")
    assert run.data.setting == setting[:2]
    assert run.data.clean_test == (setting != "A2")


def test_pairs_differ_in_one_thing_and_another_protocol_is_another_recipe() -> None:
    for a, b in STUDY.pairs:
        assert a != b
        forms = [name.endswith("published") for name in (a, b)]
        attention = ["differential" in name for name in (a, b)]
        assert (forms[0] != forms[1]) + (attention[0] != attention[1]) == 1
    assert len(STUDY.seeds) == 10
    assert Paper().terms() == STUDY.terms() != replace(STUDY, changes=("epochs=49",)).terms()


def test_some_posts_are_read_as_among_all(posts: tuple[PaperPosts, str]) -> None:
    inputs = posts[0].inputs["guided"].inputs["train"]
    kept = np.array([1, 4, 7])
    some = _Some(inputs, kept)
    assert some.lengths.tolist() == inputs.lengths[kept].tolist()
    batch, same = some.batch(np.array([2, 0])), inputs.batch(np.array([7, 1]))
    assert isinstance(batch, FeatureBatch)
    assert isinstance(same, FeatureBatch)
    assert torch.equal(batch.text.tokens, same.text.tokens)


def test_published_forms_read_vectors_and_designed_ones_words(posts: tuple[PaperPosts, str]) -> None:
    found, mark = posts
    longest = {name: int(one.inputs["train"].lengths.max()) for name, one in found.inputs.items()}
    assert longest["guided"] == longest["differential"] > 1
    assert longest["guided_published"] == longest["differential_published"] < longest["guided"]
    assert found.inputs["guided"] is found.inputs["differential"]
    assert len(mark) == 16
    assert {split: len(y) > 0 for split, y in found.y.items()} == {"train": True, "dev": True, "test": True}


def ran(posts: PaperPosts, system: str, at: float = 0.5, seed: int = 1) -> Outcome:
    return SMALL.run(posts, Trial("A2", system, at, seed))


@pytest.mark.parametrize("system", list(STUDY.systems))
def test_every_system_answers_each_test_post(posts: tuple[PaperPosts, str], system: str) -> None:
    found = ran(posts[0], system)
    right = found.hits["accuracy"]
    assert right.shape == posts[0].y["test"].shape
    assert found.facts["training posts"] == len(share_of_posts(posts[0].y["train"], 0.5, 1))
    assert found.facts["epochs"] == 2
    assert found.facts["accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    assert 0 <= found.facts["weighted F1"] <= 1


def test_a_trial_is_a_function_of_its_seed_and_the_share_counts(posts: tuple[PaperPosts, str]) -> None:
    first, again = ran(posts[0], "guided"), ran(posts[0], "guided")
    assert first.hits["accuracy"].tolist() == again.hits["accuracy"].tolist()
    assert first.facts == again.facts
    assert ran(posts[0], "guided", at=1.0).facts["training posts"] == len(posts[0].y["train"])


def test_clean_scores_are_those_of_the_clean_posts(posts: tuple[PaperPosts, str]) -> None:
    n = len(posts[0].y["test"])
    clean = np.arange(n) < n // 2
    found = ran(replace(posts[0], clean=clean), "guided_published")
    assert found.facts["clean posts"] == n // 2
    assert found.facts["clean accuracy"] == pytest.approx(found.hits["accuracy"][clean].mean(), abs=1e-4)
    assert not any(
        name.startswith("clean")
        for name in ran(replace(posts[0], clean=clean | True), "guided_published").facts
    )


def test_no_data_is_said_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="crisismmd"):
        STUDY.prepare("A2", tmp_path, tmp_path / "cache")
