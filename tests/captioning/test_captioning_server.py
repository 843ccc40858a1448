"""The captioner end to end against a stub server: slow, failing, rate-limiting, lying; budgets; killed and
resumed.
"""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from stub_server import Reply, Stub, completion, described

from crisislens.captioning.prompts import find_prompt
from crisislens.captioning.records import CaptionRun, Limits
from crisislens.captioning.run import caption_posts
from crisislens.captioning.server import ServerCaptioner, ServerOptions
from crisislens.core.errors import InputError
from crisislens.core.http import RequestError, ask_json
from crisislens.core.store import Store
from crisislens.domain.post import ImageRef, Post

pytestmark = pytest.mark.usefixtures("warm_starts")

QUICK = {"first_wait_s": 0.01, "longest_wait_s": 0.05}


def run(
    stub: Stub,
    posts: list[Post],
    photos: Path,
    *,
    prompt: str = "describe-v1",
    workers: int = 2,
    **limits: Any,
) -> CaptionRun:
    captioner = ServerCaptioner(ServerOptions(url=stub.url, model="llava", timeout_s=1.0, workers=workers))
    with Store(photos.parent / "store.sqlite") as store:
        return caption_posts(
            posts,
            captioner,
            find_prompt(prompt),
            store,
            image_root=photos,
            limits=Limits(**{**QUICK, **limits}),
        )


def failing(times: int, reply: Reply, after: Any = described) -> Any:
    """The reply so many times, then another."""
    left = [times]

    def answer(body: dict[str, Any]) -> Reply:
        left[0] -= 1
        found: Reply = reply if left[0] >= 0 else after(body)
        return found

    return answer


