"""Contexts that do not learn: what is made of them once is what the graph would make, and it stays."""

from pathlib import Path

import pytest
import torch

from crisislens.core.errors import ConfigError
from crisislens.encoders.language import LanguageSpec
from crisislens.models.extraction import AlignmentSpec, Extractor, ExtractorSpec
from crisislens.models.extractor_artifact import ExtractorMeta
from crisislens.training.extraction.config import ExtractionData, ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.data import collate_examples, encode_posts
from crisislens.training.extraction.fit import fit_extractor, run_mark, word_reader
from crisislens.training.extraction.run import run_extraction
from crisislens.training.extraction.splits import ExtractionSplits
from tiny_language import made_up_posts, write_tiny_bert

pytestmark = pytest.mark.usefixtures("warm_starts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def splits() -> ExtractionSplits:
    parts = [
        made_up_posts(n, seed=seed, split=split)
        for n, seed, split in ((32, 0, "train"), (8, 1, "dev"), (8, 2, "test"))
    ]
    contexts = {p.image: f"water in {p.words[-1]}" for part in parts for p in part if p.image}
    # one post without a context, and contexts of several lengths
    first, second, *_ = contexts
    del contexts[first]
    contexts[second] = "a street"
    return ExtractionSplits(*parts, contexts=contexts, relations=("None",), types=("LOC", "PER"))


def make(folder: Path, **changes: object) -> ExtractionRun:
    spec: dict[str, object] = {
        "types": ("PER", "LOC"),
        "encoder": LanguageSpec(checkpoint=str(folder), max_tokens=48),
        "context_pieces": 8,
        "fusion": True,
        "alignment": AlignmentSpec(samples=4, width=6),
    }
    locked = bool(changes.pop("locked", True))
    return ExtractionRun(
        name="tiny",
        data=ExtractionData(name="conll", locked_contexts=locked),
        extractor=ExtractorSpec.model_validate(spec | changes),
        recipe=ExtractionRecipe(epochs=2, batch_posts=8, learning_rate=3e-3),
        device="cpu",
    )


def test_before_training_they_are_what_the_graph_makes_of_contexts(
    folder: Path, splits: ExtractionSplits
) -> None:
    torch.manual_seed(0)
    extractor = Extractor(make(folder).extractor).eval()
    reader = word_reader(extractor)
    inside, before = (
        encode_posts(splits.train, extractor, reader, splits.contexts, locked_contexts=locked)
        for locked in (False, True)
    )
    assert any(e.context is None for e in before)
    assert all(e.context is None for e in inside)
    with torch.no_grad():
        one, other = (extractor.trunk(collate_examples(part, extractor)[0]) for part in (inside, before))
    assert one.has_context.tolist() == other.has_context.tolist()
    # groups of one length beside groups with padding: sums in another order
    torch.testing.assert_close(other.context, one.context, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(other.states, one.states, atol=1e-5, rtol=1e-4)


def test_they_stay_where_they_are_while_the_texts_learn(folder: Path, splits: ExtractionSplits) -> None:
    run = make(folder)
    trained, _ = fit_extractor(run, splits, seed=0)
    torch.manual_seed(0)
    fresh, reader = Extractor(run.extractor).eval(), word_reader(trained)
    states = [
        encode_posts(splits.dev, extractor, reader, splits.contexts, locked_contexts=True)
        for extractor in (trained, fresh)
    ]
    batches = [collate_examples(part, trained)[0] for part in states]
    assert torch.equal(batches[0].context_states, batches[1].context_states)  # type: ignore[arg-type]
    with torch.no_grad():
        texts = [extractor.trunk(batches[0]).text for extractor in (trained, fresh)]
    assert (texts[0] - texts[1]).abs().max() > 1e-3


def test_a_locked_run_is_another_one_and_others_keep_their_mark(
    folder: Path, splits: ExtractionSplits
) -> None:
    fixed = make(Path("somewhere"), locked=False)
    posts = ExtractionSplits([], [], [], contexts={}, relations=(), types=())
    # as it was before there were locked contexts: results that are kept go by it
    assert run_mark(fixed, posts) == "6e7e86a986388283"
    assert run_mark(make(folder), splits) != run_mark(make(folder, locked=False), splits)


@pytest.mark.parametrize(
    ("changes", "keep", "sentence"),
    [
        ({"joint_sequence": True}, None, "asks for contexts that are read by themselves"),
        ({"context_pieces": 0, "alignment": None}, None, "asks for contexts that are read by themselves"),
        ({}, ExtractorMeta(name="tiny"), "an extractor with locked contexts cannot be saved"),
    ],
)
def test_what_locked_contexts_cannot_do_is_told_before_anything_is_trained(
    folder: Path,
    splits: ExtractionSplits,
    tmp_path: Path,
    changes: dict[str, object],
    keep: ExtractorMeta | None,
    sentence: str,
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run_extraction(make(folder, **changes), tmp_path, splits=splits, keep=keep)
    assert list(tmp_path.iterdir()) == []


def test_a_locked_run_comes_to_a_result(folder: Path, splits: ExtractionSplits, tmp_path: Path) -> None:
    [result] = run_extraction(make(folder), tmp_path, splits=splits)
    assert len(result.history) == 2
    assert result.run.data.locked_contexts
    assert len(result.counts) == len(splits.test)
