"""One run of an extractor: trained and measured with each of its seeds, resumable, one result file
a seed.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import ConfigError, DataError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.version import __version__
from crisislens.evaluation.extraction import ExtractionReport
from crisislens.models.extraction import Extractor
from crisislens.models.extractor_artifact import ExtractorMeta, save_extractor
from crisislens.training.extraction.acceptance import Items, best_thresholds, in_words, report_above
from crisislens.training.extraction.checks import check_inputs, check_kept, check_locked, with_labels_of
from crisislens.training.extraction.config import ExtractionRun
from crisislens.training.extraction.data import Example, encode_posts
from crisislens.training.extraction.evaluate import evaluate_extractor, predict_examples, retrieval
from crisislens.training.extraction.fit import ExtractionEpoch, fit_extractor, run_mark, word_reader
from crisislens.training.extraction.splits import ExtractionSplits, load_splits

__all__ = ["SeedResult", "known_result", "read_result", "read_results", "result_path", "run_extraction"]

_RETRIEVAL_POSTS = 64


class SeedResult(BaseModel):
    """What one training came to, with what it takes to compare and repeat it. No text of any post
    is in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: ExtractionRun
    fingerprint: str
    """Of the run without its seeds, and of its data (`fit.run_mark`)."""
    posts_fingerprint: str
    """Of the posts alone, which runs that are compared share."""
    seed: int
    history: list[ExtractionEpoch]
    dev: ExtractionReport
    test: ExtractionReport
    test_entities: ExtractionReport | None
    """Of the task `joint`."""
    counts: list[tuple[int, int, int]]
    """For each test post (all pairs of one together) the items in both, marked and found."""
    retrieval: dict[str, float]
    """How often the right context is among the first k of 64, on test posts; empty where contexts
    are not read by themselves.
    """
    temperatures: dict[str, float] = {}
    """Where the alignment's temperature was chosen (`tuned`): the candidates with their F1 on dev; the
    chosen one stands in `run`.
    """
    parameters_trained: int
    seconds: float
    """Of training and measuring, without what an earlier, killed process spent."""
    versions: dict[str, str]

    def post_counts(self) -> Int[np.ndarray, "s 3"]:
        """The counts as an array."""
        return np.array(self.counts, dtype=np.int64).reshape(-1, 3)


def known_result(path: Path, mark: str, otherwise: str) -> SeedResult:
    """A result that is there, if it is of the run that is asked for.

    Arguments:
        path: Its file.
        mark: The fingerprint that it must have.
        otherwise: Of what it is where it has another one.

    Raises:
        ConfigError: If it has another one.
        DataError: If the file is no result.
    """
    known = read_result(path)
    if known.fingerprint != mark:
        raise ConfigError(f"{path} holds the result of {otherwise}; give another name, or another folder")
    return known


def result_path(folder: Path, run: ExtractionRun, seed: int) -> Path:
    """Where the result of one seed stands."""
    return folder / f"{run.name}-seed{seed}.json"


def run_extraction(
    run: ExtractionRun,
    out: Path,
    *,
    splits: ExtractionSplits | None = None,
    keep: ExtractorMeta | None = None,
    report: Callable[[str, ExtractionEpoch], None] | None = None,
) -> list[SeedResult]:
    """Trains and measures a run with each of its seeds; what was measured before is read, what was
    killed is gone on with.

    Arguments:
        run: The run.
        out: The folder of results and checkpoints.
        splits: Its data, read from where the run says if None.
        keep: Saves each extractor beside its result under `NAME-seedN`, with this meta; the least
            probability that is told is chosen on development posts.
        report: Called after each epoch with the training's name.

    Raises:
        ConfigError: If the run does not fit its data, asks for inputs that are not given or is
            given some that it does not read, or a result of another run, or of other data, stands
            under its name.
        InputError: If another process is at one of its seeds in the same folder.
        DataError: If the data cannot be read.
        ModelError: If training diverges.
    """
    splits = load_splits(run.data, joint=run.extractor.task == "joint") if splits is None else splits
    run = with_labels_of(run, splits)
    check_inputs(run, splits)
    check_locked(run, keep)
    mark = run_mark(run, splits)
    results = []
    for seed in run.seeds:
        path = result_path(out, run, seed)
        # a lock a training, so that several processes may share the seeds of one folder between them
        with sole_writer(out, lock=f".{path.stem}.lock"):
            if path.is_file():
                known = known_result(path, mark, "another run of that name, or of other data")
                check_kept(out / path.stem, keep)
                results.append(known)
                continue
            results.append(_one_seed(run, splits, seed, out, mark, keep, report))
            atomic_write(path, results[-1].model_dump_json(indent=None) + "\n")
            path.with_suffix(".ckpt").unlink(missing_ok=True)
    return results