def test_what_is_asked_and_what_comes_back(
    photos: Path, posts: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    with Stub() as stub:
        done = run(stub, posts[:1], photos, prompt="crisis-tweet-v1")
    [record] = done.records
    assert record.text == "The photo shows a flooded street with two cars.", record.reason
    assert (record.status, record.model, record.prompt, record.weak) == (
        "captioned",
        "llava",
        "crisis-tweet-v1",
        False,
    )
    assert (done.requests, done.tokens, done.questions, done.known) == (1, 50, 1, 0)
    [body] = stub.asked
    assert stub.paths == ["/v1/chat/completions"]
    assert stub.keys == ["Bearer secret-key"]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("llava", 0, 200)
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    photo, words = body["messages"][1]["content"]
    assert '"tweet 0"' in words["text"]
    kind, _, data = photo["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (32, 24)
    assert b"secret-key" not in (photos.parent / "store.sqlite").read_bytes()
    assert "secret-key" not in record.model_dump_json()


def test_nothing_is_asked_twice(photos: Path, posts: list[Post]) -> None:
    alike = [
        *posts[:2],
        Post(id="again", text="other words", image=ImageRef(path="copy.png")),
        posts[0].model_copy(update={"id": "twin"}),
    ]
    with Stub() as stub:
        first = run(stub, alike, photos)
        assert (first.questions, first.requests, len(stub.asked)) == (2, 2, 2)
        assert all(r.text for r in first.records)
        second = run(stub, alike, photos)
        assert (second.known, second.requests, len(stub.asked)) == (2, 0, 2)
        assert [r.text for r in second.records] == [r.text for r in first.records]
        # a prompt that reads the tweet asks anew for other words, and once for the same ones
        third = run(stub, alike, photos, prompt="crisis-tweet-v1")
        assert (third.questions, third.requests) == (3, 3)
        # the photo was replaced: another question
        (photos / "p0.png").write_bytes((photos / "p5.png").read_bytes())
        assert run(stub, alike[:1], photos).requests == 1


def test_requests_run_side_by_side_as_many_as_allowed(photos: Path, posts: list[Post]) -> None:
    with Stub() as stub:
        # the first request of a process loads the client
        ask_json(stub.url, body={})
        stub.delay_s = 0.15
        started = time.monotonic()
        done = run(stub, posts, photos, workers=3)
        assert time.monotonic() - started < 6 * 0.15
        assert stub.most_at_once == 3
    assert done.count("captioned") == 6


def test_failures_are_tried_again_and_the_rest_goes_on(photos: Path, posts: list[Post]) -> None:
    with Stub(answer=failing(2, (500, {}, b"oops"))) as stub:
        done = run(stub, posts[:2], photos, workers=1)
    assert done.count("captioned") == 2
    assert done.requests == len(stub.asked) == 4


def test_one_photo_that_always_fails_costs_itself_alone_and_is_asked_for_again_next_time(
    photos: Path, posts: list[Post]
) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        return (400, {}, b"bad image") if "tweet 1" in json.dumps(body) else described(body)

    with Stub(answer=answer) as stub:
        done = run(stub, posts[:3], photos, prompt="crisis-tweet-v1")
        assert [r.status for r in done.records] == ["captioned", "failed", "captioned"]
        assert "answered 400" in str(done.records[1].reason)
        assert done.requests == 3
        stub.answer = described
        again = run(stub, posts[:3], photos, prompt="crisis-tweet-v1")
        assert (again.known, again.requests, again.count("captioned")) == (2, 1, 3)


def test_a_server_that_asks_to_wait_is_left_alone_by_all_workers(photos: Path, posts: list[Post]) -> None:
    with Stub(answer=failing(1, (429, {"Retry-After": "0.4"}, b"slow down"))) as stub:
        done = run(stub, posts, photos, workers=3, longest_wait_s=2.0)
    assert done.count("captioned") == 6
    # those that were under way come back; nobody starts another one before the time is over
    assert done.seconds >= 0.4
    assert done.requests == 7


def test_a_server_that_never_answers_in_time_is_given_up_with_what_was_done_kept(
    photos: Path, posts: list[Post]
) -> None:
    with Stub() as stub:
        run(stub, posts[:1], photos)
        stub.delay_s = 5.0
        captioner = ServerCaptioner(ServerOptions(url=stub.url, model="llava", timeout_s=0.2, workers=1))
        limits = Limits(**QUICK, retries=0, give_up_after=2)
        store = Store(photos.parent / "store.sqlite")
        with store, pytest.raises(RequestError, match=r"2 photos in a row got no answer, .*within 0\.2 s"):
            caption_posts(
                posts, captioner, find_prompt("describe-v1"), store, image_root=photos, limits=limits
            )
        stub.delay_s = 0.0
        assert run(stub, posts, photos).known == 1


@pytest.mark.parametrize("status", [401, 404])
def test_a_key_or_address_that_is_refused_ends_the_run_at_once(
    photos: Path, posts: list[Post], status: int
) -> None:
    with (
        Stub(answer=lambda _: (status, {}, b"no")) as stub,
        pytest.raises(RequestError, match=f"answered {status}"),
    ):
        run(stub, posts, photos, workers=1)
    assert len(stub.asked) <= 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {"Content-Type": "application/json"}, b"<html>it works</html>"), "what is not JSON"),
        ((200, {"Content-Type": "application/json"}, b'{"choices": []}'), "no chat completion"),
        ((200, {"Content-Type": "application/json"}, b'{"error": "overloaded"}'), "no chat completion"),
        (completion(None), "holds no text"),
        (completion(""), "nothing that could be a caption"),
        (completion("flood " * 200), "repeats itself"),
        (completion("\u200b\u200b\u202e"), "nothing that could be a caption"),
    ],
)
def test_lies_are_refused_with_a_reason(photos: Path, posts: list[Post], reply: Reply, reason: str) -> None:
    with Stub(answer=lambda _: reply) as stub:
        done = run(stub, posts[:1], photos, retries=1, answer_retries=1)
    assert done.records[0].status == "failed"
    assert reason in str(done.records[0].reason)
    assert len(stub.asked) == 2


