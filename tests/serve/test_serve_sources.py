"""Sources: silence is told, and filters are edited and audited."""

from typing import Any

import pytest
from serve_site import Site

from crisislens.store.records import filters_of
from crisislens.streams import Filters
from store_posts import new

FORM = {"keep": "flood*, fire\nquake", "drop": "win", "languages": "ES", "box": "-70, 17, -60, 19"}


@pytest.fixture
def radio(site: Site) -> str:
    site.store.sources.ensure("radio", "rss", {"silent_minutes": 1e-9})
    site.store.posts.accept("radio", [new(1)], kind="rss")
    return "radio"


def send(site: Site, role: str = "admin", **form: str) -> Any:
    person = site.people[role]  # type: ignore[index]
    data = {"csrf": person.csrf, "name": "radio", **form}
    return site.client.post("/sources/filters", data=data, headers=person.headers)


def test_silence_is_told_everywhere(site: Site, radio: str) -> None:
    site.store.sources.ensure("pushed", "api", {"silent_minutes": 1e-9})
    page = site.client.get("/sources", headers=site.people["viewer"].headers)
    assert page.text.count("silent for") == 1
    rows = site.client.get("/v1/sources", headers=site.key("viewer")).json()
    assert [row["name"] for row in rows if row["silent_minutes"] is not None] == [radio]
    assert site.client.get("/readyz").json()["silent_sources"] == 1
    counters = site.client.get("/metrics", headers=site.key("viewer")).text
    assert f'crisislens_source_lag_seconds{{source="{radio}"}}' in counters
    site.store.sources.change(radio, enabled=False, actor="test")
    assert site.client.get("/readyz").json()["silent_sources"] == 0


def test_filters_are_edited_and_audited(site: Site, radio: str) -> None:
    answer = send(site, **FORM)
    assert answer.status_code == 200
    assert "Filters of radio are kept." in answer.text
    row = site.store.sources.by_name(radio)
    assert row is not None
    # what else is kept with the source stays
    assert row.config["silent_minutes"] == 1e-9
    filters = Filters.read(row.config)
    assert (filters.keep, filters.drop, filters.languages) == (("flood*", "fire", "quake"), ("win",), ("es",))
    assert filters.box is not None
    assert (filters.box.west, filters.box.north) == (-70.0, 19.0)
    page = site.client.get("/sources", headers=site.people["admin"].headers).text
    assert 'value="flood*, fire, quake"' in page
    assert 'value="-70, 17, -60, 19"' in page
    entry = site.store.audit.list(most=1)[0]
    assert (entry.action, entry.object) == ("source.change", "source:radio")
    assert entry.after is not None
    assert entry.after["filters"]["drop"] == ["win"]
    assert send(site, keep="", drop="", languages="", box="").status_code == 200
    assert filters_of(site.store.sources.by_name(radio).config) == filters_of({})  # type: ignore[union-attr]


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "-200,0,0,0", "0,0,0,nan"])
def test_a_box_that_is_none_changes_nothing(site: Site, radio: str, box: str) -> None:
    answer = send(site, **{**FORM, "box": box})
    assert answer.status_code == 422
    assert "The box is four numbers" in answer.text
    assert "filters" not in site.store.sources.by_name(radio).config  # type: ignore[union-attr]


def test_filters_with_markup_are_words(site: Site, radio: str) -> None:
    answer = send(site, keep='"><script>alert(1)</script>')
    assert "<script>alert(1)" not in answer.text
    assert send(site, "reviewer").status_code == 403
    assert send(site, name="nobody").status_code == 404
