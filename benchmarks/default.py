r"""The default bundle beside the one before it, on the same rows, as the product judges them:
`python benchmarks/default.py DATA --work DIR [--settings DIR]`.

Everything but A2 and B2 goes through `Analyst.assess`, so with cleaning, windows, languages and calibration.
A2 and B2 are settings of research that the new bundle does not answer; `--settings` names the head that
`scripts/train_fused.py` trained for them on the same encoder. A2's rows are judged by heads of B2, restricted
to the classes that both have, with vehicles as infrastructure.

Unrelated photos are everyday ones of the test part that `train_fused.py` set aside; the draw is fixed.
Answers are kept in `--work`, by bundle, posts and photos, so that a killed run goes on.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from need import OUTSIDE, OUTSIDE_T26, auroc, sets, stress_posts
from numpy.typing import NDArray

from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.crisismmd import CrisisMMD
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import TASKS
from crisislens.evaluation.calibration import expected_calibration_error, softmax
from crisislens.evaluation.classification import ClassificationReport, evaluate
from crisislens.models.artifact import load_artifact
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.heads import head_logits
from crisislens.training.crisis_text import HUMANITARIAN_10

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
OLD, NEW = "crisis-compact", "crisis-multilingual"
Array = NDArray[np.float64]
SURE = 0.9
_CHUNK = 64


def shown(posts: Sequence[Post], analyst: Analyst) -> str:
    """The fingerprint of posts and of the files of their photos."""
    root, seen = analyst.encoder.image_root, []
    for post in posts:
        path = None if root is None or post.image is None else root / post.image.path
        photo = fingerprint_file(path) if path is not None and path.is_file() else None
        seen.append([post.model_dump(mode="json"), photo])
    return fingerprint(seen)


def answers(analyst: Analyst, posts: Sequence[Post], path: Path) -> list[Assessment]:
    """What an analyst says of posts, kept in a file that names the models and what they are shown."""
    path = path.with_name(f"{path.name}-{analyst.fingerprint}-{shown(posts, analyst)}.jsonl")
    if path.is_file():
        kept = [Assessment.model_validate_json(line) for line in path.read_bytes().split(b"\n") if line]
        if [a.post.id for a in kept] == [p.id for p in posts]:
            return kept
    found = [a for i in range(0, len(posts), _CHUNK) for a in analyst.assess(posts[i : i + _CHUNK])]
    path.write_text("".join(a.model_dump_json() + "\n" for a in found), encoding="utf-8")
    return found


def probabilities(found: Sequence[Assessment], task: str) -> Array:
    """Per post the probability of each class."""
    return np.array([list(a.tasks[task].probabilities.values()) for a in found])


def line(
    name: str, y: NDArray[np.int64], p: Array, sure: NDArray[np.bool_], report: ClassificationReport
) -> str:
    """A row of numbers."""
    right = p.argmax(1) == y
    said = f"sure of {sure.mean():.0%}" + (f", right in {right[sure].mean():.1%}" if sure.any() else "")
    values = f"weighted F1 {report.weighted_f1.percent()}, macro {report.macro_f1.percent()}"
    return f"{name}, {len(y)} rows: {values}, ECE {100 * expected_calibration_error(p, y):.1f}; {said}"


def judged(name: str, found: Sequence[Assessment], task: str, y: NDArray[np.int64]) -> str:
    """A row of numbers of a task's answers."""
    p = probabilities(found, task)
    classes = tuple(found[0].tasks[task].probabilities)
    # photos of one CrisisMMD tweet go together
    ids = np.array([a.post.id.rpartition("_")[0] if a.post.id[0].isdigit() else a.post.id for a in found])
    sure = np.array([not a.tasks[task].abstained for a in found])
    return line(name, y, p, sure, evaluate(y, p, classes, clusters=ids))


def test_rows(data: Path, setting: str, variant: str) -> tuple[list[Post], list[str]]:
    """Posts of a setting's official test with their raw labels, photos named from `data`."""
    source = CrisisMMD(data / "crisismmd", setting=setting, variant=variant)  # type: ignore[arg-type]
    posts, labels = [], []
    for row in source.load("test"):
        image = ImageRef(path=f"crisismmd/{row.post.image.path}") if row.post.image else None
        there = image is not None and (data / image.path).is_file()
        posts.append(row.post.model_copy(update={"image": image if there else None}))
        labels.append(row.label)
    return posts, labels


