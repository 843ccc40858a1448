"""The picture of the estimator is drawn where it is asked for, and only if it is."""

from pathlib import Path

import pytest


@pytest.mark.parametrize("arguments", [["--help"], ["--wrong"]])
def test_what_is_not_understood_draws_nothing(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    import plot_shapley

    monkeypatch.setattr(plot_shapley, "TARGET", tmp_path / "shapley.svg")
    with pytest.raises(SystemExit):
        plot_shapley.main(arguments)
    assert not any(tmp_path.iterdir())


def test_it_is_drawn_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    import plot_shapley

    monkeypatch.setattr(plot_shapley, "TARGET", tmp_path / "shapley.svg")
    monkeypatch.setattr(plot_shapley, "error", lambda k, samples, *, antithetic: 1 / samples)
    monkeypatch.setattr(plot_shapley, "milliseconds", lambda call: 1.0)
    plot_shapley.main(["--out", str(tmp_path / "there" / "mine.svg")])
    assert [path.name for path in tmp_path.rglob("*.svg")] == ["mine.svg"]
