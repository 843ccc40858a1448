"""Run files: includes stay at home, `--set` keeps types, a wrong key names the right one."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, JsonValue

from crisislens.core.config import Config, merged
from crisislens.core.errors import ConfigError
from crisislens.core.settings import parse_setting, schema_at


class Part(Config):
    root: Path = Path("data")
    place: Path | None = None
    rate: float = 0.1
    sizes: tuple[int, ...] = ()
    kind: Literal["none", "no", "all"] = "all"
    level: Literal["low"] | float = 1.0
    options: dict[str, JsonValue] = Field(default={})
    titles: dict[str, str] = Field(default={})


class Run(Config):
    name: Annotated[str, Field(min_length=1)]
    note: str | None = None
    data: Part = Part()
    more: Part | None = None
    parts: tuple[Part, ...] = ()
    files: tuple[str, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    flag: bool = False


def loaded(tmp_path: Path, *overrides: str, text: str = "name: x\n") -> Run:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return Run.load(path, list(overrides))


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("data.root=no", Path("no")),
        ("data.root=1e3", Path("1e3")),
        ("data.root=~/posts: 2 #new", Path("~/posts: 2 #new")),
        ("data.root=$HOME/${x}", Path("$HOME/${x}")),
        ("data.root=[a", Path("[a")),
        ("data.place=null", None),
        ("data.place=007", Path("007")),
        ("name=007", "007"),
        ("name=true", "true"),
        ("name=null", "null"),
        ("name=a=b", "a=b"),
        ("note=null", None),
        ("note=no", "no"),
        ("note=", ""),
        ("data.kind=no", "no"),
        ("data.kind=none", "none"),
        ("data.level=low", "low"),
        ("data.level=2", 2.0),
        ("data.rate=1e-3", 0.001),
        ("data.sizes=[1, 2]", (1, 2)),
        ("data.sizes=[]", ()),
        ("data.options.pooling=mean", {"pooling": "mean"}),
        ("data.options.depth=3", {"depth": 3}),
        ("data.options={deep: {on: true}}", {"deep": {"on": True}}),
        ("data.titles={a: no, b: 007, c: null}", {"a": "no", "b": "007", "c": "null"}),
        ("data.titles.a=12", {"a": "12"}),
        ("files=[no, 1.50, a b]", ("no", "1.50", "a b")),
        ("pair=[1, 2]", ("1", 2)),
        ("more=null", None),
        ("more.root=on", Path("on")),
        ("flag=yes", True),
        ("flag=false", False),
    ],
)
def test_a_value_keeps_the_type_of_what_it_sets(tmp_path: Path, pair: str, value: object) -> None:
    found: Any = loaded(tmp_path, pair)
    key = pair.partition("=")[0]
    for part in key.split("."):
        if isinstance(found, dict):
            break
        found = getattr(found, part)
    assert found == value


def test_records_in_a_list_and_in_a_mapping_are_read_by_their_own_types(tmp_path: Path) -> None:
    run = loaded(tmp_path, "parts=[{root: no, rate: 2}, {root: 007}]", "more={root: off, titles: {a: 1}}")
    assert [(part.root, part.rate) for part in run.parts] == [(Path("no"), 2.0), (Path("007"), 0.1)]
    assert run.more == Part(root=Path("off"), titles={"a": "1"})


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1))
def test_any_text_reaches_a_text_as_it_stands(text: str) -> None:
    assert parse_setting(f"name={text}", Run) == {"name": text}
    assert schema_at(Run, ["data", "nothing", "there"]) is Any


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("name", "is not of the form KEY=VALUE"),
        ("=x", "is not of the form KEY=VALUE"),
        ("data..root=x", "is not of the form KEY=VALUE"),
        ("data.rate=fast", "data.rate: Input should be a valid number"),
        ("data.sizes=[1", "--set data.sizes cannot be read as YAML"),
        ("data.root=", "data.root: Input is not a valid path"),
        ("data.roots=x", "data.roots: Extra inputs are not permitted, did you mean 'root'"),
        ("nmae=x", "nmae: Extra inputs are not permitted, did you mean 'name'"),
        ("more.kidn=x", "more.kidn: .* did you mean 'kind'"),
        ("parts=[{rat: 1}]", "parts.0.rat: .* did you mean 'rate'"),
        ("data.zzz=1", "known keys: root, place, rate"),
        ("name.first=x", "name: Input should be a valid string"),
        ("data=[1, 2]", "data: Input should be a valid dictionary"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(tmp_path: Path, pair: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        loaded(tmp_path, pair)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_of_a_file_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.optoins: .* did you mean 'options'"):
        loaded(tmp_path, text="name: x\ndata: {optoins: {}}\n")


def test_later_settings_win_and_lists_are_replaced() -> None:
    below = {"a": {"x": 1, "y": [1, 2]}, "b": None}
    assert merged(below, {"a": {"y": [3]}, "b": {"c": 1}}) == {"a": {"x": 1, "y": [3]}, "b": {"c": 1}}
    assert merged(below, {"a": None}) == {"a": None, "b": None}
    assert below == {"a": {"x": 1, "y": [1, 2]}, "b": None}


def test_a_variable_in_a_file_stays_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    run = loaded(tmp_path, text="name: ${oc.env:SECRET}\nnote: ${name}\ndata: {root: $SECRET}\n")
    assert (run.name, run.note, run.data.root) == ("${oc.env:SECRET}", "${name}", Path("$SECRET"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_below_configs_include_each_other(tmp_path: Path) -> None:
    write(tmp_path / "configs" / "settings" / "a.yaml", "note: set\ndata: {rate: 3}\n")
    run = write(
        tmp_path / "configs" / "runs" / "deep" / "run.yaml", "include: [../../settings/a.yaml]\nname: x\n"
    )
    assert Run.load(run).note == "set"
    top = write(tmp_path / "top.yaml", "note: top\n")
    assert Run.load(run, on_top=[top]).note == "top"
    assert Run.load(run, ["note=own"], on_top=[top]).data.rate == 3


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../../../../etc/hostname", "../secret.yaml", "link.yaml", "sub/../../secret.yaml"],
)
@pytest.mark.parametrize("home", ["own", "configs/runs"])
def test_what_lies_outside_is_not_included(tmp_path: Path, home: str, name: str) -> None:
    folder = tmp_path / home
    secret = write(tmp_path / "secret.yaml", "note: secret\n")
    write(tmp_path / "own" / "x", "")
    write(folder / "sub" / "x", "")
    (folder / "link.yaml").symlink_to(secret)
    if home == "configs/runs":
        name = name.replace("../secret", "../../secret")
    run = write(folder / "run.yaml", f"include: [{name}]\nname: x\n")
    with pytest.raises(ConfigError, match="lies outside of"):
        Run.load(run)


def test_a_folder_may_be_given_for_includes(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "settings" / "a.yaml", "note: set\n")
    run = write(tmp_path / "mine" / "runs" / "run.yaml", "include: [../settings/a.yaml]\nname: x\n")
    with pytest.raises(ConfigError, match="lies outside of"):
        Run.load(run)
    assert Run.load(run, within=tmp_path / "mine").note == "set"


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("run.yaml", "give a list of files"),
        ("[1]", "give a list of files"),
        ("[run.yaml, run.yaml]", "does a file include itself"),
        ("[gone.yaml]", "no run file at"),
        ("[list.yaml]", "must hold keys and values"),
        ('["a\\0b"]', "'a.x00b', which is no file's name"),
        (f"[{'a' * 5000}]", "'aaaa.*, which is no file's name"),
    ],
)
def test_includes_that_do_not_work_out(tmp_path: Path, include: str, message: str) -> None:
    write(tmp_path / "list.yaml", "[1]")
    run = write(tmp_path / "run.yaml", f"include: {include}\nname: x\n")
    with pytest.raises(ConfigError, match=message):
        Run.load(run)


def test_many_files_that_include_each_other_end_quickly(tmp_path: Path) -> None:
    for depth in range(4):
        names = ", ".join([f"{depth + 1}.yaml"] * 40)
        write(tmp_path / f"{depth}.yaml", f"include: [{names}]\nname: x\n")
    write(tmp_path / "4.yaml", "note: leaf\n")
    with pytest.raises(ConfigError, match="more than 100 files"):
        Run.load(tmp_path / "0.yaml")
