"""scripts/train_open.py: what may be trained on, the cache of vectors, and the made-up posts."""

from pathlib import Path

import numpy as np
import pytest
import train_open as script
from bundle_crisis import CALLS
from need import stress_posts
from train_crisis import FREE_SOURCES, OPEN

from crisislens.training.crisis_text import wording


def test_every_source_allows_any_use_with_attribution() -> None:
    assert set(script.BUDGETS) == set(FREE_SOURCES)


def test_made_up_posts_are_of_known_needs_and_not_of_the_stress_set() -> None:
    posts = script.made_up(CALLS)
    stress = {wording(str(p["text"])) for p in stress_posts()}
    assert not {wording(p.text) for p in posts} & stress
    for need in ("rescue", "transport", "security", "electricity_and_communication", "missing_people"):
        asked = [p for p in posts if p.labels[need]]
        assert len(asked) >= 12
        # who was found is missing no more
        assert need == "missing_people" or all(p.labels["request"] for p in asked)
        assert len({p.language for p in asked}) >= 6
    nothing = [p for p in posts if not any(p.labels.values())]
    assert len(nothing) >= 30
    assert all(set(p.labels) - {"humanitarian_10"} == set(CALLS) for p in posts)


def test_the_adapter_of_open_data_sees_open_sources_and_own_posts_alone() -> None:
    assert set(OPEN) == {*FREE_SOURCES, "made_up"}


class Encoder:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def fingerprint(self) -> str:
        return "f"


def test_a_killed_run_encodes_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vectors(encoder: Encoder, texts: list[str]) -> np.ndarray:
        encoder.texts += texts
        return np.array([[len(t), ord(t[0])] for t in texts], np.float32)

    monkeypatch.setattr(script, "pooled_of", vectors)
    first, second = Encoder(), Encoder()
    script.encode(first, ["a", "bb"], tmp_path)  # type: ignore[arg-type]
    found = script.encode(second, ["ccc", "bb", "ccc", "a"], tmp_path)  # type: ignore[arg-type]
    assert second.texts == ["ccc"]
    assert found.tolist() == [[3, 99], [2, 98], [3, 99], [1, 97]]


def test_macro_f1_counts_the_classes_that_occur() -> None:
    y = np.array([0, 0, 1, 1])
    assert script.macro_f1(y, y) == 1
    assert script.macro_f1(y, np.array([0, 0, 0, 2])) == pytest.approx((0.8 + 0.0) / 2)
