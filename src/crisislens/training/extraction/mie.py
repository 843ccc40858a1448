"""The benchmark of multimodal information extraction: what context, InfoNCE and Shapley values each
add, on the same posts and seeds.

Four systems, each the one before and one thing more: `text` reads the words; `context` also the
context of the picture, through the gate; `info_nce` aligns contexts with texts by InfoNCE;
`shap_ca` aligns them by Shapley values. Every difference comes with a paired bootstrap over posts.
Published numbers (`PUBLISHED`) belong to far larger encoders and, mostly, to real pictures; they
stand in a column of their own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from crisislens.core.errors import DataError, InputError
from crisislens.encoders.language import LanguageSpec
from crisislens.evaluation.extraction import paired_f1
from crisislens.evaluation.significance import PairedDifference, mean_interval
from crisislens.models.extraction import AlignmentSpec, ExtractorSpec
from crisislens.training.extraction.config import ExtractionData, ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.fit import ExtractionEpoch
from crisislens.training.extraction.run import AUTO, SeedResult, read_results, run_extraction
from crisislens.training.extraction.splits import load_splits

__all__ = [
    "DATA_SETS",
    "PUBLISHED",
    "SYSTEMS",
    "WITHOUT_CONTEXTS",
    "Comparison",
    "compare",
    "mie_run",
    "run_mie",
    "show_mie",
]

System = Literal["text", "context", "info_nce", "shap_ca", "shap_ca_margin"]
SYSTEMS: tuple[str, ...] = get_args(System)
"""The systems; `shap_ca` has the softmax form of the loss, `shap_ca_margin` the margin form."""
DATA_SETS: tuple[str, ...] = ("twitter2017", "twitter2015", "mnre-v2", "mnre-v1", "jmere", "stand-in")
"""The data sets; `jmere` is had from its authors only, `stand-in` is none of the published ones."""
PUBLISHED: dict[str, str] = {
    "twitter2015": "text only 77.04, ITA 78.03, MoRe-Image 77.57 (AdaSeq); I2SRM 77.12; UMT 73.20",
    "twitter2017": "text only 89.11, ITA 89.75, MoRe-Image 90.28 (AdaSeq); I2SRM 88.40; UMT 85.09",
    "mnre-v2": "I2SRM 84.12; group-feature fusion 84.16",
}
"""F1 as printed elsewhere, by data set: AdaSeq examples/MoRe, arXiv 2310.06326, Electronics
14(8):1682, the logs of UMT.
"""
_FOLDERS = {
    "twitter2015": "mner",
    "twitter2017": "mner",
    "mnre-v1": "mnre",
    "mnre-v2": "mnre",
    "jmere": "jmere",
    "stand-in": "",
}
_TASKS = {"mnre-v1": "relations", "mnre-v2": "relations", "jmere": "joint", "stand-in": "joint"}
WITHOUT_CONTEXTS: tuple[str, ...] = ("mnre-v2", "jmere")
"""Those of them that come without contexts: only `text` is measured on them."""


@dataclass(frozen=True)
class Comparison:
    """One system beside the one before it.

    Attributes:
        data: The data set.
        system: The system.
        results: Its seeds.
        f1: Micro F1 on the test posts in percent, with a t interval over seeds, or of one training
            with that over posts.
        against: The system that it is compared with; empty for the first.
        difference: Their paired difference over the seeds that both have; None for the first.
    """

    data: str
    system: str
    results: list[SeedResult]
    f1: str
    against: str = ""
    difference: PairedDifference | None = None


def mie_run(
    data: str,
    system: str,
    folder: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    encoder: str = "minilm",
    long_contexts: bool = False,
    epochs: int | None = None,
    train_posts: int | None = None,
    batch_posts: int | None = None,
) -> ExtractionRun:
    """The run of one system on one data set.

    Arguments:
        data: A name in `DATA_SETS`.
        system: A name in `SYSTEMS`.
        folder: The folder that holds `mner`, `mnre` and `jmere`.
        seeds: The seeds.
        encoder: A checkpoint as `LanguageSpec` names it.
        long_contexts: Whether contexts are the long ones where they exist, not the captions.
        epochs: Passes over the training posts; the benchmark's own where None.
        train_posts: At most so many of them, as `ExtractionData` draws them; all where None.
        batch_posts: Posts a step, also the players of the alignment's game; 32 where None.

    Raises:
        InputError: If there is no such data set or system, or the data set has no contexts.
    """
    if data not in DATA_SETS or system not in SYSTEMS:
        raise InputError(
            f"no benchmark of {system!r} on {data!r}; systems: {', '.join(SYSTEMS)}; data sets: "
            f"{', '.join(DATA_SETS)}"
        )
    reads_context = system != "text"
    if reads_context and data in WITHOUT_CONTEXTS:
        raise InputError(
            f"{data} comes without contexts; take the system text, or a run file with a context_file"
        )
    kinds = {"info_nce": "info_nce", "shap_ca": "shapley_softmax", "shap_ca_margin": "shapley_margin"}
    task = _TASKS.get(data, "entities")
    extractor = ExtractorSpec(
        task=task,  # type: ignore[arg-type]
        relations=() if task == "entities" else AUTO,
        encoder=LanguageSpec(checkpoint=encoder),
        context_pieces=(96 if long_contexts else 32) if reads_context else 0,
        fusion=reads_context,
        alignment=AlignmentSpec(kind=kinds[system]) if system in kinds else None,  # type: ignore[arg-type]
    )
    contexts: Literal["none", "captions", "long"] = (
        ("long" if long_contexts else "captions") if reads_context else "none"
    )
    parts = (
        data,
        system,
        *(["long"] if long_contexts and reads_context else []),
        *([] if encoder == "minilm" else [Path(encoder).name]),
    )
    return ExtractionRun(
        name="-".join(parts),
        data=ExtractionData(
            name=data, root=str(folder / _FOLDERS[data]), contexts=contexts, train_posts=train_posts
        ),  # type: ignore[arg-type]
        extractor=extractor,
        recipe=default_recipe(data, encoder, epochs, batch_posts),
        seeds=tuple(seeds),
    )


def default_recipe(
    data: str, encoder: str, epochs: int | None = None, batch_posts: int | None = None
) -> ExtractionRecipe:
    """The benchmark's recipe: MiniLM takes higher rates than BERT does."""
    rate = 3e-4 if encoder == "minilm" else 3e-5
    epochs = epochs or {"mnre-v2": 4, "mnre-v1": 5, "jmere": 12, "stand-in": 12}.get(data, 6)
    return ExtractionRecipe(batch_posts=batch_posts or 32, learning_rate=rate, epochs=epochs)


