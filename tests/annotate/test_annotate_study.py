"""The blind study: sides by lot, a key, scores by hand, and a rater at the page."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotate.browsers import Browser
from crisislens.annotate.study import make_study, read_explained, score_study
from crisislens.core.errors import DataError, InputError
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale, TextSpan
from crisislens.evaluation.agreement import fleiss_kappa, preference

Explained = dict[str, tuple[Post, Rationale]]


def explained(start: int, end: int, count: int = 12) -> Explained:
    why = Rationale(method="rationales", model="made up", text=(TextSpan(start=start, end=end, score=0.5),))
    return {str(i): (Post(id=str(i), text=f"<i>Flood</i> number {i} here"), why) for i in range(count)}


def answer(folder: Path, rater: str, choose: Callable[[dict[str, str]], str]) -> Path:
    kept = json.loads((folder / "key.json").read_text())
    path = folder / f"answers-{rater}.json"
    answers = {item: choose(sides) for item, sides in kept["key"].items()}
    path.write_text(json.dumps({"study": kept["study"], "rater": rater, "answers": answers}))
    return path


def test_the_page_names_no_method_and_mixes_sides(tmp_path: Path) -> None:
    page = make_study(explained(0, 12), explained(13, 19), tmp_path, names=("ours", "theirs"), items=10)
    html = page.read_text(encoding="utf-8")
    assert "ours" not in html.replace("yours", "")
    assert "theirs" not in html
    assert "<mark>&lt;i&gt;Flood&lt;/i&gt;</mark>" in html
    assert "<i>" not in html
    key = json.loads((tmp_path / "key.json").read_text())["key"]
    assert len(key) == 10
    assert {sides["left"] for sides in key.values()} == {"ours", "theirs"}
    assert all({s["left"], s["right"]} == {"ours", "theirs"} for s in key.values())


def test_a_score_by_hand(tmp_path: Path) -> None:
    make_study(explained(0, 5), explained(6, 9), tmp_path, names=("ours", "theirs"), items=8)
    always = answer(tmp_path, "ann", lambda sides: "left" if sides["left"] == "ours" else "right")
    never = answer(tmp_path, "bob", lambda sides: "left" if sides["left"] == "theirs" else "right")
    alone = score_study(tmp_path, [always])
    assert alone.preference.win_rate.value == 1
    assert alone.kappa is None
    assert alone.preference.p_value == pytest.approx(2 / 2**8)
    both = score_study(tmp_path, [always, never])
    assert both.preference.win_rate.value == 0.5
    assert both.kappa == pytest.approx(-1)
    tie = answer(tmp_path, "cat", lambda sides: "same")
    assert score_study(tmp_path, [tie]).preference.ties == 8


@pytest.mark.parametrize("given", [("rater 2", ""), ("a 3", "a", "a"), ("", "rater 3", "")])
def test_raters_of_one_name_are_still_raters(tmp_path: Path, given: tuple[str, ...]) -> None:
    make_study(explained(0, 5), explained(6, 9), tmp_path, names=("ours", "theirs"), items=8)
    files = []
    for k, rater in enumerate(given):
        path = answer(tmp_path, rater, lambda sides: "left")
        files.append(path.rename(tmp_path / f"{k}.json"))
    found = score_study(tmp_path, files)
    assert len(set(found.raters)) == len(given)
    assert found.preference.wins + found.preference.losses == 8 * len(given)
    assert found.kappa == pytest.approx(1)


def test_another_study_is_not_written_over(tmp_path: Path) -> None:
    page = make_study(explained(0, 5), explained(6, 9), tmp_path, items=8)
    kept = (tmp_path / "key.json").read_bytes(), page.read_bytes()
    with pytest.raises(DataError, match="is the key of another study"):
        make_study(explained(0, 5), explained(6, 9), tmp_path, items=9)
    # the same posts and sides with other evidence
    with pytest.raises(DataError, match="is the key of another study"):
        make_study(explained(0, 5), explained(13, 19), tmp_path, items=8)
    assert ((tmp_path / "key.json").read_bytes(), page.read_bytes()) == kept
    # the same study is the same again
    make_study(explained(0, 5), explained(6, 9), tmp_path, items=8)
    assert ((tmp_path / "key.json").read_bytes(), page.read_bytes()) == kept
    (tmp_path / "key.json").write_text("my own keys")
    with pytest.raises(DataError, match="not readable"):
        make_study(explained(0, 5), explained(6, 9), tmp_path, items=8)


def test_answers_of_another_study_are_refused(tmp_path: Path) -> None:
    make_study(explained(0, 5), explained(6, 9), tmp_path)
    other = tmp_path / "x.json"
    other.write_text(json.dumps({"study": "other", "rater": "a", "answers": {}}))
    with pytest.raises(DataError, match="another study"):
        score_study(tmp_path, [other])
    other.write_text("[]")
    with pytest.raises(DataError, match="holds no answers"):
        score_study(tmp_path, [other])
    with pytest.raises(InputError, match="no post is explained in both"):
        make_study(explained(0, 5), {}, tmp_path)
    with pytest.raises(DataError, match="no assessments at"):
        read_explained(tmp_path / "none.jsonl")


def test_kappa_of_the_literature() -> None:
    # Fleiss 1971, as worked through on Wikipedia: 10 items, 14 raters, 5 categories
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(np.array(counts)) == pytest.approx(0.210, abs=5e-4)
    with pytest.raises(InputError, match="same number of raters"):
        fleiss_kappa(np.array([[2, 0], [1, 0]]))


def test_items_are_drawn_with_all_their_ratings() -> None:
    ratings = {str(i): {"a": float(i % 2), "b": float(i % 2)} for i in range(40)}
    found = preference(ratings)
    assert found.win_rate.value == 0.5
    # 40 items decide, not 80 ratings: half of an interval of about 2·0.5/√40
    assert 0.12 < (found.win_rate.high - found.win_rate.low) / 2 < 0.19


@pytest.mark.browser
def test_a_rater_at_the_page(tmp_path: Path, browser: Callable[[], Browser]) -> None:
    page_path = make_study(explained(0, 5), explained(6, 9), tmp_path, items=3)
    page = browser()
    page.open(page_path.as_uri())
    page.key("1")
    page.key("3")
    page.until("document.getElementById('progress').textContent.includes('2 answered')")
    assert page.run("document.querySelectorAll('.item:not([hidden])').length") == 1
    page.key("ArrowLeft")
    checked = "document.querySelector('.item:not([hidden]) [aria-checked=true]').dataset.answer"
    assert page.run(checked) == "same"
    page.key("2")
    page.key("2")
    page.until("document.getElementById('progress').textContent.includes('3 answered')")
    # what the button would save
    page.run(
        "window.saved = null; URL.createObjectURL = b => { b.text().then(t => { window.saved = t; }); return "
        "'data:,'; };"
    )
    page.run("document.getElementById('rater').value = 'ann'; document.getElementById('save').click()")
    page.until("window.saved")
    given = json.loads(page.run("window.saved"))
    assert given["answers"] == {"0": "left", "1": "right", "2": "right"}
    assert re.fullmatch(r"[0-9a-f]{16}", given["study"])
    (tmp_path / "a.json").write_text(json.dumps(given))
    assert score_study(tmp_path, [tmp_path / "a.json"]).items == 3
