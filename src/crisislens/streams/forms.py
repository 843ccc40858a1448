"""Answers to a form of KoboToolbox or ODK Central, by the server's API.

Kobo numbers its answers, and one goes on behind the last number. ODK knows when an answer was sent or last
changed, gives the newest first, and is paged to the end before the place is kept; an answer that was changed
there takes the place of the earlier one. What either deletes is not told by its API.

Which question is the text, and which the time or the place, `--map` says: `--map text=group/need`, several
as `--map text=need+details`. Pictures of an answer lie at the same server and are fetched with the token,
and like all pictures only where that was asked for.
"""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

from crisislens.core.errors import InputError
from crisislens.core.guarded import Guard, fetch
from crisislens.core.http_answers import RequestError
from crisislens.data import cells
from crisislens.data.exports import value_at
from crisislens.store.records import NewPost, Photo, Unread
from crisislens.streams.batch import Batch, Placed
from crisislens.streams.letters import written_row
from crisislens.streams.rows import RowMaker
from crisislens.streams.strange import read_one
from crisislens.streams.tokens import Token

__all__ = ["KoboSource", "OdkSource"]

_JSON: Final = ("application/json",)
_PAGE: Final = 100
_MOST_PAGES: Final = 10_000
_MOST_PHOTOS: Final = 4
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")