def run_mie(
    folder: Path,
    out: Path,
    *,
    data_sets: Sequence[str] = ("twitter2017",),
    systems: Sequence[str] = ("text", "context", "info_nce", "shap_ca"),
    seeds: Sequence[int] = (0, 1, 2),
    encoder: str = "minilm",
    long_contexts: bool = False,
    epochs: int | None = None,
    train_posts: int | None = None,
    batch_posts: int | None = None,
    report: Callable[[str, ExtractionEpoch], None] | None = None,
) -> list[Comparison]:
    """Runs the benchmark, seed by seed so that a stopped one has all systems with the seeds that it
    got to; resumable.

    Of data sets that come without contexts the systems that need them are left out.

    Arguments: see `mie_run`; `out` is the folder of results, `report` is called after each epoch.

    Raises:
        InputError: As `mie_run` does, before anything is trained; of systems that need contexts
            where no data set has them.
        DataError: If files are missing, before anything is trained.
    """
    asked = [(data, seed, system) for data in data_sets for seed in seeds for system in systems]
    # a name that is no system's stays, to be refused
    needs_contexts = set(SYSTEMS) - {"text"}
    possible = [
        (data, seed, system)
        for data, seed, system in asked
        if system not in needs_contexts or data not in WITHOUT_CONTEXTS
    ]
    runs = [
        mie_run(
            data,
            system,
            folder,
            seeds=(seed,),
            encoder=encoder,
            long_contexts=long_contexts,
            epochs=epochs,
            train_posts=train_posts,
            batch_posts=batch_posts,
        )
        for data, seed, system in possible or asked
    ]
    # all are read before anything is trained, or a missing file would be told after an hour
    splits = {run.data: load_splits(run.data, joint=run.extractor.task == "joint") for run in runs}
    for run in runs:
        run_extraction(run, out, splits=splits[run.data], report=report)
    return show_mie(out)


