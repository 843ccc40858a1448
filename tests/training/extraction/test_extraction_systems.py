"""The benchmark's systems and what is shown of their results: names that say what a run is, and each system
beside the right one. Results are made by hand; nothing is trained.
"""

from pathlib import Path

import pytest

from crisislens.core.errors import DataError, InputError
from crisislens.evaluation.extraction import ExtractionReport, ExtractionScore
from crisislens.evaluation.significance import holm
from crisislens.training.extraction.mie import compare_systems, run_mie, show_mie
from crisislens.training.extraction.run import SeedResult, read_results, result_path
from crisislens.training.extraction.splits import ExtractionSplits
from crisislens.training.extraction.systems import DATA_SETS, SYSTEMS, default_recipe, mie_run

NOWHERE = Path("nowhere")


@pytest.mark.parametrize(
    ("system", "options", "name"),
    [
        ("text", {}, "twitter2017-text"),
        ("context", {}, "twitter2017-context"),
        ("shap_ca", {"long_contexts": True}, "twitter2017-shap_ca-long"),
        # the text alone reads no contexts, long or short
        ("text", {"long_contexts": True}, "twitter2017-text"),
        ("info_nce", {"shuffled": 0.4}, "twitter2017-info_nce-shuffled40"),
        ("text", {"shuffled": 0.4}, "twitter2017-text"),
        ("info_nce", {"shuffled": 0.4, "locked_contexts": True}, "twitter2017-info_nce-locked-shuffled40"),
        ("text", {"locked_contexts": True}, "twitter2017-text"),
        ("shap_ca", {"tuned": True, "shuffled": 0.2}, "twitter2017-shap_ca-tuned-shuffled20"),
        # without an alignment there is no temperature to choose
        ("context", {"tuned": True}, "twitter2017-context"),
        ("info_nce", {"encoder": "google-bert/bert-base-uncased"}, "twitter2017-info_nce-bert-base-uncased"),
    ],
)
def test_a_run_is_called_by_what_is_unusual(system: str, options: dict[str, object], name: str) -> None:
    assert mie_run("twitter2017", system, NOWHERE, **options).name == name  # type: ignore[arg-type]


def test_each_system_is_the_one_before_and_one_thing_more() -> None:
    specs = {system: mie_run("twitter2015", system, NOWHERE).extractor for system in SYSTEMS}
    assert [specs[s].context_pieces for s in SYSTEMS] == [0, 32, 32, 32, 32]
    assert [specs[s].fusion for s in SYSTEMS] == [False, True, True, True, True]
    kinds = [None if (a := specs[s].alignment) is None else a.kind for s in SYSTEMS]
    assert kinds == [None, None, "info_nce", "shapley_softmax", "shapley_margin"]
    # all else is equal, or a difference would have two causes
    for name in ("types", "encoder", "dropout", "adapter_rank", "scheme"):
        assert len({repr(getattr(spec, name)) for spec in specs.values()}) == 1


@pytest.mark.parametrize(
    ("data", "task", "relations", "epochs"),
    [
        ("twitter2017", "entities", (), 6),
        ("mnre-v1", "relations", ("auto",), 5),
        ("mnre-v2", "relations", ("auto",), 4),
        ("jmere", "joint", ("auto",), 12),
        ("stand-in", "joint", ("auto",), 12),
    ],
)
def test_a_data_set_has_its_task_and_its_epochs(
    data: str, task: str, relations: tuple[str, ...], epochs: int
) -> None:
    run = mie_run(data, "text", NOWHERE)
    assert (run.extractor.task, run.extractor.relations, run.recipe.epochs) == (task, relations, epochs)
    assert run.data.contexts == "none"


def test_what_is_asked_for_goes_before_what_is_usual() -> None:
    run = mie_run("mnre-v1", "context", NOWHERE, seeds=[4], epochs=2, train_posts=10, batch_posts=8)
    assert (run.seeds, run.recipe.epochs, run.data.train_posts, run.recipe.batch_posts) == ((4,), 2, 10, 8)
    assert run.data.root == str(NOWHERE / "mnre")
    assert mie_run("stand-in", "text", NOWHERE).data.root == str(NOWHERE)


