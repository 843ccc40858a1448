"""A disk that is nearly full, full, or read-only: a clear answer, and a store that is whole afterwards."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serve_site import Site, open_site

from crisislens.core.errors import StoreError
from crisislens.serve.limits import Limits
from crisislens.serve.service import ServeSettings
from crisislens.store import open_store
from crisislens.store.records import NewPost, PostFilter
from crisislens.store.upkeep import check

SETTINGS = ServeSettings(host="testserver", limits=Limits(calls_s=10_000))
_READ_ONLY, _REMOUNT = 1, 32
_LONG = "the water rises " * 600


def _mount(folder: Path, flags: int, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", flags, options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, 4 MB large: whoever is root may write to read-only files, but not to such a disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        _mount(folder, 0, "size=4m")
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    yield folder
    # also where something still looks at it
    ctypes.CDLL(None).umount2(str(folder).encode(), 2)


def _post(site: Site, name: str, text: str = "short", count: int = 1) -> int:
    posts = [{"id": f"{name}-{i}", "text": f"{i} {text}"} for i in range(count)]
    return site.client.post("/v1/posts?source=radio", json=posts, headers=site.key("reviewer")).status_code


def _kept(site: Site) -> set[str]:
    return {row.external_id for row in site.store.posts.stream(PostFilter())}


def test_a_nearly_full_disk_is_not_ready(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(fresh.store.blobs.folder.parent).free
    monkeypatch.setattr(fresh.store.posts, "_least_free_bytes", free * 2)
    ready = fresh.client.get("/readyz")
    assert ready.status_code == 503
    assert "are free on the disk" in ready.json()["reason"]
    refused = fresh.client.post("/v1/posts", json={"id": "1"}, headers=fresh.key("reviewer"))
    assert (refused.status_code, refused.headers["retry-after"]) == (507, "300")
    assert "nothing was accepted" in refused.json()["detail"]
    # reading goes on, and so does the service
    assert fresh.client.get("/v1/posts", headers=fresh.key("viewer")).json()["posts"] == []
    assert fresh.client.get("/healthz").status_code == 200
    monkeypatch.setattr(fresh.store.posts, "_least_free_bytes", 0)
    assert fresh.client.get("/readyz").json()["ok"] is True


def test_a_full_disk_is_said_and_costs_no_accepted_post(disk: Path) -> None:
    with open_site(disk, SETTINGS) as site:
        taken: set[str] = set()
        for part in range(100):
            status = _post(site, str(part), _LONG, count=20)
            if status != 202:
                break
            taken |= {f"{part}-{i}" for i in range(20)}
        assert (status, len(taken) > 20) == (507, True)
        assert _kept(site) == taken
        ready = site.client.get("/readyz")
        # a small row may still fit in
        assert ready.status_code in (200, 503)
        _mount(disk, _REMOUNT, "size=40m")
        assert _post(site, "later") == 202
        assert _kept(site) == {*taken, "later-0"}
        assert check(site.store) == []


def test_a_store_that_became_read_only_is_said_and_mended(fresh: Site) -> None:
    [number] = fresh.send({"id": "before", "text": "the bridge is destroyed"})
    # what SQLite does where the disk under it was made read-only
    fresh.store.database.outside(lambda raw: raw.execute("PRAGMA query_only=ON").fetchall())
    refused = fresh.client.post("/v1/posts", json={"id": "no"}, headers=fresh.key("reviewer"))
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert "read-only; mend that; what was accepted before is kept" in refused.json()["detail"]
    ready = fresh.client.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (503, False)
    assert fresh.client.get(f"/v1/posts/{number}", headers=fresh.key("viewer")).status_code == 200
    fresh.store.database.outside(lambda raw: raw.execute("PRAGMA query_only=OFF").fetchall())
    assert _post(fresh, "after") == 202
    assert _kept(fresh) == {"before", "after-0"}
    assert check(fresh.store) == []


def test_a_store_on_a_read_only_disk_is_not_opened(disk: Path) -> None:
    file = str(disk / "crisis.db")
    with open_store(file, least_free_bytes=0) as store:
        store.posts.accept("radio", [NewPost(external_id="1", text="water")])
    _mount(disk, _REMOUNT | _READ_ONLY, "size=4m")
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\); mend that"):
        open_store(file)
    with pytest.raises(StoreError, match="is the disk read-only"):
        open_store(file, write=False)
    _mount(disk, _REMOUNT, "size=4m")
    with open_store(file) as store:
        assert store.posts.by_key("radio", "1") is not None
        assert check(store) == []