def show_mie(out: Path, *, resamples: int = 10_000) -> list[Comparison]:
    """What stands in a folder of results: each run with its seeds, and its difference to the system
    before it on the same data set.

    Raises:
        DataError: If a file there is not a result, or seeds of one run were trained with other
            settings or data.
    """
    runs: dict[str, list[SeedResult]] = {}
    for result in read_results(out):
        runs.setdefault(result.run.name, []).append(result)
    for name, results in runs.items():
        if len({r.fingerprint for r in results}) > 1:
            raise DataError(
                f"the seeds of {name} in {out} were trained with different settings or data; give each a "
                f"folder of its own"
            )
    compared = []
    for data in DATA_SETS:
        names = [name for name in runs if name == data or name.startswith(f"{data}-")]
        names.sort(key=lambda name: (SYSTEMS.index(_system(name, data)), name))
        for name in names:
            before = next(
                (
                    other
                    for s in _before(_system(name, data))
                    if (other := name.replace(_system(name, data), s, 1)) in runs
                ),
                "",
            )
            # the text alone has no contexts, long or short
            text = re.sub(
                r"-text-long(?=-|$)", "-text", name.replace(_system(name, data), "text", 1), count=1
            )
            before = before or (text if _system(name, data) != "text" and text in runs else "")
            difference = compare(runs[name], runs[before], resamples=resamples) if before else None
            shown = (
                name.removeprefix(f"{data}-"),
                runs[name],
                _f1(runs[name]),
                before.removeprefix(f"{data}-"),
            )
            compared.append(Comparison(data, *shown, difference))
    return compared


def _f1(results: Sequence[SeedResult]) -> str:
    """Micro F1 in percent: over seeds with a t interval, of a single training with its bootstrap
    interval over posts.
    """
    if len(results) > 1:
        return mean_interval([r.test.micro.f1 for r in results]).percent()
    test = results[0].test
    return f"{100 * test.micro.f1:.2f} [{100 * test.low:.2f}, {100 * test.high:.2f}] (1 seed)"


def compare(
    a: Sequence[SeedResult], b: Sequence[SeedResult], *, resamples: int = 10_000
) -> PairedDifference | None:
    """The paired difference of two runs over the seeds that both have; None if they share none, or
    differ in more than the system.
    """
    if _terms(a) != _terms(b):
        return None
    shared = sorted({r.seed for r in a} & {r.seed for r in b})
    if not shared:
        return None
    rows = [[r.post_counts() for seed in shared for r in results if r.seed == seed] for results in (a, b)]
    return paired_f1(*rows, resamples=resamples)


def _terms(results: Sequence[SeedResult]) -> set[tuple[object, ...]]:
    """All that two runs must share to be compared."""
    return {(r.run.data.name, r.posts_fingerprint, r.run.recipe, r.run.extractor.encoder) for r in results}


def _system(name: str, data: str) -> str:
    rest = name.removeprefix(f"{data}-")
    return max((s for s in SYSTEMS if rest == s or rest.startswith(f"{s}-")), key=len, default="text")


def _before(system: str) -> tuple[str, ...]:
    """The systems that one may be compared with, the nearest first."""
    return {
        "context": ("text",),
        "info_nce": ("context",),
        "shap_ca": ("info_nce", "context"),
        "shap_ca_margin": ("info_nce", "context"),
    }.get(system, ())
