"""Trained runs become a bundle: which seed, which runs fit together, and that nothing changes on the way."""

import json
import shutil
from pathlib import Path

import pytest

from crisislens.core.errors import InputError, ModelError, NotRegisteredError
from crisislens.domain.tasks import own_task
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.joining import find_bundle, join_runs, trained_artifact, write_bundle
from tiny_runs import KINDS, NEED, write_artifact, write_run

KIND = own_task("kind", ["asks", "offers", "neither"], several=True)
POSTS = ["no drinking water in the camp", "bread and soup for everybody", ""]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    return {"need": write_run(root / "one", NEED), "kind": write_run(root / "two", KIND)}


def answers(analyst: Analyst) -> list[dict[str, object]]:
    return [{k: t.model_dump() for k, t in found.tasks.items()} for found in analyst.assess(POSTS)]


@pytest.mark.parametrize("place", ["", "seed-0", "seed-0/artifact"])
def test_a_run_is_named_by_any_of_its_folders(runs: dict[str, Path], place: str) -> None:
    [artifact] = find_bundle(runs["need"] / place).artifacts.values()
    assert artifact == runs["need"] / "seed-0" / "artifact"


@pytest.mark.parametrize(("monitor", "best"), [("macro_f1", 1), ("loss", 2)])
def test_of_several_seeds_the_best_on_development_posts_is_taken(
    tmp_path: Path, monitor: str, best: int
) -> None:
    run = write_run(tmp_path / "run", scores=(0.5, 0.9, 0.1), monitor=monitor)
    assert trained_artifact(run) == run / f"seed-{best}" / "artifact"


def test_a_seed_that_did_not_finish_is_never_preferred(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", scores=(0.1, 0.9))
    (run / "seed-1" / "metrics.json").unlink()
    assert trained_artifact(run) == run / "seed-0" / "artifact"
    shutil.rmtree(run / "seed-0")
    assert trained_artifact(run) == run / "seed-1" / "artifact"


def test_several_runs_answer_together_as_each_does_alone(runs: dict[str, Path]) -> None:
    both = answers(Analyst.load([runs["need"], runs["kind"]]))
    for question, run in runs.items():
        alone = answers(Analyst.load(run))
        assert [found[question] for found in both] == [found[question] for found in alone]


def test_a_written_bundle_answers_as_the_joined_runs_did_wherever_it_lies(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    copies = [Path(shutil.copytree(run, tmp_path / "runs" / name)) for name, run in runs.items()]
    joined = answers(Analyst.load(copies))
    made = write_bundle(copies, tmp_path / "made")
    assert (made.config.name, list(made.config.tasks)) == ("made", ["need", "kind"])
    assert made.card().startswith("# made\n")
    mark = made.fingerprint()
    # neither the runs nor the place are needed any more
    shutil.rmtree(tmp_path / "runs")
    moved = (tmp_path / "made").rename(tmp_path / "elsewhere")
    assert answers(Analyst.load(moved)) == joined
    assert find_bundle(moved).fingerprint() == mark


def test_a_folder_that_holds_something_is_left_alone(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is there already and not empty; give another --out"):
        write_bundle([runs["need"]], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_runs_over_other_features_do_not_join(runs: dict[str, Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", KIND, options={"seed": 7})
    with pytest.raises(ModelError, match="read features of different encoders; train both in mode frozen"):
        join_runs([runs["need"], other])
    cleaned = write_run(tmp_path / "cleaned", KIND, features_fingerprint="0" * 16)
    with pytest.raises(ModelError, match="clean texts or decode pictures differently; train both with the"):
        join_runs([runs["need"], cleaned])


def test_two_runs_of_one_question_do_not_join(runs: dict[str, Path], tmp_path: Path) -> None:
    again = write_run(tmp_path / "again", NEED)
    with pytest.raises(ModelError, match="two of the runs answer 'need'; a bundle has one model for each"):
        join_runs([runs["need"], again])


def test_a_model_that_needs_texts_beside_the_posts_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", knowledge="wiki")
    with pytest.raises(ModelError, match=r"texts beside the posts \(wiki\).* train it without knowledge"):
        find_bundle(run)


def test_a_model_that_reproduces_published_code_is_refused(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["model"] = {"name": "guided_published", "options": {}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="guided_published, in which a post's result depends on its neighb"):
        find_bundle(folder)


def test_languages_are_those_that_every_model_knows(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", NEED, languages=("en", "es", "fr"))
    second = write_run(tmp_path / "b", KIND, languages=("es", "en"))
    unsaid = write_run(tmp_path / "c", own_task("mood", ["calm", "angry"]))
    assert join_runs([first, second, unsaid]).config.languages == ("en", "es")
    assert join_runs([unsaid]).config.languages == ()


def test_a_kind_of_post_without_calibration_is_not_judged(runs: dict[str, Path], tmp_path: Path) -> None:
    bundle = find_bundle(runs["need"])
    assert set(bundle.config.tasks["need"].calibration) == set(KINDS)
    nothing = write_run(tmp_path / "run", calibration={})
    [found] = Analyst.load(nothing).assess(["no drinking water"])
    assert found.tasks["need"].abstained
    assert found.tasks["need"].reason == "This model was not calibrated to judge need from text alone."


def test_a_model_of_before_kinds_were_told_apart_keeps_its_one_threshold(tmp_path: Path) -> None:
    old = write_artifact(
        tmp_path / "old", calibration={}, rules=None, limits=None, temperature=0.3, abstain_below=0.2
    )
    calibration = find_bundle(old).config.tasks["need"].calibration
    assert set(calibration) == {"text", "image", "both"}
    assert {(c.temperature, c.abstain_below) for c in calibration.values()} == {(0.3, 0.2)}


def test_an_own_task_may_have_the_name_of_one_of_ours(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", own_task("informativeness", ["no", "some", "much"]))
    [found] = Analyst.load(run).assess(["no drinking water"])
    assert set(found.tasks["informativeness"].probabilities) == {"no", "some", "much"}


def test_what_is_no_model_is_told_in_one_sentence(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no trained model; .*goes on with train --resume"):
        find_bundle(tmp_path / "empty")
    with pytest.raises(NotRegisteredError, match=r"no model named '.*nowhere' and no such folder"):
        find_bundle(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no model was named"):
        find_bundle([])
    write_bundle([runs["need"]], tmp_path / "made")
    with pytest.raises(ModelError, match="is a bundle already and does not join with others"):
        find_bundle([tmp_path / "made", runs["kind"]])