FIELDS = {"description": "Water in a street", "damage": "mild", "people": True, "text": "SOS"}


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        (json.dumps(FIELDS), 'Water in a street. Damage: mild. Written in the photo: "SOS".'),
        (
            "```json\n" + json.dumps(FIELDS) + "\n```",
            'Water in a street. Damage: mild. Written in the photo: "SOS".',
        ),
        ("Sure! Here is the JSON you asked for: {}", None),
        (json.dumps({**FIELDS, "damage": "NO DAMAGE AT ALL"}), None),
        (json.dumps({**FIELDS, "label": "not_informative"}), None),
        (json.dumps({**FIELDS, "people": "yes"}), None),
        (json.dumps([FIELDS]), None),
        ("[" * 100_000, None),
    ],
)
def test_an_object_is_held_to_its_fields(
    photos: Path, posts: list[Post], said: str, caption: str | None
) -> None:
    with Stub(answer=lambda _: completion(said)) as stub:
        done = run(stub, posts[:1], photos, prompt="crisis-fields-v1", answer_retries=0)
    assert stub.asked[0]["response_format"] == {"type": "json_object"}
    assert done.records[0].text == (caption or "")
    assert done.records[0].status == ("captioned" if caption else "failed")


def test_a_lie_that_is_followed_by_the_truth_is_forgiven(photos: Path, posts: list[Post]) -> None:
    good = completion(json.dumps(FIELDS))
    with Stub(answer=failing(1, completion("I cannot help with that, but {"), lambda _: good)) as stub:
        done = run(stub, posts[:1], photos, prompt="crisis-fields-v1")
    assert (done.count("captioned"), len(stub.asked)) == (1, 2)


@pytest.mark.parametrize(
    ("limits", "asked"),
    [({"max_requests": 2}, 2), ({"max_tokens": 100}, 2), ({"max_tokens": 101}, 3), ({"max_requests": 0}, 0)],
)
def test_budgets_end_the_asking_and_the_same_command_goes_on(
    photos: Path, posts: list[Post], limits: dict[str, int], asked: int
) -> None:
    with Stub() as stub:
        done = run(stub, posts, photos, workers=1, **limits)
        assert (len(stub.asked), done.count("captioned"), done.count("budget")) == (asked, asked, 6 - asked)
        assert asked == 6 or "run again to go on" in str(done.records[-1].reason)
        rest = run(stub, posts, photos)
        assert (rest.known, rest.requests, rest.count("captioned")) == (asked, 6 - asked, 6)


def test_a_budget_of_time(photos: Path, posts: list[Post]) -> None:
    with Stub(delay_s=0.1) as stub:
        done = run(stub, posts, photos, workers=1, max_seconds=0.25)
    assert 1 <= done.count("captioned") < 6
    assert done.count("captioned") + done.count("budget") == 6


def test_posts_without_a_readable_photo_are_recorded(photos: Path) -> None:
    (photos / "junk.png").write_bytes(b"not a picture")
    some = [
        Post(id="none", text="words"),
        Post(id="gone", image=ImageRef(path="gone.png")),
        Post(id="out", image=ImageRef(path="../store.sqlite")),
        Post(id="junk", image=ImageRef(path="junk.png")),
        Post(id="good", image=ImageRef(path="p0.png")),
    ]
    with Stub() as stub:
        done = run(stub, some, photos)
    assert [r.status for r in done.records] == [
        "no photo",
        "unreadable photo",
        "unreadable photo",
        "unreadable photo",
        "captioned",
    ]
    assert len(stub.asked) == 1


