"""`bench run mie` as the other studies are run and shown: temperatures chosen on dev, processes that share
the trainings, a run that was stopped between two of them, and tables, CSV and a page of its results.
"""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crisislens.bench.mie import MIE, mie_tables
from crisislens.bench.study_text import study_csv, study_markdown
from crisislens.cli.main import app
from crisislens.core.errors import ConfigError, InputError
from crisislens.evaluation.extraction import ExtractionReport, ExtractionScore
from crisislens.report.study_page import study_page
from crisislens.training.extraction.fit import ExtractionEpoch
from crisislens.training.extraction.mie import Tuning, mie_runs, read_all, run_mie, show_mie, train_one
from crisislens.training.extraction.run import SeedResult, read_results, result_path
from crisislens.training.extraction.systems import mie_run
from tiny_language import made_up_posts, write_tiny_bert

pytestmark = pytest.mark.usefixtures("warm_starts")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twitter-2017 as it lies on a disk, made up, and a tiny encoder beside it."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "mner" / "twitter2017"
    folder.mkdir(parents=True)
    captions = []
    for split, seed, count in (("train", 0, 16), ("valid", 1, 8), ("test", 2, 8)):
        lines = []
        for post in made_up_posts(count, seed=seed, split=split):
            lines.append(f"IMGID:{post.image}")
            captions.append(f"{post.image}.jpg :water in {post.words[-1]}")
            tags = ["O"] * len(post.words)
            for m in post.mentions:
                tags[m.start : m.end] = [f"B-{m.type}", *[f"I-{m.type}"] * (m.end - m.start - 1)]
            lines += [f"{word}\t{tag}" for word, tag in zip(post.words, tags, strict=True)]
            lines.append("")
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    (folder / "captions_blip2.txt").write_text("\n".join(captions) + "\n")
    write_tiny_bert(root / "bert")
    return root


def asked(data: Path, **changes: object) -> dict[str, object]:
    usual = {"encoder": str(data / "bert"), "epochs": 1, "seeds": (0,), "systems": ("context", "info_nce")}
    return usual | changes


def counts(out: Path) -> dict[str, object]:
    return {
        f"{r.run.name}-{r.seed}": (r.counts, [e.dev_f1 for e in r.history], r.temperatures)
        for r in read_results(out)
    }


def test_the_temperature_with_the_best_dev_f1_is_measured_and_all_are_told(
    data: Path, tmp_path: Path
) -> None:
    tuning = Tuning((0.5, 0.05))
    rows = run_mie(data, tmp_path, tuning=tuning, **asked(data, shuffled=(0.0, 0.5)))
    assert [row.system for row in rows] == [
        "context-bert",
        "context-shuffled50-bert",
        "info_nce-tuned-bert",
        "info_nce-tuned-shuffled50-bert",
    ]
    # the system before has no temperature, and stands beside all the same
    assert [row.against for row in rows] == ["", "", "context-bert", "context-shuffled50-bert"]
    [chosen] = rows[2].results
    tried = {
        r.run.extractor.alignment.temperature: r
        for r in read_results(tmp_path / "tried")
        if r.run.extractor.alignment and not r.run.data.shuffled_contexts
    }
    assert chosen.temperatures == {f"{t:g}": tried[t].dev.micro.f1 for t in (0.5, 0.05)}
    best = max((0.5, 0.05), key=lambda t: tried[t].dev.micro.f1)
    assert chosen.run.extractor.alignment is not None
    assert chosen.run.extractor.alignment.temperature == best
    assert chosen.counts == tried[best].counts
    # other candidates are another experiment
    run = mie_runs(data, tuning=Tuning((0.2,)), **asked(data, systems=("info_nce",)))[0]
    with pytest.raises(ConfigError, match="other candidates for its temperature"):
        train_one(run, tmp_path, Tuning((0.2,)), splits=read_all([run])[run.data])


