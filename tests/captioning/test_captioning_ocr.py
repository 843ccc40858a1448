"""What is written in a photo is read by either package of RapidOCR."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from crisislens.captioning import weak
from crisislens.captioning.weak import _lines_of, _text_reader


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (SimpleNamespace(txts=("HELP", "5th St"), scores=(0.9, 0.4)), [("HELP", 0.9), ("5th St", 0.4)]),
        (SimpleNamespace(txts=None, scores=None), []),
        (([[[0, 0], "HELP", "0.9"]], 0.1), [("HELP", 0.9)]),
        ((None, None), []),
    ],
)
def test_both_forms_of_an_answer_are_read(answer: object, lines: list[tuple[str, float]]) -> None:
    assert _lines_of(answer) == lines


@pytest.mark.parametrize("there", ["rapidocr", "rapidocr_onnxruntime"])
def test_the_package_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    stand_in = ModuleType(there)
    stand_in.RapidOCR = lambda: there  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, there, stand_in)
    monkeypatch.setattr(weak, "find_spec", lambda name: object() if name == there == "rapidocr" else None)
    assert _text_reader() == there
