"""`crisislens train` and `crisislens evaluate`: run files to models, models to numbers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import progress, say, stoppable, table
from crisislens.core.errors import InputError

if TYPE_CHECKING:
    from crisislens.data.labeled import LabeledData
    from crisislens.training.classification import EpochRecord
    from crisislens.training.config import RunConfig
    from crisislens.training.fit import RunResult

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the application."""
    app.command("train")(train)
    app.command("evaluate")(evaluate)


def train(
    run: Annotated[
        Path,
        typer.Argument(help="Run file (YAML), or the name of one that ships: `crisislens configs list`."),
    ],
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE, as in optimizer.learning_rate=1e-3; may be given again."),
    ] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seed", help="Seed; may be given again. Default: those of the run file."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Results go to OUT/NAME/seed-N.")] = Path("runs"),
    cache: Annotated[Path, typer.Option(help="Root of the feature caches.")] = Path(".cache") / "features",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a killed run was; finished seeds are not trained again."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what an earlier run of this name left.")
    ] = False,
    push_to_hub: Annotated[
        str,
        typer.Option(help="Send the model to this repository (owner/name) of a model hub, too."),
    ] = "",
) -> None:
    """Train the seeds of a run file and print its test numbers beside the published ones."""
    from crisislens.core.run_files import find_run_file
    from crisislens.core.seeds import check_seed_numbers
    from crisislens.core.threads import limit_threads

    check_seed_numbers(seeds or ())
    limit_threads()
    from crisislens.nn.device import set_threads
    from crisislens.training.config import RunConfig
    from crisislens.training.joint_run import is_joint_run
    from crisislens.training.rationale_run import is_rationale_run

    set_threads()
    # with --overwrite a second start would begin anew, whatever is kept
    without = " and without --overwrite" if overwrite else ""
    again = f"the same command with --resume{without} goes on from there"
    with stoppable(f"finished epochs are kept in {out}", again=again):
        run = find_run_file(run)
        if is_joint_run(run):
            _refuse_hub(push_to_hub)
            _train_joint(run, override, seeds, out, cache, resume, overwrite)
            return
        if is_rationale_run(run):
            _refuse_hub(push_to_hub)
            # it keeps no epochs
            with stoppable(f"finished seeds are kept in {out}", again=again):
                _train_rationales(run, override, seeds, out, resume, overwrite)
            return
        config = RunConfig.load(run, override)
        # all of them before the first trains: the second one's mistake would cost hours
        tasks = _read_tasks(config, seeds, out, resume, overwrite)
        made = [_train_task(one, posts, seeds, out, cache, resume, overwrite) for one, posts in tasks]
        models = " ".join(f"--model {folder}" for folder in made)
        say(f"use it: crisislens analyze POSTS {models}")
        if push_to_hub:
            from crisislens.models.hub import push_to_hub as push
            from crisislens.pipeline.joining import trained_artifact

            for folder in made:
                say(f"sent    {push(trained_artifact(folder), push_to_hub)}")


def _read_tasks(
    config: "RunConfig", seeds: list[int] | None, out: Path, resume: bool, overwrite: bool
) -> "list[tuple[RunConfig, LabeledData]]":
    """The run of each task with its posts, checked before the first of them trains."""
    from crisislens.data.catalog import load_labeled
    from crisislens.training.starting import check_seeds

    tasks = [(one, load_labeled(one.data, one.task)) for one in config.one_a_task()]
    for one, posts in tasks:
        check_seeds(one, posts, seeds or one.seeds, out, resume=resume, overwrite=overwrite)
    return tasks


def _train_task(
    config: "RunConfig",
    posts: "LabeledData",
    seeds: list[int] | None,
    out: Path,
    cache: Path,
    resume: bool,
    overwrite: bool,
) -> Path:
    """Trains the seeds of one task and prints their numbers; returns the run's folder."""
    from crisislens.training.fit import fit

    photos = posts.photos()
    counts = [f"{part} {len(rows):,} ({photos[part]:,} with photo)" for part, rows in posts.splits.items()]
    say(f"{posts.space.question}: {', '.join(posts.space.classes)}; posts: {', '.join(counts)}")
    left_out = ("rows that failed", "rows without text or photo", "rows without a label")
    for what in (*left_out, "files that are no photos"):
        if count := posts.description.get(what):
            say(f"left out: {count} {what}{_first_reason(posts) if what == left_out[0] else ''}")
    results = []
    for seed in seeds or config.seeds:
        # one bar, first of posts, then of epochs: both take minutes, and both have an end
        with progress(f"seed {seed}: features, then epochs") as advance:
            found = fit(
                config,
                seed=seed,
                out=out,
                cache=cache,
                resume=resume,
                overwrite=overwrite,
                data=posts,
                on_features=advance,
                on_epoch=partial(_epoch_done, advance, config.epochs),
            )
        results.append(found)
        say(f"seed {seed}: epoch {found.best_epoch} kept, {found.seconds:.0f} s; {found.test.headline()}")
    say("")
    # published rows stand beside their own data alone
    published = config.published if posts.space.setting == config.data.setting else ()
    say(results[0].test.markdown(published) if len(results) == 1 else "")
    if len(results) > 1:
        _show_seeds(results)
    say(f"results in {out / config.name}")
    _say_calibrated(out / config.name)
    return out / config.name


