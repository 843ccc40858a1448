"""How large a report is, how fast it loads and answers, and whether five questions find an answer in it.

    python benchmarks/report_search.py sizes POSTS.jsonl --sizes 1000 10000 100000
    python benchmarks/report_search.py questions results/report.html

`sizes` takes the texts of a file of posts, draws an answer for each (no model is asked), writes the report
and opens it in a headless Chromium: bytes of the file, milliseconds until it can be searched, and
milliseconds from a keystroke to the list on the screen (the slowest of the letters of "trapped"), each on the
clock and in the processor time of the page's thread, which a busy machine does not lengthen.
`questions` plays what a duty officer asks on a real report and counts the clicks. Both print JSON lines.
Needs Chromium.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from annotate.browsers import Browser  # noqa: E402 - the browser's driver is that of the tests
from crisislens.domain.assessment import Assessment, Provenance, TaskAssessment  # noqa: E402
from crisislens.domain.post import Post  # noqa: E402
from crisislens.domain.tasks import TASKS, Task  # noqa: E402
from crisislens.report.build import write_report  # noqa: E402
from crisislens.report.model import ReportMeta, ReportTask  # noqa: E402

ASKED = ("humanitarian_10", "needs")
MADE_BY = Provenance(
    model="drawn",
    model_version="0",
    model_fingerprint="0" * 16,
    encoder_fingerprint="0" * 16,
    crisislens_version="0",
    analyzed_at="2026-05-08T00:00:00+00:00",
)
# types one more letter of a word and waits for the next frame
TYPE = """
(async () => {
  const field = document.querySelector("[name=q]");
  field.value = "trapped".slice(0, %d);
  const before = performance.now();
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - before;
})()
"""


def drawn(task: Task, rng: random.Random) -> TaskAssessment:
    """An answer that no model gave, as likely sure as in a real run."""
    label = rng.choice(task.classes)
    sure = round(rng.uniform(0.3, 0.99), 4)
    abstained = rng.random() < 0.2
    labels = (label,) if not abstained and (not task.several or rng.random() < 0.3) else ()
    probabilities = {name: sure if name == label else 0.01 for name in task.classes}
    return TaskAssessment(
        label=label, labels=labels, confidence=sure, probabilities=probabilities, abstained=abstained
    )


def assessments(texts: list[str], count: int) -> Iterator[Assessment]:
    """Posts with the texts of real ones, over seven days."""
    rng, start = random.Random(0), datetime(2026, 5, 1, tzinfo=UTC)
    for i in range(count):
        when = start + timedelta(minutes=rng.randrange(7 * 24 * 60))
        post = Post(id=str(10**17 + 7919 * i), text=texts[i % len(texts)], created_at=when)
        yield Assessment(
            post=post,
            modalities=("text",),
            language="en",
            tasks={TASKS[name].question: drawn(TASKS[name], rng) for name in ASKED},
            urgency=round(rng.random(), 4),
            provenance=MADE_BY,
        )


def about() -> ReportMeta:
    """What the drawn report says of itself."""
    return ReportMeta(
        title="Drawn answers",
        source_name="posts",
        model="drawn",
        model_version="0",
        model_fingerprint="0" * 16,
        encoder_fingerprint="0" * 16,
        crisislens_version="0",
        analyzed_at=MADE_BY.analyzed_at,
        tasks=tuple(ReportTask(TASKS[name]) for name in ASKED),
    )


def opened(browser: Browser, path: Path, address: str) -> None:
    """Opens a report from nothing and waits until it can be searched."""
    browser.call("Performance.enable", {"timeDomain": "threadTicks"})
    browser.call("Page.navigate", {"url": "about:blank"})
    browser.call("Page.navigate", {"url": path.as_uri() + address})
    browser.until("document.documentElement?.dataset.ready === 'yes'", 300)


def cpu_ms(browser: Browser) -> float:
    """Processor time that the page's tasks have taken so far, which other programs do not lengthen."""
    metrics = browser.call("Performance.getMetrics")["metrics"]
    seconds: float = next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
    return 1000 * seconds


def typed(browser: Browser) -> dict[str, float]:
    """The slowest letter of "trapped", on the clock and in processor time."""
    clock, cpu = [], []
    for end in range(1, 8):
        before = cpu_ms(browser)
        clock.append(browser.run(TYPE % end))
        cpu.append(cpu_ms(browser) - before)
    return {"keystroke_ms": round(max(clock)), "keystroke_cpu_ms": round(max(cpu))}


def measure(browser: Browser, path: Path) -> dict[str, Any]:
    """Milliseconds to load and to search."""
    opened(browser, path, "#view=read")
    # the page says itself when it was ready, so that asking for it costs nothing
    ready = browser.run("performance.getEntriesByName('ready')[0].startTime")
    browser.run("new Promise((done) => setTimeout(done, 1000))")
    load_cpu = round(cpu_ms(browser))
    letters = typed(browser)
    found = browser.run("document.getElementById('count').textContent")
    return {"ready_ms": round(ready), "load_cpu_ms": load_cpu, **letters, "trapped": found}


def sizes(browser: Browser, posts: Path, counts: list[int], folder: Path) -> None:
    """One line a size."""
    with posts.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    for count in counts:
        path = folder / f"report-{count}.html"
        write_report(
            path,
            assessments=assessments(texts, count),
            failed=(),
            clusters=(),
            thumbnails=lambda post: None,
            meta=about(),
        )
        line = {"posts": count, "bytes": path.stat().st_size, **measure(browser, path)}
        print(json.dumps(line), flush=True)


def questions(browser: Browser, path: Path) -> None:
    """What a duty officer asks, played with clicks."""
    counted = "document.getElementById('count').textContent"
    steps: list[tuple[str, list[str], str]] = [
        ("Who needs help first?", [], "document.querySelector('.lane.grave .said-text').textContent.trim()"),
        ("Who needs help where?", ["header nav a[href='#needs']", ".needs td:nth-child(5) a"], counted),
        ("Is anybody trapped?", ["header nav a[href='#read']"], counted),
        ("What has nobody read?", [".lane.unread a"], counted),
        (
            "What can I send?",
            ["header nav a[href='#read']", "#select-page"],
            "document.getElementById('send-what').textContent",
        ),
    ]
    for question, clicks, answer in steps:
        opened(browser, path, "")
        for selector in clicks:
            browser.run(f"document.querySelector({json.dumps(selector)}).click()")
        if "trapped" in question:
            typed(browser)
        said = browser.run(answer)
        print(json.dumps({"question": question, "clicks": len(clicks), "answer": said[:200]}), flush=True)


def main() -> None:
    """Reads the arguments and prints JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sizes", "questions"))
    parser.add_argument("path", type=Path, help="posts as JSONL, or a report")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    given = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(chromium, Path(folder) / "profile")
        try:
            if given.what == "sizes":
                sizes(browser, given.path, given.sizes, Path(folder))
            else:
                questions(browser, given.path.resolve())
        finally:
            browser.close()


if __name__ == "__main__":
    main()