def _one_seed(
    run: ExtractionRun,
    splits: ExtractionSplits,
    seed: int,
    out: Path,
    mark: str,
    keep: ExtractorMeta | None,
    report: Callable[[str, ExtractionEpoch], None] | None,
) -> SeedResult:
    started = time.perf_counter()
    path = result_path(out, run, seed)

    def after(record: ExtractionEpoch) -> None:
        if report is not None:
            report(path.stem, record)

    extractor, history = fit_extractor(
        run, splits, seed=seed, checkpoint=path.with_suffix(".ckpt"), after_epoch=after
    )
    dev, test = _encoded(run, splits, extractor, "dev"), _encoded(run, splits, extractor, "test")
    measured = evaluate_extractor(extractor, test)
    if keep is not None:
        save_extractor(out / path.stem, extractor, _meta(keep, run, extractor, dev, test))
    return SeedResult(
        run=run,
        fingerprint=mark,
        posts_fingerprint=splits.posts_fingerprint(),
        seed=seed,
        history=history,
        dev=evaluate_extractor(extractor, dev).report,
        test=measured.report,
        test_entities=measured.entities,
        counts=[tuple(row) for row in measured.counts.tolist()],
        retrieval=_retrieval(extractor, test),
        parameters_trained=_trained(extractor),
        seconds=time.perf_counter() - started,
        versions=_versions(),
    )


def _encoded(run: ExtractionRun, splits: ExtractionSplits, extractor: Extractor, split: str) -> list[Example]:
    root = Path(run.data.image_root) if run.data.image_root else None
    reader = word_reader(extractor)
    return encode_posts(
        splits.part(split),
        extractor,
        reader,
        splits.contexts,
        image_root=root,
        locked_contexts=run.data.locked_contexts,
    )


def _retrieval(extractor: Extractor, test: list[Example]) -> dict[str, float]:
    # contexts in one sequence with the text have no vector of their own to be found
    with_context = [e for e in test if e.words.context_ids and not e.out_of_reach]
    if len(with_context) < _RETRIEVAL_POSTS:
        return {}
    return retrieval(extractor, with_context, batch_posts=_RETRIEVAL_POSTS)


def _versions() -> dict[str, str]:
    """What a number may depend on beside the run."""
    return {
        "crisislens": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _meta(
    meta: ExtractorMeta, run: ExtractionRun, extractor: Extractor, dev: list[Example], test: list[Example]
) -> ExtractorMeta:
    """The meta with the least probabilities that are told, chosen on the development posts, and
    test scores of what is above them.
    """
    task = extractor.spec.task
    on_dev = predict_examples(extractor, dev, with_scores=True)
    on_test = predict_examples(extractor, test, with_scores=True)
    # on development posts: the test posts are read at thresholds that they did not choose
    least, least_links = best_thresholds(task, dev, on_dev)
    counted: tuple[Items, ...] = ("entities", "quintuples") if task == "joint" else (task,)
    rows = f"{len(test)} {'pairs' if task == 'relations' else 'posts'}"
    lines = []
    for items in counted:
        report = report_above(test, on_test, items, least, least_links)
        lines.append(in_words(report, f"test, {rows}, {items} above the threshold"))
    limits = meta.card.limits
    if run.data.image_root:
        limits += ("thresholds and scores were made with photos, which `extract` does not read",)
    card = meta.card.model_copy(update={"numbers": (*meta.card.numbers, *lines), "limits": limits})
    return meta.model_copy(
        update={"accept_above": least, "accept_relations_above": least_links, "card": card}
    )


def _trained(extractor: Extractor) -> int:
    return sum(p.numel() for p in extractor.parameters() if p.requires_grad)


def read_results(folder: Path) -> list[SeedResult]:
    """All results in a folder, by name.

    Raises:
        DataError: If a file is not a result.
    """
    return [read_result(path) for path in sorted(folder.glob("*-seed*.json"))]


def read_result(path: Path) -> SeedResult:
    """The result of one seed.

    Raises:
        DataError: If the file is not a result.
    """
    try:
        return SeedResult.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path} is not a result of an extraction run ({str(error)[:100]}); remove it"
        ) from error
