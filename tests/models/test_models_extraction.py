"""Extractors: what a post is told never depends on its neighbors or padding, everything learns, and saving
gives equal results.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from crisislens.core.errors import ConfigError, ModelError
from crisislens.domain.extraction import AnnotatedPost, Mention
from crisislens.encoders.language import LanguageSpec
from crisislens.features.words import WordReader, collate_words
from crisislens.models.extraction import AlignmentSpec, Extractor, ExtractorSpec, TaskName
from crisislens.models.extractor_artifact import ExtractorMeta, load_extractor, save_extractor
from crisislens.models.heads import WordPairHead
from crisislens.nn.words import WordBatch
from tiny_language import made_up_posts, write_tiny_bert

TASKS: tuple[TaskName, ...] = ("entities", "relations", "joint")
RELATIONS = ("None", "/per/loc/place_of_residence")
IMAGE_WIDTH = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


def make(folder: Path, task: TaskName, **changes: object) -> Extractor:
    torch.manual_seed(0)
    options: dict[str, object] = {
        "task": task,
        "types": ("PER", "LOC"),
        "relations": () if task == "entities" else RELATIONS,
        "encoder": LanguageSpec(checkpoint=str(folder), max_tokens=48),
        "context_pieces": 8,
        "fusion": True,
        "image_width": IMAGE_WIDTH,
        "alignment": AlignmentSpec(samples=4, width=6),
    }
    return Extractor(ExtractorSpec(**(options | changes)))  # type: ignore[arg-type]


def test_specifications_that_do_not_fit_are_refused() -> None:
    for options, message in (
        ({"task": "relations", "relations": ("/a/b/c", "None")}, "the first relation is '/a/b/c'"),
        ({"joint_sequence": True}, "need contexts"),
        ({"joint_sequence": True, "context_pieces": 65}, "at most 64 fit"),
        ({"context_pieces": 127}, "at most 126 fit"),
        ({"alignment": AlignmentSpec()}, "need contexts"),
        (
            {
                "context_pieces": 8,
                "alignment": {"kind": "shapley_margin", "expectation": "uniform", "learn_temperature": True},
            },
            "no temperature",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            ExtractorSpec.parse(options, where="a test")


def inputs(extractor: Extractor, posts: list[AnnotatedPost]) -> WordBatch:
    reader = WordReader(extractor.encoder, context_pieces=8, joint=extractor.spec.joint_sequence)
    pairs = [(p.mentions[0], p.mentions[1]) if extractor.spec.task == "relations" else None for p in posts]
    numbers = [int(p.id.rpartition("-")[2]) for p in posts]
    # several contexts: posts with the same one have nothing to tell apart
    contexts = [("", "water today", "help today")[i % 3] for i in numbers]
    images = [
        torch.randn(2, IMAGE_WIDTH, generator=torch.Generator().manual_seed(i)) if i % 2 else None
        for i in range(len(posts))
    ]
    read = [
        reader.read(p.words, context=c, pair=pair) for p, c, pair in zip(posts, contexts, pairs, strict=True)
    ]
    return collate_words(read, pad_id=0, images=images, image_width=IMAGE_WIDTH)


def labels(extractor: Extractor, posts: list[AnnotatedPost], words: int) -> torch.Tensor:
    if extractor.spec.task == "relations":
        return torch.tensor([RELATIONS.index(p.links[0].type) for p in posts])
    y = torch.zeros(len(posts), *[words] * (2 if extractor.spec.task == "joint" else 1), dtype=torch.long)
    for row, p in enumerate(posts):
        n = len(p.words)
        if extractor.spec.task == "joint":
            y[row, :n, :n] = torch.from_numpy(extractor.pairs.encode(p.mentions, p.links, words=n))
        else:
            y[row, :n] = torch.tensor(
                [extractor.tags.numbers[tag] for tag in extractor.tags.encode(p.mentions, words=n)]
            )
    return y


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("joint", [False, True])
def test_a_post_is_told_the_same_alone(folder: Path, task: TaskName, joint: bool) -> None:
    extractor = make(folder, task, joint_sequence=joint).eval()
    batch = inputs(extractor, made_up_posts(7))
    with torch.no_grad():
        together = extractor.scores(batch, extractor.trunk(batch))
        for i in range(7):
            one = batch.select(torch.tensor([i]))
            t, w, n = int(one.mask.sum()), int(one.word_mask.sum()), max(1, int(one.context_mask.sum()))
            cut = one.replace(
                ids=one.ids[:, :t],
                mask=one.mask[:, :t],
                text_mask=one.text_mask[:, :t],
                shapes=one.shapes[:, :t],
                starts=one.starts[:, :w],
                word_mask=one.word_mask[:, :w],
                context_ids=one.context_ids[:, :n],
                context_mask=one.context_mask[:, :n],
            )
            alone = extractor.scores(cut, extractor.trunk(cut))[0]
            same = (
                together[i]
                if task == "relations"
                else together[i, :w]
                if task == "entities"
                else together[i, :w, :w]
            )
            # sums over other padding are made in another order
            assert torch.allclose(alone, same, atol=1e-5)
    every = extractor.predict(batch)
    assert [p.mentions for p in every] == [
        extractor.predict(batch.select(torch.tensor([i])))[0].mentions for i in range(7)
    ]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rank", [0, 2])
def test_everything_learns(folder: Path, task: TaskName, rank: int) -> None:
    extractor, posts = make(folder, task, adapter_rank=rank), made_up_posts(8)
    # what starts at zero would hide what stands behind it
    for name, p in extractor.named_parameters():
        if name.endswith(".b") or "spelling" in name or "crf" in name:
            torch.nn.init.normal_(p.data, std=0.1)
    batch = inputs(extractor, posts)
    task_loss, align = extractor.loss(
        batch, labels(extractor, posts, batch.starts.shape[1]), torch.Generator().manual_seed(0)
    )
    assert align.item() != 0
    (task_loss + align).backward()
    # nothing of it is used: attention's last layer norm of positions, kinds of sequences, the tag that never
    # ends a sequence
    spared = {"trunk.encoder.model.embeddings.word_embeddings.weight"}
    for name, p in extractor.named_parameters():
        if p.requires_grad:
            assert p.grad is not None, name
            assert p.grad.isfinite().all(), name
            # a bias of keys shifts all scores of a query alike
            assert p.grad.abs().sum() > 0 or name.endswith("key.bias"), name
        elif rank == 0:
            assert name in {
                *spared,
                "trunk.alignment.log_temperature",
                "trunk.alignment.log_contrast_temperature",
            }, name


def test_batch_order_changes_no_loss(folder: Path) -> None:
    extractor, posts = make(folder, "entities").eval(), made_up_posts(8)
    batch = inputs(extractor, posts)
    y, order = labels(extractor, posts, batch.starts.shape[1]), torch.tensor([5, 2, 7, 0, 1, 6, 4, 3])
    first, again = (
        extractor.loss(b, t, torch.Generator().manual_seed(3))
        for b, t in ((batch, y), (batch.select(order), y[order]))
    )
    assert torch.allclose(first[0], again[0], atol=1e-5)
    assert torch.allclose(first[1], again[1], atol=1e-5)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_scores_of_entities_are_probabilities_of_enumeration(folder: Path, scheme: str) -> None:
    from itertools import product

    extractor = make(folder, "entities", scheme=scheme, types=("PER",)).eval()
    torch.nn.init.normal_(extractor.head.crf.transitions, std=0.5, generator=torch.Generator().manual_seed(1))
    posts = [p for p in made_up_posts(20) if len(p.words) <= 5][:6]
    batch, first = inputs(extractor, posts), Mention(0, 1, "PER")
    with torch.no_grad():
        emissions = extractor.scores(batch, extractor.trunk(batch)).double()
    crf, tags = extractor.head.crf.double(), extractor.tags
    for i, [score] in enumerate(extractor._span_scores(emissions, batch, [[first]] * len(posts))):
        n = int(batch.word_mask[i].sum())
        y = torch.tensor(list(product(range(len(tags.tags)), repeat=n)))
        with torch.no_grad():
            p = crf.log_likelihood(
                emissions[i : i + 1, :n].expand(len(y), -1, -1), y, torch.ones(len(y), n, dtype=torch.bool)
            ).exp()
        has = torch.tensor([first in tags.decode(q) for q in y.tolist()])
        assert score == pytest.approx(float(p[has].sum()), abs=1e-9)


def test_pair_head_is_its_formula() -> None:
    torch.manual_seed(0)
    head = WordPairHead(width=4, labels=3, hidden=5, dropout=0.0).double()
    h = torch.randn(1, 3, 4, dtype=torch.float64)
    out = head(h).detach()
    for i in range(3):
        for j in range(3):
            hidden = head.row(h[0, i]) + head.column(h[0, j]) + head.distance.weight[16 + j - i]
            assert torch.allclose(out[0, i, j], head.out(torch.nn.functional.gelu(hidden)), atol=1e-12)


def test_pair_loss_is_its_formula() -> None:
    torch.manual_seed(0)
    head = WordPairHead(width=4, labels=3, nothing_weight=0.3)
    logits = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    y = torch.randint(3, (2, 3, 3))
    words = [3, 2]
    mask = torch.arange(3) < torch.tensor(words)[:, None]
    expected = 0.0
    for row, n in enumerate(words):
        log_p = logits[row].log_softmax(-1).tolist()
        terms = [
            (0.3 if y[row, i, j] == 0 else 1.0) * -log_p[i][j][int(y[row, i, j])]
            for i in range(n)
            for j in range(n)
        ]
        expected += sum(terms) / n / 2
    assert head.loss(logits, y, mask).item() == pytest.approx(expected, abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: head.loss(x, y, mask), (logits,))


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("task", TASKS)
def test_saved_and_loaded_is_equal(folder: Path, tmp_path: Path, task: TaskName, rank: int) -> None:
    extractor = make(folder, task, adapter_rank=rank)
    for p in extractor.parameters():
        if p.requires_grad:
            p.data += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
    extractor.eval()
    save_extractor(tmp_path, extractor, ExtractorMeta(name="tiny", accept_above=0.4))
    random_before = torch.random.get_rng_state()
    loaded = load_extractor(tmp_path)
    assert torch.equal(random_before, torch.random.get_rng_state())
    batch = inputs(extractor, made_up_posts(5))
    with torch.no_grad():
        a, b = (x.scores(batch, x.trunk(batch)) for x in (extractor, loaded.extractor))
    # a merged adapter computes the same sum in one product
    assert torch.allclose(a, b, atol=1e-5)
    assert loaded.meta.accept_above == 0.4
    assert not any(p.requires_grad for p in loaded.extractor.parameters())
    assert loaded.fingerprint == load_extractor(tmp_path).fingerprint


def test_damaged_and_foreign_artifacts_are_refused(folder: Path, tmp_path: Path) -> None:
    save_extractor(tmp_path, make(folder, "entities"), ExtractorMeta(name="tiny"))
    config = json.loads((tmp_path / "config.json").read_text())
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "config.json").write_text(json.dumps(config | {"base": "other"}))
    with pytest.raises(ModelError, match="other weights"):
        load_extractor(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"spec": config["spec"] | {"fusion": False}}))
    with pytest.raises(ModelError, match="do not fit"):
        load_extractor(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(weights[:-1] + b"x")
    with pytest.raises(ModelError, match="another save"):
        load_extractor(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="lacks"):
        load_extractor(tmp_path)
    broken = make(folder, "entities")
    broken.head.out.bias.data[0] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        save_extractor(tmp_path / "x", broken, ExtractorMeta(name="tiny"))


def test_specifications_are_checked() -> None:
    for wrong in ({"task": "relations"}, {"relations": RELATIONS}, {"alignment": AlignmentSpec()}):
        with pytest.raises(ValueError):
            ExtractorSpec(**wrong)  # type: ignore[arg-type]
