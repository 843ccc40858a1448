r"""How readily the default bundle speaks of missing people: what a shift of that logit would do.

`python benchmarks/need_shift.py DATA [--model FOLDER]`: for shifts from 0 to -6 the calls for help among the
first posts, the AUROC of urgency and the F1 of "people missing or found" on both halves of the stress set,
the same F1 on HumAID's development posts, the shares of these that are given the label, and the share of a
real feed (`verification`, no labels of need), through the product. The shift is chosen on the half `develop`
and, since 0.8.0, HumAID's development posts; the other half is shown.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from crisislens.domain.assessment import Assessment
from crisislens.domain.tasks import Task
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.judgment import urgency

STRESS = Path(__file__).parent.parent / "tests" / "stress" / "posts.jsonl"
LABEL, CLASS = "missing_people", "missing_or_found_people"
SHIFTS = tuple(-step / 2 for step in range(13))


def shifted(p: float, by: float) -> float:
    """The probability after its logit is moved."""
    p = min(max(p, 1e-4), 1 - 1e-4)
    return float(1 / (1 + np.exp(-(np.log(p / (1 - p)) + by))))


def moved(answer: Assessment, by: float) -> Assessment:
    """The assessment with the label's logit moved."""
    needs = answer.tasks["needs"]
    probabilities = {**needs.probabilities, LABEL: shifted(needs.probabilities[LABEL], by)}
    return answer.model_copy(
        update={"tasks": {**answer.tasks, "needs": needs.model_copy(update={"probabilities": probabilities})}}
    )


def says(answers: Sequence[Assessment], by: float) -> np.ndarray:
    """Whether each post is given the label."""
    return np.array([moved(a, by).tasks["needs"].probabilities[LABEL] > 0.5 for a in answers])


def stress_line(
    posts: Sequence[Mapping[str, object]], answers: Sequence[Assessment], tasks: Mapping[str, Task], by: float
) -> str:
    """Cells of one half of the stress set: calls first, AUROC, F1 of the label."""
    calls = np.array([bool(p["call"]) for p in posts])
    missing = np.array([LABEL in p["needs"] for p in posts])  # type: ignore[operator]
    key = np.array([order(a, tasks, by) for a in answers])
    first = calls[np.argsort(-key, kind="stable")[: calls.sum()]].sum()
    f1 = f1_score(missing, says(answers, by))
    return f"{first} of {calls.sum()} | {roc_auc_score(calls, key):.3f} | {f1:.2f}"


def order(answer: Assessment, tasks: Mapping[str, Task], by: float) -> float:
    """Urgency after the shift; a post that was not read keeps its own."""
    if by == 0 or abs(answer.urgency - urgency(answer.tasks, tasks)) > 1e-3:
        return answer.urgency
    return urgency(moved(answer, by).tasks, tasks)


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--rows", type=int, default=1200, help="rows drawn of the feed")
    parser.add_argument(
        "--model", default="crisis-multilingual", help="the bundle, as it is before the shift"
    )
    args = parser.parse_args()
    csv.field_size_limit(10**8)
    rng = np.random.default_rng(0)
    analyst = Analyst.load([args.model], annotators=[])
    tasks = {name: task.definition for name, task in analyst.bundle.config.tasks.items() if task.definition}
    posts = [json.loads(line) for line in STRESS.read_text(encoding="utf-8").split("\n") if line]
    halves = {half: [p for p in posts if p["half"] == half] for half in ("develop", "test")}
    answers = {
        half: analyst.assess([{"id": p["id"], "text": p["text"]} for p in some])
        for half, some in halves.items()
    }

    def table(path: str, **options: object) -> list[dict[str, str]]:
        with (args.data / path).open(encoding="utf-8", errors="replace", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t", **options))  # type: ignore[call-overload]

    def drawn(texts: Sequence[str]) -> list[Assessment]:
        chosen = rng.permutation(len(texts))[: args.rows]
        return analyst.assess([texts[i] for i in chosen])

    humaid = table("crisis_text/humaid/dev.tsv")
    others = analyst.assess([row["text"] for row in humaid if row["label"] != CLASS])
    named = analyst.assess([row["text"] for row in humaid if row["label"] == CLASS])
    feed = drawn([row["tweetText"] for row in table("verification/tweets.tsv", quoting=csv.QUOTE_NONE)])
    print(
        "| shift | develop: calls first | AUROC | F1 of missing | test: calls first | AUROC | F1 of missing"
    )
    print("| HumAID dev: F1 of missing | of its missing | of the others | of a real feed |")
    for by in SHIFTS:
        halves_cells = " | ".join(stress_line(halves[h], answers[h], tasks, by) for h in halves)
        shares = " | ".join(f"{100 * says(some, by).mean():.1f} %" for some in (named, others, feed))
        found, wrong = says(named, by), says(others, by)
        f1 = 2 * found.sum() / (found.sum() + wrong.sum() + len(found))
        print(f"| {by} | {halves_cells} | {f1:.3f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
