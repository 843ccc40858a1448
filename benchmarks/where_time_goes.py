"""Where the processor time of `analyze` goes, by stage:
`python benchmarks/where_time_goes.py POSTS [--images DIR] [--table]`.

The whole run (reading, assessing, near-duplicates, writing, report) on one thread, in this process.
A timer of the process's own processor time interrupts every 5 ms; what stands on the stack of the
thread that computes says which stage it was, so that nothing is slowed down but for the look
itself. Threads that decode photos are counted where they are the ones at work.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

import torch

from crisislens.data.tabular import read_posts
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst
from crisislens.pipeline.annotators import load_annotators
from crisislens.pipeline.batch import clear_work, run_analysis
from crisislens.report.situation import write_outputs
from crisislens.runs.executor import Here

_EVERY_S = 0.005
# the first part of a module's name that stands on the stack, from the innermost frame outwards
_STAGES = (
    ("text encoder", ("encoders.e5", "encoders.bert", "features.encode")),
    ("photo encoder", ("encoders.compact", "encoders.efficientnet")),
    ("decoding and hashing photos", ("data.images", "features.pictures", "data.duplicates.image_hash")),
    ("models on features", ("pipeline.heads", "models", "nn")),
    ("places", ("pipeline.places", "knowledge")),
    ("language", ("pipeline.readable", "data.language")),
    ("signatures", ("data.duplicates",)),
    ("words to the machine", ("pipeline.heard", "data.machine_talk")),
    ("answers", ("pipeline.judgment", "pipeline.analyst", "pipeline.annotators", "pipeline.photos")),
    ("near-duplicates", ("pipeline.neighbors", "data.alike")),
    ("report", ("report",)),
    ("reading and writing", ("data", "runs", "core", "pipeline.batch", "domain")),
)
_WAITING = frozenset({"threading", "queue", "concurrent.futures.thread", "concurrent.futures._base"})


def stage_of(frame: FrameType | None) -> str | None:
    """The stage of a stack; None where it waits or belongs to nobody here."""
    if frame is not None and frame.f_globals.get("__name__") in _WAITING:
        return None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        inside = name.removeprefix("crisislens.")
        if inside != name:
            called = f"{inside}.{frame.f_code.co_name}"
            for stage, modules in _STAGES:
                if any(called == module or called.startswith(module + ".") for module in modules):
                    return stage
        frame = frame.f_back
    return None


class Samples:
    """Counts of stages while it is entered."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0

    def _look(self, signum: int, frame: FrameType | None) -> None:
        own = threading.get_ident()
        others = (f for ident, f in sys._current_frames().items() if ident != own)
        # the main thread's own stack first: others are at work where it waits for them
        found = stage_of(frame) or next(filter(None, map(stage_of, others)), None)
        self.counts[found or "rest"] += 1

    def __enter__(self) -> "Samples":
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        self.seconds = -time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.seconds += time.process_time()


def measure(posts: Path, root: Path, model: str) -> tuple[Samples, int]:
    """The samples of a whole run, and its rows."""
    analyst = Analyst.load(model, image_root=root, annotators=load_annotators())
    with tempfile.TemporaryDirectory() as folder:
        with Samples() as samples:
            outcome = run_analysis(read_posts(posts), analyst, Path(folder) / "out", executor=Here())
            write_outputs(outcome, analyst, source_name=posts.name)
        clear_work(outcome.folder)
    return samples, outcome.rows


def main() -> None:
    """Prints one JSON line, or a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root = arguments.images or arguments.posts.resolve().parent
    samples, rows = measure(arguments.posts, root, arguments.model)
    shares = {stage: count / samples.counts.total() for stage, count in samples.counts.most_common()}
    if not arguments.table:
        shown = {stage: round(100 * share, 1) for stage, share in shares.items()}
        line = {"rows": rows, "processor_s": round(samples.seconds, 1), "percent": shown}
        print(json.dumps(line))
        return
    print(f"| stage | share of {samples.seconds:.1f} s | ms a post |\n| --- | --- | --- |")
    for stage, share in shares.items():
        print(f"| {stage} | {100 * share:.1f} % | {1000 * share * samples.seconds / rows:.2f} |")


if __name__ == "__main__":
    main()
