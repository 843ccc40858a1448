"""Takes the picture of the demo's report that the README shows, and writes down the words that are on it.

    python scripts/picture_report.py                        # runs the demo first
    python scripts/picture_report.py --report REPORT.html   # of a report that the demo made before

It writes `docs/images/report.png` and `docs/images/report.txt`. A test runs the demo and holds its words
against the text, so a picture that shows another report fails it. Pixels are not compared: two machines draw
the same letters differently. Needs Chromium or Chrome, and a font for Devanagari, which one post is in.
"""

import argparse
import hashlib
import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH_PX, HEIGHT_PX, SCALE = 1120, 840, 1.5
# a report has few colors: a palette takes a third of the bytes of the full picture
COLORS = 64
# of each list only its first posts are on the picture
POSTS_SHOWN = 2
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_HEADER = re.compile(r"<header.*?</header>", re.DOTALL)
# what no model could read and the posts over time stand below the picture's edge
_NOW = re.compile(
    r'<section id="now".*?(?=<section class="panel (?:lane unread|time-panel)|<section id="needs)', re.DOTALL
)
_LIST = re.compile(r'(<ol class="lines">)(.*?)(</ol>)', re.DOTALL)
# when it was analyzed is another time in each run
_ANALYZED = re.compile(r" · analyzed [^<]*")


def words_on(report: str) -> list[str]:
    """What the picture of a report says: a line for each paragraph, heading, tile and tab.

    Arguments:
        report: The HTML of a report.

    Raises:
        ValueError: If it has no headline or no view named "Now".
    """
    header, now = _HEADER.search(report), _NOW.search(report)
    if header is None or now is None:
        raise ValueError("this is no report: it has no header or no view named Now")
    shown = _LIST.sub(_first_posts, _ANALYZED.sub("", header[0]) + now[0])
    # an element that begins a line of its own in the picture
    pieces = re.split(r"</?(?:p|li|h[1-3]|nav|ul|ol|section)\b[^>]*>", shown)
    texts = [html.unescape(re.sub(r"<[^>]*>", " ", piece)) for piece in pieces]
    return [line for text in texts if (line := " ".join(text.split()))]


def _first_posts(found: re.Match[str]) -> str:
    posts = re.findall(r"<li>.*?</li>", found[2], re.DOTALL)
    return found[1] + "".join(posts[:POSTS_SHOWN]) + found[3]


def text_beside(picture: bytes, report: str) -> str:
    """The file that stands beside the picture: the picture's digest, so that the two belong together, and
    the words on it.
    """
    lines = [f"report.png SHA-256 {hashlib.sha256(picture).hexdigest()}", "", *words_on(report)]
    return "\n".join(lines) + "\n"


def take_picture(report: Path, picture: Path) -> None:
    """Opens a report in a browser without a window and keeps what is seen first, as a small PNG.

    Raises:
        FileNotFoundError: If there is no Chromium or Chrome.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"no browser found; install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.png"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
            f"--force-device-scale-factor={SCALE}",
            f"--window-size={WIDTH_PX},{HEIGHT_PX}",
            f"--screenshot={raw}",
            report.resolve().as_uri(),
        ]
        subprocess.run(command, check=True, timeout=300, stderr=subprocess.DEVNULL)
        with Image.open(raw) as image:
            few = image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


def run_demo(folder: Path) -> Path:
    """Runs the demo below a folder; returns its report."""
    out = folder / "demo"
    subprocess.run([sys.executable, "-m", "crisislens", "demo", "--out", str(out)], check=True)
    return out / "results" / "report.html"


def main() -> None:
    """Takes the picture and writes its words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--report", type=Path, help="a report of the demo; by default it is run")
    given = parser.parse_args().report
    with tempfile.TemporaryDirectory() as folder:
        report = given or run_demo(Path(folder))
        picture = IMAGES / "report.png"
        take_picture(report, picture)
        text = text_beside(picture.read_bytes(), report.read_text(encoding="utf-8"))
    (IMAGES / "report.txt").write_text(text, encoding="utf-8")
    print(f"{picture} has {picture.stat().st_size:,} bytes; its words are in report.txt beside it")


if __name__ == "__main__":
    main()
