"""How large a report is, and how fast it loads and answers a keystroke.

    python benchmarks/report_search.py sizes POSTS.jsonl --sizes 1000 10000 100000
    python benchmarks/report_search.py report results/report.html

`sizes` takes the texts of a file of posts, draws an answer for each (no model is asked), writes the report
and opens it in a headless Chromium; `report` opens one that is there. Printed as JSON lines: bytes of the
file, milliseconds until it can be searched, and milliseconds from a keystroke to the list on the screen: the
median and the slowest of the letters of six words, typed and taken back, each on the clock and in the
processor time of the page's thread, which a busy machine does not lengthen. Needs Chromium.
"""

import argparse
import json
import random
import shutil
import statistics
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
WORDS = ("trapped", "water", "bridge is down", "éarthquake", "shelter", "zzzz")
# one more letter of a word, or one less, and the wait for the next frame
TYPE = """
(async () => {
  const field = document.querySelector("[name=q]");
  field.value = %s;
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
    """The median and the slowest keystroke, on the clock and in processor time."""
    states = [
        word[:end] for word in WORDS for end in (*range(1, len(word) + 1), *range(len(word) - 1, -1, -1))
    ]
    clock, cpu = [], []
    for state in states:
        before = cpu_ms(browser)
        clock.append(browser.run(TYPE % json.dumps(state)))
        cpu.append(cpu_ms(browser) - before)
    found: dict[str, float] = {"keystrokes": len(states)}
    for name, times in (("keystroke_ms", clock), ("keystroke_cpu_ms", cpu)):
        found |= {name: round(statistics.median(times)), f"{name}_slowest": round(max(times))}
    return found


def measure(browser: Browser, path: Path) -> dict[str, Any]:
    """Milliseconds to load and to search."""
    opened(browser, path, "#view=read")
    # the page says itself when it was ready, so that asking for it costs nothing
    ready = browser.run("performance.getEntriesByName('ready')[0].startTime")
    browser.run("new Promise((done) => setTimeout(done, 1000))")
    load_cpu = round(cpu_ms(browser))
    letters = typed(browser)
    browser.run(TYPE % json.dumps("trapped"))
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


def main() -> None:
    """Reads the arguments and prints JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sizes", "report"))
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
                report = given.path.resolve()
                line = {"bytes": report.stat().st_size, **measure(browser, report)}
                print(json.dumps(line), flush=True)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
