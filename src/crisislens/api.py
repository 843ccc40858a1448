"""The front door for programs: train, evaluate and compare in one call each, as the commands do.

`crisislens.read_posts`, `crisislens.train`, `crisislens.evaluate`, `crisislens.compare` and
`crisislens.Analyst` are all that most programs need; everything else is importable from its room.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crisislens.bench.answers import answers_of_analysis, answers_of_run
from crisislens.core.errors import DataError, InputError, ModelError
from crisislens.core.run_files import find_run_file
from crisislens.core.seeds import check_seed_numbers
from crisislens.data.catalog import OwnTask, load_labeled
from crisislens.data.labeled import PARTS, LabeledData
from crisislens.data.own_labels import MADE_PARTS, read_labels
from crisislens.evaluation.compare import Compared, compare_answers
from crisislens.models.artifact import read_meta
from crisislens.pipeline.joining import trained_artifact
from crisislens.training.config import RunConfig
from crisislens.training.evaluate import Evaluation, evaluate_artifact
from crisislens.training.fit import RunResult, fit
from crisislens.training.starting import check_seeds

__all__ = ["compare", "evaluate", "run_of", "train"]

# the sources whose classes are read from the labels, which may lack some
_OWN_LABELS = frozenset({"table", "folders"})


def train(
    run: str | Path | Mapping[str, Any] | RunConfig,
    settings: Sequence[str] = (),
    *,
    out: str | Path = "runs",
    cache: str | Path = ".cache/features",
    seeds: Sequence[int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> list[RunResult]:
    """Trains what a run file says, one result a seed and task.

    >>> from tempfile import TemporaryDirectory
    >>> run = {
    ...     "name": "try", "seeds": [0], "epochs": 1, "encoder": {"name": "hashing"},
    ...     "model": {"name": "concat", "options": {"width": 16, "hidden": 0}},
    ...     "data": {"source": "synthetic", "setting": "A1"},
    ... }
    >>> with TemporaryDirectory() as folder:
    ...     run["data"]["root"] = folder
    ...     [result] = train(run, out=folder, cache=folder)
    >>> result.test.setting, result.seed
    ('A1', 0)

    Arguments:
        run: A run file, the name of one that ships, or its values.
        settings: `KEY=VALUE` pairs that win over the file, such as `data.root=posts.csv`.
        out: Results go to `OUT/NAME/seed-N`.
        cache: The root of feature caches.
        seeds: Which seeds; None takes those of the run.
        resume: Whether to go on from where a killed run was.
        overwrite: Whether to replace what an earlier run left.

    Raises:
        CrisisLensError: In one sentence, before anything is encoded or written.
    """
    check_seed_numbers(seeds or ())
    if isinstance(run, RunConfig):
        config = run
    elif isinstance(run, Mapping):
        config = RunConfig.parse(dict(run), where="run")
    else:
        config = RunConfig.load(find_run_file(run), list(settings))
    tasks = [(one, load_labeled(one.data, one.task)) for one in config.one_a_task()]
    for one, data in tasks:
        check_seeds(one, data, seeds or one.seeds, Path(out), resume=resume, overwrite=overwrite)
    results = []
    for one, data in tasks:
        for seed in seeds or one.seeds:
            found = fit(
                one,
                seed=seed,
                out=Path(out),
                cache=Path(cache),
                resume=resume,
                overwrite=overwrite,
                data=data,
            )
            results.append(found)
    return results


def evaluate(
    model: str | Path, data: str | Path | LabeledData | None = None, *, split: str = "test"
) -> Evaluation:
    """Scores a trained model on labeled posts, through the path that the product takes.

    >>> from tempfile import TemporaryDirectory
    >>> run = {
    ...     "name": "try", "seeds": [0], "epochs": 1, "encoder": {"name": "hashing"},
    ...     "model": {"name": "concat", "options": {"width": 16, "hidden": 0}},
    ...     "data": {"source": "synthetic", "setting": "A1"},
    ... }
    >>> with TemporaryDirectory() as folder:
    ...     run["data"]["root"] = folder
    ...     [result] = train(run, out=folder, cache=folder)
    ...     again = evaluate(result.folder)
    >>> again.report.accuracy == result.test.report.accuracy
    True

    Arguments:
        model: The folder of a run or of its artifact.
        data: Labeled posts, or the file or folder of a data set of the run's kind, of which posts
            without a split are test posts; None takes the run's own.
        split: `train`, `dev` or `test`.

    Raises:
        CrisisLensError: If model and data do not belong together, in one sentence.
    """
    if split not in PARTS:
        raise InputError(f"split {split!r} is not known; expected {', '.join(PARTS)}")
    artifact = trained_artifact(Path(model))
    run = run_of(model)
    posts = data if isinstance(data, LabeledData) else _measured(run, artifact, data, split)
    if not posts.splits[split]:
        raise InputError(f"there are no {split} posts to measure on; name another split")
    return evaluate_artifact(
        artifact, posts, split, rules=run.rules, limits=run.limits, knowledge=run.knowledge
    )


def run_of(model: str | Path) -> RunConfig:
    """The run file that a trained model came from.

    Arguments:
        model: The folder of a run, of a seed or of its artifact.

    Raises:
        ModelError: If there is no model, or no run file beside it.
    """
    path = trained_artifact(Path(model)).parent / "run.yaml"
    if not path.is_file():
        raise ModelError(
            f"{path.parent} holds no run.yaml, which says how texts are cleaned; give the folder "
            "that `crisislens train` wrote"
        )
    return RunConfig.load(path)


def _measured(run: RunConfig, artifact: Path, data: str | Path | None, split: str) -> LabeledData:
    """The posts of a run, or other ones that are labeled with its classes.

    Raises:
        DataError: If they are the run's own and have changed since, and that split was made.
    """
    if data is None or Path(data).resolve() == run.data.root.resolve():
        posts = load_labeled(run.data, run.task)
        _refuse_changed(run, artifact, posts, split)
        return posts
    if run.data.source not in _OWN_LABELS:
        return load_labeled(run.data.model_copy(update={"root": Path(data)}), run.task)
    other = run.data.model_copy(update={"root": Path(data), "images": None, "only_measured": True})
    # a new table need not have a post of every class, or name the classes in the same order
    _, meta = read_meta(artifact)
    answered = {"name": meta.space.question, "classes": meta.classes, "several": meta.space.several}
    return load_labeled(other, (run.task or OwnTask()).model_copy(update=answered))


def _refuse_changed(run: RunConfig, artifact: Path, posts: LabeledData, split: str) -> None:
    """Stops where a split that is made anew would hold posts that the model learned from. One that a table
    names is its own word.

    Raises:
        DataError: If the posts are not those of the training.
    """
    known = _learned_from(artifact)
    made = posts.description.get(MADE_PARTS)
    if not isinstance(made, list) or split not in made or known in ("", posts.fingerprint):
        return
    what = "folder" if run.data.source == "folders" else "table"
    raise DataError(
        f"{run.data.root} is no longer the {what} that this run was trained on, or this version reads it "
        f"otherwise, so its {split} posts may be posts that the model learned from; give new posts alone, in "
        f"a {what} of another name, with --data"
    )


def _learned_from(artifact: Path) -> str:
    """The fingerprint of the posts that a run was trained on; empty where its folder does not tell."""
    try:
        return str(json.loads((artifact.parent / "metrics.json").read_text(encoding="utf-8"))["data"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def compare(
    first: str | Path,
    second: str | Path,
    *,
    labels: str | Path | None = None,
    column: str = "",
    task: str = "",
    split: str = "test",
    resamples: int = 10_000,
    margin: float = 0.01,
) -> Compared:
    """Compares two runs on their labeled posts, or two analyses against labels.

    >>> from tempfile import TemporaryDirectory
    >>> run = {
    ...     "seeds": [0], "epochs": 1, "encoder": {"name": "hashing"},
    ...     "model": {"name": "concat", "options": {"width": 16, "hidden": 0}},
    ...     "data": {"source": "synthetic", "setting": "A1"},
    ... }
    >>> with TemporaryDirectory() as folder:
    ...     run["data"]["root"] = folder
    ...     for name in ("one", "two"):
    ...         _ = train({**run, "name": name}, out=folder, cache=folder)
    ...     found = compare(f"{folder}/one", f"{folder}/two", resamples=100)
    >>> [(d.what, d.difference) for d in found.overall][0]
    ('accuracy', 0.0)

    Arguments:
        first: A run's folder, or an `assessments.jsonl`.
        second: Another one of the same kind.
        labels: For analyses: a table with ids and labels.
        column: Its label column; empty finds it by its usual names.
        task: For analyses with several tasks: which one.
        split: For runs: `dev` or `test`.
        resamples: Of the paired bootstrap.
        margin: The smallest difference that matters, a share: a difference is then found, shown to be
            smaller, or neither.

    Raises:
        CrisisLensError: If there is nothing to compare, in one sentence.
    """
    if labels is None:
        return compare_answers(
            answers_of_run(Path(first), split),
            answers_of_run(Path(second), split),
            resamples=resamples,
            margin=margin,
        )
    truth = read_labels(Path(labels), column)
    return compare_answers(
        answers_of_analysis(Path(first), truth, task),
        answers_of_analysis(Path(second), truth, task),
        resamples=resamples,
        margin=margin,
    )
