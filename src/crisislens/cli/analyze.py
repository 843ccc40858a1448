"""`crisislens analyze`: posts in, assessments and a report out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from crisislens.cli.console import progress, refuse_empty, say, stoppable, total_rows
from crisislens.cli.engines import (
    Engine,
    EngineOption,
    GpusOption,
    ProcessesOption,
    RayAddressOption,
    chosen_engine,
    hosts,
)
from crisislens.cli.options import ThreadsOption
from crisislens.cli.reading import ENCODING_HELP, MAP_HELP, POSTS_HELP, columns_of
from crisislens.cli.run_words import command_again, described, tell
from crisislens.core.errors import InputError
from crisislens.core.files import sole_writer
from crisislens.pipeline.default import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from crisislens.data.source import PostSource
    from crisislens.domain.assessment import Assessment
    from crisislens.pipeline.batch import RunOutcome
    from crisislens.pipeline.recipes import AnnotatorRecipe
    from crisislens.report.situation import ReportOptions
    from crisislens.runs.sinks import Sink

__all__ = ["Asked", "Given", "add_to", "run"]

DEFAULT_OUT = Path("crisislens-out")


class Asked(NamedTuple):
    """What is asked of the report besides the posts, as it was given.

    Attributes:
        since: Posts from this time on are new.
        compare_with: Folder of an earlier run.
        basemap: A file that is drawn under the posts.
        summary: Whether one page to send on is written.
    """

    since: str | None = None
    compare_with: Path | None = None
    basemap: Path | None = None
    summary: bool = False


class Given(NamedTuple):
    """What `analyze` is given besides the posts, as it was given.

    Attributes:
        images: Folder of the photos; None for the posts' own.
        out: Folder for the output.
        model: Names and folders of models.
        columns: Which column of the table means what.
        encoding: Of the table; None where it is found out.
        formats: What is written beside assessments.jsonl.
        title: Of the report.
        threads: Processor threads; None for all.
        add: Annotations beside the default ones.
        leave_out: Default annotations that are left out.
        replace: Whether a run of another file of posts in `out` may be written over.
        event: What the posts are filed under that are filed under nothing.
        blur_locations: Whether coordinates are rounded.
        extractors: What finds entities, and relations.
        asked: What is asked of the report.
        engine: Where the work is done.
    """

    images: Path | None = None
    out: Path = DEFAULT_OUT
    model: Sequence[str] = (DEFAULT_BUNDLE,)
    columns: Mapping[str, str] = {}
    encoding: str | None = None
    formats: Sequence[str] = ()
    title: str | None = None
    threads: int | None = None
    add: Sequence[str] = ()
    leave_out: Sequence[str] = ()
    replace: bool = False
    event: str | None = None
    blur_locations: bool = False
    extractors: tuple[str | None, str | None] = (None, None)
    asked: Asked = Asked()
    engine: Engine = Engine()


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("analyze")(analyze)


def analyze(
    posts: Annotated[Path, typer.Argument(help=POSTS_HELP)],
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: the folder of POSTS.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the output; an interrupted run in it is resumed.")
    ] = DEFAULT_OUT,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Write over what --out holds of another file of posts."),
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a model that ships, the folder of a bundle or of a trained run; several runs, one "
            "a task, by giving it again. Default: crisis-multilingual; on Windows crisis-compact."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", help=MAP_HELP),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help=ENCODING_HELP)] = None,
    event: Annotated[
        str | None,
        typer.Option(
            help="The event of the posts that are filed under none, such as 'Haiti earthquake': the country "
            "in it helps to find places."
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            help="Write the assessments as csv, parquet, geojson or what a plug-in adds too; may be given "
            "again.",
        ),
    ] = None,
    blur_locations: Annotated[
        bool,
        typer.Option(
            "--blur-locations",
            help="Round the posts' coordinates to 0.1 degree (11 km) in everything that is written.",
        ),
    ] = False,
    title: Annotated[
        str | None, typer.Option(help="Title of the report. Default: the name of POSTS.")
    ] = None,
    threads: ThreadsOption = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="Add what is not made by default: `entities` or `rationale`; may be given again."
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Add the evidence: words, parts of the photo, what each contributed (as --with rationale).",
        ),
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave out an annotation; may be given again.")
    ] = None,
    entities: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of the extractor of entities (then --with entities). Default: "
            "entities-compact."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Call posts from this time on new in the report, such as 2026-05-01T18:00 (UTC)."),
    ] = None,
    compare_with: Annotated[
        Path | None,
        typer.Option(help="Folder of an earlier run: the report says which posts are new and what changed."),
    ] = None,
    basemap: Annotated[
        Path | None,
        typer.Option(help="GeoJSON or PMTiles of the region (roads, rivers …), drawn under the posts."),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Write one page to send on: summary.html and summary.md.")
    ] = False,
    relations: Annotated[
        str | None,
        typer.Option(
            help="The same for relations; `none` leaves them out. Default: relations-compact, or those that "
            "--entities finds itself."
        ),
    ] = None,
    engine: EngineOption = "local",
    processes: ProcessesOption = None,
    ray_address: RayAddressOption = None,
    gpus: GpusOption = 0.0,
) -> None:
    """Assess every post and write assessments.jsonl, failed.jsonl, duplicates.jsonl and report.html."""
    given = Given(
        images=images,
        out=out,
        model=model or [DEFAULT_BUNDLE],
        columns=columns_of(column or []),
        encoding=encoding,
        formats=also or [],
        title=title,
        threads=threads,
        add=[*(with_ or ()), *(["rationale"] if explain else ())],
        leave_out=without or [],
        replace=replace,
        event=event,
        blur_locations=blur_locations,
        extractors=(entities, relations),
        asked=Asked(since, compare_with, basemap, summary),
        engine=chosen_engine(engine, processes, ray_address, gpus),
    )
    with stoppable(f"what was finished is kept in {out}"):
        run(posts, given)


def run(posts: Path, given: Given) -> None:
    """Does what `crisislens analyze` does.

    Arguments:
        posts: The table or file of posts.
        given: Everything else.
    """
    from crisislens.core.threads import limit_threads

    limit_threads(given.threads)
    from crisislens.data.cells import short_text
    from crisislens.nn.device import set_threads
    from crisislens.pipeline.analyst import Analyst
    from crisislens.pipeline.batch import AnalyzeStep, clear_work, run_analysis
    from crisislens.pipeline.recipes import AnalystRecipe
    from crisislens.report.situation import output_sinks

    out, engine = given.out, given.engine
    # as a cell of the column is read: whole characters, at most 200 of them
    given = given._replace(formats=_known(given.formats), event=short_text(given.event))
    shown = _shown(given.asked)
    set_threads(given.threads)
    source = _source(posts, given)
    # before the run, as the run's own identity is: a file that changes meanwhile is not told as the one read
    read = described(source.describe())
    annotators = _annotators(given)
    root = given.images or posts.resolve().parent
    analyst = Analyst.load(given.model, image_root=root, annotators=annotators())

    def recipe() -> AnalystRecipe:
        must_be = AnalyzeStep(analyst, device=engine.device).fingerprint()
        return AnalystRecipe(tuple(given.model), root, annotators, must_be, engine.device)

    def outputs(outcome: "RunOutcome") -> "list[Sink[Assessment]]":
        return output_sinks(
            outcome,
            analyst,
            source_name=posts.name,
            title=given.title,
            formats=given.formats,
            command=_command(posts, given),
            data=read,
            options=shown,
        )

    total = total_rows(source)
    with sole_writer(out):
        with hosts(engine, recipe) as held, progress("analyzing", total) as advance:
            outcome = run_analysis(
                source,
                analyst,
                out,
                hosts=held,
                device=engine.device,
                progress=advance,
                total=total,
                outputs=outputs,
                replace_run=given.replace,
                origin=posts,
            )
        clear_work(out)
    tell(outcome, out, source, given.model, summary=shown.summary)
    reasons = f"{out / 'failed.jsonl'} says why of each"
    refuse_empty(outcome.assessed, outcome.failed, what="assessed", where=reasons)


def _source(posts: Path, given: Given) -> "PostSource":
    """The posts as they are analyzed.

    Raises:
        InputError: If they cannot be read, or the photos' folder is none.
    """
    from crisislens.data.blur import BlurredSource
    from crisislens.data.filed import FiledSource
    from crisislens.data.tabular import read_posts

    source: PostSource = read_posts(posts, given.columns or None, encoding=given.encoding)
    if given.images is not None and not given.images.is_dir():
        raise InputError(
            f"--images {given.images} is not a folder; give the folder that the posts' image paths start from"
        )
    if given.event:
        source = FiledSource(source, given.event)
    return BlurredSource(source) if given.blur_locations else source


def _command(posts: Path, given: Given) -> str:
    """The command that makes this run again, for the report's footer."""
    entities, relations = given.extractors
    return command_again(
        posts,
        single={
            "--images": given.images or posts.parent,
            "--out": given.out,
            "--title": given.title,
            "--threads": given.threads,
            "--encoding": given.encoding,
            "--event": given.event,
            "--since": given.asked.since,
            "--compare-with": given.asked.compare_with,
            "--basemap": given.asked.basemap,
            "--entities": entities,
            "--relations": relations,
            **given.engine.options(),
        },
        several={
            "--model": given.model,
            "--map": [f"{k}={v}" for k, v in given.columns.items()],
            "--also": given.formats,
            "--with": given.add,
            "--without": given.leave_out,
        },
        flags={"--blur-locations": given.blur_locations, "--summary": given.asked.summary},
    )


