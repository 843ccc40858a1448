"""Pages that are made are wrapped as those that are written, and say the same."""

from pathlib import Path

import make_reference
import markdown
import pytest
from make_reference import ROOT, WIDTH, main, wrapped

LONG = " ".join(["word"] * 40)


def html(text: str) -> str:
    """What a browser is shown, without where lines are broken."""
    return " ".join(markdown.markdown(text, extensions=["tables", "fenced_code"]).split())


@pytest.mark.parametrize(
    "page",
    [
        LONG,
        f"- {LONG}\n- short\n- {LONG}",
        f"1. {LONG}\n2. {LONG}",
        f"- {LONG}\n  goes on\n\n{LONG}",
        ("word " * 19 + "1) one " + "2. two # three > four + " * 9).strip(),
        f"- [{LONG}](https://example.org) and `{LONG}`",
    ],
)
def test_a_wrapped_page_is_narrow_and_shows_the_same(page: str) -> None:
    found = wrapped(page)
    assert max(map(len, found.split("\n"))) <= WIDTH
    assert html(found) == html(page)
    assert wrapped(found) == found


@pytest.mark.parametrize("mark", ["-", "+", "*", "#", ">", "1.", "23)"])
@pytest.mark.parametrize("before", range(44, 52))
def test_no_word_in_a_paragraph_comes_to_begin_a_list_or_a_heading(mark: str, before: int) -> None:
    found = wrapped("x " * before + f"{mark} y " * 40 + "z")
    assert found.count("\n") > 0
    assert not [line for line in found.split("\n") if line.startswith(mark)]


@pytest.mark.parametrize(
    "page",
    [f"# {LONG}", f"| a | b |\n| - | - |\n| {LONG} | c |", f"```\n{LONG}\n- {LONG}\n```", "two\nlines"],
)
def test_headings_tables_code_and_what_is_narrow_are_left(page: str) -> None:
    assert wrapped(page) == page


def test_the_page_of_models_is_narrow() -> None:
    page = (ROOT / "docs" / "reference" / "models.md").read_text(encoding="utf-8")
    prose = [line for i, part in enumerate(page.split("```")) if i % 2 == 0 for line in part.split("\n")]
    assert not [line for line in prose if len(line) > WIDTH and not line.startswith(("|", "#"))]


@pytest.mark.parametrize("arguments", [["--help"], ["--chek"], ["commands.md"]])
def test_what_is_not_understood_writes_no_page(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(make_reference, "ROOT", tmp_path)
    monkeypatch.setattr(make_reference, "PAGES", {"commands.md": lambda: "# Commands\n"})
    with pytest.raises(SystemExit):
        main(arguments)
    assert not any(tmp_path.iterdir())
    assert main(["--check"]) == 1
    assert not any(tmp_path.iterdir())
    assert main([]) == 0
    assert main(["--check"]) == 0