def test_another_encoder_takes_lower_rates() -> None:
    assert default_recipe("twitter2017", "minilm").learning_rate == pytest.approx(3e-4)
    assert default_recipe("twitter2017", "roberta").learning_rate == pytest.approx(3e-5)


@pytest.mark.parametrize(
    ("data", "system", "sentence"),
    [
        ("twitter2016", "text", "no benchmark of 'text' on 'twitter2016'; systems: text, context"),
        ("twitter2017", "shapley", "no benchmark of 'shapley' on 'twitter2017'; systems: text"),
        ("jmere", "context", "jmere comes without contexts; take the system text"),
        ("mnre-v2", "shap_ca", "mnre-v2 comes without contexts; take the system text"),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_is_read(
    data: str, system: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        mie_run(data, system, NOWHERE)
    with pytest.raises(InputError, match=sentence):
        run_mie(NOWHERE, tmp_path, data_sets=[data], systems=[system])
    assert list(tmp_path.iterdir()) == []


# results


def score(f1: float) -> ExtractionScore:
    return ExtractionScore(precision=f1, recall=f1, f1=f1, marked=40, found=40, right=round(40 * f1))


def write(out: Path, data: str, system: str, right: int, *, seed: int = 0, **changes: object) -> SeedResult:
    """The result of a seed that got so many of two in twenty posts right."""
    unusual = ("encoder", "long_contexts", "shuffled", "locked_contexts", "tuned")
    options = {name: changes.pop(name) for name in unusual if name in changes}
    run = mie_run(data, system, NOWHERE, **options)  # type: ignore[arg-type]
    report = ExtractionReport(
        micro=score(right / 2), low=right / 2 - 0.1, high=right / 2 + 0.1, types={}, posts=20
    )
    values: dict[str, object] = {
        "run": run,
        "fingerprint": run.name,
        "posts_fingerprint": "posts",
        "seed": seed,
        "history": [],
        "dev": report,
        "test": report,
        "test_entities": None,
        "counts": [(right, 2, 2)] * 20,
        "retrieval": {},
        "parameters_trained": 1,
        "seconds": 1.0,
        "versions": {},
    }
    result = SeedResult.model_validate(values | changes)
    result_path(out, run, seed).write_text(result.model_dump_json() + "\n")
    return result


def test_every_system_stands_beside_the_nearest_one_before_it(tmp_path: Path) -> None:
    for system, right in (("text", 0), ("context", 1), ("shap_ca", 2), ("shap_ca_margin", 2)):
        write(tmp_path, "twitter2017", system, right)
    rows = show_mie(tmp_path, resamples=50)
    assert [(row.system, row.against) for row in rows] == [
        ("text", ""),
        ("context", "text"),
        # there is no result of info_nce, so the one before that
        ("shap_ca", "context"),
        ("shap_ca_margin", "context"),
    ]
    differences = [row.difference and row.difference.difference for row in rows]
    assert differences == pytest.approx([None, 0.5, 0.5, 0.5])
    # one of many comparisons would be clear by chance: Holm over the three of the data set
    compared = [row for row in rows if row.difference]
    expected = holm({row.system: row.difference.p_value for row in compared if row.difference})
    assert {row.system: row.corrected_p for row in compared} == expected
    assert all(row.corrected_p > row.difference.p_value for row in compared[:1] if row.difference)
    assert [row.verdict for row in rows] == ["", *(row.verdict for row in compared)]


def test_runs_of_other_encoders_and_contexts_stand_beside_their_own_kind(tmp_path: Path) -> None:
    write(tmp_path, "twitter2015", "text", 0)
    write(tmp_path, "twitter2015", "context", 1)
    write(tmp_path, "twitter2015", "context", 1, long_contexts=True)
    write(tmp_path, "twitter2015", "info_nce", 1, long_contexts=True)
    write(tmp_path, "twitter2015", "info_nce", 1, shuffled=0.4)
    write(tmp_path, "twitter2015", "shap_ca", 1, shuffled=0.4)
    write(tmp_path, "twitter2015", "context", 1, locked_contexts=True, shuffled=0.4)
    write(tmp_path, "twitter2015", "info_nce", 1, locked_contexts=True, shuffled=0.4)
    write(tmp_path, "twitter2015", "info_nce", 1, tuned=True)
    write(tmp_path, "twitter2015", "shap_ca_margin", 1, tuned=True)
    write(tmp_path, "twitter2015", "text", 0, encoder="bert")
    write(tmp_path, "twitter2015", "shap_ca", 1, encoder="bert")
    against = {row.system: row.against for row in show_mie(tmp_path, resamples=10)}
    assert against == {
        "text": "",
        "text-bert": "",
        "context": "text",
        # the text alone has no contexts, long or short
        "context-long": "text",
        "info_nce-long": "context-long",
        "context-locked-shuffled40": "text",
        "info_nce-locked-shuffled40": "context-locked-shuffled40",
        "info_nce-tuned": "context",
        "shap_ca_margin-tuned": "info_nce-tuned",
        "info_nce-shuffled40": "text",
        "shap_ca-shuffled40": "info_nce-shuffled40",
        "shap_ca-bert": "text-bert",
    }


def test_data_sets_come_in_their_order_and_one_is_not_taken_for_another(tmp_path: Path) -> None:
    for data in ("stand-in", "mnre-v1", "twitter2017"):
        write(tmp_path, data, "text", 1)
    found = [row.data for row in show_mie(tmp_path)]
    assert found == ["twitter2017", "mnre-v1", "stand-in"]
    assert set(found) <= set(DATA_SETS)


def test_one_training_has_the_interval_of_its_posts_and_several_have_that_of_their_seeds(
    tmp_path: Path,
) -> None:
    write(tmp_path, "twitter2017", "text", 1)
    [alone] = show_mie(tmp_path)
    assert alone.f1 == "50.00 [40.00, 60.00] (1 seed)"
    write(tmp_path, "twitter2017", "text", 1, seed=1)
    [both] = show_mie(tmp_path)
    assert both.f1 == "50.00 ± 0.00"


def test_only_seeds_that_both_have_are_compared(tmp_path: Path) -> None:
    text = [write(tmp_path, "twitter2017", "text", right, seed=seed) for seed, right in enumerate((0, 1, 2))]
    context = [write(tmp_path, "twitter2017", "context", 2, seed=seed) for seed in (1, 5)]
    found = compare_systems(context, text, resamples=20)
    assert found is not None
    # seed 1 alone: 1 against 0.5
    assert (found.a, found.b) == (1, 0.5)
    assert compare_systems(context[1:], text) is None


@pytest.mark.parametrize("changes", [{"posts_fingerprint": "others"}, {"encoder": "bert"}])
def test_runs_that_differ_in_more_than_the_system_are_not_compared(
    changes: dict[str, object], tmp_path: Path
) -> None:
    text = write(tmp_path, "twitter2017", "text", 0)
    assert compare_systems([write(tmp_path, "twitter2017", "context", 1, **changes)], [text]) is None


def test_seeds_of_other_settings_are_told(tmp_path: Path) -> None:
    write(tmp_path, "twitter2017", "text", 1)
    write(tmp_path, "twitter2017", "text", 1, seed=1, fingerprint="other")
    with pytest.raises(
        DataError, match=r"seeds of twitter2017-text in .* different settings or data; give each"
    ):
        show_mie(tmp_path)


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "twitter2017-text-seed0.json").write_text('{"seed": 0}')
    with pytest.raises(DataError, match=r"twitter2017-text-seed0\.json is not a result of an extraction run"):
        read_results(tmp_path)
    assert show_mie(tmp_path / "empty") == []


def test_several_shares_are_trained_and_the_text_alone_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(
        "crisislens.training.extraction.mie.run_extraction", lambda run, *_, **__: trained.append(run.name)
    )
    nothing = ExtractionSplits([], [], [], contexts={}, relations=(), types=())
    monkeypatch.setattr("crisislens.training.extraction.mie.load_splits", lambda *_, **__: nothing)
    run_mie(NOWHERE, tmp_path, systems=["text", "info_nce"], seeds=[0], shuffled=[0.0, 0.4])
    assert trained == ["twitter2017-text", "twitter2017-info_nce", "twitter2017-info_nce-shuffled40"]