def bare(posts: Sequence[Post]) -> list[Post]:
    """The same posts without photos."""
    return [post.model_copy(update={"image": None}) for post in posts]


def of_informative(analyst: Analyst, data: Path, work: Path, photos: Sequence[str]) -> list[str]:
    """Lines on A1: text alone, beside an unrelated photo, beside the right one."""
    posts, labels = test_rows(data, "A1", "agreed")
    y = np.array([TASKS["informativeness"].index(label) for label in labels])
    alone = answers(analyst, bare(posts), work / "a1")
    lines = [judged("A1, text", alone, "informativeness", y)]
    asked = [post for post, label in zip(posts, y, strict=True) if label == 1]
    drawn = np.random.default_rng(0).choice(len(photos), len(asked))
    beside = [
        post.model_copy(update={"image": ImageRef(path=photos[k])})
        for post, k in zip(asked, drawn, strict=True)
    ]
    with_photo = answers(analyst, beside, work / "a1-unrelated")
    before = recall([a for a, label in zip(alone, y, strict=True) if label == 1])
    lines.append(
        f"A1, informative rows, {len(asked)}: recall {before:.1%} from the text, {recall(with_photo):.1%} "
        f"beside an unrelated everyday photo"
    )
    own = [post for post in asked if post.image is not None]
    right = answers(analyst, own, work / "a1-own")
    text = recall(answers(analyst, bare(own), work / "a1-own-text"))
    lines.append(f"A1, {len(own)} informative rows with their photo: recall {text:.1%} → {recall(right):.1%}")
    return lines


def recall(found: Sequence[Assessment]) -> float:
    """Share of posts that lean to informative."""
    return float(np.mean([a.tasks["informativeness"].label == "informative" for a in found]))


def of_damage(analyst: Analyst, data: Path, work: Path) -> list[str]:
    """Lines on A3: text alone, and the rows whose photo is in hand."""
    posts, labels = test_rows(data, "A3", "settingA")
    y = np.array([TASKS["damage_severity"].index(label) for label in labels])
    text = answers(analyst, bare(posts), work / "a3")
    lines = [judged("A3, text", text, "damage", y)]
    own = [i for i, post in enumerate(posts) if post.image is not None]
    both = answers(analyst, [posts[i] for i in own], work / "a3-both")
    lines.append(judged("A3, text and photo", both, "damage", y[own]))
    photo = [posts[i].model_copy(update={"text": ""}) for i in own]
    lines.append(judged("A3, photo", answers(analyst, photo, work / "a3-photo"), "damage", y[own]))
    return lines


def of_photos_alone(analyst: Analyst, work: Path, photos: Sequence[str]) -> list[str]:
    """A line on everyday photos without text: what is surely said of them."""
    posts = [Post(id=name, image=ImageRef(path=name)) for name in photos]
    found = answers(analyst, posts, work / "alone")
    said = {name: sum(not a.tasks[name].abstained for a in found) for name in found[0].tasks}
    return [f"{len(posts)} everyday photos without text: sure answers {said}"]


def of_stress(analyst: Analyst, work: Path) -> list[str]:
    """Lines on the stress set's half `test`, in the product's order."""
    rows = [row for row in stress_posts() if row["half"] == "test"]
    found = answers(analyst, [Post(id=str(r["id"]), text=str(r["text"])) for r in rows], work / "stress")
    call = np.array([bool(r["call"]) for r in rows])
    urgency = np.array([a.urgency for a in found])
    first = np.argsort(-urgency, kind="stable")[: call.sum()]
    denied = probabilities(found, "informativeness")[:, 0] >= SURE
    sure = np.array([not a.tasks["informativeness"].abstained for a in found])
    return [
        f"stress, test: {int(call[first].sum())} of {int(call.sum())} calls among the first, AUROC "
        f"{auroc(call.astype(np.int64), urgency):.3f}; calls not informative at {SURE} or more "
        f"{int((denied & call).sum())}, surely so {int((denied & call & sure).sum())}"
    ]