class _FormSource(Placed, ABC):
    """What both have in common: asking, mapping, and whom the token is for."""

    edits = True

    def __init__(
        self,
        origin: str,
        name: str,
        *,
        columns: Mapping[str, str] | None = None,
        guard: Guard | None = None,
        token: Token | None = None,
        every_s: float = 300.0,
        once: bool = False,
    ) -> None:
        self.name, self.every_s = name, every_s
        self._origin, self._guard, self._token = origin, guard or Guard(), token
        self._once, self._looked = once, False
        given = dict(columns or {})
        self._texts = [name for name in given.pop("text", "").split("+") if name]
        self._rows = RowMaker({**given, "image": "", **({"text": "text"} if self._texts else {})})

    def ended(self) -> bool:
        """Once, after a look."""
        return self._once and self._looked

    def headers_for(self, url: str) -> dict[str, str]:
        """The headers that a picture is fetched with: the token, at the form's own server only."""
        return self._headers() if self._is_own(url) else {}

    def _is_own(self, url: str) -> bool:
        """Whether an address, which may be none, is at the form's own server."""
        try:
            return urlsplit(url)[:2] == urlsplit(self._origin)[:2]
        except ValueError:
            return False

    @abstractmethod
    def _headers(self) -> dict[str, str]:
        """What shows the form's own server who asks."""

    def _asked(self, url: str) -> dict[str, Any]:
        if not self._is_own(url):
            raise RequestError("the server leads to a page at another server, which is not followed")
        answer = fetch(url, types=_JSON, headers=self._headers(), guard=self._guard)
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise RequestError(f"{self._origin} answers what is no object of JSON", transient=True)
        return value

    def _rows_of(self, value: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        """The answers of a page."""
        found = value.get(key) or []
        if not isinstance(found, list):
            raise RequestError(f"{self._origin} gives no list of answers", transient=True)
        return [row for row in found if isinstance(row, dict)]

    def _post(self, row: dict[str, Any], name: str, extra: Mapping[str, Any]) -> NewPost | Unread:
        """The post of an answer; `extra` is what the server itself knows of it."""
        raw = written_row(row)
        if self._texts:
            values = [value_at(row, question) for question in self._texts]
            row = {**row, "text": "\n".join(str(value) for value in values if value not in (None, ""))}
        made = self._rows.row(row, name, raw=raw)
        if isinstance(made, Unread):
            return made
        known = {field: value for field, value in extra.items() if value is not None}
        return made.model_copy(update={"external_id": name, **known})


class KoboSource(_FormSource):
    """Reads a form of KoboToolbox.

    Arguments:
        origin: As `https://kf.kobotoolbox.org`.
        form: The form's uid, which stands in its address.
        name: Of the source.
        more: As of both: columns, guard, token, every_s, once.
    """

    kind = "kobo"

    def __init__(self, origin: str, form: str, name: str, **more: Any) -> None:
        super().__init__(origin, name, **more)
        self._form = _segment(form)

    def _headers(self) -> dict[str, str]:
        return self._token.header("Token") if self._token else {}

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """Answers behind the last number."""
        last = (cursor or {}).get("id")
        last = last if isinstance(last, int) else 0
        for _ in range(_MOST_PAGES):
            behind, order = json.dumps({"_id": {"$gt": last}}), json.dumps({"_id": 1})
            asked = {"query": behind, "sort": order, "limit": _PAGE}
            value = self._asked(f"{self._origin}/api/v2/assets/{self._form}/data.json?{urlencode(asked)}")
            rows = self._rows_of(value, "results")
            numbers = [row["_id"] for row in rows if isinstance(row.get("_id"), int)]
            newest = max(numbers, default=last)
            if rows:
                yield self._batch(rows, newest)
            if newest <= last:
                break
            last = newest
        self._looked = True

    def _batch(self, rows: list[dict[str, Any]], newest: int) -> Batch:
        made = [read_one(row, partial(self._answer, row)) for row in rows]
        posts = tuple(post for post in made if isinstance(post, NewPost))
        return Batch(posts, tuple(post for post in made if isinstance(post, Unread)), {"id": newest})

    def _answer(self, row: dict[str, Any]) -> NewPost | Unread:
        number = row.get("_id")
        if not isinstance(number, int):
            return Unread(raw=written_row(row), reason="the answer has no number")
        where = row.get("_geolocation")
        lat, lon = cells.coordinates(*where) if isinstance(where, list) and len(where) == 2 else (None, None)
        sent = _moment(row.get("_submission_time"))
        extra = {"created_at": sent, "photos": self._photos(row), "lat": lat, "lon": lon}
        return self._post(row, str(number), extra)

    def _photos(self, row: Mapping[str, Any]) -> tuple[Photo, ...]:
        found = []
        attached = row.get("_attachments")
        for item in attached if isinstance(attached, list) else ():
            url = item.get("download_url") if isinstance(item, dict) else None
            kind = item.get("mimetype") if isinstance(item, dict) else None
            if isinstance(url, str) and len(url) <= 2_000 and str(kind).startswith("image/"):
                found.append(Photo(url=cells.valid_unicode(url), state="pending"))
        return tuple(found[:_MOST_PHOTOS])


class OdkSource(_FormSource):
    """Reads a form of ODK Central.

    Arguments:
        origin: As `https://odk.example`.
        project: The project's number.
        form: The form's id.
        name: Of the source.
        more: As of both: columns, guard, token, every_s, once.
    """

    kind = "odk"

    def __init__(self, origin: str, project: str, form: str, name: str, **more: Any) -> None:
        super().__init__(origin, name, **more)
        self._form = f"{origin}/v1/projects/{_segment(project)}/forms/{_segment(form)}"

    def _headers(self) -> dict[str, str]:
        if self._token is None:
            return {}
        # `mail:password` is for Basic, a session's token for Bearer
        if ":" in self._token.value:
            return {"Authorization": f"Basic {base64.b64encode(self._token.value.encode()).decode()}"}
        return self._token.header("Bearer")

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """Answers that were sent or changed since; the place is kept behind the last page."""
        since = (cursor or {}).get("since")
        newest = since if isinstance(since, str) else ""
        asked: dict[str, Any] = {"$top": _PAGE}
        if newest:
            asked["$filter"] = f"__system/submissionDate ge {newest} or __system/updatedAt ge {newest}"
        url: str | None = f"{self._form}.svc/Submissions?{urlencode(asked)}"
        for _ in range(_MOST_PAGES):
            value = self._asked(url or "")
            rows = self._rows_of(value, "value")
            newest = max([newest, *(moment for row in rows for moment in _system(row))])
            following = value.get("@odata.nextLink")
            url = _joined(url or "", following) if isinstance(following, str) and rows else None
            made = [read_one(row, partial(self._answer, row)) for row in rows]
            posts = tuple(post for post in made if isinstance(post, NewPost))
            dead = tuple(post for post in made if isinstance(post, Unread))
            if rows:
                yield Batch(posts, dead, None if url or not newest else {"since": newest})
            if url is None:
                break
        self._looked = True

    def _answer(self, row: dict[str, Any]) -> NewPost | Unread:
        name, system = row.get("__id"), row.get("__system")
        if not isinstance(name, str) or not 0 < len(name) <= 500 or not isinstance(system, dict):
            return Unread(raw=written_row(row), reason="the answer has no id")
        extra = {
            "created_at": _moment(system.get("submissionDate")),
            "edited_at": _moment(system.get("updatedAt")),
            "photos": self._photos(row, name),
            **_point(row),
        }
        return self._post({k: v for k, v in row.items() if not k.startswith("__")}, name, extra)

    def _photos(self, row: Mapping[str, Any], name: str) -> tuple[Photo, ...]:
        """A picture's question holds the name of its file."""
        files = [value for value in _values(row) if value.lower().endswith(_PICTURES) and len(value) < 200]
        base = f"{self._form}/submissions/{quote(name, safe='')}/attachments"
        urls = [f"{base}/{quote(cells.valid_unicode(file), safe='')}" for file in files[:_MOST_PHOTOS]]
        return tuple(Photo(url=url, state="pending") for url in urls)


def _joined(url: str, following: str) -> str:
    """Where a page says that the next one is."""
    try:
        return urljoin(url, following)
    except ValueError:
        raise RequestError("the server leads to a page that has no address", transient=True) from None


def _system(row: Mapping[str, Any]) -> Iterator[str]:
    """When an answer was sent and changed, as the server writes it: times in UTC, which sort as texts."""
    system = row.get("__system")
    for name in ("submissionDate", "updatedAt"):
        value = system.get(name) if isinstance(system, dict) else None
        if isinstance(value, str) and value.endswith("Z") and _moment(value) is not None:
            yield value


def _values(row: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    for value in row.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict) and depth < 5:
            yield from _values(value, depth + 1)


def _point(row: Mapping[str, Any]) -> dict[str, float]:
    """The first place that was given in the form."""
    for value in row.values():
        if isinstance(value, dict) and value.get("type") == "Point":
            given = value.get("coordinates")
            east, north = (*(given if isinstance(given, list) else ()), None, None)[:2]
            lat, lon = cells.coordinates(north, east)
            if lat is not None and lon is not None:
                return {"lat": lat, "lon": lon}
    return {}


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if 1980 < found.year < 9000 else None


def _segment(given: str) -> str:
    """A part of an address.

    Raises:
        InputError: If it cannot be one.
    """
    if not given or len(given) > 200 or not all(c.isalnum() or c in "-_." for c in given) or ".." in given:
        raise InputError(f"{given!r:.80} is no form; give kobo:HOST/FORM or odk:HOST/PROJECT/FORM")
    return given