def _first_reason(posts: "LabeledData") -> str:
    """Why the first row that failed did; empty where the source does not say."""
    reasons = posts.description.get("why rows failed")
    return f"; the first because {reasons[0]}" if isinstance(reasons, list) else ""


def _say_calibrated(folder: Path) -> None:
    """Says which posts the model will answer for, since of the others it will only say "not sure"."""
    from crisislens.models.artifact import read_meta
    from crisislens.pipeline.joining import trained_artifact
    from crisislens.training.calibrate import FEWEST_POSTS

    _, meta = read_meta(trained_artifact(folder))
    kinds = ["text", "image", "both"] if len(meta.modalities) > 1 else list(meta.modalities)
    if not meta.calibration:
        say("analyze will be sure of no post with this model, whatever share the table says is answered")
    _say_kinds(meta.calibration, kinds, f"{FEWEST_POSTS} dev posts of that kind, with different labels")
    for modality, name in {"text": "texts", "image": "photos"}.items():
        if modality not in meta.modalities:
            say(f"{name} are not looked at, by the run file's modalities")


def _say_joint_calibrated(folder: Path) -> None:
    """The same of a joint rationale model; it marks words first, so no photo is evidence alone."""
    from crisislens.models.joint_artifact import read_joint_config
    from crisislens.pipeline.joining import joint_model
    from crisislens.training.calibrate import FEWEST_POSTS

    model = joint_model(folder)
    if model is None:
        return
    found = read_joint_config(model)
    kinds = ["text", "both"] if found.looks else ["text"]
    if not found.calibration:
        say("analyze will be sure of no post with this model")
    _say_kinds(found.calibration, kinds, f"{FEWEST_POSTS} labeled dev posts with evidence of that kind")
    if not found.looks:
        say("photos decide nothing: no labeled post to learn from had one that was read")


def _say_kinds(calibrated: Collection[str], kinds: Sequence[str], takes: str) -> None:
    """Says of the kinds of posts that a model can answer for which ones it does, and what others take."""
    words = {"text": "a text alone", "image": "a photo alone", "both": "text and photo"}
    sure = [words[kind] for kind in kinds if kind in calibrated]
    unsure = [words[kind] for kind in kinds if kind not in calibrated]
    if sure:
        say(f"calibrated for {' | '.join(sure)}")
    if unsure:
        say(f"not sure of every post with {' | '.join(unsure)}: that takes {takes}")


def _refuse_hub(repository: str) -> None:
    """Only classification models go to a hub: an option that does nothing would be believed."""
    if repository:
        raise InputError(
            "--push-to-hub sends classification models; this run file makes a rationale model. Leave it out, "
            "and share the folder of the model"
        )


def _train_rationales(
    run: Path, override: list[str] | None, seeds: list[int] | None, out: Path, resume: bool, overwrite: bool
) -> None:
    from crisislens.training.rationale_run import RationaleRun, check_rationale_seeds, fit_rationales

    config = RationaleRun.load(run, override)
    # all of them before the first trains: the second one's mistake would cost hours
    check_rationale_seeds(config, seeds or config.seeds, out, resume=resume, overwrite=overwrite)
    rows = []
    for seed in seeds or config.seeds:
        with progress(f"rationales, seed {seed}") as advance:
            scores = fit_rationales(
                config,
                seed=seed,
                out=out,
                resume=resume,
                overwrite=overwrite,
                progress=partial(_epochs, advance, config.training.epochs),
            )
        for test, found in scores["tests"].items():  # type: ignore[attr-defined]
            for decode, one in found.items():
                cells = [_with_interval(one, name) for name in ("token_f1", "iou_f1", "auprc")]
                rows.append([f"seed {seed}, {test}, {decode}", *cells])
    if rows:
        table(f"{config.name}, against people", ["", "token F1", "IoU F1", "AUPRC"], rows)
    say(f"models in {out / config.name}")