def test_dev_chooses_whatever_stands_in_the_test(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings by hand: the hotter one is better on dev, the colder one on test."""
    trained: list[tuple[str, int]] = []

    def by_hand(run: object, _out: Path, **_: object) -> list[SeedResult]:
        trained.append((run.name, run.recipe.epochs))  # type: ignore[attr-defined]
        hot = run.extractor.alignment.temperature > 0.1  # type: ignore[attr-defined]
        return [made("info_nce", dev=0.8 if hot else 0.4, test=0.1 if hot else 0.9, run=run)]

    monkeypatch.setattr("crisislens.training.extraction.tuned.run_extraction", by_hand)
    tuning = Tuning((0.05, 0.5), tried_epochs=1)
    [run] = mie_runs(data, tuning=tuning, **asked(data, systems=("info_nce",), epochs=3))
    train_one(run, tmp_path, tuning, splits=read_all([run])[run.data])
    [kept] = read_results(tmp_path)
    assert (kept.test.micro.f1, kept.temperatures) == (0.1, {"0.05": 0.4, "0.5": 0.8})
    # short trainings choose, and the chosen one is trained in full
    assert trained == [
        ("twitter2017-info_nce-tuned-bert-at0.05-1passes", 1),
        ("twitter2017-info_nce-tuned-bert-at0.5-1passes", 1),
        ("twitter2017-info_nce-tuned-bert-at0.5", 3),
    ]


@pytest.mark.parametrize(
    ("tuning", "sentence"),
    [
        (Tuning((0.01,)), "0.01 is no temperature"),
        (Tuning((0.1, 0.1)), "temperatures must differ"),
        (Tuning((0.1, 0.10000001)), "temperatures must differ"),
        (Tuning((float("nan"), 0.1)), "nan is no temperature"),
        (Tuning((0.1, float("inf"))), "inf is no temperature"),
        (Tuning((0.1,), tried_epochs=2), "there is nothing to choose"),
    ],
)
def test_temperatures_that_cannot_be_tried_are_refused(tuning: Tuning, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        mie_runs(Path("nowhere"), tuning=tuning)


def test_a_benchmark_that_was_stopped_between_two_trainings_goes_on(data: Path, tmp_path: Path) -> None:
    tuning = Tuning((0.5, 0.05))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run_mie(data, whole, tuning=tuning, **asked(data))

    def stop(name: str, _: ExtractionEpoch) -> None:
        if name.startswith("twitter2017-info_nce-tuned-bert-at0.05"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_mie(data, stopped, tuning=tuning, report=stop, **asked(data))
    assert [r.run.name for r in read_results(stopped)] == ["twitter2017-context-bert"]
    again: list[str] = []
    run_mie(data, stopped, tuning=tuning, report=lambda name, _: again.append(name), **asked(data))
    # its only epoch was finished, and nothing before it is trained anew
    assert again == []
    assert counts(stopped) == counts(whole)


def test_two_processes_come_to_what_one_does(data: Path, tmp_path: Path) -> None:
    options = ["--epochs", "1", "--seed", "0", "--system", "context", "--system", "info_nce"]
    options += ["--encoder", str(data / "bert"), "--temperature", "0.5", "--temperature", "0.05"]
    for jobs in ("1", "2"):
        out = str(tmp_path / jobs)
        command = ["bench", "run", "mie", str(data), "--out", out, "--jobs", jobs, "--threads", "1", "--html"]
        done = CliRunner().invoke(app, [*command, *options])
        assert done.exit_code == 0, done.output
        assert (tmp_path / jobs / "mie.html").is_file()
    assert counts(tmp_path / "2") == counts(tmp_path / "1")


# what is shown


def report(f1: float) -> ExtractionReport:
    score = ExtractionScore(precision=f1, recall=f1, f1=f1, marked=40, found=40, right=round(40 * f1))
    return ExtractionReport(micro=score, low=f1 - 0.1, high=f1 + 0.1, types={}, posts=20)


def made(
    system: str, *, dev: float = 0.5, test: float = 0.5, seed: int = 0, run: object = None, **options: object
) -> SeedResult:
    right = round(2 * test)
    return SeedResult.model_validate(
        {
            "run": run or mie_run("twitter2017", system, Path("nowhere"), **options),  # type: ignore[arg-type]
            "fingerprint": f"{system}{sorted(options.items())}",
            "posts_fingerprint": "posts",
            "seed": seed,
            "history": [],
            "dev": report(dev),
            "test": report(test),
            "test_entities": None,
            "counts": [(right, 2, 2)] * 20,
            "retrieval": {},
            "parameters_trained": 1,
            "seconds": 1.0,
            "versions": {},
        }
    )


def keep(out: Path, result: SeedResult, *, old: bool = False) -> None:
    values = json.loads(result.model_dump_json())
    if old:
        # as results were written before temperatures were chosen and contexts locked
        del values["temperatures"]
        del values["run"]["data"]["locked_contexts"]
    result_path(out, result.run, result.seed).write_text(json.dumps(values) + "\n")


def test_a_store_of_before_is_shown_and_stands_beside_new_results(tmp_path: Path) -> None:
    for seed in (0, 1):
        keep(tmp_path, made("text", test=0.5, seed=seed), old=True)
        keep(tmp_path, made("context", test=1.0, seed=seed), old=True)
        keep(tmp_path, made("context", test=0.0, seed=seed, shuffled=0.4))
    [table] = mie_tables(show_mie(tmp_path, resamples=100))
    assert (table.setting, table.metric, table.points, table.posts) == (
        "twitter2017",
        "micro F1",
        (0, 0.4),
        20,
    )
    means = {title: [m and m.mean for m in cells] for title, cells in table.lines}
    # text alone has nothing to be shuffled: one training under both shares
    assert means == {"text alone": [0.5, 0.5], "with context": [1.0, 0.0]}
    assert any("text alone reads no context" in note for note in table.notes)
    found = [(c.a, c.b, c.at, round(c.difference.difference, 6), c.seeds) for c in table.contrasts]
    assert found == [("with context", "text alone", 0, 0.5, 2), ("with context", "text alone", 0.4, -0.5, 2)]
    shown = CliRunner().invoke(app, ["bench", "show", "mie", "--out", str(tmp_path), "--write", "csv"])
    assert shown.exit_code == 0, shown.output
    assert "context" in shown.output
    lines = (tmp_path / "mie.csv").read_text().splitlines()
    assert len(lines) == 1 + 4 + 2
    assert lines[1].startswith("mean,twitter2017,micro F1,0.0,text alone,,50.0,")


def test_the_page_is_escaped_and_has_a_plot_of_f1_against_the_share(tmp_path: Path) -> None:
    strange = "<script>alert(1)</script>"
    for share in (0.0, 0.4):
        run = mie_run("twitter2017", "context", Path("nowhere"), shuffled=share)
        # an encoder's folder can be called anything
        named = run.model_copy(update={"name": f"{run.name}-{strange.replace('/', '')}"})
        keep(tmp_path, made("context", run=named))
    tables = mie_tables(show_mie(tmp_path, resamples=100))
    page = study_page(MIE, tables, (), "two trainings")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "micro F1 in percent against share of shuffled contexts" in page
    assert "<script" not in study_markdown(MIE, tables, ()).replace("&lt;script", "")
    assert study_csv(tables).count("\n") == 3


def test_chosen_temperatures_stand_seed_by_seed(tmp_path: Path) -> None:
    for seed, temperatures in ((0, {"0.1": 0.5, "0.5": 0.25}), (1, {"0.1": 0.75, "0.5": 0.125})):
        result = made("info_nce", seed=seed, tuned=True)
        keep(tmp_path, result.model_copy(update={"temperatures": temperatures}))
    [table] = mie_tables(show_mie(tmp_path, resamples=100))
    assert table.facts == (
        ("InfoNCE (tuned): temperature", ("0.1, 0.1",)),
        ("InfoNCE (tuned): dev F1 at 0.1", ("50.0, 75.0",)),
        ("InfoNCE (tuned): dev F1 at 0.5", ("25.0, 12.5",)),
    )
