"""The language model is held to its digest before fastText reads it, and answers as it was measured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crisislens.core import assets
from crisislens.core.errors import ModelError
from crisislens.data import language


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in the place of what ships; the model is read anew before and after."""
    (tmp_path / "language").mkdir()
    # the sums are those of the package, read before its folder moves
    sums = assets._sums()
    monkeypatch.setattr(assets, "_sums", lambda: sums)
    monkeypatch.setattr(language, "asset", tmp_path.joinpath)
    monkeypatch.setattr(assets, "asset", tmp_path.joinpath)
    language._detector.cache_clear()
    yield tmp_path / "language" / "lid.176.ftz"
    language._detector.cache_clear()


@pytest.mark.parametrize("content", [b"", b"another model"])
def test_another_model_is_refused(moved: Path, content: bytes) -> None:
    moved.write_bytes(content)
    with pytest.raises(ModelError, match="is not the file that crisislens ships"):
        language.detect_language("The bridge is down and the road is flooded")


def test_a_missing_model_is_one_sentence(moved: Path) -> None:
    with pytest.raises(ModelError, match="is missing, which tells languages apart"):
        language.detect_language("The bridge is down and the road is flooded")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("two\nlines", "two lines"),
        ("SEND WATER", "send water"),
        ("МОСТ РАЗРУШЕН", "мост разрушен"),
        ("Send WATER", "Send WATER"),
        ("A b", "A b"),
        ("w" * 300, "w" * 200),
    ],
)
def test_what_the_model_is_asked(text: str, asked: str) -> None:
    assert language._one_line(text) == asked


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NECESITAMOS AGUA Y COMIDA EN EL REFUGIO", "es"),
        ("Мост разрушен, нужна помощь людям в посёлке", "ru"),
        ("橋が流されました。助けてください、水が必要です", "ja"),
        ("\n\n\n" + "Die Brücke ist weg und die Straße steht unter Wasser", "de"),
        ("\x00" * 50 + "agua", None),
        ("x" * 100_000, None),
    ],
)
def test_languages_are_told(text: str, code: str | None) -> None:
    assert language.detect_language(text) == code
