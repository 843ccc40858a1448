"""Downloads: whatever a server says of a file, what takes its place is whole or it is not there."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from crisislens.core import download as download_module
from crisislens.core.download import check_download_address, download
from crisislens.core.errors import InputError
from crisislens.core.http import Answer, CutOffError, RequestError

URL = "https://example.org/folder/file.bin?key=hidden"
BODY = bytes(range(256)) * 8


class Answering(Answer):
    """An answer as `core.http` gives it, without a network."""

    def __init__(
        self, body: bytes, *, status: int = 200, cut: int | None = None, url: str = URL, **headers: str
    ) -> None:
        self.status, self.url, self._body, self._cut = status, url, body, cut
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.closed = False

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self._body), 100):
            if self._cut is not None and at >= self._cut:
                raise CutOffError("cut", transient=True)
            yield self._body[at : at + 100]

    def close(self) -> None:
        self.closed = True


class Server:
    """Gives one answer after the other, or raises them; remembers the headers that it was sent."""

    def __init__(self, *answers: Answering | RequestError) -> None:
        self.answers, self.asked = [*answers], list[dict[str, str]]()

    def __call__(self, url: str, *, headers: dict[str, str], timeout_s: float) -> Answering:
        self.asked.append(headers)
        answer = self.answers.pop(0)
        if isinstance(answer, RequestError):
            raise answer
        return answer


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, none of which is waited."""
    found: list[float] = []
    monkeypatch.setattr(download_module.time, "sleep", found.append)
    return found


def whole(**headers: str) -> Answering:
    return Answering(BODY, Content_Length=str(len(BODY)), ETag='"v1"', **headers)


def rest(start: int, *, total: int = len(BODY), first: int | None = None) -> Answering:
    span = f"bytes {start if first is None else first}-{total - 1}/{total}"
    return Answering(BODY[start:], status=206, Content_Range=span, ETag='"v1"')


def get(
    monkeypatch: pytest.MonkeyPatch, to: Path, *answers: Answering | RequestError, attempts: int = 3
) -> Server:
    server = Server(*answers)
    monkeypatch.setattr(download_module, "open_stream", server)
    download(URL, to, max_bytes=10_000, attempts=attempts)
    return server


def begun(to: Path, have: int, **note: object) -> None:
    """A download that was killed after some bytes."""
    to.with_name(to.name + ".part").write_bytes(BODY[:have])
    fields = {"url": URL, "mark": '"v1"', "total": len(BODY), **note}
    to.with_name(to.name + ".part.json").write_text(json.dumps(fields))


def left(to: Path) -> list[str]:
    return sorted(path.name for path in to.parent.iterdir())


def test_a_whole_file_takes_its_place_and_leaves_nothing_beside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    answer = whole()
    monkeypatch.setattr(download_module, "open_stream", Server(answer))
    to = tmp_path / "deep" / "file.bin"
    progress = lambda done, total: told.append((done, total))  # noqa: E731 - as a caller writes it
    assert download(URL, to, max_bytes=len(BODY), progress=progress) == to
    assert to.read_bytes() == BODY
    assert left(to) == ["file.bin"]
    assert (told[0], told[-1], answer.closed) == ((0, len(BODY)), (len(BODY), len(BODY)), True)


def test_nobody_is_asked_for_a_file_that_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    to = tmp_path / "file.bin"
    to.write_bytes(b"mine")
    assert get(monkeypatch, to).asked == []
    assert to.read_bytes() == b"mine"


def test_the_rest_is_asked_for_by_range_and_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    to = tmp_path / "file.bin"
    begun(to, 500)
    server = get(monkeypatch, to, rest(500))
    assert server.asked == [{"Range": "bytes=500-", "If-Range": '"v1"'}]
    assert to.read_bytes() == BODY


def test_a_part_that_was_whole_already_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    to = tmp_path / "file.bin"
    begun(to, len(BODY))
    assert get(monkeypatch, to).asked == []
    assert (to.read_bytes(), left(to)) == (BODY, ["file.bin"])


