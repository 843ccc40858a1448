"""Training of extractors on made-up posts: it learns, repeats, survives a kill, and is measured."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crisislens.core.errors import ConfigError, DataError, InputError, ModelError
from crisislens.core.files import sole_writer
from crisislens.data.annotated import one_row_a_pair
from crisislens.domain.extraction import AnnotatedPost, Link, Mention
from crisislens.encoders.language import LanguageSpec
from crisislens.encoders.vision import VisionSpec, load_vision
from crisislens.models.extraction import AlignmentSpec, Extractor, ExtractorSpec, Prediction, TaskName
from crisislens.models.extractor_artifact import ExtractorMeta, load_extractor, save_extractor
from crisislens.nn.words import WordBatch
from crisislens.training.extraction.acceptance import Items, best_thresholds, in_words, report_above
from crisislens.training.extraction.checks import AUTO, with_labels_of
from crisislens.training.extraction.config import ExtractionData, ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.data import collate_examples, encode_posts, length_batches
from crisislens.training.extraction.evaluate import (
    evaluate_extractor,
    predict_examples,
    retrieval,
    retrieval_chance,
)
from crisislens.training.extraction.fit import ExtractionEpoch, fit_extractor, word_reader
from crisislens.training.extraction.mie import compare_systems, run_mie, show_mie
from crisislens.training.extraction.run import SeedResult, result_path, run_extraction
from crisislens.training.extraction.score import _with_rules, read_marked, read_marked_file, score_extractor
from crisislens.training.extraction.splits import ExtractionSplits
from crisislens.training.extraction.systems import SYSTEMS, mie_run
from tiny_language import made_up_posts, write_tiny_bert

pytestmark = pytest.mark.usefixtures("warm_starts")

RELATIONS = ("None", "/per/loc/place_of_residence")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def splits() -> ExtractionSplits:
    parts = [
        made_up_posts(n, seed=seed, split=split)
        for n, seed, split in ((64, 0, "train"), (24, 1, "dev"), (24, 2, "test"))
    ]
    contexts = {p.image: f"water in {p.words[-1]}" for part in parts for p in part if p.image}
    return ExtractionSplits(*parts, contexts=contexts, relations=RELATIONS, types=("LOC", "PER"))


def make(folder: Path, task: TaskName = "entities", *, epochs: int = 3, **extractor: object) -> ExtractionRun:
    spec = {
        "task": task,
        "types": ("PER", "LOC"),
        "relations": () if task == "entities" else RELATIONS,
        "encoder": LanguageSpec(checkpoint=str(folder), max_tokens=48),
    }
    recipe = ExtractionRecipe(
        epochs=epochs, batch_posts=8, learning_rate=3e-3, head_learning_rate=1e-2, average=0.9
    )
    return ExtractionRun(
        name="tiny",
        data=ExtractionData(name="conll"),
        extractor=ExtractorSpec(**(spec | extractor)),
        recipe=recipe,
        device="cpu",  # type: ignore[arg-type]
    )


ALIGNED = {"context_pieces": 8, "fusion": True, "alignment": AlignmentSpec(samples=4, width=6)}


Learned = Callable[[TaskName], tuple[Path, SeedResult]]


@pytest.fixture(scope="module")
def learned(folder: Path, splits: ExtractionSplits, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Trains an extractor of a task for long enough and keeps it; once for all tests that ask for it."""

    @cache
    def train(task: TaskName) -> tuple[Path, SeedResult]:
        out, parts = tmp_path_factory.mktemp(task), splits
        if task == "relations":
            pairs = {name: one_row_a_pair(splits.part(name)) for name in ("train", "dev", "test")}
            parts = replace(splits, **pairs)
        run = make(folder, task, epochs=12 if task == "joint" else 8)
        [result] = run_extraction(run, out, splits=parts, keep=ExtractorMeta(name="tiny"))
        return out / "tiny-seed0", result

    return train


def improved(history: Sequence[ExtractionEpoch]) -> bool:
    return history[-1].task_loss < 0.6 * history[0].task_loss


@pytest.mark.parametrize("task", ["entities", "relations", "joint"])
def test_it_learns(learned: Learned, task: TaskName) -> None:
    history = learned(task)[1].history
    assert improved(history)
    assert max(record.dev_f1 for record in history) > 0.8


def test_it_learns_tags_of_ends_and_of_words_alone(folder: Path, splits: ExtractionSplits) -> None:
    _, history = fit_extractor(make(folder, epochs=8, scheme="bioes"), splits, seed=0)
    assert improved(history)
    assert max(record.dev_f1 for record in history) > 0.8


