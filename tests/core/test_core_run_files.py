"""Run files are found by path and by name, from any folder, and a wrong name says what was likely meant."""

from pathlib import Path

import pytest

from command_line import Command
from crisislens.core.config import read_with_includes
from crisislens.core.errors import ConfigError
from crisislens.core.run_files import find_run_file, shipped_run_files, shipped_run_folder
from crisislens.core.yaml_files import parse_yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_checkout_runs_the_files_at_its_root() -> None:
    assert shipped_run_folder() == ROOT / "configs"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("configs/runs/a1_concat.yaml", "runs/a1_concat.yaml"),
        ("runs/a1_concat", "runs/a1_concat.yaml"),
        ("a1_concat", "runs/a1_concat.yaml"),
        ("own", "own.yaml"),
        ("own.yaml", "own.yaml"),
        ("compact_guided", "runs/table2/compact_guided.yaml"),
        ("nepal", "rationales/nepal.yaml"),
        ("extraction/own_posts", "extraction/own_posts.yaml"),
    ],
)
def test_a_path_of_the_docs_and_a_name_are_the_file_that_ships(given: str, found: str) -> None:
    assert find_run_file(given) == ROOT / "configs" / found


def test_a_file_of_ones_own_wins_and_a_folder_does_not(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: mine\n")
    (tmp_path / "own_photos").mkdir()
    assert find_run_file("own.yaml") == Path("own.yaml")
    assert find_run_file("own_photos") == ROOT / "configs" / "own_photos.yaml"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("configs/runs/a1_text_finetun.yaml", "did you mean runs/a1_text_finetune?"),
        ("ownn", "did you mean own?"),
        ("models/concat", "no run file at models/concat"),
        ("../../etc/passwd", "no run file at"),
        ("", "no run file at"),
    ],
)
def test_what_is_no_run_file_is_told_with_what_was_meant(given: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        find_run_file(given)
    assert said in str(told.value)
    assert "crisislens configs list" in str(told.value)


def test_every_run_file_that_ships_has_a_name_and_parts_have_none() -> None:
    names = shipped_run_files()
    files = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    parts = {path for path in files if path.parts[0] in ("models", "protocols", "settings")}
    assert {Path(name + ".yaml") for name in names} == files - parts
    assert list(names) == sorted(names)


def test_the_list_says_what_each_is_and_which_command_takes_it(crisislens: Command) -> None:
    listed = crisislens("configs", "list").stdout
    for words in ("runs/a1_text_finetune", "train-extractor", "A classifier of photos", "text_finetune"):
        assert words in listed
    assert "table2/" not in listed
    assert "runs/table2/compact_guided" in crisislens("configs", "list", "--table2").stdout


@pytest.mark.parametrize("name", ["own", "runs/a2_guided_paper", "rationales/nepal", "extraction/own_posts"])
def test_what_is_shown_is_whole_and_reads_back_to_the_same_run(crisislens: Command, name: str) -> None:
    shown = crisislens("configs", "show", name)
    assert shown.returncode == 0, shown.stderr
    values = parse_yaml(shown.stdout, where="shown")
    assert values == read_with_includes(shipped_run_files()[name])
    assert "include" not in values
