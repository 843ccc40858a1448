"""Shuffled contexts on drawn pairs: who gets another's, who finds its own, and that a trial is a function of
its seed.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crisislens.bench.mismatch import Mismatch, bounded_loss, found_among
from crisislens.bench.mismatch_data import Pairs
from crisislens.bench.study import Outcome, Trial
from crisislens.core.errors import DataError
from crisislens.data.contexts import mismatched
from crisislens.encoders.base import EncoderSpec

SMALL = Mismatch(
    steps=40, batch=16, width=8, samples=2, learning_rate=0.03, temperatures=(0.1, 0.3), captioned=(6, 3)
)
HASHING = replace(SMALL, encoder=EncoderSpec(name="hashing"))


def drawn(n: int = 90) -> Pairs:
    """Posts, and of each two wordings that say the same and a little of something else."""
    random = torch.Generator().manual_seed(3)
    own = torch.randn(n, 12, generator=random)
    turned = own @ torch.randn(12, 10, generator=random)
    contexts = turned.repeat_interleave(2, 0) + 0.3 * torch.randn(2 * n, 10, generator=random)
    rows = {"train": np.arange(0, 50), "dev": np.arange(50, 70), "test": np.arange(70, n)}
    return Pairs(own, contexts, np.arange(2 * n).reshape(n, 2), np.arange(2 * n), rows)


PAIRS = drawn()


def tried(system: str, at: float, seed: int = 0, study: Mismatch = SMALL) -> Outcome:
    return study.run(PAIRS, Trial("captions", system, at, seed))


def hits(outcome: Outcome) -> dict[str, list[bool]]:
    return {name: right.tolist() for name, right in outcome.hits.items()}


@given(n=st.integers(0, 40), share=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_share_of_the_posts_and_no_more_get_the_context_of_another(n: int, share: float, seed: int) -> None:
    other = mismatched(n, share, np.random.default_rng(seed))
    # every context is still there once
    assert sorted(other.tolist()) == list(range(n))
    count = round(share * n)
    assert int((other != np.arange(n)).sum()) == (0 if count == 1 else count)


def test_equal_contexts_are_no_mistake_and_copies_count_once() -> None:
    # contexts down, posts across
    s = np.array(
        [
            [0.5, 0.1, 0.9, 0.2],
            [0.9, 0.8, 0.9, 0.1],
            [0.9, 0.3, 0.4, 0.3],
            [0.7, 0.2, 0.6, 0.3],
        ]
    )
    assert found_among(s, np.array([0, 1, 2, 3])).tolist() == [3, 0, 3, 1]
    # the second and third contexts are the same, word for word
    assert found_among(s, np.array([0, 1, 1, 3])).tolist() == [2, 0, 2, 1]
    # as near as the own one is not found first: a tie must not look like a success
    assert found_among(np.ones((3, 3)), np.array([0, 1, 2])).tolist() == [2, 2, 2]


@pytest.mark.parametrize("system", list(Mismatch.systems))
def test_a_trial_is_a_function_of_its_seed(system: str) -> None:
    # one step shows a difference as well as a hundred
    short = replace(SMALL, steps=3, temperatures=(0.3,))
    first, again, other = (tried(system, 0.4, seed, short) for seed in (5, 5, 6))
    assert hits(first) == hits(again)
    assert first.facts == again.facts
    assert hits(first) != hits(other)


def test_own_contexts_are_found_and_less_often_after_others_were_learned() -> None:
    one = replace(SMALL, temperatures=(0.1,))
    outcome = tried("info_nce", 0.0, study=one)
    # one of twenty by chance
    assert outcome.hits["R@1"].mean() > 0.3
    assert tried("info_nce", 1.0, study=one).hits["R@1"].mean() < 0.2
    # whoever is first is among the first ten
    assert (outcome.hits["R@10"] | ~outcome.hits["R@1"]).all()


def test_the_temperature_is_the_one_that_dev_likes_best_and_a_margin_of_similarities_has_none() -> None:
    short = replace(SMALL, steps=10)
    whole = tried("info_nce", 0.2, study=short)
    alone = [tried("info_nce", 0.2, study=replace(short, temperatures=(t,))) for t in short.temperatures]
    on_dev = [one.facts["dev R@10"] for one in alone]
    assert whole.facts["dev R@10"] == max(on_dev)
    chosen = short.temperatures.index(whole.facts["temperature"])
    assert on_dev[chosen] == max(on_dev)
    assert hits(whole) == hits(alone[chosen])
    assert tried("similarity_margin", 0.2, study=short).facts["temperature"] is None


def test_the_bounded_loss_is_one_minus_the_probability_of_the_own_context() -> None:
    s = torch.tensor([[0.4, 0.1, -0.2], [0.3, 0.2, 0.5], [0.0, 0.6, 0.1]], dtype=torch.float64)
    there, temperature = torch.ones(3, dtype=torch.bool), torch.tensor(0.5, dtype=torch.float64)
    alone = torch.eye(3, dtype=torch.bool)
    expected = 1 - (s / 0.5).softmax(0).diagonal().mean()
    assert bounded_loss(s, there, temperature, alone).item() == pytest.approx(expected.item(), abs=1e-12)
    # copies are no negatives: with nothing else left, there is nothing to lose
    assert bounded_loss(s, there, temperature, torch.ones(3, 3, dtype=torch.bool)).item() == 0
    # however far off a pair is, it costs 1 at most
    assert bounded_loss(-1000 * torch.eye(3).double(), there, temperature, alone).item() <= 1


def test_warm_info_nce_has_more_to_choose_from() -> None:
    short = replace(SMALL, steps=2, temperatures=(0.1,))
    cold, warm = (tried(system, 0.4, study=short).facts for system in ("info_nce", "info_nce_warm"))
    assert warm["dev R@10"] >= cold["dev R@10"]
    # one temperature is no choice
    assert (cold["temperature"], warm["temperature"] in (0.1, 1.0, 2.0)) == (None, True)


def test_another_recipe_is_another_experiment() -> None:
    changes = ({"steps": 41}, {"temperatures": (0.1,)}, {"captioned": (5, 3)}, {"limit": 2}, {"samples": 4})
    terms = [SMALL.terms(), *(replace(SMALL, **change).terms() for change in changes)]  # type: ignore[arg-type]
    assert len({str(one) for one in terms}) == 6


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Captioned photos and tweets with captions, a few of each."""
    (tmp_path / "photos").mkdir()
    rows = ["file\tset\tlabel\ttext"]
    for i in range(12):
        Image.new("RGB", (32, 32), (20 * i, 0, 90)).save(tmp_path / "photos" / f"{i:02}.png")
        rows.append(f"{i:02}.png\tcaptioned\teveryday\ta {i} || photo {i}")
    # too few captions to stand beside the others
    rows.append("12.png\tcaptioned\teveryday\tone")
    (tmp_path / "photos" / "manifest.tsv").write_text("\n".join(rows) + "\n")
    folder = tmp_path / "mner" / "twitter2017"
    folder.mkdir(parents=True)
    captions = []
    for split, n in (("train", 5), ("valid", 3), ("test", 4)):
        posts = [f"IMGID:{split}{i}\nRain\tO\nin\tO\nPonce{i}\tO\n" for i in range(n)]
        (folder / f"{split}.txt").write_text("\n".join(posts))
        # one has no caption, the others of a part share theirs by two
        captions += [f"{split}{i}.jpg :a dog {split} {i // 2}" for i in range(n - 1)]
    (folder / "captions_blip2.txt").write_text("\n".join(captions))
    return tmp_path


