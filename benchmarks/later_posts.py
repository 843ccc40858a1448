"""Posts that were written after heads were made or before new ones were, by two or more bundles:
`python benchmarks/later_posts.py --model crisis-multilingual [--model FOLDER …] [--posts later_offers]`.

`tests/stress/later.jsonl` (after 0.5.0), `later_offers.jsonl` (before 0.6.0), `later_hard.jsonl` (before
0.7.0), `later_harder.jsonl` (before 0.8.0), `later_hardest.jsonl` and `later_appeals.jsonl` (before 0.9.0),
`later_feed.jsonl`, `later_groups.jsonl`, `later_registers.jsonl`, `later_creoles.jsonl`, `later_long.jsonl`
and `later_indirect.jsonl` (after 0.9.0), and `later_told.jsonl` (after 0.9.0, before the
adapter of 0.10.0): made up by a language model and marked by it before any bundle read them: calls for help,
offers, warnings, needs that are over, reports of people who were saved, tolls, drills, jokes, appeals and
everyday talk.
Those that share more than three in ten of their runs of five characters with a post of the stress set or
one that is trained on were taken out (`--near` names them). That was so when they were written: of the older
sets some are now near a post that later training reads (8 of 57, 11 of 191, 4 of 145, 2 of 132), of the nine
newest none. Nothing is chosen on them; whoever changes a head with them in mind needs
new ones. Small probes.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from need import auroc

from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

ROOT = Path(__file__).parents[1]
STRESS = ROOT / "tests" / "stress"
_RUN, _NEAR = 5, 0.3
# what the posts call a label, where it differs
COLUMNS = {"request": "call", "missing_people": "missing"}


def read(path: Path) -> list[dict[str, object]]:
    """The posts of one file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def runs(text: str) -> set[str]:
    """Its runs of five characters."""
    plain = " ".join(text.casefold().split())
    return {plain[i : i + _RUN] for i in range(max(1, len(plain) - _RUN + 1))}


def near(posts: Sequence[dict[str, object]], name: str) -> list[str]:
    """The ids of posts that are worded like one of the stress set, of the other later posts or one that is
    trained on.
    """
    files = [path for path in STRESS.glob("*.jsonl") if path.stem != name]
    files += (ROOT / "scripts").glob("made_up_*.jsonl")
    return near_to(posts, [str(other["text"]) for path in files for other in read(path)])


def near_to(posts: Sequence[dict[str, object]], texts: Iterable[str]) -> list[str]:
    """The ids of posts that are worded like one of these texts: a short post that stands whole in a long text
    is, whatever else the text says.
    """
    known = [runs(text) for text in texts]
    found = []
    for post in posts:
        mine = runs(str(post["text"]))
        if max(len(mine & other) / len(mine) for other in known) > _NEAR:
            found.append(str(post["id"]))
    return found


def lines(model: str, made: Sequence[dict[str, object]]) -> list[str]:
    """What one bundle makes of them."""
    found = Analyst.load([model], annotators=[]).assess(
        [Post(id=str(p["id"]), text=str(p["text"])) for p in made]
    )
    call = np.array([bool(p["call"]) for p in made])
    urgency = np.array([a.urgency for a in found])
    first = call[np.argsort(-urgency, kind="stable")[: call.sum()]].sum()
    area = auroc(call.astype(np.int64), urgency)
    printed = [f"{model}: {first} of {call.sum()} calls among the first, AUROC of urgency {area:.3f}"]
    kinds = np.array(["call" if p["call"] else str(p["kind"]) for p in made])
    means = [f"{kind} {urgency[kinds == kind].mean():.2f}" for kind in np.unique(kinds)]
    printed.append("  mean urgency: " + ", ".join(means))
    for label in ("request", "offer", "warning", "rescue", "missing_people", "medical"):
        column = COLUMNS.get(label, label)
        if "needs" not in found[0].tasks or column not in made[0]:
            continue
        asked = np.array([bool(p[column]) for p in made])
        p_label = np.array([a.tasks["needs"].probabilities[label] for a in found])
        said = p_label >= 0.5
        wrong = Counter(str(kinds[i]) for i in np.flatnonzero(said & ~asked))
        counts = f"{(said & asked).sum()} of {asked.sum()} found, {(said & ~asked).sum()} wrong"
        order = f"AUROC {auroc(asked.astype(np.int64), p_label):.3f}"
        told = ", ".join(f"{kind} {count}" for kind, count in wrong.most_common())
        printed.append(f"  {label}: {counts} ({told or 'none'}), {order}")
    sure = [a.tasks["informativeness"] for a, asked in zip(found, call, strict=True) if asked]
    dismissed = sum(t.label == "not_informative" and not t.abstained for t in sure)
    printed.append(f"  calls surely dismissed: {dismissed}")
    return [*printed, *_contradictions(found, call), *_categories(found, made)]


def _categories(found: Sequence[Assessment], made: Sequence[dict[str, object]]) -> list[str]:
    """Of each class that posts are marked with, how many are surely given it, and how many others are."""
    if "humanitarian" not in found[0].tasks or not any("class" in p for p in made):
        return []
    pairs = [
        (str(p["class"]), a.tasks["humanitarian"]) for p, a in zip(made, found, strict=True) if "class" in p
    ]
    said = [(marked, "" if answer.abstained else answer.label) for marked, answer in pairs]
    told = []
    for name in sorted({marked for marked, _ in said}):
        right = sum(marked == label == name for marked, label in said)
        wrong = sum(label == name != marked for marked, label in said)
        told.append(f"{name} {right} of {sum(marked == name for marked, _ in said)}, {wrong} wrong")
    return ["  category: " + "; ".join(told)]


def _contradictions(found: Sequence[Assessment], call: np.ndarray) -> list[str]:
    """How often "not humanitarian" is said for sure of calls, how often it or "not informative" beside "asks
    for help", and of how many posts the category is sure.
    """
    if not {"informativeness", "humanitarian", "needs"} <= set(found[0].tasks):
        return []
    labels = [{name: set(task.labels) for name, task in a.tasks.items()} for a in found]
    denied = np.array(["not_humanitarian" in said["humanitarian"] for said in labels])
    dismissed = np.array(["not_informative" in said["informativeness"] for said in labels])
    asked = np.array(["request" in said["needs"] for said in labels])
    sure = sum(bool(said["humanitarian"]) for said in labels)
    beside = ((denied | dismissed) & asked).sum()
    return [
        f"  calls surely not humanitarian: {(denied & call).sum()}; that or not informative beside "
        f"asks for help: {beside}; sure of the category: {sure} of {len(found)}"
    ]


def main() -> None:
    """Reads the arguments and prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", action="append", help="a bundle's name or folder")
    parser.add_argument("--posts", default="later", help="a file of tests/stress, without its ending")
    parser.add_argument("--near", action="store_true", help="only name posts worded like known ones")
    args = parser.parse_args()
    posts = read(STRESS / f"{args.posts}.jsonl")
    if args.near:
        print("\n".join(near(posts, args.posts)))
        return
    for model in args.model or ["crisis-multilingual"]:
        print("\n".join(lines(model, posts)), flush=True)


if __name__ == "__main__":
    main()