def _train_joint(
    run: Path,
    override: list[str] | None,
    seeds: list[int] | None,
    out: Path,
    cache: Path,
    resume: bool,
    overwrite: bool,
) -> None:
    from crisislens.training.joint_run import JointRun, check_joint_seeds, fit_joint

    config = JointRun.load(run, override)
    named = check_joint_seeds(config, seeds or config.seeds, out, resume=resume, overwrite=overwrite)
    if named and config.images is None:
        say(f"{named} texts name a photo, but the run file has no images: no photo is looked at")
    words, answers = [], []
    for seed in seeds or config.seeds:
        with progress(f"joint rationales, seed {seed}") as advance:
            scores = fit_joint(
                config,
                seed=seed,
                out=out,
                cache=cache,
                resume=resume,
                overwrite=overwrite,
                progress=partial(_epochs, advance, config.training.epochs),
            )
        photos: Mapping[str, int] = scores["photos"]  # type: ignore[assignment]
        if config.images is not None and photos["read"] < photos["named"]:
            lost = photos["named"] - photos["read"]
            say(f"seed {seed}: {lost} of {photos['named']} photos cannot be read; their texts stand alone")
        for test, found in scores["tests"].items():  # type: ignore[attr-defined]
            cells = [_with_interval(found["words"], name) for name in ("token_f1", "iou_f1", "auprc")]
            words.append([f"seed {seed}, {test}", *cells])
            for what in [name for name in found if name != "words"]:
                cells = [_with_interval(found[what], name) for name in ("accuracy", "macro_f1")]
                answers.append([f"seed {seed}, {test}, {what}", *cells])
    table(f"{config.name}, words against people", ["", "token F1", "IoU F1", "AUPRC"], words)
    table(f"{config.name}, answers", ["", "accuracy", "macro-F1"], answers)
    _say_joint_calibrated(out / config.name)
    say(f"use it: crisislens analyze POSTS --model {out / config.name}")


def _with_interval(scores: Mapping[str, float], name: str) -> str:
    """A score in percent with its 95 % interval."""
    value, low, high = (100 * scores[name + end] for end in ("", "_low", "_high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _epochs(advance: Callable[[int, int | None], None], epochs: int, done: int) -> None:
    advance(done, epochs)


def _epoch_done(advance: Callable[[int, int | None], None], epochs: int, record: "EpochRecord") -> None:
    advance(record.epoch, epochs)


def _show_seeds(runs: "list[RunResult]") -> None:
    from crisislens.evaluation.significance import mean_interval

    names = ("accuracy", "macro_f1", "weighted_f1")
    ours = [mean_interval([getattr(r.test.report, name).value for r in runs]) for name in names]
    rows = [[f"ours, {len(runs)} seeds", *(value.percent() for value in ours), "measured"]]
    for p in runs[0].run.published:
        stated, gaps = [], []
        for theirs, mine in zip((p.accuracy, p.macro_f1, p.weighted_f1), ours, strict=True):
            # papers state some of the three, and an empty cell is not a zero
            stated.append("" if theirs is None else f"{theirs:.2f}")
            gaps.append("" if theirs is None else f"{100 * mine.mean - theirs:+.2f}")
        rows += [[p.system, *stated, p.source], ["difference", *gaps, ""]]
    table(
        f"{runs[0].run.name}, setting {runs[0].test.setting}",
        ["system", "accuracy", "macro-F1", "weighted F1", "source"],
        rows,
    )


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(help="A trained model: OUT/NAME, OUT/NAME/seed-N or OUT/NAME/seed-N/artifact."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Other labeled posts: a table or folder of one's own, of which posts without a split are "
            "test posts, or the folder of CrisisMMD. Default: as in the run file beside the model."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of Markdown.")] = False,
) -> None:
    """Evaluate a trained model on labeled posts: scores with intervals, classes, events,
    calibration, abstention.
    """
    import json

    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.api import evaluate as evaluate_model
    from crisislens.api import run_of
    from crisislens.nn.device import set_threads

    set_threads()
    found = evaluate_model(model, data, split=split)
    published = run_of(model).published if split == "test" else ()
    say(json.dumps(found.as_dict(), indent=1) if as_json else found.markdown(published))
