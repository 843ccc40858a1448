"""Fetching CrisisMMD: cut off, resumed, lied to, attacked, offline, killed; then read."""

import gzip
import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from file_server import FileServer

from command_line import Command
from crisislens.core.download import check_download_address, download
from crisislens.core.errors import DataError, InputError
from crisislens.core.http import RequestError
from crisislens.data import fetch
from crisislens.data.archives import ArchiveLimits, UnpackTally, unpack_tar
from crisislens.data.crisismmd import SPLITS, CrisisMMD
from crisislens.data.fetch import AGREED, RELEASE, fetch_crisismmd

BODY = os.urandom(3_000_000)
HEADER = "event_name\ttweet_id\timage_id\ttweet_text\timage\tlabel"


def table(label: str) -> bytes:
    return f"{HEADER}\nirma\t1\t1_0\ta flood\tdata_image/irma/2_9_2017/1_0.jpg\t{label}\n".encode()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
        for info in more:
            out.addfile(info)
    return buffer.getvalue()


LABELS = {"informative": "informative", "humanitarian": "vehicle_damage", "damage": "severe_damage"}
TABLES = {
    f"crisismmd_datasplit_all/task_{t}_text_img_{s}.tsv": table(label)
    for t, label in LABELS.items()
    for s in SPLITS
}
FILES = {
    "CrisisMMD_v2.0/data_image/irma/2_9_2017/1_0.jpg": b"\xff\xd8",
    "CrisisMMD_v2.0/data_image/irma/2_9_2017/._1_0.jpg": b"debris",
    "CrisisMMD_v2.0/json/irma.json": b"{}",
    "CrisisMMD_v2.0/crisismmd_datasplit_all.zip": zipped(
        {**TABLES, "__MACOSX/task_damage_text_img_dev.tsv": b"debris"}
    ),
}
AGREED_ZIP = zipped(
    {
        f"x/task_{t}_text_img_agreed_lab_{s}.tsv": table(LABELS[t])
        for t in ("informative", "humanitarian")
        for s in SPLITS
    }
)
SERVED = {RELEASE: tarred(FILES), AGREED: AGREED_ZIP}


def get(server: FileServer, to: Path, **options: int) -> Path:
    return download(f"{server.url}/file", to / "file", **{"max_bytes": 10**7, "wait_s": 0, **options})


def test_a_download_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    with FileServer(file=BODY) as server:
        server.cuts = [1_100_000, 700_000]
        assert get(server, tmp_path).read_bytes() == BODY
        assert [asked for _, asked in server.asked] == [None, "bytes=1100000-", "bytes=1800000-"]
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        get(server, tmp_path)
        assert len(server.asked) == 3


def test_a_file_that_changed_is_taken_whole(tmp_path: Path) -> None:
    with FileServer(file=BODY) as server:
        server.cuts = [1_000_000] * 5
        with pytest.raises(RequestError, match="cut off after 1000000 of 3000000"):
            get(server, tmp_path, attempts=1)
        server.cuts, server.files["file"] = [], BODY[::-1]
        assert get(server, tmp_path).read_bytes() == BODY[::-1]


def test_a_server_without_ranges_sends_all_again(tmp_path: Path) -> None:
    with FileServer(file=BODY) as server:
        server.ranges, server.cuts = False, [2_000_000]
        assert get(server, tmp_path).read_bytes() == BODY


def test_a_server_that_announces_too_much_never_gets_its_file_taken(tmp_path: Path) -> None:
    with FileServer(file=BODY) as server:
        server.lies = 5
        with pytest.raises(RequestError, match=r"cut off after 3000000 of 3000005|no longer holds"):
            get(server, tmp_path, attempts=3)
        assert not (tmp_path / "file").exists()


def test_sizes_unknown_or_too_large_are_refused(tmp_path: Path) -> None:
    with FileServer(file=BODY) as server:
        with pytest.raises(RequestError, match="more than the 100 expected"):
            get(server, tmp_path, max_bytes=100)
        server.announce = False
        with pytest.raises(RequestError, match="does not say how large"):
            get(server, tmp_path)
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "http://127.0.0.1.example.org/x",
        "ftp://x/y",
        "file:///etc/passwd",
        "http://10.0.0.1/",
    ],
)
def test_only_https_and_this_computer(url: str) -> None:
    with pytest.raises(InputError):
        check_download_address(url)
    assert check_download_address("https://example.org/x")


def test_no_redirect_to_another_kind_of_address(tmp_path: Path) -> None:
    with FileServer(file=BODY) as server:
        server.redirect = "ftp://127.0.0.1/file"
        with pytest.raises(RequestError, match="redirected"):
            get(server, tmp_path)


