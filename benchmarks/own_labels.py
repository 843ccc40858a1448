"""From labels of one's own to a report, timed: `python benchmarks/own_labels.py --work DIR`.

Makes 300 posts that need water, food, shelter or a doctor, some of them two of these, and 200 drawn
photos in a folder for each class; then runs the commands of `docs/own-labels.md` as a user does,
each in a process of its own, and prints the seconds that each took. `--only-make` stops after the
files are made, for trying the commands by hand. Posts and photos are made up: their scores say that
the path works, not how good it is.
"""

import argparse
import csv
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

SAID = {
    "water": (
        "there is no clean water",
        "the wells are salted",
        "we drink from the river",
        "taps are dry",
    ),
    "food": (
        "the children are hungry",
        "no bread since Monday",
        "the rice is gone",
        "shops are empty",
    ),
    "shelter": ("our roof is gone", "we sleep outside", "the tents are full", "the house fell"),
    "medical": (
        "insulin runs out",
        "two people are injured",
        "we need a doctor",
        "she needs dialysis",
    ),
}
PLACES = (
    "the old bridge",
    "school 4",
    "the north market",
    "the harbor",
    "Mill Road",
    "the station",
    "camp B",
)
ENDS = (
    "please share",
    "who can help?",
    "since last night",
    "call me",
    "the road is open",
    "still waiting",
)
CONFIGS = Path(__file__).resolve().parents[1] / "configs"
COLORS = {"fire": (200, 70, 20), "flood": (40, 90, 170)}


def posts(count: int, *, seed: int) -> list[dict[str, str]]:
    """Posts with an id, a text and one or two labels."""
    dice = random.Random(seed)
    found = []
    for i in range(count):
        labels = dice.sample(sorted(SAID), 2 if dice.random() < 0.2 else 1)
        parts = [dice.choice(SAID[name]) for name in labels]
        where = f"{dice.choice(PLACES)} {dice.randrange(100)}"
        text = f"{' and '.join(parts)} at {where}, {dice.choice(ENDS)}"
        found.append({"id": f"post-{seed}-{i}", "text": text, "label": "; ".join(labels)})
    return found


def asked_twice(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The posts with a second label: who asks for help, and who offers it."""
    found = []
    for i, row in enumerate(rows):
        kind = ("asks", "offers")[i % 2]
        begins = {"asks": "please help", "offers": "we can help"}[kind]
        text = f"{begins}: {row['text']}"
        found.append({"id": row["id"], "text": text, "need_label": row["label"], "kind_label": kind})
    return found


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """Writes a CSV."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def draw(path: Path, kind: str, dice: random.Random) -> None:
    """Draws flames or waves over a random ground."""
    ground = tuple(dice.randrange(60, 200) for _ in range(3))
    picture = Image.new("RGB", (160, 120), ground)
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = dice.randrange(150), dice.randrange(30, 110)
        color = tuple(min(255, max(0, c + dice.randrange(-40, 40))) for c in COLORS[kind])
        if kind == "fire":
            pen.polygon([(x, y), (x + 16, y), (x + 8, y - dice.randrange(15, 40))], fill=color)
        else:
            pen.rectangle([x - 60, y, x + 60, y + dice.randrange(3, 9)], fill=color)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def make(work: Path) -> None:
    """Writes posts.csv (with labels), two.csv (with labels for two questions), new.csv (without), checked.csv
    (other labels), and photos/.
    """
    work.mkdir(parents=True, exist_ok=True)
    write_table(work / "posts.csv", posts(300, seed=0))
    write_table(work / "two.csv", asked_twice(posts(300, seed=2)))
    new = posts(100, seed=1)
    write_table(work / "checked.csv", new)
    write_table(work / "new.csv", [{"id": row["id"], "text": row["text"]} for row in new])
    dice, kinds = random.Random(0), sorted(COLORS)
    for i in range(200):
        draw(work / "photos" / kinds[i % 2] / f"{i:03d}.png", kinds[i % 2], dice)
    shown = []
    for i in range(20):
        draw(work / "new_photos" / f"{i}.png", kinds[i % 2], dice)
        shown.append({"id": f"photo-{i}", "text": "", "image": f"new_photos/{i}.png"})
    write_table(work / "new_photos.csv", shown)


def command(work: Path, *arguments: str) -> tuple[float, float]:
    """Runs `crisislens` in the folder; seconds by the clock, and seconds of the processors."""
    started, worked = time.perf_counter(), processor_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "crisislens", *arguments],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"crisislens {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started, processor_seconds() - worked


def processor_seconds() -> float:
    """What all commands so far took of the processors: on a busy machine the clock says little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Makes the files, runs the steps, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    parser.add_argument("--only-make", action="store_true", help="make the files and stop")
    given = parser.parse_args()
    work = given.work.resolve()
    make(work)
    if given.only_make:
        return
    text, photos = CONFIGS / "own.yaml", CONFIGS / "own_photos.yaml"
    steps = {
        "train on 300 posts": ("train", str(text), "--set", "data.root=posts.csv"),
        "bundle": ("bundle", "runs/own", "--out", "needs"),
        "analyze 100 posts, with report": (
            "analyze",
            "new.csv",
            "--model",
            "needs",
            "--out",
            "out",
        ),
        "evaluate on 100 other labels": ("evaluate", "runs/own", "--data", "checked.csv"),
        "train on 200 photos": ("train", str(photos), "--set", "data.root=photos"),
        "bundle of photos": ("bundle", "runs/own_photos", "--out", "scenes"),
        "analyze 20 photos, with report": (
            "analyze",
            "new_photos.csv",
            "--model",
            "scenes",
            "--out",
            "out_photos",
        ),
    }
    say = sys.stdout.write
    say(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    say("| step | seconds | processor seconds |\n|---|---|---|\n")
    for title, arguments in steps.items():
        seconds, worked = command(work, *arguments)
        say(f"| {title} | {seconds:.1f} | {worked:.1f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
