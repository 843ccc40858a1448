"""The small parts that a service shares: what was seen lately, what was put off, news, the server's ends."""

import asyncio
import logging
import socket
import threading
import time
from typing import Any

import pytest
from serve_site import Site

from crisislens.core.errors import InputError
from crisislens.serve.later import Later
from crisislens.serve.news import News
from crisislens.serve.problems import ProblemError
from crisislens.serve.server import ServiceServer, log_to_stderr
from crisislens.serve.service import Recent
from crisislens.store.events import Events


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_time() -> None:
    clock = Clock()
    recent: Recent[int] = Recent(5.0, clock=clock)
    assert recent.get("a") is None
    recent.put("a", 1)
    clock.now += 4.9
    assert recent.get("a") == 1
    clock.now += 0.2
    assert recent.get("a") is None
    recent.put("a", 2)
    assert recent.get("a") == 2
    recent.clear()
    assert recent.get("a") is None


def test_only_the_latest_answers_are_kept() -> None:
    recent: Recent[int] = Recent(5.0, clock=Clock())
    for number in range(10_050):
        recent.put(str(number), number)
    assert recent.get("0") is None
    assert recent.get("49") is None
    assert recent.get("50") == 50
    assert recent.get("10049") == 10_049


def test_what_was_put_off_comes_back_and_is_each_persons_own() -> None:
    clock = Clock()
    later = Later(keep_s=10, clock=clock)
    later.add(1, 7)
    later.add(1, 8)
    later.add(2, 7)
    later.remove(2, 7)
    later.remove(3, 7)
    assert (later.of(1), later.of(2), later.of(3)) == ((7, 8), (), ())
    clock.now += 5
    later.add(1, 8)
    clock.now += 6
    assert later.of(1) == (8,)
    clock.now += 5
    assert later.of(1) == ()


class Outbox(Events):
    """Events as `News` knows them."""

    def __init__(self) -> None:
        self.seq = 0
        self.told: Any = None

    def on_change(self, tell: Any) -> Any:
        self.told = tell
        return lambda: setattr(self, "told", None)

    def last(self) -> int:
        return self.seq


def test_news_wake_who_waits_and_are_not_missed_between() -> None:
    outbox = Outbox()
    news = News(outbox, most=2)

    async def play() -> list[bool]:
        news.start()
        mark = news.mark()
        assert outbox.told is not None
        # before anybody waits: whoever took the mark earlier hears of it all the same
        outbox.told()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        heard = [await news.changed(mark, 0.5), await news.changed(news.mark(), 0.001)]
        waiting = asyncio.create_task(news.changed(news.mark(), 5))
        await asyncio.sleep(0)
        news.end()
        heard.append(await waiting)
        await news.stop()
        return heard

    assert asyncio.run(play()) == [True, False, True]
    assert outbox.told is None
    assert news.ended


def test_listeners_are_bounded_and_counted_down() -> None:
    news = News(Outbox(), most=2)
    with news.listening(), news.listening():
        with pytest.raises(ProblemError) as refused, news.listening():
            pass
        assert refused.value.status_code == 429
        assert refused.value.headers == {"Retry-After": "10"}
    assert news.listeners == 0
    with pytest.raises(RuntimeError), news.listening():
        raise RuntimeError
    assert news.listeners == 0


def test_a_port_that_is_taken_is_a_sentence(fresh: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 cannot be used .* give another"):
            ServiceServer(fresh.app, host="127.0.0.1", port=port)
    with pytest.raises(InputError, match="cannot be used"):
        ServiceServer(fresh.app, host="192.0.2.1", port=0)


def test_a_server_serves_and_ends_when_it_is_told(fresh: Site) -> None:
    server = ServiceServer(fresh.app, host="127.0.0.1", port=0)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(server.serve_until_stopped()))
    thread.start()
    host, port = server.url.removeprefix("http://").split(":")
    assert host == "127.0.0.1"
    for path in (b"/healthz", b"/nowhere"):
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            answer = b"".join(iter(lambda line=line: line.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200" if path == b"/healthz" else b"HTTP/1.1 404")
        # nothing says what serves, and in which version
        assert b"uvicorn" not in answer.lower()
    server.close()
    thread.join(timeout=15)
    assert not thread.is_alive()
    assert ended == [0]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, int(port)), timeout=1)


def test_addresses_of_the_sixth_version_stand_in_brackets(fresh: Site) -> None:
    try:
        server = ServiceServer(fresh.app, host="::1", port=0)
    except InputError:
        pytest.skip("this machine has no IPv6")
    assert server.url.startswith("http://[::1]:")
    server.socket.close()


def test_a_second_signal_does_not_wait(fresh: Site) -> None:
    server = ServiceServer(fresh.app, host="127.0.0.1", port=0)
    server.handle_exit(15, None)
    assert (server.should_exit, server.force_exit, server.ended_by) == (True, False, 15)
    server.handle_exit(2, None)
    assert (server.force_exit, server.ended_by) == (True, 2)
    server.socket.close()


@pytest.mark.parametrize(("verbose", "told"), [(False, 1), (True, 2)])
def test_the_log_is_lines_of_json_for_as_long_as_asked(
    capsys: pytest.CaptureFixture[str], verbose: bool, told: int
) -> None:
    log = logging.getLogger("crisislens.serve")
    levels = {name: logging.getLogger(name).level for name in ("crisislens", "uvicorn.error")}
    end = log_to_stderr(verbose=verbose)
    try:
        log.info("heard")
        log.warning("odd")
        end()
        log.warning("afterwards")
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
            logging.getLogger(name).propagate = True
    # what comes afterwards is Python's own last resort, and no line of JSON
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert len(lines) == told
    assert "odd" in lines[-1]


def test_waiting_for_nothing_new_costs_its_time_and_no_more() -> None:
    news = News(Outbox(), most=1)

    async def wait() -> float:
        began = time.monotonic()
        assert not await news.changed(news.mark(), 0.01)
        return time.monotonic() - began

    assert asyncio.run(wait()) >= 0.005
