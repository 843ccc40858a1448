"""The page *Situation*: its slider can stand at now, and its links keep the span and the place it shows."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from serve_site import Site

from crisislens.serve.pages.overview import WINDOWS

DIGEST = "/v1/digest?"
STEPS = re.compile(r'<span class="steps">(.*?)</span>', re.DOTALL)


def page(site: Site, address: str, *, part: bool = False) -> str:
    head = {**site.people["viewer"].headers, "Accept": "text/html"}
    if part:
        head["HX-Request"] = "true"
    answer = site.client.get(address, headers=head)
    assert answer.status_code == 200, answer.text
    return answer.text.replace("&amp;", "&")


def tile(text: str) -> dict[str, list[str]]:
    found = re.search(r'<a href="(/posts\?[^"]*)"><span class="tile-title">Posts assessed', text)
    assert found is not None
    return parse_qs(urlsplit(found[1]).query)


def posted(site: Site, name: str, when: datetime) -> int:
    post = {"id": name, "text": "the bridge is destroyed", "created_at": when.isoformat()}
    [number] = site.send(post)
    site.work()
    return number


@pytest.mark.parametrize("hours", [*WINDOWS, 7, 50, 8784])
def test_the_slider_can_stand_at_now(site: Site, hours: int) -> None:
    found = re.search(r'id="at" name="at" min="-(\d+)" max="0" step="(\d+)"', page(site, f"/?hours={hours}"))
    assert found is not None
    least, step = int(found[1]), int(found[2])
    # a browser counts steps from the far end
    assert least % step == 0
    assert least >= step
    # the farthest is one that the page answers
    page(site, f"/?hours={hours}&at=-{least}")


def test_the_posts_assessed_are_those_of_the_page(fresh: Site) -> None:
    now = datetime.now(UTC)
    posted(fresh, "old", now - timedelta(hours=30))
    new = posted(fresh, "new", now)
    place = "city:4568127"
    present = tile(page(fresh, f"/?hours=6&place={place}"))
    assert present == {
        "since": [(now - timedelta(hours=6)).strftime("%Y-%m-%dT%H:00")],
        "place": [place],
        "order": ["time"],
    }
    past = tile(page(fresh, "/?hours=6&at=-28"))
    assert past["until"] == [(now - timedelta(hours=27)).strftime("%Y-%m-%dT%H:00")]
    wanted = tile(page(fresh, "/?hours=6"))
    found = fresh.client.get("/v1/posts", params=wanted, headers=fresh.key("viewer")).json()
    assert [row["id"] for row in found["posts"]] == [new]


def test_what_is_handed_on_is_of_the_span_of_the_page(fresh: Site) -> None:
    posted(fresh, "new", datetime.now(UTC))
    for hours in WINDOWS:
        text = page(fresh, f"/?hours={hours}")
        found = re.findall(rf'href="({re.escape(DIGEST)}[^"]*)"', text)
        assert [parse_qs(urlsplit(link).query)["form"] for link in found] == [["markdown"], ["html"]]
        for link in found:
            assert parse_qs(urlsplit(link).query)["hours"] == [str(hours)]
            assert fresh.client.get(link, headers=fresh.key("viewer")).status_code == 200
        # what rises is looked for in a week at most
        assert f"/rising?hours={min(hours, 168)}" in text


def test_nothing_of_now_is_handed_on_from_a_page_of_the_past(fresh: Site) -> None:
    posted(fresh, "old", datetime.now(UTC) - timedelta(hours=30))
    past = page(fresh, "/?hours=6&at=-28")
    assert "What posts say" in past
    assert DIGEST not in past
    assert "/rising?" not in past


def test_a_page_of_the_past_renews_itself_as_one_of_now(site: Site) -> None:
    past = page(site, "/?hours=6&place=city:1&at=-28")
    assert 'hx-get="/?hours=6&place=city%3A1" hx-trigger="refresh"' in past
    assert "data-live" not in past


def test_the_steps_come_with_the_part_that_they_belong_to(site: Site) -> None:
    then = STEPS.search(page(site, "/?hours=6&at=-28", part=True))
    now = STEPS.search(page(site, "/?hours=6&at=0", part=True))
    assert then is not None
    assert now is not None
    assert 'href="/?hours=6&at=-29">Earlier' in then[1]
    assert 'href="/?hours=6">Now' in then[1]
    assert 'href="/?hours=6&at=-1">Earlier' in now[1]
    assert "Now" not in now[1]
    # and nowhere else, where they would stay as they were
    assert len(STEPS.findall(page(site, "/?hours=6&at=-28"))) == 1