def test_a_killed_training_goes_on_to_the_same_numbers(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    run = make(folder, **ALIGNED)
    whole, history = fit_extractor(run, splits, seed=1)

    class Killed(Exception):
        pass

    def kill(record: ExtractionEpoch) -> None:
        if record.epoch == 2:
            raise Killed

    path = tmp_path / "run.ckpt"
    with pytest.raises(Killed):
        fit_extractor(run, splits, seed=1, checkpoint=path, after_epoch=kill)
    resumed, again = fit_extractor(run, splits, seed=1, checkpoint=path)
    assert [(r.task_loss, r.align_loss, r.dev_f1) for r in again] == [
        (r.task_loss, r.align_loss, r.dev_f1) for r in history
    ]
    for (name, p), (_, q) in zip(whole.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(p, q), name
    with pytest.raises(ModelError, match="another run"):
        fit_extractor(make(folder), splits, seed=1, checkpoint=path)


def test_runs_are_kept_and_compared(folder: Path, splits: ExtractionSplits, tmp_path: Path) -> None:
    # of twelve trainings none needs to learn
    splits = replace(splits, train=splits.train[:16], dev=splits.dev[:8], test=splits.test[:12])

    def named(name: str, **extractor: object) -> ExtractionRun:
        return make(folder, epochs=1, **extractor).model_copy(update={"name": name, "seeds": (0, 1)})

    text = run_extraction(named("twitter2017-text"), tmp_path, splits=splits)
    run_extraction(named("twitter2017-shap_ca", **ALIGNED), tmp_path, splits=splits)
    stamp = result_path(tmp_path, named("twitter2017-text"), 1).stat().st_mtime_ns
    assert run_extraction(named("twitter2017-text"), tmp_path, splits=splits) == text
    assert result_path(tmp_path, named("twitter2017-text"), 1).stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match="another run"):
        run_extraction(named("twitter2017-text", dropout=0.5), tmp_path, splits=splits)
    # the same name over other posts, or other contexts, is another run; the same data elsewhere are not
    fewer = replace(splits, test=splits.test[1:])
    with pytest.raises(ConfigError, match="of other data"):
        run_extraction(named("twitter2017-text"), tmp_path, splits=fewer)
    with pytest.raises(ConfigError, match="of other data"):
        run_extraction(
            named("twitter2017-shap_ca", **ALIGNED), tmp_path, splits=replace(splits, contexts={"1": "water"})
        )
    moved = named("twitter2017-text").model_copy(
        update={"data": ExtractionData(name="conll", root="elsewhere")}
    )
    assert run_extraction(moved, tmp_path, splits=splits) == text
    assert compare_systems(run_extraction(named("few"), tmp_path / "few", splits=fewer), text) is None
    first, second = show_mie(tmp_path, resamples=100)
    assert (first.system, second.system, second.against) == ("text", "shap_ca", "text")
    assert second.difference is not None
    mean = [sum(r.test.micro.f1 for r in row.results) / 2 for row in (first, second)]
    assert second.difference.difference == pytest.approx(mean[1] - mean[0])
    # another encoder's systems are compared among themselves, long contexts with the text that has none
    for name, options in (
        ("text-longformer", {}),
        ("context-long-longformer", {"context_pieces": 8, "fusion": True}),
    ):
        run_extraction(
            named(f"twitter2017-{name}", **options).model_copy(update={"seeds": (0,)}),
            tmp_path,
            splits=splits,
        )
    against = {row.system: row.against for row in show_mie(tmp_path, resamples=100)}
    assert against == {
        "text": "",
        "text-longformer": "",
        "context-long-longformer": "text-longformer",
        "shap_ca": "text",
    }
    # what was trained in another way is neither compared nor averaged
    again = [named("twitter2017-shap_ca", **ALIGNED), named("twitter2017-context")]
    again = [
        run.model_copy(update={"recipe": run.recipe.model_copy(update={"epochs": 2}), "seeds": (2,)})
        for run in again
    ]
    run_extraction(again[1].model_copy(update={"seeds": (0,)}), tmp_path, splits=splits)
    rows = {row.system: row for row in show_mie(tmp_path, resamples=100)}
    assert rows["context"].difference is None
    assert rows["shap_ca"].difference is None
    run_extraction(again[0], tmp_path, splits=splits)
    with pytest.raises(DataError, match="different settings"):
        show_mie(tmp_path, resamples=100)
    # no word of a post is in a result
    assert "Paris" not in result_path(tmp_path, named("twitter2017-text"), 0).read_text()


def test_one_process_trains_a_seed_and_others_may_train_other_ones(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    run = make(folder, epochs=1).model_copy(update={"seeds": (0,)})
    with sole_writer(tmp_path, lock=".tiny-seed0.lock"):
        with pytest.raises(InputError, match="another run is writing"):
            run_extraction(run, tmp_path, splits=splits)
        run_extraction(run.model_copy(update={"seeds": (1,)}), tmp_path, splits=splits)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-seed1.json"]


def test_pairs_of_one_post_are_counted_together(folder: Path, splits: ExtractionSplits) -> None:
    run = make(folder, "relations", epochs=1)
    extractor, _ = fit_extractor(run, splits, seed=0)
    twice = encode_posts([p for p in splits.test for _ in range(2)], extractor, word_reader(extractor), {})
    measured = evaluate_extractor(extractor, twice)
    once = evaluate_extractor(extractor, twice[::2])
    assert measured.counts.tolist() == (2 * once.counts).tolist()
    assert (measured.report.low, measured.report.high, measured.report.posts) == (
        once.report.low,
        once.report.high,
        once.report.posts,
    )


def test_a_pair_out_of_reach_costs_itself_alone(folder: Path, splits: ExtractionSplits) -> None:
    far = AnnotatedPost(
        "far", ("help",) * 60 + ("Anna", "visits", "Paris"), (Mention(60, 61, "PER"), Mention(62, 63, "LOC"))
    )
    far = replace(far, links=(Link(0, 1, RELATIONS[1]),), image="far")
    run = make(folder, "relations", epochs=1)
    whole, history = fit_extractor(run, splits, seed=0)
    with_far = replace(splits, train=[*splits.train, far])
    learned, same = fit_extractor(run, with_far, seed=0)
    assert [r.task_loss for r in history] == [r.task_loss for r in same], "nothing is learned from it"
    examples = encode_posts([*splits.test, far], learned, word_reader(learned), {})
    assert [e.out_of_reach for e in examples] == [*(False for _ in splits.test), True]
    found = predict_examples(learned, examples, with_scores=True)
    assert (found[-1].links, found[-1].link_scores) == ((Link(0, 1, "None"),), (1.0,))
    # and it counts as missed
    near, measured = evaluate_extractor(whole, examples[:-1]), evaluate_extractor(whole, examples)
    assert measured.report.micro.marked == near.report.micro.marked + 1
    assert measured.report.micro.found == near.report.micro.found
    with pytest.raises(DataError, match="every pair stands behind"):
        fit_extractor(run, replace(splits, train=[far]), seed=0)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_an_entity_over_the_limit_of_what_is_read_ends_there(folder: Path, scheme: str) -> None:
    extractor = Extractor(make(folder, scheme=scheme).extractor)
    post = AnnotatedPost("1", (*("help",) * 44, *("Anna",) * 6), (Mention(44, 50, "PER"),))
    [example] = encode_posts([post], extractor, word_reader(extractor), {})
    read = len(example.words.starts)
    assert 44 < read < 50
    batch, y = collate_examples([example], extractor)
    task, _ = extractor.loss(batch, y)
    # a sequence of tags that may not stand costs ten thousand
    assert 0 < task.item() < 1000
    assert extractor.tags.decode(y[0].tolist()) == [Mention(44, read, "PER")]


def prediction(*spans: tuple[int, str, float]) -> Prediction:
    return Prediction(
        tuple(Mention(i, i + 1, kind) for i, kind, _ in spans), tuple(score for *_, score in spans)
    )


def test_the_threshold_is_the_best_one_on_development_posts(folder: Path, splits: ExtractionSplits) -> None:
    extractor = Extractor(make(folder).extractor)
    posts = [
        AnnotatedPost(str(i), ("Anna", "in", "Paris"), (Mention(0, 1, "PER"), Mention(2, 3, "LOC")))
        for i in range(2)
    ]
    examples = encode_posts(posts, extractor, word_reader(extractor), {})
    found = [
        prediction((0, "PER", 0.9), (1, "PER", 0.42)),
        prediction((0, "PER", 0.7), (1, "LOC", 0.33), (2, "LOC", 0.61)),
    ]
    assert best_thresholds("entities", examples, found) == (0.45, None)
    report = report_above(examples, found, "entities", 0.45)
    assert (report.micro.right, report.micro.found, report.micro.marked) == (3, 3, 4)
    assert report_above(examples, found, "entities", 0.0).micro.found == 5
    assert in_words(report, "dev").startswith("dev: micro F1 85.7 [")
    # where nothing is to be gained nothing is left out
    assert best_thresholds("entities", examples, [prediction((0, "PER", 0.1), (2, "LOC", 0.1))] * 2) == (
        0.0,
        None,
    )
    pairs = encode_posts(
        splits.test, Extractor(make(folder, "relations").extractor), word_reader(extractor), {}
    )
    said = [Prediction(links=(Link(0, 1, RELATIONS[1]),), link_scores=(0.8 if e.y else 0.57,)) for e in pairs]
    assert best_thresholds("relations", pairs, said) == (0.6, None)
    assert report_above(pairs, said, "relations", 0.6).micro.f1 == 1.0


def test_joint_thresholds_are_chosen_for_entities_first(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    run = make(folder, "joint", epochs=1)
    extractor = Extractor(run.extractor)
    posts = [
        AnnotatedPost(
            "1",
            ("Anna", "in", "Paris"),
            (Mention(0, 1, "PER"), Mention(2, 3, "LOC")),
            (Link(0, 1, RELATIONS[1]),),
        ),
        AnnotatedPost("2", ("Paris", "or", "Quito"), (Mention(0, 1, "LOC"), Mention(2, 3, "LOC"))),
    ]
    examples = encode_posts(posts, extractor, word_reader(extractor), {})
    found = [
        Prediction(posts[0].mentions, (0.9, 0.6), (Link(0, 1, RELATIONS[1]),), (0.97,)),
        Prediction(
            (*posts[1].mentions, Mention(1, 2, "PER")), (0.6, 0.6, 0.2), (Link(0, 1, RELATIONS[1]),), (0.7,)
        ),
    ]
    # that of relations would cost three entities of four, were it theirs too
    assert best_thresholds("joint", examples, found) == (0.25, 0.75)
    assert report_above(examples, found, "quintuples", 0.25, 0.75).micro.f1 == 1.0
    assert report_above(examples, found, "entities", 0.25, 0.75).micro.f1 == 1.0
    run_extraction(run, tmp_path, splits=splits, keep=ExtractorMeta(name="both"))
    meta = load_extractor(tmp_path / "tiny-seed0").meta
    assert meta.accept_relations_above is not None
    assert [line.partition(" above")[0] for line in meta.card.numbers] == [
        "test, 24 posts, entities",
        "test, 24 posts, quintuples",
    ]


def test_a_joint_prediction_loses_relations_with_their_ends() -> None:
    mentions = (Mention(0, 1, "PER"), Mention(1, 2, "LOC"), Mention(2, 3, "LOC"))
    whole = Prediction(
        mentions, (0.3, 0.8, 0.9), (Link(0, 1, "a"), Link(1, 2, "b"), Link(2, 1, "c")), (0.99, 0.7, 0.4)
    )
    assert whole.above(0.0) == whole
    assert whole.above(0.5, 0.8).links == ()
    assert whole.above(0.0, 0.5).links == whole.links[:2]
    left = whole.above(0.5)
    assert left == Prediction(mentions[1:], (0.8, 0.9), (Link(0, 1, "b"),), (0.7,))


def test_labels_that_joint_training_could_not_tell_apart_are_refused(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    run = make(folder, "joint")
    untyped = replace(splits, dev=[replace(splits.dev[0], mentions=(Mention(0, 1, ""),), links=())])
    with pytest.raises(ConfigError, match="does not say the type of every entity"):
        run_extraction(run, tmp_path, splits=untyped)
    both = run.model_copy(
        update={"extractor": run.extractor.model_copy(update={"relations": ("None", "PER")})}
    )
    with pytest.raises(ConfigError, match="PER is the name of a type and of a relation"):
        run_extraction(both, tmp_path, splits=splits)


@pytest.mark.parametrize("joint", [False, True])
def test_contexts_are_hidden_wherever_they_stand(
    folder: Path, splits: ExtractionSplits, monkeypatch: pytest.MonkeyPatch, *, joint: bool
) -> None:
    seen: list[int] = []
    loss = Extractor.loss

    def watch(self: Extractor, batch: WordBatch, *rest: object) -> tuple[Tensor, Tensor]:
        assert bool((batch.mask & batch.text_mask == batch.text_mask).all()), "words stay"
        seen.append(int((batch.mask & ~batch.text_mask).sum() + batch.context_mask.sum()))
        return loss(self, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Extractor, "loss", watch)
    run = make(folder, epochs=1, context_pieces=8, fusion=True, joint_sequence=joint)
    fit_extractor(run, splits, seed=0)
    shown = seen.copy()
    seen.clear()
    fit_extractor(
        run.model_copy(update={"recipe": run.recipe.model_copy(update={"image_dropout": 0.999999})}),
        splits,
        seed=0,
    )
    assert min(shown) > 0
    assert sum(seen) == 0


def test_inputs_that_are_not_there_or_not_read_are_refused(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    bare = replace(splits, contexts={})

    def refused(run: ExtractionRun, given: ExtractionSplits, told: str, **data: object) -> None:
        with pytest.raises(ConfigError, match=told):
            run_extraction(
                run.model_copy(update={"data": run.data.model_copy(update=data)}), tmp_path, splits=given
            )

    refused(make(folder, **ALIGNED), bare, "asks for contexts and data.contexts is none")
    refused(make(folder), splits, "context_pieces 0 reads none", contexts="file", context_file="c.jsonl")
    refused(make(folder, context_pieces=8), splits, "contexts would be read and reach nothing")
    refused(make(folder), splits, "photos would be read and reach nothing", image_root="photos")
    refused(make(folder, image_width=1280, **ALIGNED), splits, "image_root names no folder")


def test_data_without_contexts_have_no_systems_that_need_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mnre-v2 comes without contexts"):
        run_mie(tmp_path, tmp_path / "out", data_sets=["mnre-v2"], systems=["shap_ca"])
    # before a first, valid data set is begun
    with pytest.raises(InputError, match="no benchmark of 'typo'"):
        run_mie(tmp_path, tmp_path / "out", data_sets=["mnre-v2"], systems=["text", "typo"])
    # and where text is asked for too, it is what is trained
    with pytest.raises(DataError, match=r"lacks .*mnre_train"):
        run_mie(tmp_path, tmp_path / "out", data_sets=["mnre-v2"], systems=["shap_ca", "text"])


def test_an_extractor_is_kept_beside_its_result(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    [result] = run_extraction(
        make(folder, epochs=2), tmp_path, splits=splits, keep=ExtractorMeta(name="tiny")
    )
    # the same training is not made again, and not kept as what it is not
    run_extraction(make(folder, epochs=2), tmp_path, splits=splits, keep=ExtractorMeta(name="tiny"))
    with pytest.raises(ConfigError, match="kept for the languages any"):
        run_extraction(
            make(folder, epochs=2),
            tmp_path,
            splits=splits,
            keep=ExtractorMeta(name="tiny", languages=("es",)),
        )
    (tmp_path / "tiny-seed0").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="its extractor was not kept"):
        run_extraction(make(folder, epochs=2), tmp_path, splits=splits, keep=ExtractorMeta(name="tiny"))
    (tmp_path / "elsewhere").rename(tmp_path / "tiny-seed0")
    loaded = load_extractor(tmp_path / "tiny-seed0")
    examples = encode_posts(splits.test, loaded.extractor, word_reader(loaded.extractor), splits.contexts)
    assert evaluate_extractor(loaded.extractor, examples).report == result.test


def test_types_are_those_that_were_asked_for_or_those_of_the_data(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"of the types LOC, which extractor.types does not name"):
        run_extraction(make(folder, types=("PER",)), tmp_path, splits=splits)
    [taken] = run_extraction(make(folder, epochs=1, types=AUTO), tmp_path, splits=splits)
    assert taken.run.extractor.types == ("LOC", "PER")
    pairs = replace(splits, **{s: one_row_a_pair(splits.part(s)) for s in ("train", "dev", "test")})
    assert with_labels_of(make(folder, "relations", types=AUTO), pairs).extractor.types == ("LOC", "PER")
    run = make(folder)
    of_pairs = run.model_copy(update={"data": run.data.model_copy(update={"name": "table-pairs"})})
    with pytest.raises(ConfigError, match=r"entities takes data\.name=table"):
        run_extraction(of_pairs, tmp_path, splits=splits)


def test_a_name_is_no_path(folder: Path) -> None:
    run = make(folder).model_dump(mode="json")
    for name in ("team/own", "team\\own", ""):
        with pytest.raises(ConfigError, match="name"):
            ExtractionRun.parse(run | {"name": name}, where="a test")


@pytest.mark.parametrize("task", ["entities", "relations", "joint"])
def test_an_extractor_is_scored_on_marked_posts_as_on_its_test_part(
    learned: Learned, splits: ExtractionSplits, task: TaskName
) -> None:
    loaded = load_extractor(learned(task)[0])
    scored = score_extractor(loaded, splits.test)
    for line in loaded.meta.card.numbers:
        items: Items = (
            "quintuples" if "quintuples" in line else "relations" if "relations" in line else "entities"
        )
        assert f"micro F1 {100 * scored.reports[items].micro.f1:.1f} [" in line
    assert not scored.unknown
    # what it does not know counts as missed, and breaks nothing
    storms = [
        replace(p, mentions=tuple(Mention(m.start, m.end, "STORM") for m in p.mentions)) for p in splits.test
    ]
    other = score_extractor(
        loaded, [replace(p, links=tuple(Link(x.head, x.tail, "hits") for x in p.links)) for p in storms]
    )
    assert other.unknown == {"entities": ("STORM",), "relations": ("hits",), "joint": ("STORM", "hits")}[task]
    assert all(report.micro.right == 0 < report.micro.marked for report in other.reports.values())
    with pytest.raises(InputError, match="tiny reads none"):
        score_extractor(loaded, splits.test, contexts=splits.contexts)


def test_contexts_of_marked_posts_are_read_and_must_be_theirs(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    [result] = run_extraction(
        make(folder, epochs=1, **ALIGNED), tmp_path, splits=splits, keep=ExtractorMeta(name="tiny")
    )
    loaded = load_extractor(tmp_path / "tiny-seed0")
    everything = replace(loaded, meta=loaded.meta.model_copy(update={"accept_above": 0.0}))
    assert (
        score_extractor(everything, splits.test, contexts=splits.contexts).reports["entities"] == result.test
    )
    with pytest.raises(InputError, match="none of them belongs to a marked post's image"):
        score_extractor(loaded, splits.test, contexts={"elsewhere": "water"})


def test_marked_posts_are_read_for_what_is_scored(tmp_path: Path) -> None:
    entity = '"entities": [{"type": "PER", "start": 0, "end": 3}, {"type": "LOC", "start": 4, "end": 5}]'
    link = '"relations": [{"type": "x", "head": 0, "tail": 1}]'
    (tmp_path / "m.jsonl").write_text(
        f'{{"text": "Ada B", {entity}, {link}}}\n{{"text": "Bob C", {entity}, "relations_read": false}}\n'
    )
    assert [len(read_marked(tmp_path / "m.jsonl", relations=relations)) for relations in (False, True)] == [
        2,
        1,
    ]
    (tmp_path / "m.txt").write_text("#Ponce B-LOC\n")
    assert [p.words for p in read_marked(tmp_path / "m.txt", relations=False)] == [("#", "Ponce")]
    with pytest.raises(DataError, match="no relation is marked"):
        read_marked(tmp_path / "m.txt", relations=True)


def test_what_was_left_out_or_mended_is_told(tmp_path: Path) -> None:
    rows = (
        '{"text": "Ada B", "entities": [{"type": "PER", "start": 0, "end": 2}], "relations": []}',
        '{"text": " ", "entities": [], "relations": []}',
        '{"text": "Bob", "entities": [], "read": false}',
    )
    (tmp_path / "m.jsonl").write_text("\n".join(rows) + "\n")
    assert read_marked_file(tmp_path / "m.jsonl", relations=False).notes == (
        "2 rows without words, or that `extract` did not read, were left out",
        "1 entity began or ended within a word and was taken as the whole words",
    )
    (tmp_path / "m.txt").write_text("Ponce I-LOC\nrain\n")
    assert read_marked_file(tmp_path / "m.txt", relations=False).notes == (
        "1 tag went on with nothing and was taken to begin an entity",
        "1 line without a tag was taken to be in no entity",
    )
    (tmp_path / "m.txt").write_text("Ponce I-LOC\n\nPonce I-LOC\n")
    assert read_marked_file(tmp_path / "m.txt", relations=False).notes == (
        "2 tags went on with nothing and were taken to begin an entity",
    )


def test_scores_are_of_what_the_product_tells() -> None:
    spec = ExtractorSpec(task="entities", types=("PER", "LOC", "ORG", "MISC"), encoder=LanguageSpec())
    post = AnnotatedPost("1", ("#", "HurricaneHarvey", "Harvey", "is", "over", ",", "FEMA", "says"))
    found = Prediction((Mention(2, 3, "PER"), Mention(6, 7, "PER")), (0.9, 0.8))
    told = _with_rules(found, post, spec)
    assert [m.type for m in told.mentions] == ["MISC", "ORG"]
    assert told.scores == found.scores


def test_relations_of_the_data_are_taken(folder: Path, splits: ExtractionSplits, tmp_path: Path) -> None:
    run = make(folder, "joint", epochs=1)
    asked = run.model_copy(update={"extractor": run.extractor.model_copy(update={"relations": AUTO})})
    [result] = run_extraction(asked, tmp_path, splits=splits)
    assert result.run.extractor.relations == RELATIONS
    assert result.test_entities is not None
    bare = ExtractionSplits(splits.train, splits.dev, splits.test, {}, (), ("PER",))
    with pytest.raises(ConfigError, match="no relations"):
        run_extraction(asked, tmp_path / "x", splits=bare)


def test_retrieval_finds_what_is_aligned_and_needs_enough(
    folder: Path, splits: ExtractionSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(folder, epochs=1, **ALIGNED)
    extractor, _ = fit_extractor(run, splits, seed=0)
    examples = encode_posts(splits.test, extractor, word_reader(extractor), splits.contexts)
    found = retrieval(extractor, examples, batch_posts=8, ranks=(1, 8))
    assert set(found) == {"text_r@1", "text_r@8"}
    assert found["text_r@8"] == 1
    # the same vectors on both sides: the right one is always the first
    extractor.trunk.alignment = None
    same = [
        replace(e, words=replace(e.words, shapes=(0,) * len(e.words.ids), context_ids=e.words.ids))
        for e in examples
    ]
    extractor.trunk.spelling.weight.data.zero_()
    unique = list({e.words.ids: e for e in same}.values())
    assert retrieval(extractor, unique, batch_posts=len(unique), ranks=(1,)) == {"text_r@1": 1.0}
    # equal contexts are right for all that have them, whatever their similarities: of two kinds in eight
    # posts four are never ahead
    shared = [
        replace(e, words=replace(e.words, context_ids=same[i % 2].words.ids)) for i, e in enumerate(same[:8])
    ]
    plain = extractor.trunk.forward
    monkeypatch.setattr(
        extractor.trunk, "forward", lambda b: replace(f := plain(b), context=torch.randn(f.context.shape))
    )
    found = retrieval(extractor, shared, batch_posts=8, ranks=(1, 5))
    assert found["text_r@5"] == 1.0 > found["text_r@1"]
    # texts and contexts that are all alike find nothing
    monkeypatch.setattr(
        extractor.trunk, "forward", lambda b: replace(f := plain(b), context=torch.ones(f.context.shape))
    )
    assert retrieval(extractor, unique, batch_posts=len(unique), ranks=(1,)) == {"text_r@1": 0.0}
    with pytest.raises(InputError, match="64 are needed"):
        retrieval(extractor, examples)


def test_chance_of_finding_contexts_that_repeat() -> None:
    assert retrieval_chance(range(20), batch_posts=10, ranks=(1, 5), draws=4000) == pytest.approx(
        {"chance_r@1": 0.1, "chance_r@5": 0.5}, abs=0.01
    )
    assert retrieval_chance(["a"] * 10, batch_posts=5, ranks=(1,)) == {"chance_r@1": 1.0}
    # four of one kind and one other: whichever is drawn first is found by all of its kind
    assert retrieval_chance([1, 1, 1, 1, 2], batch_posts=5, ranks=(1, 2), draws=4000) == pytest.approx(
        {"chance_r@1": (4 + 1) / 10, "chance_r@2": (4 * 2 + 1) / 10}, abs=0.02
    )
    with pytest.raises(InputError, match="3 posts have a context, 64 are needed"):
        retrieval_chance([1, 2, 3])


def write_photos(folder: Path, splits: ExtractionSplits) -> Path:
    """A photo for every other post; one of them is broken."""
    from PIL import Image

    for part in (splits.train, splits.dev, splits.test):
        for i, post in enumerate(part):
            if i % 2:
                Image.new("RGB", (40, 30), (i, 90, 200)).save(folder / f"{post.image}.jpg")
    (folder / f"{splits.train[1].image}.jpg").write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize(("kind", "learns"), [("vit", "attention"), ("resnet", "convolution")])
def test_photos_inside_the_graph_learn_and_absent_ones_are_masked(
    folder: Path, splits: ExtractionSplits, tmp_path: Path, kind: str, learns: str
) -> None:
    from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

    torch.manual_seed(0)
    if kind == "vit":
        config = ViTConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=16,
            patch_size=8,
        )
        ViTModel(config).save_pretrained(tmp_path / "vision")
    else:
        ResNetModel(
            ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8, 12], depths=[1, 1, 1, 1])
        ).save_pretrained(tmp_path / "vision")
    vision = VisionSpec(checkpoint=str(tmp_path / "vision"))
    run = make(folder, epochs=1, image_encoder=vision, **ALIGNED)
    (tmp_path / "photos").mkdir()
    photos = write_photos(tmp_path / "photos", splits)
    run = run.model_copy(update={"data": ExtractionData(name="conll", image_root=str(photos))})
    before = load_vision(vision).state_dict()
    extractor, history = fit_extractor(run, splits, seed=0)
    assert history[0].align_loss > 0
    after = extractor.trunk.image_encoder.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(learns in name for name in changed)
    # a batch's own statistics would tie posts together
    assert not any("running" in name or "num_batches" in name for name in changed)
    examples = encode_posts(
        splits.train[:4], extractor, word_reader(extractor), splits.contexts, image_root=photos
    )
    batch, _ = collate_examples(examples, extractor)
    assert batch.image_mask.any(1).tolist() == [False, False, False, True]
    assert batch.pixels is not None
    save_extractor(tmp_path / "saved", extractor, ExtractorMeta(name="tiny"))
    loaded = load_extractor(tmp_path / "saved").extractor
    with torch.no_grad():
        a, b = (x.scores(batch, x.trunk(batch)) for x in (extractor, loaded))
    assert torch.allclose(a, b, atol=1e-5)


def test_photos_as_patches_of_the_frozen_encoder(
    folder: Path, splits: ExtractionSplits, tmp_path: Path
) -> None:
    photos = write_photos(tmp_path, splits)
    extractor = Extractor(make(folder, image_width=1280, **ALIGNED).extractor)
    examples = encode_posts(
        splits.train[:4], extractor, word_reader(extractor), splits.contexts, image_root=photos
    )
    assert [None if e.image is None else tuple(e.image.shape) for e in examples] == [
        None,
        None,
        None,
        (9, 1280),
    ]
    narrow = Extractor(make(folder, **ALIGNED).extractor)
    with pytest.raises(ConfigError, match="1280"):
        encode_posts(splits.train[:4], narrow, word_reader(narrow), splits.contexts, image_root=photos)


def test_batches_depend_on_seed_and_epoch_alone(folder: Path, splits: ExtractionSplits) -> None:
    extractor = Extractor(make(folder).extractor)
    examples = encode_posts(splits.train, extractor, word_reader(extractor), {})

    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = length_batches(examples, size=10, seed=seed, extractor=extractor)
        return [batch.ids.flatten().tolist() for batch, _ in batches.epoch(epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2) != order(1, 2)
    assert len(order(0, 0)) == 7


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[3] / "configs" / "extraction").glob("*.yaml")),
    ids=lambda p: p.stem,
)
def test_every_run_file_is_valid(path: Path) -> None:
    run = ExtractionRun.load(path)
    assert ExtractionRun.load(path, ["recipe.epochs=1"]).recipe.epochs == 1
    with pytest.raises(ConfigError, match="epochz"):
        ExtractionRun.load(path, ["recipe.epochz=1"])
    assert run.name


def test_benchmark_runs_are_valid(folder: Path) -> None:
    other = mie_run("twitter2015", "shap_ca", Path("data"), encoder=str(folder), long_contexts=True)
    assert other.name == f"twitter2015-shap_ca-long-{folder.name}"
    assert other.recipe.learning_rate == 3e-5
    assert Extractor(other.extractor).encoder.width == Extractor(make(folder).extractor).encoder.width
    assert mie_run("jmere", "text", Path("data")).data.root == str(Path("data") / "jmere")
    short = mie_run("mnre-v1", "text", Path("data"), epochs=2, train_posts=30, batch_posts=16)
    assert (short.recipe.epochs, short.data.train_posts, short.recipe.batch_posts) == (2, 30, 16)
    for system in SYSTEMS:
        run = mie_run("twitter2017", system, Path("data"))
        assert (run.extractor.alignment is not None) == (system in {"info_nce", "shap_ca", "shap_ca_margin"})
        assert (run.data.contexts == "none") == (system == "text")
    assert mie_run("stand-in", "text", Path("data")).extractor.relations == AUTO
    for data, system in (
        ("mnre-v2", "context"),
        ("jmere", "context"),
        ("other", "text"),
        ("twitter2017", "other"),
    ):
        with pytest.raises(InputError):
            mie_run(data, system, Path("data"))
