"""From a run to what a person opens: `report.html`, and the tables in other formats on demand, all filled in
one pass over the records.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from shlex import quote

from PIL import Image

from crisislens.core.errors import ImageError, InputError
from crisislens.core.version import __version__
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.assessment import Assessment
from crisislens.domain.language_names import language_name
from crisislens.domain.post import Post
from crisislens.domain.tasks import Task
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotators import HasCard
from crisislens.pipeline.batch import RunOutcome, read_assessments, read_records
from crisislens.pipeline.readable import UNKNOWN
from crisislens.report.basemap import read_base_map
from crisislens.report.build import ReportSink
from crisislens.report.changes import Earlier
from crisislens.report.model import ReportCluster, ReportMeta, ReportTask
from crisislens.runs.sinks import SINKS, Sink, pour

__all__ = ["ReportOptions", "output_sinks", "read_earlier", "thumbnailer", "write_outputs"]

THUMBNAIL_PX = 320


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows besides the posts.

    Attributes:
        since: Posts from this time on are called new.
        compare_with: The folder of an earlier run; posts that it does not have are called new.
        base_map: A file of GeoJSON or PMTiles that the map draws under the posts.
        summary: Whether `summary.html` and `summary.md` are written too.
    """

    since: datetime | None = None
    compare_with: Path | None = None
    base_map: Path | None = None
    summary: bool = False


def output_sinks(
    outcome: RunOutcome,
    analyst: Analyst,
    *,
    source_name: str,
    title: str | None = None,
    formats: Sequence[str] = (),
    command: str = "",
    data: dict[str, str] | None = None,
    options: ReportOptions = ReportOptions(),
) -> list[Sink[Assessment]]:
    """The sinks of `report.html` and, on demand, of `assessments.FORMAT`, to be filled from a run's records.

    Arguments:
        outcome: How the run ended.
        analyst: What made it.
        source_name: What was analyzed.
        title: Headline of the report; None takes the source's name.
        formats: Names of `runs.sinks.SINKS`.
        command: The command that makes the run again.
        data: Further rows for the report's footer.
        options: What the report shows besides the posts.

    Raises:
        NotRegisteredError: If there is no such format.
        InputError: If an earlier run or a base map cannot be read.
    """
    folder = outcome.folder
    makers = {name: SINKS[name] for name in dict.fromkeys(formats)}
    for name in set(SINKS.names()) - {*makers, "jsonl"}:
        # an earlier run's table beside this run's records would be taken for theirs
        (folder / f"assessments.{name}").unlink(missing_ok=True)
    meta = _meta(
        outcome,
        analyst,
        source_name=source_name,
        title=title,
        formats=formats,
        command=command,
        data=data or {},
    )
    if options.base_map is not None:
        meta = replace(meta, base_map=read_base_map(options.base_map))
    earlier = None
    if options.compare_with is not None:
        # this run's records are not in their place yet, so an earlier run in the same folder is still whole
        earlier = read_earlier(options.compare_with, [task.task for task in meta.tasks])
    report = ReportSink(
        folder / "report.html",
        clusters=[ReportCluster(c.ids[0], len(c.ids), c.ids, c.kind) for c in outcome.clusters],
        thumbnails=thumbnailer(analyst.encoder.image_root, analyst.limits),
        meta=meta,
        since=options.since,
        earlier=earlier,
        summary=folder / "summary" if options.summary else None,
    )
    return [*(make(folder / f"assessments.{name}") for name, make in makers.items()), report]


def write_outputs(
    outcome: RunOutcome,
    analyst: Analyst,
    *,
    source_name: str,
    title: str | None = None,
    formats: Sequence[str] = (),
    command: str = "",
    data: dict[str, str] | None = None,
    options: ReportOptions = ReportOptions(),
) -> Path:
    """Makes the report and the tables of a finished run again from its records; returns the report's path.

    Arguments: see `output_sinks`.
    """
    sinks = output_sinks(
        outcome,
        analyst,
        source_name=source_name,
        title=title,
        formats=formats,
        command=command,
        data=data,
        options=options,
    )
    pour(read_records(outcome.folder), sinks)
    return outcome.folder / "report.html"


def read_earlier(folder: Path, tasks: Sequence[Task]) -> Earlier:
    """What is kept of an earlier run.

    Arguments:
        folder: Its folder.
        tasks: The questions of the run that is compared with it.

    Raises:
        InputError: If the folder holds no finished run that this version reads.
    """
    if not (folder / "assessments.jsonl").is_file():
        raise InputError(f"{folder} holds no assessments.jsonl; give the folder of an earlier, finished run")
    try:
        return Earlier.of(folder.name or str(folder), read_assessments(folder), tasks)
    except (ValueError, OSError) as error:
        first = " ".join(str(error).split())[:160]
        raise InputError(
            f"{folder / 'assessments.jsonl'} cannot be read as an earlier run: {first}"
        ) from error


