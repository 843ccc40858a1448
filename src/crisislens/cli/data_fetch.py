"""`crisislens data fetch`: a data set from its official address, checked and laid out for its
reader.
"""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import progress, say, say_progress

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command("fetch")(fetch)


def fetch(
    dataset: Annotated[
        str, typer.Argument(help="crisismmd (CrisisMMD v2.0, about 1.8 GB, CC BY-NC-SA 4.0).")
    ],
    to: Annotated[
        Path, typer.Option(help="Folder for the data set; give it to `data check` afterwards.")
    ] = Path("crisismmd"),
    archive: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file that is here already: CrisisMMD_v2.0.tar.gz, perhaps "
            "crisismmd_datasplit_agreed_label.zip. No network."
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(
            help="Digest that CrisisMMD_v2.0.tar.gz must have. The publisher states none that we could find: "
            "without this option the first "
            "digest is trusted, recorded beside the archive and compared with on every later use."
        ),
    ] = None,
    sha256_agreed: Annotated[
        str | None, typer.Option(help="The same for crisismmd_datasplit_agreed_label.zip.")
    ] = None,
    agreed: Annotated[bool, typer.Option(help="Get the tables of the rows whose labels agree too.")] = True,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Address of a folder that holds the files, https only (http from this computer). Default: "
            "the official."
        ),
    ] = None,
) -> None:
    """Download a data set, or the rest of it after a kill; verify its size and digest and unpack it
    safely.

    Sizes are held against what the server announces. Links, paths that lead outside and archives
    that grow beyond limits are refused.
    """
    from crisislens.core.errors import InputError
    from crisislens.data.crisismmd import SPLITS, VARIANTS, CrisisMMD
    from crisislens.data.fetch import OFFICIAL, fetch_crisismmd

    if dataset != "crisismmd":
        raise InputError(
            f"{dataset!r} cannot be fetched; expected crisismmd. The other data sets are to be had "
            "from their authors"
        )
    with progress("CrisisMMD v2.0 (bytes or files)") as advance:
        found = fetch_crisismmd(
            to,
            archives=tuple(archive or ()),
            sha256=sha256,
            sha256_agreed=sha256_agreed,
            agreed=agreed,
            mirror=mirror or OFFICIAL,
            progress=lambda _, done, total: advance(done, total),
        )
    say(
        f"{found.root}: "
        + ("already there, nothing to do" if found.already else f"{found.files} files in place")
    )
    for name, digest in found.digests.items():
        say(f"SHA-256 of {name}: {digest}")
    if found.unverified:
        say_progress(
            f"note: {', '.join(found.unverified)} could be compared with no digest, since none is "
            "published; it was recorded, and later uses are compared with it. Compare it with a "
            "colleague's"
        )
    for variant, settings in VARIANTS.items():
        for setting in settings:
            # tables that were not asked for are no fault
            if not agreed and variant != "full":
                continue
            source = CrisisMMD(found.root, setting=setting, variant=variant)
            counts = source.check()
            rows = ", ".join(f"{counts.rows[s]} {s}" for s in SPLITS)
            say(f"{variant} {setting}: {rows}; {sum(counts.photos_missing.values())} without their photo")
    without = "" if agreed else " --variant full"
    say(f"next: crisislens data check {found.root}{without}")
