"""Names that are made of what a source is: two sources never share one unseen."""

from pathlib import Path

import pytest

pytest.importorskip("feedparser", reason="the extra streams is not installed")

from crisislens.core.errors import InputError
from crisislens.store import Store
from crisislens.streams import ServiceTarget, StoreTarget, StreamOptions, open_source
from crisislens.streams.targets import Target

PAIRS = [
    ("rss:https://news.example/rss?q=flood", "rss:https://news.example/rss?q=quake"),
    ("odk:odk.example/3/needs", "odk:odk.example/4/needs"),
    ("odk:odk.example/3/needs", "odk:other.example/3/needs"),
    ("kobo:kobo.example/aX1", "kobo:other.example/aX1"),
    ("a/inbox/", "b/inbox/"),
    ("a/posts.jsonl", "b/posts.jsonl"),
    ("maildir:a/mail", "maildir:b/mail"),
]


@pytest.fixture(autouse=True)
def _two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("inbox", "mail/new", "mail/cur", "mail/tmp"):
        (tmp_path / "a" / name).mkdir(parents=True)
        (tmp_path / "b" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def begin(target: Target, given: str, name: str | None = None) -> str:
    source = open_source(given, StreamOptions(name=name))
    target.begin(source, {"silent_minutes": 1})
    return source.name


def targets(store: Store, folder: Path) -> tuple[Target, Target]:
    return StoreTarget(store), ServiceTarget("http://127.0.0.1:1", "k", folder)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_name_of_another_source_is_not_taken(first: str, second: str, store: Store, tmp_path: Path) -> None:
    for target in targets(store, tmp_path / "state"):
        name = begin(target, first)
        # the same one goes on, with all that is kept with it
        assert begin(target, first) == name
        with pytest.raises(InputError, match="is that of another source") as caught:
            begin(target, second)
        assert "--name" in str(caught.value)
        assert begin(target, second, "mine") == "mine"


def test_a_source_that_was_moved_keeps_its_name_where_one_says_so(store: Store, tmp_path: Path) -> None:
    for target in targets(store, tmp_path / "state"):
        name = begin(target, "a/inbox/")
        assert begin(target, "b/inbox/", name) == name
        assert begin(target, "b/inbox/") == name
        with pytest.raises(InputError, match="another source"):
            begin(target, "a/inbox/")


def test_a_source_of_an_older_store_goes_on(store: Store) -> None:
    store.sources.ensure("rss news.example/rss", "rss", {"filters": {"keep": ["flood"]}})
    begin(StoreTarget(store), "rss:https://news.example/rss?key=secret")
    [source] = store.sources.all()
    assert source.config["filters"] == {"keep": ["flood"]}
    # the address may hold a key, and only a digest of it is kept
    assert "secret" not in str(source.config)
    # a feed that is read over https from now on is the same one
    begin(StoreTarget(store), "rss:http://news.example/rss?key=secret")