def test_killed_in_the_middle_and_resumed_without_a_second_request(
    photos: Path, posts: list[Post], tmp_path: Path
) -> None:
    table, out, store = tmp_path / "posts.jsonl", tmp_path / "captions.jsonl", tmp_path / "kept.sqlite"
    table.write_text(
        "".join(
            json.dumps({"id": p.id, "text": p.text, "image": p.image.path if p.image else None}) + "\n"
            for p in posts
        )
    )
    with Stub(delay_s=0.3) as stub:
        command = [
            sys.executable,
            "-m",
            "crisislens",
            "caption",
            str(table),
            "--backend",
            "server",
            "--images",
            str(photos),
        ]
        command += ["--out", str(out), "--store", str(store), "--prompt", "describe-v1"]
        command += ["--set", f"url={stub.url}", "--set", "model=llava", "--set", "workers=1"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
        while len(stub.asked) < 3 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not out.exists()
        with Store(store) as kept:
            finished = len(kept)
        assert 2 <= finished < 6
        before = len(stub.asked)
        stub.delay_s = 0.0
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        photos_asked = [json.dumps(body["messages"][1]["content"][0]) for body in stub.asked]
        # the one that was under way when the process died may be asked again; nothing that was answered is
        assert len(stub.asked) - before == 6 - finished
        assert len(set(photos_asked)) == 6
    assert (
        f"6 of 6 posts captioned; 6 different questions, {finished} answered before, {6 - finished} requests"
        in done.stdout
    )
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [r["id"] for r in records] == [p.id for p in posts]
    assert all(r["text"] for r in records)


def test_an_answer_that_drips_ends_with_the_deadline() -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Drip(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(40):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Drip)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    started = time.monotonic()
    with pytest.raises(RequestError, match="did not finish its answer in time") as caught:
        ask_json(f"http://127.0.0.1:{server.server_port}/?key=hidden", timeout_s=0.3)
    assert time.monotonic() - started < 1.5
    assert "hidden" not in str(caught.value)
    thread.join()
    server.server_close()


def test_addresses_and_unreachable_servers() -> None:
    with pytest.raises(InputError, match="is no address"):
        ask_json("file:///etc/passwd")
    with pytest.raises(InputError, match="is no address"):
        ServerCaptioner(ServerOptions(url="localhost:80", model="m"))
    with pytest.raises(RequestError, match="cannot be reached") as caught:
        ask_json("http://127.0.0.1:9/")
    assert caught.value.transient


def test_an_endless_answer_is_cut_off() -> None:
    with (
        Stub(answer=lambda _: (200, {}, b"[" + b"0," * 600_000)) as stub,
        pytest.raises(RequestError, match="more than 100000 bytes"),
    ):
        ask_json(stub.url, body={}, max_bytes=100_000)


def test_a_budget_of_tokens_holds_for_answers_without_text(photos: Path, posts: list[Post]) -> None:
    with Stub(answer=lambda _: completion(None)) as stub:
        done = run(stub, posts, photos, workers=1, max_tokens=100, answer_retries=0)
    assert (len(stub.asked), done.tokens, done.count("failed"), done.count("budget")) == (2, 100, 2, 4)


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ({"error": "overloaded"}, 0),
        ({"choices": []}, 0),
        ([], 0),
        ({"error": "overloaded", "usage": {"total_tokens": 7}}, 7),
        # a model was at work and nobody counted
        ({"choices": [{"message": {"content": None}}]}, 600),
    ],
)
def test_an_answer_that_no_model_wrote_costs_no_tokens(
    photos: Path, posts: list[Post], said: object, tokens: int
) -> None:
    reply = (200, {"Content-Type": "application/json"}, json.dumps(said).encode())
    with Stub(answer=lambda _: reply) as stub:
        done = run(stub, posts[:1], photos, workers=1, answer_retries=0)
    assert (len(stub.asked), done.tokens, done.count("failed")) == (1, tokens, 1)


def test_parts_without_text_are_passed_over(photos: Path, posts: list[Post]) -> None:
    parts = [{"type": "thinking", "text": None}, {"text": 5}, "x", {"text": "A flooded street in town."}]
    with Stub(answer=lambda _: completion(parts)) as stub:
        done = run(stub, posts[:1], photos)
    assert [(r.status, r.text) for r in done.records] == [("captioned", "A flooded street in town.")]


@pytest.mark.parametrize(("side_px", "sent"), [(400, (400, 300)), (768, (768, 576)), (1100, (1100, 825))])
def test_a_photo_is_sent_with_the_side_that_was_asked_for(
    photos: Path, side_px: int, sent: tuple[int, int]
) -> None:
    Image.new("RGB", (1200, 900), (90, 60, 30)).save(photos / "large.png")
    post = Post(id="1", text="flood", image=ImageRef(path="large.png"))
    with Stub() as stub, Store(photos.parent / "store.sqlite") as store:
        captioner = ServerCaptioner(ServerOptions(url=stub.url, model="llava", side_px=side_px))
        caption_posts([post], captioner, find_prompt("describe-v1"), store, image_root=photos)
    url = stub.asked[0]["messages"][1]["content"][0]["image_url"]["url"]
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == sent