def _meta(
    outcome: RunOutcome,
    analyst: Analyst,
    *,
    source_name: str,
    title: str | None,
    formats: Sequence[str],
    command: str,
    data: dict[str, str],
) -> ReportMeta:
    """What the report says of itself: of the models, the run and the files beside it."""
    config = analyst.bundle.config
    tasks = tuple(
        ReportTask(task.space, {kind: c.abstain_below for kind, c in task.calibration.items()})
        for task in config.tasks.values()
    )
    cards = [a for a in analyst.annotators if isinstance(a, HasCard)]
    return ReportMeta(
        title=title or f"Situation report: {source_name}",
        source_name=source_name,
        serve=_serve(source_name),
        model=config.name,
        model_version=config.version,
        model_fingerprint=analyst.fingerprint,
        encoder_fingerprint=analyst.encoder_fingerprint,
        crisislens_version=__version__,
        analyzed_at=outcome.analyzed_at,
        tasks=tasks,
        command=command,
        model_description=config.description,
        languages=config.languages,
        urgency_note=_urgency_note(
            [task.space for task in config.tasks.values()], config.unread_urgency, config.ranked_languages
        ),
        known_limits=(*config.limits_known, *(limit for card in cards for limit in card.known_limits)),
        added_by={
            a.name: f"{a.title}, {a.fingerprint()}" if isinstance(a, HasCard) else a.fingerprint()
            for a in analyst.annotators
        },
        data=data,
        files=(
            "assessments.jsonl",
            "failed.jsonl",
            "duplicates.jsonl",
            *(f"assessments.{name}" for name in SINKS.names() if name in formats),
        ),
    )


def _serve(source_name: str) -> str:
    """The commands that show a run where it is too large for one file; a stream follows JSON lines, and reads
    other tables where they lie in a folder.

    >>> _serve("posts.jsonl")
    'crisislens stream posts.jsonl --db store.db --once && crisislens serve --db store.db'
    >>> _serve("posts.csv").split(" && ")[1:2]
    ['cp posts.csv inbox/']
    """
    name = quote(source_name)
    source, before = name, ""
    if Path(source_name).suffix.lower() not in (".jsonl", ".ndjson"):
        source, before = "inbox/", f"mkdir inbox && cp {name} inbox/ && "
    return f"{before}crisislens stream {source} --db store.db --once && crisislens serve --db store.db"


def _urgency_note(tasks: Sequence[Task], unread: float, ranked: Sequence[str] = ()) -> str:
    """How posts are sorted, in sentences that are made from the tasks' own weights.

    Arguments:
        tasks: The questions.
        unread: Where a post stands that no model reads or orders.
        ranked: Codes of the languages that no model reads and whose order was measured.
    """
    if not any(label.urgency for task in tasks for label in task.labels):
        return "No label has a weight in urgency, so it is 0; task.urgency in the run file gives weights."
    gates = [f"P({label.words.lower()})" for task in tasks if task.gate for label in [task.lead]]
    parts = []
    for task in tasks:
        weighed = [f"{label.words.lower()} {label.urgency:g}" for label in task.labels if label.urgency]
        # a question of no weight says nothing of the order
        if weighed and task.share and not task.gate:
            parts.append(f"{task.share:.0%} {task.heading.lower()} ({', '.join(weighed)})")
    formula = " × ".join([*gates, f"({'; '.join(parts) or 'nothing that the tasks weigh'})"])
    order = f"{formula}. It sorts posts for reading and is not a probability."
    return f"{order} {_unread_note(unread, ranked)}"


def _unread_note(unread: float, ranked: Sequence[str]) -> str:
    """Where posts stand that no model reads.

    >>> _unread_note(0.3, ())
    'A post that no model reads stands at 0.30, the mean of posts of crises.'
    """
    if not ranked:
        return f"A post that no model reads stands at {unread:.2f}, the mean of posts of crises."
    names = [language_name(code) for code in ranked if code != UNKNOWN]
    if UNKNOWN in ranked:
        names.append("a language that nobody can tell")
    *others, last = names
    told = f"{', '.join(others)} or {last}" if others else last
    return (
        f"A post that no model reads gets no sure answer from its text. In {told} it stands all the same "
        f"where the models put it, because their order was measured there; in any other language it "
        f"stands at {unread:.2f}, the mean of posts of crises."
    )


def thumbnailer(root: Path | None, limits: ImageLimits) -> Callable[[Post], bytes | None]:
    """A function from a post to a small JPEG of its photo, decoded by the hardened decoder and encoded anew,
    or None.

    Arguments:
        root: The folder of the photos; None for no photos.
        limits: Within which photos are decoded.
    """

    def make(post: Post) -> bytes | None:
        if root is None or post.image is None:
            return None
        try:
            pixels = decode_image(resolve_image(post.image, root), limits).pixels
        except ImageError:
            return None
        picture = Image.fromarray(pixels)
        picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=72, optimize=True)
        return buffer.getvalue()

    return make
