"""In a real browser: circles of the map open the posts that they count, names with quotes are found, and of
long texts it is said what the page does not hold.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_posts import assessment, meta
from opened_report import count, found_at

from annotate.browsers import Browser
from crisislens.domain.assessment import Assessment
from crisislens.domain.place import GeoLocation, Place
from crisislens.domain.post import Post
from crisislens.report.basemap import BaseMap
from crisislens.report.build import write_report
from crisislens.report.shapes import Shape

pytestmark = pytest.mark.browser

CIRCLES = (
    "[...document.querySelectorAll('#map-box a.marker')].map(a => [a.getAttribute('href'), a.ariaLabel])"
)
# files cannot be read back here, so what would go there is caught
CATCH = """
window.caught = [];
URL.createObjectURL = (file) => { file.text().then((text) => window.caught.push(text)); return "#"; };
"""
ISLAND = Place(id="country:PR", name="Puerto Rico", kind="country", country="PR", lat=18.2, lon=-66.4)
QUOTED = 'Школа "Надежда"'


def at(i: int, lat: float, lon: float, place: Place | None = None, **more: object) -> Assessment:
    where = GeoLocation(lat=lat, lon=lon, source="text" if place else "post", confidence=1.0, place=place)
    post = Post(id=str(i), text=str(more.get("text", "trapped")))
    return assessment(post, urgency=0.5).model_copy(update={"location": where})


def written(path: Path, found: list[Assessment], **more: object) -> Path:
    options = {"thumbnails": lambda post: None, "meta": replace(meta(), **more), "top": 3}  # type: ignore[arg-type]
    return write_report(path, assessments=found, failed=[], clusters=[], **options)  # type: ignore[arg-type]


def circles(browser: Browser) -> dict[str, int]:
    """From the link of each circle to what it counts."""
    browser.until("document.querySelector('#map-box a.marker')")
    return {link: int(said.split(" ")[0]) for link, said in browser.run(CIRCLES)}


def test_circles_open_what_they_count(tmp_path: Path, opened: Callable[..., Browser]) -> None:
    rng = random.Random(1)
    # so many that boxes around joined squares overlap, and a country whose middle is among them
    found = [at(i, rng.gauss(18.2, 0.12), rng.gauss(-66.4, 0.3)) for i in range(300)]
    found += [at(1_000 + i, 18.2, -66.4, ISLAND) for i in range(40)]
    browser = opened("#map", written(tmp_path / "map.html", found))
    drawn = circles(browser)
    assert len(drawn) > 15
    assert any("place=" in link for link in drawn)
    assert {link: found_at(browser, link) for link in drawn} == drawn
    # and where only what fits the filters is drawn
    browser.run(f"location.hash = {json.dumps('#q=trapped&box=-66.6,18,-66.2,18.4')}")
    browser.run("document.querySelector('header nav a[href=\"#map\"]').click()")
    browser.run("document.getElementById('map-found').click()")
    fewer = circles(browser)
    assert 0 < sum(fewer.values()) < sum(drawn.values())
    assert all("q=trapped" in link for link in fewer)
    assert {link: found_at(browser, link) for link in fewer} == fewer


def test_a_circle_over_a_gap_between_set_boxes_opens_what_it_counts(
    tmp_path: Path, opened: Callable[..., Browser]
) -> None:
    # so close together that one square holds all three, and far ones that keep the map wide
    found = [at(i, 18.2, -66.4 + i / 1_000) for i in range(3)] + [at(10, 19.5, -68.0), at(11, 17.0, -64.5)]
    browser = opened("#map", written(tmp_path / "gap.html", found))
    browser.run("location.hash = '#box=-66.4004,18.1,-66.3996,18.3;-66.3984,18.1,-66.3976,18.3'")
    browser.run("document.querySelector('header nav a[href=\"#map\"]').click()")
    browser.run("document.getElementById('map-found').click()")
    drawn = circles(browser)
    assert list(drawn.values()) == [2]
    assert {link: found_at(browser, link) for link in drawn} == drawn


def test_a_place_with_quotes_in_its_name_is_found(tmp_path: Path, opened: Callable[..., Browser]) -> None:
    town = BaseMap("town.geojson", (Shape("point", "other", QUOTED, ((37.55, 47.09),)),))
    country = ISLAND.model_copy(update={"name": 'Isla "Norte"'})
    found = [at(i, 47.09, 37.55) for i in range(5)]
    found += [at(10 + i, 18.2, -66.4, country) for i in range(2)] + [at(20, 1.0, 1.0)]
    browser = opened("#needs", written(tmp_path / "quotes.html", found, base_map=town))
    cells = browser.run("[...document.querySelectorAll('.needs td a')].map(a => [a.hash, +a.textContent])")
    assert any("place=" in link for link, _ in cells)
    assert {link: found_at(browser, link) for link, _ in cells} == dict(cells)
    assert found_at(browser, '#elsewhere="near Школа Надежда"') == 2
    still = browser.run("[...document.querySelectorAll('#still-maps [data-link]')].map(g => g.dataset.link)")
    assert {found_at(browser, link) for link in still} == {5, 2}
    browser.run("document.querySelector('header nav a[href=\"#map\"]').click()")
    drawn = circles(browser)
    assert {link: found_at(browser, link) for link in drawn} == drawn
    # as a person types or chooses it, with no other filter
    assert found_at(browser, "#sort=newest") == 8
    for typed in (f"near {QUOTED}", f'"near {QUOTED}', "школа", f'"near {QUOTED.replace(chr(34), "")}"'):
        browser.run(f"document.querySelector('[name=place]').value = {json.dumps(typed)}")
        browser.run("document.getElementById('filters').dispatchEvent(new Event('input'))")
        assert count(browser).startswith("5 of 8"), typed


def test_one_character_that_is_not_here_is_no_plural(tmp_path: Path, opened: Callable[..., Browser]) -> None:
    found = [at(i, 1.0, 1.0, text="x" * 4_001) for i in range(4)]
    browser = opened("#post_id=3", written(tmp_path / "one.html", found))
    browser.until("document.querySelector('.light')")
    assert "1 more character stands in the files." in browser.run(
        "document.querySelector('.light').textContent"
    )


def test_what_of_a_long_text_is_not_here_is_said(tmp_path: Path, opened: Callable[..., Browser]) -> None:
    long = "word " * 900 + "HELPWORD"
    found = [at(i, 1.0, 1.0) for i in range(4)] + [at(9, 1.0, 1.0, text=long)]
    browser = opened("#post_id=9", written(tmp_path / "long.html", found))
    cut = len(long) - 4_000
    assert f"{cut} more characters stand in the files" in browser.run(
        "document.querySelector('.light').textContent"
    )
    assert "searched" not in count(browser)
    browser.run(CATCH)
    for form in ("csv", "geojson"):
        browser.run(f"document.querySelector('[data-send={form}]').click()")
        browser.until("window.caught.length")
        assert f"[{cut} more characters stand in the files.]" in browser.run("window.caught.pop()")
    assert found_at(browser, "#q=HELPWORD") == 0
    assert count(browser).endswith("Of 1 long post only the start is searched.")
