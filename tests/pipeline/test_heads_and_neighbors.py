"""Logits that do not depend on the company, and what chunks keep for the search of near-duplicates."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crisislens.data.duplicates import SIGNATURE_LENGTH
from crisislens.domain.post import Post
from crisislens.features.encode import PostFeatures
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.widths import FeatureWidths
from crisislens.pipeline.analyst import Analyst, Finding
from crisislens.pipeline.heads import head_logits
from crisislens.pipeline.neighbors import NeighborStore

# multiples of what a vector of the processor holds, as all encoders' are: of other widths a product rounds by
# where in the batch a row stands
WIDTHS = FeatureWidths(text=16, text_pooled=32, image=16, image_pooled=64)


def features(seed: int, *, text: bool = True, image: bool = True) -> PostFeatures:
    chance = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance)

    given: dict[str, Any] = {}
    if text:
        given |= {"text_tokens": drawn(3, 16), "text_pooled": drawn(32)}
    if image:
        given |= {"image_tokens": drawn(2, 16), "image_pooled": drawn(64)}
    return PostFeatures(**given)


@pytest.fixture(scope="module")
def model() -> FusionModel:
    torch.manual_seed(0)
    spec = ModelSpec(name="late_fusion", options={"width": 16, "source": "pooled"})
    return spec.build(WIDTHS, 3).eval()


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_a_post_has_its_logits_whoever_stands_beside_it(model: FusionModel, count: int) -> None:
    posts = [features(i, text=i % 3 != 1, image=i % 3 != 2) for i in range(count)]
    together = head_logits({"a": model}, posts, WIDTHS)["a"]
    assert together.shape == (count, 3)
    for i in (0, count // 2, count - 1):
        alone = head_logits({"a": model}, [posts[i]], WIDTHS)["a"]
        assert np.array_equal(alone[0], together[i]), "bit for bit"
    backwards = head_logits({"a": model}, posts[::-1], WIDTHS)["a"]
    assert np.array_equal(backwards[::-1], together)


def test_no_posts_have_no_logits(model: FusionModel) -> None:
    found = head_logits({"a": model, "b": model}, [], WIDTHS)
    assert {name: len(rows) for name, rows in found.items()} == {"a": 0, "b": 0}


def test_a_model_is_shown_what_it_was_trained_on(model: FusionModel) -> None:
    posts = [features(i) for i in range(3)]
    bare = [features(i, image=False) for i in range(3)]
    shown = head_logits(
        {"text": model, "both": model}, posts, WIDTHS, given={"text": ["text"], "both": ["text", "image"]}
    )
    # as if the photo were not there
    expected = head_logits({"text": model}, bare, WIDTHS)["text"]
    assert np.allclose(shown["text"], expected, atol=1e-6)
    assert not np.allclose(shown["both"], expected, atol=1e-3)
    assert np.array_equal(shown["both"], head_logits({"a": model}, posts, WIDTHS)["a"])


ALIKE = "Flood destroyed the bridge in Ponce and families ask for boats and clean water tonight"
TEXTS = {
    "1": ALIKE,
    "2": "a lovely sunny day with friends in the park, coffee and cake for everybody",
    "3": ALIKE + " please",
    "4": "",
    "5": "ok",
    "ü\u2028": ALIKE,
}


@pytest.fixture(scope="module")
def found(tiny_bundle: Path) -> list[Finding]:
    posts = [Post(id=name, text=text) for name, text in TEXTS.items()]
    return Analyst.load(tiny_bundle).find(posts, analyzed_at="2026-01-01T00:00:00+00:00")


def kept(part: NeighborStore, path: Path) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, **part.arrays())  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("cuts", [[], [3], [1, 2, 5], [0, 0, 6]])
def test_clusters_do_not_depend_on_the_chunks(found: list[Finding], tmp_path: Path, cuts: list[int]) -> None:
    edges = [0, *cuts, len(found)]
    parts = [NeighborStore.of(found[a:b]) for a, b in pairwise(edges)]
    paths = [kept(part, tmp_path / f"{i}.npz") for i, part in enumerate(parts)]
    joined = NeighborStore.load(paths)
    assert joined.ids == tuple(TEXTS), "any id comes back, in the order of the source"
    # what says nothing has no signature, and none is like none
    assert joined.has_text.tolist() == [True, True, True, False, True, True]
    assert not joined.has_photo.any()
    assert [(c.kind, c.ids) for c in joined.clusters()] == [("text", ("1", "3", "ü\u2028"))]


def test_nothing_has_no_neighbors(tmp_path: Path) -> None:
    empty = NeighborStore.load([])
    assert empty.signatures.shape == (0, SIGNATURE_LENGTH)
    assert empty.clusters() == ()
    again = NeighborStore.load([kept(empty, tmp_path / "a.npz")])
    assert again.ids == ()
    assert again.clusters() == ()