def _shown(asked: Asked) -> "ReportOptions":
    """What the report shows besides the posts, checked before anything is analyzed."""
    from datetime import datetime

    from crisislens.report.basemap import read_base_map
    from crisislens.report.situation import ReportOptions

    when = None
    if asked.since is not None:
        try:
            when = datetime.fromisoformat(asked.since)
        except ValueError as error:
            raise InputError(
                f"--since {asked.since} is no time; expected one such as 2026-05-01 or 2026-05-01T18:00+02:00"
            ) from error
    if asked.compare_with is not None and not (asked.compare_with / "assessments.jsonl").is_file():
        raise InputError(
            f"--compare-with {asked.compare_with} holds no assessments.jsonl; give the folder of an "
            "earlier run"
        )
    if asked.basemap is not None:
        read_base_map(asked.basemap)
    return ReportOptions(when, asked.compare_with, asked.basemap, asked.summary)


def _known(formats: Sequence[str]) -> list[str]:
    """The formats that are written beside assessments.jsonl, which always is."""
    from crisislens.runs.sinks import SINKS

    for name in formats:
        if name not in SINKS and name != "jsonl":
            problems = "".join(f"; {problem}" for problem in SINKS.problems())
            raise InputError(f"--also {name} is not known; it takes {' or '.join(SINKS)}{problems}")
    return [name for name in formats if name != "jsonl"]


def _annotators(given: Given) -> "AnnotatorRecipe":
    """What is added beside the tasks; names by the extractors that are asked for."""
    from crisislens.cli.extractors import chosen_finder
    from crisislens.pipeline.annotators import selected
    from crisislens.pipeline.extraction import EntityAnnotator
    from crisislens.pipeline.recipes import AnnotatorRecipe, FinderRecipe

    entities, relations = given.extractors
    names = selected(add=given.add, leave_out=given.leave_out)
    if entities is None and relations is None:
        return AnnotatorRecipe(names)
    if EntityAnnotator.name in given.leave_out:
        raise InputError(
            "--entities and --relations say what finds names, and --without entities leaves them out; give "
            "one of the two"
        )
    finder = chosen_finder(entities, relations)
    if finder.reads_contexts:
        say(
            "analyze gives extractors the text alone, also those trained with contexts of pictures; extract "
            "--contexts reads both"
        )
    others = tuple(name for name in names if name != EntityAnnotator.name)
    return AnnotatorRecipe(others, FinderRecipe(entities, relations))
