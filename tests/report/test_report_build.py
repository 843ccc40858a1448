"""The report as a file: safe with hostile posts, complete without scripts, small, and the same bytes from the
same run.
"""

import base64
import gc
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from made_up_posts import HOSTILE, assessment, crisis, hostile, meta, naming, picture, thumbnails
from page import Page

from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.post import ImageRef, Post
from crisislens.report.build import write_report
from crisislens.report.model import ReportCluster, ReportTask


def report(
    path: Path,
    found: list[Assessment],
    failed: list[FailedPost] | None = None,
    clusters: list[ReportCluster] | None = None,
) -> Page:
    write_report(
        path,
        assessments=iter(found),
        failed=iter(failed or []),
        clusters=clusters or [],
        thumbnails=thumbnails,
        meta=meta(),
    )
    return Page.at(path)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return report(tmp_path_factory.mktemp("report") / "report.html", *crisis(300))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Page:
    evil = '"><script>alert(7)</script>\u202e\x00'
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    clusters = [ReportCluster(a.post.id, 2, (a.post.id, evil), "text") for a in hostile()[:2]]
    failed = [FailedPost(row=1, id=evil, reason=evil)]
    told = replace(
        meta(title=evil, source_name=evil, command=evil),
        data={evil: evil},
        added_by={evil: evil},
        languages=(evil,),
        files=(evil,),
        known_limits=(evil,),
    )
    first = hostile()[0]
    damage = first.tasks["damage"].model_copy(update={"label": evil, "probabilities": {evil: 1.0}})
    post = first.post.model_copy(update={"id": evil + "strange"})
    strange = first.model_copy(update={"post": post, "language": evil, "tasks": {"damage": damage}})
    found = [*hostile(), strange]
    write_report(path, assessments=found, failed=failed, clusters=clusters, thumbnails=thumbnails, meta=told)
    return Page.at(path)


@pytest.mark.parametrize("name", ["made_up", "attacked"])
def test_nothing_can_be_loaded_or_run_but_our_style_and_script(
    name: str, request: pytest.FixtureRequest
) -> None:
    page: Page = request.getfixturevalue(name)
    assert len(page.scripts) == len(page.styles) == 1
    style, script = (
        base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()
        for t in (page.styles[0], page.scripts[0])
    )
    [policy] = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.split("; ")[:4] == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{style}'",
        f"script-src 'sha256-{script}'",
    ]
    assert "unsafe" not in policy
    for tag, attributes in page.tags:
        assert tag not in {"iframe", "object", "embed", "base", "link", "b"}
        assert not [
            key
            for key in attributes
            if key.startswith("on") or key in {"style", "srcset", "action", "formaction", "xlink:href"}
        ]
        assert attributes.get("href", "#").startswith("#")
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    assert not re.search(r"url\(|@import", page.styles[0])
    assert page.open_at_end == []


def test_hostile_posts_are_shown_as_text(attacked: Page) -> None:
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in attacked.card_text(0)
    assert "{{ 7 * 7 }} javascript:alert(3)" in attacked.card_text(0)
    assert 'h0"><script>alert("id")</script>' in attacked.card_text(0)
    assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u2028\u202a-\u202e\u2066-\u2069]", attacked.text)
    assert "gro.ssorcder" in attacked.card_text(2)
    assert "5 invisible or direction-changing characters in the text were taken out" in attacked.card_text(2)
    assert all(
        not re.search("[\x00\u202e]", value)
        for _, attributes in attacked.tags
        for value in attributes.values()
    )


def test_long_posts_are_cut_and_say_so(attacked: Page) -> None:
    assert len(HOSTILE[2]) == 10_000
    text = attacked.card_text(3)
    assert text.count("W") - 50 == 4_000  # 50 more stand in the note
    assert "6,000 more characters stand in the files" in text


def test_the_page_says_what_the_run_was(made_up: Page, attacked: Page) -> None:
    told = meta()
    for part in (
        told.title,
        told.source_name,
        told.model_fingerprint,
        told.encoder_fingerprint,
        told.command,
        "0f1e2d3c4b5a6978",
        "55%",
    ):
        assert part in made_up.text
    assert "Automatic and not verified." in made_up.text
    assert "here are the 200 posts to read first" in made_up.text
    assert "300 posts from 2017-09-20" in made_up.text
    assert "7 rows of the source could not become assessments" in made_up.text
    assert "19 posts in 2 groups say the same; 2 posts in 1 group show one photo" in made_up.text


def test_a_cluster_is_one_card_with_its_size(made_up: Page) -> None:
    found, _, clusters = crisis(300)
    by_id = {a.post.id: a for a in found}
    best = max((by_id[m] for m in clusters[0].members), key=lambda a: a.urgency)
    listed = {
        m for m in clusters[0].members for i in range(len(made_up.cards)) if f"id {m}" in made_up.card_text(i)
    }
    assert listed == {best.post.id}
    [card] = [
        made_up.card_text(i)
        for i in range(len(made_up.cards))
        if f"id {best.post.id}" in made_up.card_text(i)
    ]
    assert "+12 near-duplicates" in card


