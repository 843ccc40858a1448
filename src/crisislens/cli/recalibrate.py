"""`crisislens store recalibrate`: temperature and thresholds anew, from reviews alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import say
from crisislens.cli.store import BlobsFolder, Db, store_of
from crisislens.core.errors import StoreError
from crisislens.pipeline.default import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from crisislens.pipeline.recalibration import HeldOut, Recalibrated, Reviewed
    from crisislens.store import Store

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to those of the store."""
    app.command("recalibrate")(recalibrate)


def recalibrate(
    model: Annotated[
        str, typer.Option(help="The bundle whose answers were reviewed: a name or a folder.")
    ] = DEFAULT_BUNDLE,
    newest: Annotated[int, typer.Option(min=1, help="How many reviewed posts, the newest.")] = 1_000,
    risk: Annotated[
        float | None,
        typer.Option(help="Accepted share of wrong answers, 0 to 1. Default: what each was made for."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the new bundle. Default: NAME-reviews-N, the next free."),
    ] = None,
    trial: Annotated[bool, typer.Option("--trial", help="Only print what would be changed.")] = False,
    db: Db = None,
    blobs: BlobsFolder = None,
) -> None:
    """Choose temperatures and thresholds of a model anew, from what people said of the newest posts.

    Writes a new version of the bundle; it answers only where you start it: crisislens serve --model FOLDER.
    """
    from crisislens.models.artifact import read_meta
    from crisislens.pipeline.joining import find_bundle
    from crisislens.pipeline.recalibrated import record, write_recalibrated
    from crisislens.pipeline.recalibration import recalibrate as choose

    bundle = find_bundle(model)
    fingerprint = bundle.fingerprint()
    given = {name: read_meta(bundle.artifact(name))[1].modalities for name in bundle.config.tasks}
    with _opened(db, blobs) as store:
        reviewed = _reviewed(store, newest, fingerprint)
        rows = choose(bundle.config, given, reviewed, risk=risk)
        say(f"{bundle.config.name} {bundle.config.version} ({fingerprint}), {len(reviewed)} reviewed posts")
        _tell(rows)
        if trial or not any(row.changed for row in rows):
            say("nothing was changed" + (": this was a trial" if trial else ""))
            return
        made = write_recalibrated(bundle, rows, out or _free(bundle.config.name))
        _keep(store, made.fingerprint(), record(bundle, rows))
    say(f"bundle  {made.folder}, version {made.config.version} ({made.fingerprint()})")
    say(f"to use it: crisislens serve --model {made.folder}; posts are then assessed again in the background")


def _opened(db: str | None, blobs: Path | None) -> "Store":
    """The store, for writing where nobody else writes."""
    folder = blobs or (Path("blobs") if "://" in (db or "") else None)
    try:
        return store_of(db, folder)
    except StoreError:
        # a running service holds it; reviews can be read beside it
        return store_of(db, folder, write=False)


def _reviewed(store: "Store", newest: int, fingerprint: str) -> "list[Reviewed]":
    from crisislens.domain.assessment import Assessment
    from crisislens.pipeline.recalibration import Reviewed

    # posts without near-duplicates are groups of their own, beside the numbers of clusters
    return [
        Reviewed(
            group=post.cluster_id if post.cluster_id is not None else -post.post_id,
            said=post.said,
            assessment=Assessment.model_validate_json(post.doc),
        )
        for post in store.reviews.judged(newest, model=fingerprint)
    ]


def _tell(rows: "Sequence[Recalibrated]") -> None:
    few = [f"{row.task} from {row.kind} ({row.posts})" for row in rows if row.held_out is None and row.why]
    for row in rows:
        if row.held_out is None:
            continue
        say(f"{row.task}, {row.kind}: {row.posts} posts, people agree with the best guess in {row.right}")
        before, after = row.before, row.after
        if row.changed:
            say(
                f"  temperature {before.temperature:.3f} -> {after.temperature:.3f}, "
                f"not sure below {before.abstain_below:.0%} -> {after.abstain_below:.0%}"
            )
        else:
            say(f"  left as it is: {row.why}")
        say(f"  held out, as it is: {_scores(row.held_out[0])}")
        say(f"  held out, chosen anew: {_scores(row.held_out[1])}")
    if few:
        say(f"too few to look at: {', '.join(few)}")
    say("People chose these posts, so they are no sample of all; in order of time they come nearest to one.")


def _scores(found: "HeldOut") -> str:
    wrong = "none" if found.risk is None else f"{found.risk:.0%}"
    return f"log loss {found.surprise:.3f}, {found.coverage:.0%} answered, {wrong} of these wrong"


def _keep(store: "Store", fingerprint: str, changes: dict[str, object]) -> None:
    """Writes an audit entry where the store is ours to write."""
    try:
        store.audit.add("cli", "model.recalibrate", f"model:{fingerprint}", after=changes)
    except StoreError:
        say("note: a service writes the store; its audit trail names the model once it is started with it")


def _free(name: str) -> Path:
    number = 1
    while Path(f"{name}-reviews-{number}").exists():
        number += 1
    return Path(f"{name}-reviews-{number}")
