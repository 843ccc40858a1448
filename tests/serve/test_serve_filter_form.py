"""The form of filters: what it has no field for is kept, shown, and dropped by a link."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from serve_site import Site

WITHOUT_A_FIELD = {
    "bbox": ("-73,18,-72,19", "area -73,18,-72,19"),
    "meaning": ("calls_for_help", "Calls for help"),
    "not_sure": ("damage", "the model is not sure of damage"),
    "min_urgency": ("0.5", "urgency 0.5 or more"),
    "event": ("storm & flood", "event storm & flood"),
    "state": ("failed", "state failed"),
    "unread": ("true", "no model could read it"),
    "reviewed": ("no", "not reviewed"),
    "cluster": ("1", "near-duplicates of cluster 1"),
    "folded": ("1", "near-duplicates folded"),
    "limit": ("20", "posts a page: 20"),
}


class Form(HTMLParser):
    """What a browser sends when *Filter* is pressed, and the links that drop a filter."""

    def __init__(self, site: Site, address: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.drops: dict[str, str] = {}
        self._inside = self._chips = False
        self._select, self._chosen, self._link = "", "", ""
        answer = site.client.get(address, headers=site.people["viewer"].headers)
        assert answer.status_code == 200, answer.text
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = values["method"] == "get"
        elif tag == "ul":
            self._chips = values.get("aria-label") == "Further filters"
        elif tag == "a" and self._chips:
            self._link = values["href"]
        elif tag == "input" and self._inside:
            self.sent.append((values["name"], values["value"]))
        elif tag == "select":
            self._select, self._chosen = values["name"], ""
        elif tag == "option" and "selected" in values:
            self._chosen = values.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._link and data.strip() not in ("", "drop"):
            self.drops[data] = self._link

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.sent.append((self._select, self._chosen))
        elif tag == "form":
            self._inside = False
        elif tag == "ul":
            self._chips = False
        elif tag == "a":
            self._link = ""

    @property
    def given(self) -> list[tuple[str, str]]:
        """What is sent and not empty, without the order, which is always sent."""
        return [(name, value) for name, value in self.sent if value and name != "order"]


@pytest.mark.parametrize("name", WITHOUT_A_FIELD)
def test_a_filter_without_a_field_is_kept_and_dropped_by_a_link(site: Site, name: str) -> None:
    value, words = WITHOUT_A_FIELD[name]
    site_query = site.client.build_request("GET", "/posts", params={"q": "dam", name: value}).url
    form = Form(site, f"/posts?{site_query.query.decode()}")
    assert sorted(form.given) == sorted([("q", "dam"), (name, value)])
    assert form.drops == {words: "/posts?q=dam"}


def test_several_answers_are_kept(site: Site) -> None:
    query = "task=needs&label=water&label=damage%3Asevere_damage&label=food"
    form = Form(site, f"/posts?{query}")
    labels = [value for name, value in form.given if name == "label"]
    # one of them in the list of answers; each names its task, so that the task need not be sent
    assert sorted(labels) == ["damage:severe_damage", "needs:food", "needs:water"]
    assert {name for name, _ in form.given} == {"label"}
    assert len(form.drops) == 2
    left = parse_qs(urlsplit(form.drops["Food needed"]).query)["label"]
    assert sorted(left) == ["damage:severe_damage", "needs:water"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-03-06", "2026-03-06T00:00"),
        ("2026-03-06T14:00", "2026-03-06T14:00"),
        ("2026-03-06T16:30%2B02:00", "2026-03-06T14:30"),
        ("2026-03-06T14:00:30Z", "2026-03-06T14:00:30.000"),
    ],
)
def test_times_are_shown_in_utc_as_they_are_meant(site: Site, given: str, shown: str) -> None:
    form = Form(site, f"/posts?since={given}&until={given}")
    assert form.given == [("since", shown), ("until", shown)]


def test_the_queue_keeps_its_lane_and_shows_what_it_heeds(site: Site) -> None:
    form = Form(site, "/queue?lane=unread&min_urgency=0.5&state=failed&reviewed=true&folded=false")
    assert sorted(form.given) == [("lane", "unread"), ("min_urgency", "0.5")]
    assert form.drops == {"urgency 0.5 or more": "/queue?lane=unread"}


def test_a_page_further_on_is_no_filter(site: Site) -> None:
    site.send(*({"id": f"{at}", "text": f"the bridge {at}"} for at in range(3)))
    site.work()
    answer = site.client.get("/posts?limit=1", headers=site.people["viewer"].headers).text
    after = answer.partition('" rel="next"')[0].rpartition('href="')[2].replace("&amp;", "&")
    assert "after" in dict(parse_qsl(urlsplit(after).query))
    form = Form(site, after)
    assert form.given == [("limit", "1")]
    assert form.drops == {"posts a page: 1": "/posts"}