@pytest.mark.parametrize(
    "note",
    [
        {"url": "https://example.org/other"},
        {"mark": ""},
        {"total": 100},
        {"total": "2048"},
        {"mark": None},
        {"odd": 1},
    ],
    ids=str,
)
def test_a_part_that_cannot_be_trusted_begins_anew(
    note: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    to = tmp_path / "file.bin"
    begun(to, 500, **note)
    assert get(monkeypatch, to, whole()).asked == [{}]
    assert to.read_bytes() == BODY


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"'])
def test_a_damaged_note_begins_anew(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    to = tmp_path / "file.bin"
    begun(to, 500)
    to.with_name("file.bin.part.json").write_text(text)
    assert get(monkeypatch, to, whole()).asked == [{}]
    assert to.read_bytes() == BODY


def test_a_server_whose_file_changed_sends_it_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    to = tmp_path / "file.bin"
    begun(to, 500, mark='"v0"')
    server = get(monkeypatch, to, whole())
    assert server.asked == [{"Range": "bytes=500-", "If-Range": '"v0"'}]
    assert to.read_bytes() == BODY


def test_another_part_than_was_asked_for_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    to = tmp_path / "file.bin"
    for wrong in (rest(500, first=400), rest(500, total=len(BODY) + 5)):
        begun(to, 500)
        server = get(monkeypatch, to, wrong, whole())
        assert [bool(headers) for headers in server.asked] == [True, False]
        assert to.read_bytes() == BODY
        to.unlink()


def test_a_file_that_became_shorter_begins_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    to = tmp_path / "file.bin"
    begun(to, 500)
    gone = RequestError("416", status=416)
    server = get(monkeypatch, to, gone, whole())
    assert (len(server.asked), to.read_bytes()) == (2, BODY)


def test_each_byte_that_arrives_sets_the_count_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    to = tmp_path / "file.bin"
    cuts = [Answering(BODY, cut=300, Content_Length=str(len(BODY)), ETag='"v1"')]
    for start in (300, 600, 900):
        part = rest(start)
        part._cut = 300
        cuts.append(part)
    get(monkeypatch, to, *cuts, rest(1200), attempts=2)
    assert to.read_bytes() == BODY
    assert waits == [2.0] * 4, "the first wait again, since each attempt brought something"


def test_a_server_that_starts_anew_for_ever_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    cut = {"cut": 300, "Content_Length": str(len(BODY))}
    answers = [Answering(BODY, **cut) for _ in range(10)]  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=f"cut off after 300 of {len(BODY)}"):
        get(monkeypatch, tmp_path / "file.bin", *answers, attempts=3)
    assert waits == [2.0, 4.0], "no mark, so all of it came again and never more than before"


def test_waits_are_those_of_the_server_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    busy = [RequestError("busy", transient=True, wait_s=wait) for wait in (7.0, 1e6, 0.1)]
    get(monkeypatch, tmp_path / "file.bin", *busy, whole(), attempts=9)
    assert waits == [7.0, 60.0, 8.0]


def test_a_lasting_failure_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: list[float]
) -> None:
    with pytest.raises(RequestError, match="404"):
        get(monkeypatch, tmp_path / "file.bin", RequestError("404", status=404))
    assert waits == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (whole(Content_Encoding="gzip"), "answers in the coding 'gzip', which was not asked for"),
        (Answering(BODY, Content_Length="10001"), "is 10001 bytes large, more than the 10000 expected"),
        (Answering(BODY), "does not say how large it is"),
        (Answering(BODY, Content_Length="-1"), "does not say how large it is"),
        (Answering(BODY, Content_Length="many"), "does not say how large it is"),
        (Answering(BODY, status=206, Content_Range="bytes 0-9/*"), "does not say how large it is"),
        (Answering(BODY, status=206, Content_Range="bytes 5-3/4"), "does not say how large it is"),
        (Answering(BODY, status=206, Content_Range="lines 0-9/10"), "does not say how large it is"),
        (Answering(BODY, status=206), "does not say how large it is"),
    ],
)
def test_what_cannot_be_checked_is_refused_and_hides_the_key(
    answer: Answering, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        get(monkeypatch, tmp_path / "file.bin", answer, attempts=1)
    assert "hidden" not in str(caught.value)
    assert not (tmp_path / "file.bin").exists()


def test_more_than_was_announced_is_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    get(monkeypatch, tmp_path / "file.bin", Answering(BODY, Content_Length="150"))
    assert (tmp_path / "file.bin").read_bytes() == BODY[:150]


def test_a_redirect_may_not_leave_https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="downloads are taken over https only"):
        get(monkeypatch, tmp_path / "file.bin", Answering(BODY, url="http://example.org/x"))


def test_a_full_disk_is_told_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(InputError, match="has 1000 bytes free and the download needs 2048"):
        get(monkeypatch, tmp_path / "file.bin", whole())
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.org/a", True),
        ("http://localhost:8000/a", True),
        ("http://127.0.0.1/a", True),
        ("http://127.8.9.1/a", True),
        ("http://[::1]:80/a", True),
        ("http://example.org/a", False),
        ("http://localhost.example.org/a", False),
        ("http://127.0.0.1.example.org/a", False),
        ("http://10.0.0.1/a", False),
        ("ftp://localhost/a", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_addresses_that_downloads_are_taken_from(url: str, allowed: bool) -> None:
    if allowed:
        assert check_download_address(url) == url
    else:
        with pytest.raises(InputError):
            check_download_address(url)
