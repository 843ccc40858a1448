"""From the official files of CrisisMMD to a report, as the README prints it: fetch, check, train, analyze."""

import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from command_line import Command
from crisislens.data.crisismmd import NOT_IN_THE_PAPER, SPLITS

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = "event_name\ttweet_id\timage_id\ttweet_text\timage\tlabel\tlabel_text\tlabel_image\tlabel_text_image"
FOLDER = "data_image/hurricane_irma/2_9_2017"
LABELS = {
    "informative": ("informative", "not_informative"),
    "humanitarian": ("rescue_volunteering_or_donation_effort", "not_humanitarian"),
    "damage": ("severe_damage", "little_or_no_damage"),
}
WORDS = ("The bridge is gone and the road is under water near mile", "Nice coffee and a book today, page")


def rows_of(task: str, split: str) -> list[str]:
    """Twelve rows, half of each class; of A1 the training rows that the paper lacks among them."""
    ids = [f"{SPLITS.index(split) + 1}{number:02}_0" for number in range(12)]
    if (task, split) == ("informative", "train"):
        ids += sorted(NOT_IN_THE_PAPER)
    found = []
    for number, image_id in enumerate(ids):
        label, text = LABELS[task][number % 2], f"{WORDS[number % 2]} {image_id}"
        path = f"{FOLDER}/{image_id}.jpg"
        tweet = image_id.split("_")[0]
        found.append(
            f"hurricane_irma\t{tweet}\t{image_id}\t{text}\t{path}\t{label}\t{label}\t{label}\tPositive"
        )
    return found


def table_of(task: str, split: str) -> bytes:
    return ("\n".join([HEADER, *rows_of(task, split)]) + "\n").encode()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def official(tmp_path: Path) -> list[str]:
    """The two official archives, made up, as `--archive` arguments."""
    photo = io.BytesIO()
    Image.new("RGB", (24, 16), (90, 120, 200)).save(photo, "JPEG")
    tables = {f"task_{t}_text_img_{s}.tsv": table_of(t, s) for t in LABELS for s in SPLITS}
    files = {
        "CrisisMMD_v2.0/crisismmd_datasplit_all.zip": zipped(
            {f"crisismmd_datasplit_all/{name}": content for name, content in tables.items()}
        )
    }
    for split in SPLITS:
        for row in rows_of("informative", split):
            files[f"CrisisMMD_v2.0/{row.split(chr(9))[4]}"] = photo.getvalue()
    release = tmp_path / "CrisisMMD_v2.0.tar.gz"
    with tarfile.open(release, "w:gz") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    agreed = tmp_path / "crisismmd_datasplit_agreed_label.zip"
    of_agreed = {
        f"crisismmd_datasplit_agreed_label/task_{t}_text_img_agreed_lab_{s}.tsv": table_of(t, s)
        for t in ("informative", "humanitarian")
        for s in SPLITS
    }
    agreed.write_bytes(zipped(of_agreed))
    return ["--archive", str(release), "--archive", str(agreed)]


def test_from_the_official_files_to_a_report(
    crisislens: Command, tmp_path: Path, official: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[tuple[int, int | None]] = []

    @contextmanager
    def watched(label: str) -> Iterator[Callable[[int, int | None], None]]:
        yield lambda done, total: bars.append((done, total))

    monkeypatch.setattr("crisislens.cli.train.progress", watched)

    def run(*words: str | Path, code: int = 0) -> str:
        done = crisislens(*words, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    said = run("data", "fetch", "crisismmd", "--to", "CRISISMMD", *official)
    assert "agreed A1: 14 train, 12 dev, 12 test; 0 without their photo" in said
    assert "settingA A1: 12 train, 12 dev, 12 test; 0 without their photo" in said
    assert "agreed A3: 12 train, 12 dev, 12 test; 0 without their photo" in said
    assert re.search(r"next: crisislens data check CRISISMMD$", said, re.MULTILINE)

    said = run("data", "check", "CRISISMMD")
    assert all(f"{setting}: not complete: lacks" in said for setting in ("A1", "A2", "A3", "B2"))
    assert "paper" not in said
    said = run("data", "check", "CRISISMMD", "--variant", "settingA")
    assert "A1: the paper's rows, made from the official tables in agreed, 2 training rows fewer" in said

    run_file = ROOT / "configs" / "runs" / "a1_text_finetune.yaml"
    quick = ["--set", "epochs=1", "--seed", "0"]
    said = run("train", run_file, "--set", "data.root=CRISISMMD", *quick)
    assert "train 12" in said
    # a bar of all posts, then one of all epochs
    assert bars[-2:] == [(36, 36), (1, 1)]
    test_table = "CRISISMMD/agreed/task_informative_text_img_agreed_lab_test.tsv"
    said = run(
        "analyze", test_table, "--images", "CRISISMMD", "--model", "runs/a1_text_finetune", "--out", "results"
    )
    assert "12 posts assessed" in said
    assert (tmp_path / "results" / "report.html").is_file()