def test_cards_stand_by_urgency_and_show_everything_without_scripts(made_up: Page) -> None:
    values = [float(attributes["data-urgency"]) for attributes, _ in made_up.cards]
    assert values == sorted(values, reverse=True)
    assert made_up.shown() == [attributes for attributes, _ in made_up.cards]
    assert [tag for tag, _ in made_up.tags].count("noscript") == 1


def test_a_card_says_all_about_its_post(tmp_path: Path) -> None:
    post = Post(
        id="p1", text="La inundación", image=ImageRef(path="x.jpg"), lat=18.20004, lon=-66.5, event="maria"
    )
    sure = {"informativeness": 0.97, "humanitarian": 0.41, "damage": 0.999}
    page = report(
        tmp_path / "r.html",
        [assessment(post, confidence=sure, language="es", notes=("photo could not be used: truncated",))],
    )
    text = page.card_text(0)
    for part in (
        "Photo could not be used",
        "photo could not be used: truncated",
        "Spanish",
        "at 18.2000, -66.5000",
        "no time",
        "maria",
        "id p1",
    ):
        assert part in text
    assert "Humanitarian category: not sure" in text
    assert "Leaning to “Affected, injured or missing people” at 41%, below the 60% needed" in text
    assert "Severe damage >99%" in text
    assert text.count("15%") == 4  # all probabilities of the category are there


def test_a_card_shows_who_and_what_is_named_as_text(tmp_path: Path) -> None:
    page = report(tmp_path / "r.html", [naming(Post(id="1", text="<b onclick=x()>Ada</b> in Ponce"))])
    text = page.card_text(0)
    assert "<b onclick=x()>Ada</b> — place of residence — Ponce" in text
    assert text.count("<b onclick=x()>Ada</b>") == 3  # the post, the name and the relation
    assert (
        next(a["title"] for tag, a in page.tags if tag == "li" and "title" in a)
        == "person, score 0.90, not calibrated"
    )
    assert not any("onclick" in attributes for _, attributes in page.tags)
    # readers of words stand before each name
    assert "person" in text
    assert "place" in text


def test_pictures_come_only_from_the_decoder_and_within_bounds(tmp_path: Path) -> None:
    posts = [Post(id=str(i), text="t", image=ImageRef(path=f"{i}.jpg")) for i in range(4)]
    found = [
        assessment(post, modalities=("text", "image"), urgency=0.9 - int(post.id) / 10) for post in posts
    ]
    answers = {
        "0": picture(1),
        "1": b"<svg onload=alert(1)>",
        "2": None,
        "3": b"\xff\xd8\xff" + bytes(200_000),
    }
    path = tmp_path / "r.html"
    write_report(
        path, assessments=found, failed=[], clusters=[], thumbnails=lambda post: answers[post.id], meta=meta()
    )
    page = Page.at(path)
    [src] = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert base64.b64decode(src.partition(",")[2]) == answers["0"]
    assert all("Photo was judged; no preview" in page.card_text(i) for i in (1, 2, 3))


def test_a_run_that_is_too_large_says_how_to_see_all_of_it(tmp_path: Path) -> None:
    found, failed, clusters = crisis(40)
    path = write_report(
        tmp_path / "a.html",
        assessments=found,
        failed=failed,
        clusters=clusters,
        thumbnails=lambda post: None,
        meta=meta(serve="crisislens serve <x>"),
        most_posts=10,
    )
    said = Page.at(path).text
    assert "Here are the 10 most urgent of 40 posts" in said
    assert "crisislens serve <x> shows all of them" in said


def test_pictures_are_left_out_when_the_file_would_grow_too_large(tmp_path: Path) -> None:
    found = [
        assessment(
            Post(id=str(i), text="t", image=ImageRef(path="a.jpg")), modalities=("image",), urgency=0.5
        )
        for i in range(60)
    ]
    path = tmp_path / "r.html"
    data = b"\xff\xd8\xff" + bytes(140_000)
    write_report(path, assessments=found, failed=[], clusters=[], thumbnails=lambda post: data, meta=meta())
    page = Page.at(path)
    assert [tag for tag, _ in page.tags].count("img") == 36  # 5 MB of 140 kB each
    assert "left out to keep this file small" in page.card_text(59)
    assert path.stat().st_size < 10_000_000


def test_the_photo_is_not_asked_for_where_it_could_not_be_used(tmp_path: Path) -> None:
    asked: list[str] = []

    def remember(post: Post) -> None:
        asked.append(post.id)

    posts = [
        assessment(Post(id="broken", image=ImageRef(path="a.jpg")), modalities=()),
        assessment(Post(id="bare", text="x")),
    ]
    write_report(
        tmp_path / "r.html", assessments=posts, failed=[], clusters=[], thumbnails=remember, meta=meta()
    )
    assert asked == []