def of_left_out(analyst: Analyst, data: Path, work: Path, rows: int) -> list[str]:
    """Lines on events that no part of the new bundle was trained on; "informative" by source."""
    measured, _ = sets(data, rows)
    lines = []
    for name, events in (("outside", OUTSIDE), ("outside_t26", OUTSIDE_T26)):
        texts = [t for t in measured[name] if "informative" in t.labels]
        posts = [Post(id=f"{name}-{i}", text=t.text) for i, t in enumerate(texts)]
        found = answers(analyst, posts, work / name)
        y = np.array([t.labels["informative"] for t in texts])
        lines.append(judged(f"{name} ({len(events)} events)", found, "informativeness", y))
        sympathy = HUMANITARIAN_10.index("sympathy_and_support")
        kept = [i for i, t in enumerate(texts) if t.labels.get("humanitarian_10") != sympathy]
        if name == "outside":
            some = [found[i] for i in kept]
            lines.append(
                judged("  without sympathy, which sources dispute", some, "informativeness", y[kept])
            )
    return lines


def of_settings(analyst: Analyst, data: Path, head: Path | None) -> list[str]:
    """Lines on B2 and A2, text alone, by the bundle's own head of B2 or by one that was kept for them."""
    b2, lines = TASKS["humanitarian_b2"], []
    loaded = load_artifact(head) if head is not None else analyst.models["humanitarian"]
    for setting, variant in (("B2", "agreed"), ("A2", "settingA")):
        posts, labels = test_rows(data, setting, variant)
        rows = [i for i, label in enumerate(labels) if b2.resolve(label) is not None]
        encoded = analyst.encoder.encode(bare([posts[i] for i in rows]))
        widths = analyst.encoder.encoders.widths()
        logits = head_logits({"b2": loaded.model}, encoded.features, widths)["b2"].astype(np.float64)
        y = np.array([b2.index(labels[i]) for i in rows])
        classes = b2.classes if setting == "B2" else b2.classes[:-1]
        p = softmax(logits[:, : len(classes)])
        ids = np.array([posts[i].id.rpartition("_")[0] for i in rows])
        lines.append(line(f"{setting}, text", y, p, p.max(1) >= SURE, evaluate(y, p, classes, clusters=ids)))
    return lines


def speed(folder: Path) -> str:
    """Processor seconds of `crisislens analyze` on the stress posts, both bundles in turn, twice."""
    posts = folder / "stress.jsonl"
    posts.write_text(
        "".join(
            Post(id=str(r["id"]), text=str(r["text"])).model_dump_json(exclude_none=True) + "\n"
            for r in stress_posts()
        ),
        encoding="utf-8",
    )
    seconds: dict[str, list[float]] = {OLD: [], NEW: []}
    for turn in range(2):
        for name in (OLD, NEW):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "crisislens", "analyze", str(posts), "--model", name]
            command += ["--threads", "1", "--out", str(folder / f"{name}-{turn}")]
            subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds[name].append(after.ru_utime - before.ru_utime)
    ratio = min(seconds[NEW]) / min(seconds[OLD])
    return f"analyze, {len(stress_posts())} stress posts, processor seconds: {seconds}; {ratio:.2f} times"


def main() -> None:
    """Measures both bundles and prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--settings", type=Path, default=None, help="the head of B2 on the new encoder")
    parser.add_argument("--old", default=OLD, help="name or folder of the bundle beside it")
    parser.add_argument("--new", default=NEW, help="name or folder of the new bundle")
    parser.add_argument("--rows", type=int, default=4500)
    parser.add_argument("--speed", action="store_true", help="only time `analyze`")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.speed:
        with tempfile.TemporaryDirectory() as folder:
            print(speed(Path(folder)))
        return
    from train_default import weak_rows
    from train_fused import PHOTOS

    photos = [
        row.post.image.path
        for row in weak_rows(args.data, most=PHOTOS)
        if row.split == "test" and row.post.image is not None and row.post.id.startswith("everyday/")
    ]
    for name in (args.old, args.new):
        analyst = Analyst.load(name, image_root=args.data)
        print(f"{analyst.bundle.config.name} {analyst.bundle.config.version}", flush=True)
        head = args.settings if name == args.new else None
        parts = [
            of_informative(analyst, args.data, args.work, photos),
            of_damage(analyst, args.data, args.work),
            of_photos_alone(analyst, args.work, photos),
            of_stress(analyst, args.work),
            of_left_out(analyst, args.data, args.work, args.rows),
        ]
        if name == OLD or head is not None:
            parts.append(of_settings(analyst, args.data, head))
        print("\n".join(f"  {text}" for part in parts for text in part), flush=True)


if __name__ == "__main__":
    main()