def test_end_to_end_then_read(crisislens: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # what it waits before it goes on after a cut
    monkeypatch.setattr("crisislens.core.download._LONGEST_WAIT_S", 0.05)
    with FileServer(**SERVED) as server:
        server.cuts = [200]
        arguments = ["data", "fetch", "crisismmd", "--to", str(tmp_path / "c"), "--mirror", server.url]
        done = [crisislens(*arguments) for _ in range(2)]
    assert [d.returncode for d in done] == [0, 0], done[0].stderr
    assert "full B2: 1 train, 1 dev, 1 test; 0 without their photo" in done[0].stdout
    assert "could be compared with no digest" in done[0].stderr
    assert "already there" in done[1].stdout
    assert len(server.asked) == 3
    for variant, setting in [("full", s) for s in ("A1", "A2", "A3", "B2")] + [
        ("agreed", "A1"),
        ("agreed", "B2"),
    ]:
        check = CrisisMMD(tmp_path / "c", setting=setting, variant=variant).check()
        assert sum(check.photos_missing.values()) == 0
        assert check.rows == dict.fromkeys(SPLITS, 1)
    there = {str(p.relative_to(tmp_path / "c")) for p in (tmp_path / "c").rglob("*") if p.is_file()}
    assert not [name for name in there if "._" in name or "json/" in name or "__MACOSX" in name]
    assert {f"archives/{RELEASE}.sha256", "crisismmd.json"} <= there


@pytest.fixture
def archives(tmp_path: Path) -> tuple[Path, Path]:
    for name, content in SERVED.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path / RELEASE, tmp_path / AGREED


def test_digests(tmp_path: Path, archives: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="given is 0000"):
        fetch_crisismmd(tmp_path / "a", archives=archives, sha256="0" * 64)
    assert not (tmp_path / "a" / "data_image").exists()
    assert fetch_crisismmd(tmp_path / "a", archives=archives).unverified == (RELEASE, AGREED)
    assert fetch_crisismmd(tmp_path / "b", archives=archives).unverified == ()
    archives[0].write_bytes(tarred({**FILES, "CrisisMMD_v2.0/data_image/x.jpg": b"x"}))
    with pytest.raises(DataError, match=r"recorded in CrisisMMD_v2\.0\.tar\.gz\.sha256"):
        fetch_crisismmd(tmp_path / "c", archives=archives)
    with pytest.raises(DataError, match="SHA-256"):
        fetch_crisismmd(tmp_path / "b", archives=archives)
    with pytest.raises(InputError, match="64 hexadecimal"):
        fetch_crisismmd(tmp_path / "c", sha256="abc")


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def endless_header() -> bytes:
    """A long name of 64 MiB of zeros, a few KB packed."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    return gzip.compress(info.tobuf() + bytes(64 << 20))


ATTACKS = {
    "traversal": (lambda: tarred({**FILES, "../data_image/evil.jpg": b"x"}), "leads outside"),
    "inside a placed folder": (
        lambda: tarred({**FILES, "a/data_image/../../evil.jpg": b"x"}),
        "leads outside",
    ),
    "absolute": (lambda: tarred({**FILES, "/data_image/evil.jpg": b"x"}), "leads outside"),
    "symlink": (lambda: tarred(FILES, link("data_image/l", tarfile.SYMTYPE, "/etc")), "a link"),
    "hard link": (lambda: tarred(FILES, link("data_image/l", tarfile.LNKTYPE, "/etc/passwd")), "a link"),
    "device": (lambda: tarred(FILES, link("data_image/l", tarfile.CHRTYPE, "")), "a link"),
    "twice": (lambda: tarred({**FILES, "y/data_image/irma/2_9_2017/1_0.JPG": b"x"}), "two files"),
    "large file": (lambda: tarred({**FILES, "data_image/big.jpg": bytes(600_000)}), "one file may have"),
    "bomb": (
        lambda: tarred({**FILES, **{f"data_image/{i}.jpg": bytes(400_000) for i in range(8)}}),
        "unpacks to more",
    ),
    "bomb left out": (
        lambda: tarred({**{f"other/{i}": bytes(400_000) for i in range(8)}, **FILES}),
        "unpacks to more",
    ),
    "many": (
        lambda: tarred({**FILES, **{f"data_image/{i}.jpg": b"" for i in range(50)}}),
        "more than 50 files",
    ),
    "endless header": (endless_header, "header without end"),
    "cut off": (lambda: SERVED[RELEASE][:-200], "damaged"),
    "no archive": (lambda: b"<html>not found</html>", "damaged"),
    "another archive": (lambda: tarred({"a.txt": b"x"}), "not the release"),
    "zip within, traversal": (
        lambda: tarred({**FILES, "x/crisismmd_datasplit_all.zip": zipped({"../e.tsv": b""})}),
        "two files|leads outside",
    ),
    "zip within, bomb": (
        lambda: tarred(
            {
                **{k: v for k, v in FILES.items() if "zip" not in k},
                fetch._INNER_ZIP: zipped({"a.tsv": bytes(600_000)}),
            }
        ),
        "one file may have",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_dangerous_archive_leaves_nothing(tmp_path: Path, name: str) -> None:
    make, message = ATTACKS[name]
    (tmp_path / RELEASE).write_bytes(make())
    limits = ArchiveLimits(members=50, file_bytes=500_000, total_bytes=2_000_000)
    with pytest.raises(DataError, match=message):
        fetch_crisismmd(tmp_path / "in" / "c", archives=(tmp_path / RELEASE,), limits=limits)
    assert {p.name for p in tmp_path.rglob("*")} <= {RELEASE, f"{RELEASE}.sha256", "in", "c"}


def zip_link() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        info = zipfile.ZipInfo("task_damage_text_img_dev.tsv")
        info.external_attr = 0o120777 << 16
        out.writestr(info, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "message"),
    [(zip_link, "a link"), (lambda: zipped({"/abs.tsv": b""}), "leads outside"), (lambda: b"PK", "damaged")],
)
def test_a_dangerous_zip_leaves_nothing(
    tmp_path: Path, archives: tuple[Path, Path], make: Callable[[], bytes], message: str
) -> None:
    archives[1].write_bytes(make())
    with pytest.raises(DataError, match=message):
        fetch_crisismmd(tmp_path / "c", archives=archives)
    assert list((tmp_path / "c").iterdir()) == []


def test_a_header_takes_no_memory_beyond_its_allowance(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(endless_header())
    with pytest.raises(DataError):
        unpack_tar(
            tmp_path / "a.tar.gz",
            tmp_path,
            lambda path: path,
            limits=ArchiveLimits(),
            tally=UnpackTally(),
            progress=lambda _: None,
        )


def test_killed_between_two_renames(
    tmp_path: Path, archives: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, moved = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        fetch_crisismmd(tmp_path / "c", archives=archives)
    monkeypatch.undo()
    monkeypatch.setattr(fetch, "unpack_tar", None)  # not needed again
    assert fetch_crisismmd(tmp_path / "c", archives=archives).files == 1 + 9 + 6
    CrisisMMD(tmp_path / "c", setting="A3", variant="full").check()
    assert not (tmp_path / "c" / ".unpacking").exists()


def test_the_agreed_tables_may_come_later_and_data_of_others_stays(
    tmp_path: Path, archives: tuple[Path, Path]
) -> None:
    fetch_crisismmd(tmp_path / "c", archives=archives[:1])
    assert not (tmp_path / "c" / "agreed").exists()
    assert fetch_crisismmd(tmp_path / "c", archives=archives).already is False
    assert (tmp_path / "c" / "agreed").is_dir()
    shutil.rmtree(tmp_path / "c" / "agreed")
    assert fetch_crisismmd(tmp_path / "c", archives=archives).already is False
    (tmp_path / "d" / "data_image").mkdir(parents=True)
    with pytest.raises(InputError, match="data_image from elsewhere"):
        fetch_crisismmd(tmp_path / "d", archives=archives)


def test_offline_says_what_to_put_where(tmp_path: Path) -> None:
    with FileServer() as server:
        closed = server.url
    with pytest.raises(RequestError) as caught:
        fetch_crisismmd(tmp_path / "c", mirror=closed, wait_s=0)
    for part in (
        "cannot be reached",
        f"https://crisisnlp.qcri.org/data/crisismmd/{RELEASE}",
        str(tmp_path / "c" / "archives" / RELEASE),
        "--archive",
    ):
        assert part in str(caught.value)


def test_the_check_goes_on_after_a_missing_setting(
    crisislens: Command, tmp_path: Path, archives: tuple[Path, Path]
) -> None:
    fetch_crisismmd(tmp_path / "c", archives=archives)
    (tmp_path / "c" / "crisismmd_datasplit_all" / "task_informative_text_img_dev.tsv").unlink()
    command = ["data", "check", tmp_path / "c", "--variant"]
    done = crisislens(*command, "full")
    assert done.returncode == 3
    assert "A1: " in done.stderr
    assert "lacks task_informative_text_img_dev.tsv" in done.stderr
    for setting in ("A2", "A3", "B2"):
        assert f"{setting}: every photo there" in done.stdout
    done = crisislens(*command, "agreed")
    assert done.returncode == 0
    assert (
        "A1: not complete: lacks 9600 rows in train, lacks 1572 rows in dev, lacks 1533 rows in test"
        in done.stdout
    )