def test_an_empty_run_and_a_model_of_one_task_make_a_page(tmp_path: Path) -> None:
    page = report(tmp_path / "empty.html", [])
    assert "There are no posts." in page.text
    one: tuple[ReportTask, ...] = meta().tasks[:1]
    path = tmp_path / "one.html"
    write_report(
        path, assessments=hostile(), failed=[], clusters=[], thumbnails=thumbnails, meta=meta(tasks=one)
    )
    assert "Category and severity" not in Page.at(path).text


def test_only_the_first_failed_rows_are_listed_but_all_counted(tmp_path: Path) -> None:
    failed = (FailedPost(row=i, id=f"lost-{i}", reason="text is missing") for i in range(1234))
    write_report(
        tmp_path / "r.html", assessments=[], failed=failed, clusters=[], thumbnails=thumbnails, meta=meta()
    )
    text = Page.at(tmp_path / "r.html").text
    assert "1,234 rows of the source could not become assessments" in text
    assert "lost-199" in text
    assert "lost-200" not in text


def test_every_filter_link_names_filters_and_answers_that_exist(made_up: Page) -> None:
    names = {attributes.get("name") for tag, attributes in made_up.tags if tag in {"select", "input"}}
    answers = {task.name: {*task.classes, "not_sure"} for task in meta().tasks}
    links = [a["href"][1:] for tag, a in made_up.tags if tag == "a" and "=" in a["href"]]
    links += [a["data-link"][1:] for _, a in made_up.tags if "data-link" in a]
    assert len(links) > 60
    for key, value in (pair for link in links for pair in parse_qsl(link)):
        assert key in names
        assert value in answers.get(key, {value})


def test_every_control_has_a_label_and_every_anchor_a_target(made_up: Page) -> None:
    ids = [attributes["id"] for _, attributes in made_up.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = {a["href"][1:] for tag, a in made_up.tags if tag == "a" and "=" not in a["href"]}
    # a post that is not listed in full has a row, which the script shows
    rows = {target for target in targets if re.fullmatch(r"post-\d+", target)}
    assert targets - rows <= set(ids)
    assert all(1 <= int(row.partition("-")[2]) <= 300 for row in rows)
    assert {a["aria-labelledby"] for _, a in made_up.tags if "aria-labelledby" in a} <= set(ids)
    assert all(a.get("alt") for tag, a in made_up.tags if tag == "img")
    html = [tag for tag, _ in made_up.tags]
    assert html.count("h1") == 1


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        report(tmp_path / name, *crisis(120))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_report_of_3800_posts_is_small_and_holds_few_of_them_in_memory(tmp_path: Path) -> None:
    alive: list[int] = []

    def stream() -> Iterator[Assessment]:
        found, _, _ = crisis(3)
        template = found[0].model_dump()
        for i in range(3800):
            template["post"]["id"] = str(i)
            template["urgency"] = (i * 7919 % 3800) / 3800
            yield Assessment.model_validate(template)
            if i % 1900 == 1899:
                alive.append(sum(isinstance(thing, Assessment) for thing in gc.get_objects()))

    before = sum(isinstance(thing, Assessment) for thing in gc.get_objects())
    write_report(
        tmp_path / "r.html",
        assessments=stream(),
        failed=[],
        clusters=[],
        thumbnails=lambda post: None,
        meta=meta(),
    )
    # 200 most urgent, 3 of the template and the one in flight
    assert max(alive) - before <= 204
    assert (tmp_path / "r.html").stat().st_size < 2_000_000


def _luminance(color: str) -> float:
    color = color if len(color) == 6 else "".join(c * 2 for c in color)
    parts = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark by system", "dark by choice"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *product(("ink", "muted", "accent"), ("page", "surface", "sunken", "accent-soft")),
        ("grave", "grave-soft"), ("warm", "warm-soft"), ("warm", "surface"), ("unsure", "unsure-soft"),
        ("ink", "heat-1"), ("ink", "heat-2"), ("ink", "heat-3"), ("on-heat", "heat-4"), ("on-heat", "heat-5"),
    ],
)  # fmt: skip
def test_contrast_is_wcag_aa(made_up: Page, theme: int, ink: str, ground: str) -> None:
    blocks = [b for b in re.findall(r":root[^{,]*\{([^}]*)\}", made_up.styles[0]) if "--page" in b]
    colors = dict(re.findall(r"--([\w-]+): #([0-9a-f]{3,6})", blocks[theme]))
    light, dark = sorted((_luminance(colors[ink]), _luminance(colors[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_both_dark_themes_are_the_same(made_up: Page) -> None:
    _, system, choice, *_ = (
        re.sub(r"\s+", " ", b).strip()
        for b in re.findall(r":root[^{,]*\{([^}]*)\}", made_up.styles[0])
        if "--page" in b
    )
    assert system == choice
