"""Rationales on the page: marks at the right letters whatever is cut or cleaned, heat over the photo, words
for both.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_posts import crisis, meta, thumbnails
from page import Page

from crisislens.domain.rationale import Contribution, PatchHeat, Rationale, TextSpan
from crisislens.report.build import write_report
from crisislens.report.rationale_view import marked_text, rationale_view, segments


def rationale(*spans: tuple[int, int], heat: bool = False) -> Rationale:
    grid = PatchHeat(
        rows=2,
        columns=3,
        heat=(0.0, 0.1, 1.0, 0.0, 0.5, 0.0),
        description="most of the evidence lies in the upper right",
    )
    return Rationale(
        method="rationales",
        model="made up",
        text=tuple(TextSpan(start=a, end=b, score=0.5) for a, b in spans),
        image=grid if heat else None,
        contributions={
            "informativeness": Contribution(
                label="informative", base=0.1, values={"text": 2.0, "image": -0.5}
            )
        },
    )


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=40), st.data())
def test_marks_come_out_where_they_went_in(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
    spans = [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False) if a < b]
    marked = marked_text(text, rationale(*spans))
    at = data.draw(st.integers(0, len(marked)))
    start, inside = segments(marked[:at])
    rest, _ = segments(marked[at:], inside=inside)
    flags = [s.marked for s in (*start, *rest) for _ in s.text]
    assert "".join(s.text for s in (*start, *rest)) == text.replace("\ue000", "\ufffd").replace(
        "\ue001", "\ufffd"
    )
    assert flags == [any(a <= i < b for a, b in spans) for i in range(len(text))]


def test_the_page_shows_evidence(tmp_path: Path) -> None:
    found, failed, clusters = crisis(12)
    text = "<b>Bridge</b> is down \u202eand 5 people are trapped " + "word " * 120
    first = next(a for a in found if "image" in a.modalities)
    post = first.post.model_copy(update={"text": text})
    explained = first.model_copy(
        update={"post": post, "rationale": rationale((0, 13), (22, 45), heat=True), "urgency": 1.0}
    )
    path = write_report(
        tmp_path / "r.html",
        assessments=[explained if a is first else a for a in found],
        failed=failed,
        clusters=clusters,
        thumbnails=thumbnails,
        meta=meta(),
    )
    html = path.read_text(encoding="utf-8")
    page = Page.at(path)
    assert "<mark>&lt;b&gt;Bridge&lt;/b&gt;</mark> is down <mark>and 5 people are trapp</mark>ed" in html
    assert page.open_at_end == []
    assert "most of the evidence lies in the upper right" in page.text
    [picture] = [a for tag, a in page.tags if tag == "img" and "upper right" in a.get("alt", "")]
    assert picture
    heat = [a for tag, a in page.tags if tag == "rect" and a.get("fill-opacity")]
    assert [(a["x"], a["y"], a["fill-opacity"]) for a in heat] == [("2", "0", "0.6"), ("1", "1", "0.3")]
    assert "−0.50" in page.text
    assert "+2.00" in page.text
    assert "style=" not in html.replace("<style", "")


def test_bars_meet_in_the_middle() -> None:
    found = rationale_view("text", rationale((0, 4)), meta().tasks)
    assert found is not None
    [(_, _, bars)] = found.contributions
    assert [(b.start, b.width, b.tone) for b in bars] == [(50.0, 50.0, "for"), (37.5, 12.5, "against")]
    assert found.quotes == ("text",)
    assert rationale_view("text", None, meta().tasks) is None


@pytest.mark.parametrize("note", [None, "text seems to be in another language"])
def test_no_evidence_is_said(tmp_path: Path, note: str | None) -> None:
    found, failed, clusters = crisis(6)
    explained = [
        a.model_copy(update={"rationale": rationale().model_copy(update={"note": note})}) for a in found
    ]
    path = write_report(
        tmp_path / "r.html",
        assessments=explained,
        failed=failed,
        clusters=clusters,
        thumbnails=thumbnails,
        meta=meta(),
    )
    assert ("Text seems to be in another language." if note else "No evidence in the text.") in Page.at(
        path
    ).text
