"""The page *Situation*: its slider can stand at now, and its links keep the span and the place it shows."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from serve_site import Site

from crisislens.serve.pages.overview import WINDOWS
from store_posts import fill, new

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


def test_calls_that_two_questions_find_are_one_number_with_its_posts(fresh: Site) -> None:
    """Posts of all pages: the sentence, the panel, the list behind it, its export, and the API."""
    call, now = "requests_or_urgent_needs", datetime.now(UTC)
    at = [new(name, created_at=now) for name in ("both", "asks", "calls", "other", "unsure")]
    fill(fresh.store, at[0], needs=["request"], category=call)
    fill(fresh.store, at[1], needs=["request"])
    fill(fresh.store, at[2], category=call)
    fill(fresh.store, at[3], needs=["water"])
    fill(fresh.store, at[4], category=call, not_sure=True)
    text = page(fresh, "/?hours=6")
    assert "3 posts say “calls for help” (“call for help” 2 or “asks for help” 2)" in text
    panel = text.split('id="panel-together"')[1].split("</section>")[0]
    [row] = re.findall(r'<a href="(/posts\?[^"]*)">(.*?)</a>.*?<td class="n">(\d+)</td>', panel, re.DOTALL)
    assert row[1:] == ("Calls for help", "3")
    # the answers behind it have panels of their own, by what people read
    assert "Asks for help" in text.split('id="panel-needs"')[1]
    assert page(fresh, row[0]).count('<li class="card item"') == 3
    head = fresh.key("viewer")
    query = row[0].partition("?")[2]
    export = fresh.client.get(f"/v1/export.csv?{query}", headers=head).text
    assert sorted(line.split(",")[2] for line in export.splitlines()[1:]) == ["asks", "both", "calls"]
    situation = fresh.client.get("/v1/situation?hours=6", headers=head).json()
    assert situation["meanings"] == [{"meaning": "calls_for_help", "posts": 3}]
    listed = fresh.client.get("/v1/posts?meaning=calls_for_help", headers=head).json()
    assert {post["external_id"] for post in listed["posts"]} == {"both", "asks", "calls"}
    refused = fresh.client.get("/v1/posts?meaning=nothing", headers=head)
    assert refused.status_code == 422


def test_without_two_answers_there_is_no_such_panel(fresh: Site) -> None:
    fill(fresh.store, new("one", created_at=datetime.now(UTC)), needs=["request"])
    text = page(fresh, "/?hours=6")
    assert 'id="panel-together"' not in text
    assert "1 post says “asks for help”" in text
