"""Forms of KoboToolbox and ODK: pages, edits, mapping, and whom the token is for."""

import json
from typing import Any

import pytest

from crisislens.core.errors import InputError
from crisislens.core.guarded import Guard, RefusedError
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.records import NewPost, Unread
from crisislens.streams import Pump, StoreTarget, StreamOptions, open_source
from crisislens.streams.forms import KoboSource, OdkSource
from crisislens.streams.rows import RowMaker
from crisislens.streams.tokens import Token
from stream_fakes import Faults, Web, stopping
from stream_oracle import kept, pumping, until

CALM = Faults(0, 0, 0, 0, 0, 0, 0)


class FakeForms(Web):
    """Both servers: answers by number (Kobo) and by time, the newest first (ODK)."""

    def __init__(self, seed: int = 0, faults: Faults = CALM) -> None:
        self.kobo: list[dict[str, Any]] = []
        self.odk: list[dict[str, Any]] = []
        super().__init__(seed, faults)

    def fill(self, count: int) -> None:
        for _ in range(count):
            number = len(self.kobo) + 1
            moment = f"2026-11-20T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
            text = f"house {number} is flooded"
            file = {"download_url": f"http://{self.host}/p/{number}.jpg", "mimetype": "image/jpeg"}
            row = {"_id": number, "g/need": text, "_submission_time": moment, "_geolocation": [18.5, -66.1]}
            self.kobo.append({**row, "_attachments": [file, {"mimetype": "text/csv"}]})
            system = {"submissionDate": f"{moment}.000Z", "updatedAt": None}
            where = {"type": "Point", "coordinates": [-66.1, 18.5, 3]}
            row = {"__id": f"uuid:{number}", "__system": system, "g": {"need": text, "pic": f"{number}.jpg"}}
            self.odk.append({**row, "place": where})

    def answer(self, request: Any, path: str, query: dict[str, list[str]]) -> None:
        if self.misbehaves(request):
            return
        if path.startswith("/api/v2/assets/aX1/"):
            after = json.loads(query["query"][0])["_id"]["$gt"]
            rows = [row for row in self.kobo if row["_id"] > after][: int(query["limit"][0])]
            self.send_json(request, {"results": rows, "next": "http://169.254.169.254/"})
        else:
            self._odk(request, query)

    def _odk(self, request: Any, query: dict[str, list[str]]) -> None:
        since = query.get("$filter", [" ge "])[0].split(" ge ")[1].split(" ")[0]
        skip = int(query.get("$skiptoken", ["0"])[0])

        def newest(row: dict[str, Any]) -> str:
            return max(value for value in row["__system"].values() if value)

        rows = [row for row in reversed(self.odk) if newest(row) >= since]
        value: dict[str, Any] = {"value": rows[skip : skip + 30]}
        if skip + 30 < len(rows):
            kept_filter = f"&$filter=x ge {since} x".replace(" ", "%20") if since else ""
            where = f"/v1/projects/3/forms/f.svc/Submissions?$top=30&$skiptoken={skip + 30}{kept_filter}"
            value["@odata.nextLink"] = f"http://{self.host}{where}"
        self.send_json(request, value)


def source(fake: FakeForms, kind: str, **more: Any) -> Any:
    guard = Guard(allow_private={fake.host}, seconds=30.0)
    columns = {"text": "g/need" if kind == "kobo" else "g.need"}
    given: Any = {"guard": guard, "columns": columns, "every_s": 0.05, **more}
    if kind == "kobo":
        return KoboSource(f"http://{fake.host}", "aX1", "f", **given)
    return OdkSource(f"http://{fake.host}", "3", "f", "f", **given)


@pytest.mark.parametrize("kind", ["kobo", "odk"])
def test_answers_are_paged_and_gone_on_with(store: Store, kind: str) -> None:
    with stopping(FakeForms()) as fake:
        fake.fill(130)
        Pump(source(fake, kind, once=True), StoreTarget(store)).run()
        fake.fill(70)
        tally = Pump(source(fake, kind, once=True), StoreTarget(store)).run()
    assert tally.created == 70
    assert tally.same <= 1
    assert sorted(kept(store, "f").values()) == sorted(f"house {i} is flooded" for i in range(1, 201))
    row = store.posts.by_key("f", "7" if kind == "kobo" else "uuid:7")
    assert row is not None
    assert (row.lat, row.lon, str(row.created_at)) == (18.5, -66.1, "2026-11-20 00:00:07+00:00")