def test_photos_and_their_captions_are_prepared(data: Path, tmp_path: Path) -> None:
    pairs, mark = HASHING.prepare("captions", data, tmp_path / "cache")
    assert {part: len(rows) for part, rows in pairs.rows.items()} == {"train": 6, "dev": 3, "test": 3}
    assert (len(pairs.own), len(pairs.contexts), pairs.choices.shape) == (12, 24, (12, 2))
    assert torch.allclose(pairs.contexts.norm(dim=1), torch.ones(24))
    assert HASHING.prepare("captions", data, tmp_path / "cache")[1] == mark
    fewer, other = replace(HASHING, limit=2).prepare("captions", data, tmp_path / "cache")
    assert {len(rows) for rows in fewer.rows.values()} == {2}
    assert other != mark


def test_tweets_and_captions_are_prepared_where_both_are_there(data: Path, tmp_path: Path) -> None:
    pairs, _ = HASHING.prepare("twitter2017", data, tmp_path / "cache")
    assert {part: len(rows) for part, rows in pairs.rows.items()} == {"train": 4, "dev": 2, "test": 3}
    # equal captions have one number
    assert pairs.text.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_what_is_missing_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 12 photos with captions; more than 1200 are needed"):
        Mismatch().prepare("captions", data, tmp_path)
    with pytest.raises(DataError, match="no manifest of photos at"):
        SMALL.prepare("captions", tmp_path / "nowhere", tmp_path)
    with pytest.raises(DataError, match=r"lacks train\.txt"):
        SMALL.prepare("twitter2017", tmp_path / "nowhere", tmp_path)
    manifest = data / "photos" / "manifest.tsv"
    manifest.write_text("file\tset\tlabel\ttext\na.png\tscene\tshop\t\n")
    with pytest.raises(DataError, match="has no row of the set captioned"):
        SMALL.prepare("captions", data, tmp_path)
