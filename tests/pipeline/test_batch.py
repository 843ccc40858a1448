"""Runs: nothing finished is lost, nothing depends on where it was killed, one bad row costs nobody else."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crisislens.core.errors import InputError
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst, Finding
from crisislens.pipeline.batch import clear_work, read_assessments, read_failed, run_analysis
from crisislens.runs.work import MARKER
from made_up_crisis import crisis_in

pytestmark = pytest.mark.usefixtures("warm_starts")

OUTPUTS = ("assessments.jsonl", "failed.jsonl", "duplicates.jsonl")
SCRIPT = """
import sys, time
from pathlib import Path
from crisislens.data.tabular import read_posts
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.batch import run_analysis
bundle, posts, out = map(Path, sys.argv[1:4])
analyst = Analyst.load(bundle, image_root=posts.parent)
print("ready", flush=True)
run_analysis(read_posts(posts), analyst, out, chunk_posts=5, progress=lambda *_: time.sleep(0.05))
"""


def few_in(folder: Path) -> Path:
    """Of the made-up crisis enough for near-duplicates, photos without words, and chunks of any size."""
    path = crisis_in(folder)
    few = path.read_text(encoding="utf-8").split("\n")[:36]
    path.write_text("\n".join(few) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def crisis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = few_in(tmp_path_factory.mktemp("crisis"))
    with path.open("a", encoding="utf-8") as stream:
        stream.write("{not json\n")
        stream.write(json.dumps({"id": "last", "text": "Road to the hospital is open again"}) + "\n")
    return path


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


@pytest.fixture
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")


@pytest.mark.usefixtures("fixed_time")
def test_a_run_writes_every_post_once_and_every_bad_row(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    outcome = run_analysis(
        read_posts(crisis), Analyst.load(tiny_bundle, image_root=crisis.parent), tmp_path / "out"
    )
    rows = list(read_posts(crisis))
    posts = [row for row in rows if isinstance(row, Post)]
    written = [a.post.model_dump() for a in read_assessments(tmp_path / "out")]
    # what was remarked while it was read goes into the notes, not into the post
    assert written == [post.model_dump() for post in posts]
    failed = list(read_failed(tmp_path / "out"))
    assert len(failed) == outcome.failed == len(rows) - len(posts) >= 1
    assert all(f.reason for f in failed)
    assert outcome.clusters, "the made-up crisis has near-duplicates"


@pytest.mark.usefixtures("fixed_time")
def test_killed_at_random_points_it_ends_with_the_bytes_of_an_undisturbed_run(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tiny_bundle), str(crisis)]

    def run(out: Path) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen([*command, str(out)], stdout=subprocess.PIPE, env=environment)

    # no process of its own, and no pauses: neither may show in the bytes
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    run_analysis(read_posts(crisis), analyst, tmp_path / "a", chunk_posts=5)
    rng, kills = random.Random(0), 0
    for _ in range(3):
        process = run(tmp_path / "b")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.05, 0.4))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    final = run(tmp_path / "b")
    final.communicate(timeout=120)
    assert final.returncode == 0
    assert kills > 0
    assert outputs(tmp_path / "b") == outputs(tmp_path / "a")


@pytest.mark.usefixtures("fixed_time")
def test_a_second_start_redoes_no_finished_chunk(
    tiny_bundle: Path, crisis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    first = run_analysis(read_posts(crisis), analyst, tmp_path, chunk_posts=7)
    before = outputs(tmp_path)
    monkeypatch.setattr(analyst, "find", lambda *_, **__: pytest.fail("a finished chunk was assessed again"))
    again = run_analysis(read_posts(crisis), analyst, tmp_path, chunk_posts=7)
    assert again.resumed == first.assessed + first.failed
    assert outputs(tmp_path) == before


def test_other_arguments_start_afresh(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    run_analysis(read_posts(crisis), analyst, tmp_path, chunk_posts=7)
    assert run_analysis(read_posts(crisis), analyst, tmp_path, chunk_posts=9).resumed == 0


def test_a_run_whose_chunks_were_cut_otherwise_starts_afresh(
    tiny_bundle: Path, crisis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    monkeypatch.setattr("crisislens.pipeline.batch.CHUNK_LETTERS", 10**9)
    run_analysis(read_posts(crisis), analyst, tmp_path, chunk_posts=7)
    monkeypatch.undo()
    # a chunk of the same number and as many rows may hold others
    assert run_analysis(read_posts(crisis), analyst, tmp_path, chunk_posts=7).resumed == 0


def test_the_chunk_size_changes_no_label(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    answers = []
    for size in (1, 4, 256):
        run_analysis(read_posts(crisis), analyst, tmp_path / str(size), chunk_posts=size)
        answers.append(
            [
                {k: (t.label, t.abstained) for k, t in a.tasks.items()}
                for a in read_assessments(tmp_path / str(size))
            ]
        )
    assert answers[0] == answers[1] == answers[2]


def test_a_post_that_breaks_the_models_costs_itself_only(
    tiny_bundle: Path, crisis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    find = analyst.find

    def fragile(posts: list[Post], *, analyzed_at: str) -> list[Finding]:
        if any(post.id == "last" for post in posts):
            raise RuntimeError("boom")
        return find(posts, analyzed_at=analyzed_at)

    monkeypatch.setattr(analyst, "find", fragile)
    outcome = run_analysis(read_posts(crisis), analyst, tmp_path)
    broken = [f for f in read_failed(tmp_path) if f.id == "last"]
    assert [f.reason for f in broken] == ["could not be assessed: RuntimeError: boom"]
    assert outcome.assessed == sum(isinstance(row, Post) for row in read_posts(crisis)) - 1


def test_a_folder_of_somebody_else_is_not_touched(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no run of crisislens"):
        run_analysis(read_posts(crisis), Analyst.load(tiny_bundle), tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_run_of_another_file_is_written_over_only_when_asked(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    analyst, out = Analyst.load(tiny_bundle, image_root=crisis.parent), tmp_path / "out"
    tuesday = tmp_path / "tuesday.jsonl"
    tuesday.write_text(json.dumps({"id": "1", "text": "Bridge is down"}) + "\n", encoding="utf-8")
    run_analysis(read_posts(crisis), analyst, out)
    monday = (out / "assessments.jsonl").read_bytes()
    with pytest.raises(InputError, match=rf"holds the run of {crisis.name}.*tuesday.jsonl.*--replace"):
        run_analysis(read_posts(tuesday), analyst, out)
    assert (out / "assessments.jsonl").read_bytes() == monday
    assert run_analysis(read_posts(tuesday), analyst, out, replace_run=True).assessed == 1
    # the folder is of tuesday now; a file that grew stays the same file
    with tuesday.open("a", encoding="utf-8") as table:
        table.write(json.dumps({"id": "2", "text": "Road is open"}) + "\n")
    assert run_analysis(read_posts(tuesday), analyst, out).assessed == 2


def test_a_file_of_the_same_name_in_another_folder_is_another_file(tiny_bundle: Path, tmp_path: Path) -> None:
    analyst, out = Analyst.load(tiny_bundle), tmp_path / "out"
    days = [tmp_path / day / "posts.jsonl" for day in ("monday", "tuesday")]
    for day in days:
        day.parent.mkdir()
        day.write_text(json.dumps({"id": "1", "text": f"Bridge is down, {day.parent.name}"}) + "\n", "utf-8")
    run_analysis(read_posts(days[0]), analyst, out, origin=days[0])
    with pytest.raises(InputError, match=r"run of posts.jsonl, and this one .* another folder; .*--replace"):
        run_analysis(read_posts(days[1]), analyst, out, origin=days[1])
    # both may move together, and the folder does not say where its posts lay
    assert "monday" not in (out / ".crisislens-run").read_text("utf-8")
    moved = tmp_path / "archive"
    moved.mkdir()
    out.rename(moved / "out")
    days[0].parent.rename(moved / "monday")
    there = moved / "monday" / "posts.jsonl"
    assert run_analysis(read_posts(there), analyst, moved / "out", origin=there).assessed == 1
    assert run_analysis(read_posts(days[1]), analyst, moved / "out", replace_run=True).assessed == 1


def test_an_unfinished_run_of_another_file_keeps_its_chunks(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    analyst, out = Analyst.load(tiny_bundle, image_root=crisis.parent), tmp_path / "out"

    class Stopped(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        run_analysis(read_posts(crisis), analyst, out, chunk_posts=4, workers=1, progress=stop)
    kept = sorted(p.name for p in (out / "work").rglob("*") if p.is_file())
    tuesday = tmp_path / "tuesday.jsonl"
    tuesday.write_text(json.dumps({"id": "1", "text": "Bridge is down"}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="--replace"):
        run_analysis(read_posts(tuesday), analyst, out)
    assert sorted(p.name for p in (out / "work").rglob("*") if p.is_file()) == kept
    assert run_analysis(read_posts(crisis), analyst, out, chunk_posts=4, workers=1).resumed > 0


def test_a_folder_of_before_says_nothing_and_is_used(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    analyst, out = Analyst.load(tiny_bundle, image_root=crisis.parent), tmp_path / "out"
    run_analysis(read_posts(crisis), analyst, out)
    (out / ".crisislens-run").unlink()
    tuesday = tmp_path / "tuesday.jsonl"
    tuesday.write_text(json.dumps({"id": "1", "text": "Bridge is down"}) + "\n", encoding="utf-8")
    assert run_analysis(read_posts(tuesday), analyst, out).assessed == 1


@pytest.mark.usefixtures("fixed_time")
def test_the_number_of_workers_changes_no_byte(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    for workers in (1, 3):
        run_analysis(read_posts(crisis), analyst, tmp_path / str(workers), chunk_posts=4, workers=workers)
    assert outputs(tmp_path / "1") == outputs(tmp_path / "3")


def test_a_failed_post_is_named_by_its_row_in_the_source(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "posts.jsonl"
    rows = [json.dumps({"id": str(i), "text": f"Bridge {i} is down"}) for i in range(7)]
    source.write_text("\n".join([*rows[:4], "{broken", *rows[4:]]))
    analyst = Analyst.load(tiny_bundle)
    find = analyst.find
    monkeypatch.setattr(
        analyst,
        "find",
        lambda posts, *, analyzed_at: (
            1 / 0 if any(p.id == "6" for p in posts) else find(posts, analyzed_at=analyzed_at)
        ),
    )
    run_analysis(read_posts(source), analyst, tmp_path / "out", chunk_posts=3)
    assert [(f.row, f.id) for f in read_failed(tmp_path / "out")] == [(4, None), (7, "6")]


def test_chunks_of_another_run_are_never_taken_for_finished_work(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    analyst, other = Analyst.load(tiny_bundle, image_root=crisis.parent), tmp_path / "other.jsonl"
    other.write_text("\n".join(json.dumps({"id": f"o{i}", "text": f"Bridge {i} is down"}) for i in range(3)))
    run_analysis(read_posts(other), analyst, tmp_path / "out", chunk_posts=7)
    for manifest in (tmp_path / "out" / "work").rglob("manifest.json"):
        manifest.unlink()  # as a kill in the middle of clearing up leaves it
    outcome = run_analysis(read_posts(crisis), analyst, tmp_path / "out", chunk_posts=7, replace_run=True)
    assert outcome.resumed == 0
    written = [a.post.model_dump() for a in read_assessments(tmp_path / "out")]
    assert written == [row.model_dump() for row in read_posts(crisis) if isinstance(row, Post)]


def test_a_kill_before_anything_was_written_can_be_started_again(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "work").mkdir(parents=True)
    assert run_analysis(read_posts(crisis), Analyst.load(tiny_bundle), tmp_path / "out").assessed > 0


def test_an_output_folder_that_is_a_file_is_refused(tiny_bundle: Path, crisis: Path) -> None:
    with pytest.raises(InputError, match="is a file, and a folder is needed"):
        run_analysis(read_posts(crisis), Analyst.load(tiny_bundle), crisis)


def test_a_fault_of_the_machine_ends_the_run_and_marks_no_post_as_failed(
    tiny_bundle: Path, crisis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = Analyst.load(tiny_bundle)

    def full(posts: list[Post], *, analyzed_at: str) -> list[Finding]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(analyst, "find", full)
    with pytest.raises(OSError, match="No space left"):
        run_analysis(read_posts(crisis), analyst, tmp_path)
    assert not (tmp_path / "failed.jsonl").exists()


def test_a_work_folder_that_was_the_users_stays(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    analyst = Analyst.load(tiny_bundle)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("mine")
    for _ in range(2):
        with pytest.raises(InputError, match=r"work was not made by crisislens, .* move it away"):
            run_analysis(read_posts(crisis), analyst, tmp_path)
        clear_work(tmp_path)
        # also beside the results of an earlier run
        (tmp_path / "assessments.jsonl").write_text("")
    assert (tmp_path / "work" / "thesis.tex").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"work", "assessments.jsonl"}


def test_what_somebody_puts_into_our_work_folder_stays(
    tiny_bundle: Path, crisis: Path, tmp_path: Path
) -> None:
    run_analysis(read_posts(crisis), Analyst.load(tiny_bundle), tmp_path)
    assert (tmp_path / "work" / MARKER).is_file()
    (tmp_path / "work" / "notes.txt").write_text("mine")
    clear_work(tmp_path)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["notes.txt"]


@pytest.mark.usefixtures("fixed_time")
def test_a_photo_that_was_replaced_after_a_kill_is_read_anew(tiny_bundle: Path, tmp_path: Path) -> None:
    source = few_in(tmp_path / "crisis")
    rows = [row for row in read_posts(source) if isinstance(row, Post) and row.image]
    first, second = (source.parent / str(row.image.path) for row in rows[:2] if row.image)
    analyst = Analyst.load(tiny_bundle, image_root=source.parent)
    before = run_analysis(read_posts(source), analyst, tmp_path / "out", chunk_posts=7)
    first.write_bytes(second.read_bytes())
    again = run_analysis(
        read_posts(source),
        Analyst.load(tiny_bundle, image_root=source.parent),
        tmp_path / "out",
        chunk_posts=7,
    )
    assert 0 < again.resumed < before.rows
    fresh = Analyst.load(tiny_bundle, image_root=source.parent)
    run_analysis(read_posts(source), fresh, tmp_path / "fresh", chunk_posts=7)
    assert outputs(tmp_path / "out") == outputs(tmp_path / "fresh")


def test_every_row_is_told_as_assessed_or_failed(tiny_bundle: Path, crisis: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    outcome = run_analysis(
        read_posts(crisis),
        Analyst.load(tiny_bundle),
        tmp_path,
        chunk_posts=7,
        total=62,
        progress=lambda done, total: told.append((done, total)),
    )
    rows = sum(1 for _ in read_posts(crisis))
    assert outcome.rows == outcome.assessed + outcome.failed == rows == told[-1][0]
    assert {total for _, total in told} == {62}
    assert outcome.lost == {}