@pytest.mark.parametrize("kind", ["kobo", "odk"])
def test_through_faults(store: Store, kind: str) -> None:
    with stopping(FakeForms(1, Faults(0.1, 0.1, 0.1))) as fake:
        fake.fill(150)
        with pumping(source(fake, kind), store):
            assert until(lambda: len(kept(store, "f")) == 150)


def test_an_answer_that_was_changed_takes_its_place(store: Store) -> None:
    with stopping(FakeForms()) as fake:
        fake.fill(3)
        Pump(source(fake, "odk", once=True), StoreTarget(store)).run()
        fake.odk[0]["g"]["need"] = "house 1 is dry"
        fake.odk[0]["__system"]["updatedAt"] = "2026-11-21T00:00:00.000Z"
        tally = Pump(source(fake, "odk", once=True), StoreTarget(store)).run()
    assert tally.replaced == 1
    assert kept(store, "f")["uuid:1"] == "house 1 is dry"


def test_the_token_is_for_the_forms_server(store: Store) -> None:
    with stopping(FakeForms()) as fake:
        fake.fill(1)
        form = source(fake, "kobo", token=Token("s3cret"), once=True)
        [batch] = form.look(None)
        assert [photo.url for photo in batch.posts[0].photos] == [f"http://{fake.host}/p/1.jpg"]
        assert form.headers_for(f"http://{fake.host}/p/1.jpg") == {"Authorization": "Token s3cret"}
        assert form.headers_for("http://other.example/p/1.jpg") == {}
        assert form.headers_for(f"https://{fake.host}/p/1.jpg") == {}
        odk = source(fake, "odk", token=Token("ann@x.org:pw"))
        assert odk.headers_for(f"http://{fake.host}/") == {"Authorization": "Basic YW5uQHgub3JnOnB3"}
        [batch] = odk.look(None)
        assert batch.posts[0].photos[0].url == (
            f"http://{fake.host}/v1/projects/3/forms/f/submissions/uuid%3A1/attachments/1.jpg"
        )
        fake.answer = lambda request, *_: fake.send_json(  # type: ignore[method-assign]
            request, {"value": [fake.odk[0]], "@odata.nextLink": "http://169.254.169.254/x"}
        )
        with pytest.raises(RequestError, match="another server"):
            list(source(fake, "odk").look(None))


def test_several_questions_and_what_is_no_post(store: Store) -> None:
    with stopping(FakeForms()) as fake:
        fake.fill(2)
        fake.kobo[0]["more"] = "two people"
        fake.kobo += [{"_id": "x"}, {"_id": 9, "g/need": ""}]
        fake.answer = lambda request, *_: fake.send_json(request, {"results": fake.kobo})  # type: ignore[method-assign]
        form = source(fake, "kobo", columns={"text": "g/need+more"}, once=True)
        batch = next(iter(form.look(None)))
    assert [post.text for post in batch.posts] == ["house 1 is flooded\ntwo people", "house 2 is flooded"]
    assert len(batch.dead) == 2


def test_only_the_guarded_client_is_used() -> None:
    guard = Guard(resolve=lambda *_: ["10.0.0.1"])
    for given in ("kobo:kobo.lan/aX1", "odk:odk.lan/3/f", "kobo:127.0.0.1/aX1", "odk:[::1]/3/f"):
        with pytest.raises(RefusedError):
            list(open_source(given, StreamOptions(guard=guard)).look(None))


@pytest.mark.parametrize(
    "given", ["kobo:host", "odk:host/3", "kobo:host/../x", "odk:host/3/a%20b", "kobo:ftp://h/f"]
)
def test_wrong_forms_are_one_sentence(given: str) -> None:
    with pytest.raises(InputError, match="no form"):
        open_source(given, StreamOptions())


def test_a_letter_of_an_answer_is_the_whole_answer() -> None:
    kobo = KoboSource("https://f.example", "aX1", "f")
    odk = OdkSource("https://f.example", "3", "f", "f")
    row = {"need": "water " * 1_500, "items": [{"text": "a boat"}]}
    # without an id, and without a text
    for letter in (kobo._answer(row), odk._answer(row), kobo._answer({"_id": 7, **row})):
        assert isinstance(letter, Unread)
        [post] = RowMaker({"text": "need"}).line(letter.raw, "x")
        assert isinstance(post, NewPost)
        assert len(post.text) > 8_000
