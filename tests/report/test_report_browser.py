"""The report in a real browser: the filters that the address asks for, hostile posts, no requests."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_posts import crisis, hostile, meta, thumbnails
from page import Page

from crisislens.report.build import write_report

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--dump-dom",
)  # fmt: skip


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    found, failed, clusters = crisis(80)
    return write_report(
        path, assessments=found, failed=failed, clusters=clusters, thumbnails=thumbnails, meta=meta()
    )


@pytest.fixture
def opened(chromium: str, tmp_path: Path) -> Callable[[Path, str], Page]:
    """Opens a report at an address and returns the page after its script ran."""

    def open_at(path: Path, address: str) -> Page:
        command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"{path.as_uri()}{address}"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True, text=True)
        return Page(done.stdout)

    return open_at


def test_the_address_sets_the_filters(made_up: Path, opened: Callable[[Path, str], Page]) -> None:
    everything = Page.at(made_up).cards
    page = opened(made_up, "#humanitarian=affected&damage=severe_damage&confidence=60&sort=oldest")
    expected = {
        a["data-rank"]
        for a, _ in everything
        if a["data-answer-1"] == "|affected|"
        and a["data-answer-2"] == "|severe_damage|"
        and min(float(a[f"data-confidence-{i}"]) for i in (1, 2)) >= 0.6
    }
    shown = page.shown()
    assert {a["data-rank"] for a in shown} == expected
    assert 0 < len(expected) < len(everything)
    assert f"{len(expected)} of {len(everything)} listed posts fit the filters" in page.text
    times = [int(a["data-time"]) for a in shown if "data-time" in a]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("#unsure=hide&photo=yes", lambda a: a["data-unsure"] == "0" and a["data-photo"] == "yes"),
        ("#language=es&event=maria", lambda a: a["data-language"] == "es" and a["data-event"] == "maria"),
        ("#from=2017-09-21T00%3A00", lambda a: int(a.get("data-time", 0)) >= 1505952000000),
        ("#nonsense=1&damage=no_such_class&sort=sideways&photo=%3Cscript%3E", lambda a: True),
        ("#posts", lambda a: True),
    ],
)
def test_single_filters(
    made_up: Path, opened: Callable[[Path, str], Page], address: str, fits: Callable[[dict[str, str]], bool]
) -> None:
    expected = [a["data-rank"] for a, _ in Page.at(made_up).cards if fits(a)]
    assert [a["data-rank"] for a in opened(made_up, address).shown()] == expected
    assert expected


def test_words_are_found_without_case_and_accents(made_up: Path, opened: Callable[[Path, str], Page]) -> None:
    page = opened(made_up, "#q=MAYAGUEZ+Maria&theme=dark")
    texts = [page.card_text(i) for i, (a, _) in enumerate(page.cards) if "hidden" not in a]
    assert 0 < len(texts) < 80
    assert all("Mayagüez" in text and "maria" in text.lower() for text in texts)
    assert page.tags[0][1]["data-theme"] == "dark"
    assert page.tags[0][1]["class"] == "js"


def test_hostile_posts_do_nothing(tmp_path: Path, opened: Callable[[Path, str], Page]) -> None:
    path = tmp_path / "hostile.html"
    write_report(
        path,
        assessments=hostile(),
        failed=[],
        clusters=[],
        thumbnails=thumbnails,
        meta=meta(title="<img src=x onerror=alert(1)>"),
    )
    page = opened(path, "#q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert len(page.scripts) == 1
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, a in page.tags if tag == "b" or any(key.startswith("on") for key in a)]


def test_the_map_is_drawn_and_its_circles_lead_to_posts(
    tmp_path: Path, opened: Callable[[Path, str], Page]
) -> None:
    from crisislens.domain.place import GeoLocation

    found, _, _ = crisis(30)
    placed = [
        a.model_copy(
            update={"location": GeoLocation(lat=18.0 + i / 10, lon=-66.5, source="post", confidence=1.0)}
        )
        for i, a in enumerate(found)
    ]
    path = write_report(
        tmp_path / "places.html",
        assessments=placed,
        failed=[],
        clusters=[],
        thumbnails=thumbnails,
        meta=meta(),
    )
    page = opened(path, "#map")
    circles = [a for tag, a in page.tags if tag == "circle"]
    land = [a["d"] for tag, a in page.tags if tag == "path" and a.get("class") == "land"]
    assert len(circles) > 5
    assert all(float(a["r"]) > 0 for a in circles)
    assert len(land) == 2
    assert all(d.startswith("M") for d in land)
    # the policy forbids inline styles, so there must be none to lose
    assert not [a for _, a in page.tags if "style" in a]
    ids = {a["id"] for _, a in page.tags if "id" in a}
    links = [a["href"] for tag, a in page.tags if tag == "a" and a.get("href", "").startswith("#post-")]
    assert links
    assert all(link[1:] in ids for link in links)
