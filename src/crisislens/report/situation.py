"""From a finished run to what a person opens: `report.html`, and the tables in other formats on demand."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from crisislens import __version__
from crisislens.core.errors import ImageError
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotators import HasCard
from crisislens.pipeline.batch import RunOutcome, read_assessments, read_failed
from crisislens.report.build import write_report
from crisislens.report.geojson import write_geojson
from crisislens.report.model import ReportCluster, ReportMeta, ReportTask
from crisislens.report.tables import write_csv, write_parquet

__all__ = ["thumbnailer", "write_outputs"]

THUMBNAIL_PX = 320
_URGENCY = (
    "P(informative) × (70 % need, weighing affected people 1, infrastructure 0.8, rescue 0.5, other 0.2; 30 "
    "% damage, severe 1, mild 0.5). "
    "It sorts posts for reading and is not a probability."
)


def write_outputs(
    outcome: RunOutcome,
    analyst: Analyst,
    *,
    source_name: str,
    title: str | None = None,
    formats: Sequence[str] = (),
    command: str = "",
    data: dict[str, str] | None = None,
) -> Path:
    """Writes the report and, on demand, `assessments.csv`, `.parquet` and `.geojson`; returns the report's
    path.

    Arguments:
        outcome: The finished run.
        analyst: What made it.
        source_name: What was analyzed.
        title: Headline of the report; None takes the source's name.
        formats: Any of `csv`, `parquet` and `geojson`.
        command: The command that makes the run again.
        data: Further rows for the report's footer.
    """
    folder = outcome.folder
    for name in {"csv", "parquet", "geojson"} - {*formats}:
        # an earlier run's table beside this run's records would be taken for theirs
        (folder / f"assessments.{name}").unlink(missing_ok=True)
    if "csv" in formats:
        write_csv(read_assessments(folder), folder / "assessments.csv")
    if "parquet" in formats:
        write_parquet(read_assessments(folder), folder / "assessments.parquet")
    if "geojson" in formats:
        write_geojson(read_assessments(folder), folder / "assessments.geojson")
    meta = _meta(
        outcome,
        analyst,
        source_name=source_name,
        title=title,
        formats=formats,
        command=command,
        data=data or {},
    )
    return write_report(
        folder / "report.html",
        assessments=read_assessments(folder),
        failed=read_failed(folder),
        clusters=[ReportCluster(c.ids[0], len(c.ids), c.ids, c.kind) for c in outcome.clusters],
        thumbnails=thumbnailer(analyst.encoder.image_root, analyst.limits),
        meta=meta,
    )


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
        ReportTask(TASKS[task.label_space], {kind: c.abstain_below for kind, c in task.calibration.items()})
        for task in config.tasks.values()
    )
    cards = [a for a in analyst.annotators if isinstance(a, HasCard)]
    return ReportMeta(
        title=title or f"Situation report: {source_name}",
        source_name=source_name,
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
        urgency_note=_URGENCY,
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
            *(f"assessments.{name}" for name in ("csv", "parquet", "geojson") if name in formats),
        ),
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
