"""Registries: ours by decorator or by a table of names, those of others by entry points."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from crisislens.core import registry as registry_module
from crisislens.core.errors import NotRegisteredError
from crisislens.core.registry import Registry


def install(monkeypatch: pytest.MonkeyPatch, **points: str) -> list[str]:
    """Makes entry points of the group `fruits`, and counts how often the group is asked for."""
    asked: list[str] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint(name, value, group) for name, value in points.items()]

    monkeypatch.setattr(registry_module, "entry_points", entry_points)
    return asked


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("orchard")
    monkeypatch.setitem(sys.modules, "orchard", made)
    return made


def test_entry_points_wait_for_a_look_up_that_failed(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    module.fig = "a fig"  # type: ignore[attr-defined]
    asked = install(monkeypatch, fig="orchard:fig")
    fruits: Registry[str] = Registry("fruit", "fruits")
    fruits.register("apple")("an apple")
    assert fruits["apple"] == "an apple"
    assert "apple" in fruits
    assert asked == []
    assert fruits["fig"] == "a fig"
    assert dict(fruits) == {"apple": "an apple", "fig": "a fig"}
    assert (len(fruits), asked) == (2, ["fruits"])
    assert (fruits.origin("fig"), fruits.origin("apple")) == ("orchard:fig", "")


def test_names_are_listed_without_loading_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"fig": "no_such_module:fig", "../fig": "orchard:fig", "": "orchard:fig", "a.b": "orchard:fig"}
    install(monkeypatch, **points)
    fruits: Registry[str] = Registry("fruit", "fruits", ours={"pear": "no_such_module:pear"})
    assert fruits.names() == ("pear", "fig")
    assert [*fruits] == ["pear"], "listing the registry loads, and this one cannot be loaded"
    assert Registry("fruit").names() == ()


def test_a_registry_without_a_group_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = install(monkeypatch, fig="orchard:fig")
    fruits: Registry[str] = Registry("fruit")
    assert ([*fruits], "fig" in fruits, asked) == ([], False, [])


@pytest.mark.parametrize("value", ["no_such_module:x", "orchard:nothing", "orchard:fig.seed", "not a path"])
def test_a_broken_one_costs_itself_only(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, value: str
) -> None:
    module.fig = "a fig"  # type: ignore[attr-defined]
    install(monkeypatch, bad=value, fig="orchard:fig")
    fruits: Registry[str] = Registry("fruit", "fruits")
    assert [*fruits] == ["fig"]
    with pytest.raises(NotRegisteredError, match=r"the fruit 'bad' of the plug-in .* cannot be loaded"):
        fruits["bad"]
    with pytest.raises(
        NotRegisteredError, match=r"no fruit named 'figs'; known: fig; did .*'bad' of the plug"
    ):
        fruits["figs"]
    [problem] = fruits.problems()
    assert "\n" not in problem


def test_ours_wins_whenever_it_comes(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    module.fig = "theirs"  # type: ignore[attr-defined]
    install(monkeypatch, fig="orchard:fig", plum="orchard:fig")
    fruits: Registry[str] = Registry("fruit", "fruits")
    fruits.register("fig")("ours")
    assert (fruits["plum"], fruits["fig"]) == ("theirs", "ours")
    fruits.register("plum")("ours, too")
    assert fruits["plum"] == "ours, too"
    assert [problem.split(",")[0] for problem in fruits.problems()] == [
        "the fruit 'fig' of the plug-in orchard:fig is not used",
        "the fruit 'plum' of the plug-in orchard:fig is not used",
    ]


def test_a_plug_in_may_register_itself_and_look_names_up_while_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    fruits: Registry[str] = Registry("fruit", "fruits")

    class Loads(ModuleType):
        def __getattr__(self, name: str) -> str:
            if name != "fig":
                raise AttributeError(name)
            assert "date" not in fruits
            return fruits.register("fig")("a fig")

    monkeypatch.setitem(sys.modules, "orchard", Loads("orchard"))
    install(monkeypatch, fig="orchard:fig")
    assert fruits["fig"] == "a fig"
    assert fruits.problems() == ()


def test_our_own_table_is_imported_name_by_name(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    fruits: Registry[str] = Registry("fruit", ours={"fig": "orchard:fig", "pear": "no_such_module:pear"})
    assert [*fruits] == ["fig", "pear"]
    assert "pear" in fruits
    module.fig = "a fig"  # type: ignore[attr-defined]
    assert fruits["fig"] == "a fig"
    with pytest.raises(ValueError, match="registered already"):
        fruits.register("pear")("another")
    with pytest.raises(ModuleNotFoundError):
        # one of ours that is not there is a bug of ours
        fruits["pear"]
