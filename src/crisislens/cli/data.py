"""`crisislens data`: get data, and look at it before anything is trained on it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli import data_fetch
from crisislens.cli.console import progress, say, table
from crisislens.cli.options import JsonOption

__all__ = ["app"]

app = typer.Typer(help="Get data, and check it before training on it.", no_args_is_help=True)

DATASETS = (
    "crisismmd",
    "twitter2015",
    "twitter2017",
    "mnre-v1",
    "mnre-v2",
    "jmere",
    "conll",
    "table",
)
_SPLITS = ("train", "dev", "test")


data_fetch.add_to(app)


@app.callback()
def _group() -> None:
    """Get data, and check it before training on it."""


@app.command("check")
def check(
    root: Annotated[
        Path,
        typer.Argument(help="Folder of the data set, as `data fetch` made it."),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            help="crisismmd; twitter2015, twitter2017, mnre-v1, mnre-v2, jmere (ROOT holds twitter2015 … or "
            "v1); conll or table, your own."
        ),
    ] = "crisismmd",
    variant: Annotated[
        str,
        typer.Option(
            help="Rows of CrisisMMD: agreed (text and photo labels agree), settingA (of arXiv "
            "2507.05165) or full."
        ),
    ] = "agreed",
    setting: Annotated[
        str | None, typer.Option(help="One of A1, A2, A3, B2. Default: all that the rows have.")
    ] = None,
    photos: Annotated[
        bool, typer.Option(help="Decode the photos too and compare them across splits.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the photos of a data set of entities or relations."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count rows against the published tables, name missing photos, and report what splits share
    and other traps.
    """
    from crisislens.core.errors import DataError, InputError

    if dataset not in DATASETS:
        raise InputError(f"--dataset {dataset} is not known; expected one of {', '.join(DATASETS)}")
    if dataset != "crisismmd":
        _check_extraction(root, dataset, images, as_json)
        return
    from crisislens.data.crisismmd import SPLITS, VARIANTS, CrisisMMD
    from crisislens.data.splits import check_splits

    if variant not in VARIANTS:
        raise InputError(f"--variant {variant} is not known; expected one of {', '.join(VARIANTS)}")
    results: dict[str, object] = {}
    broken: list[str] = []
    # each by itself: of a data set that is half there the whole settings can be used
    for name in [setting] if setting else VARIANTS[variant]:
        try:
            source = CrisisMMD(root, setting=name, variant=variant)  # type: ignore[arg-type]
            found = source.check()
            splits = {split: source.load(split) for split in SPLITS}
        except DataError as error:
            # the other settings may be whole, and all that is missing is wanted at once
            broken.append(f"{name}: {error}")
            results[name] = {"complete": False, "error": str(error)}
            continue
        with progress(f"comparing the splits of {name}") as advance:
            leaks = check_splits(splits, image_root=source.image_root if photos else None, progress=advance)
        results[name] = {**source.describe(), **found.as_dict(), "splits": leaks.as_dict()}
        if not as_json:
            _show_counts(name, found)
            say(f"{name}: {_verdict(found)}")
            if source.note:
                say(f"{name}: {source.note}")
            _show_leaks(name, leaks)
    if as_json and len(broken) < len(results):
        say(json.dumps(results, indent=1))
    if broken:
        raise DataError("; ".join(broken))


def _verdict(found: object) -> str:
    """What a setting lacks, in one line."""
    from crisislens.data.crisismmd import CrisisMMDCheck

    assert isinstance(found, CrisisMMDCheck)
    if found.complete:
        return (
            "complete: rows as published, every photo there"
            if found.expected
            else "every photo there; no counts are published for it"
        )
    wrong = []
    for split, expected in found.expected.items():
        missing = expected - found.rows[split]
        if missing:
            how = "lacks" if missing > 0 else "too many:"
            wrong.append(f"{how} {abs(missing)} rows in {split}")
    if photos := sum(found.photos_missing.values()):
        wrong.append(f"{photos} rows without their photo")
    return "not complete: " + ", ".join(wrong)


def _check_extraction(root: Path, dataset: str, images: Path | None, as_json: bool) -> None:
    """Counts and traps of a data set of entities or relations."""
    from crisislens.core.errors import InputError
    from crisislens.data.jmere import JMERE
    from crisislens.data.mner import TwitterMNER
    from crisislens.data.mnre import MNRE
    from crisislens.data.own_files import check_own

    if dataset == "conll" or dataset == "table":
        if images is not None:
            raise InputError(
                "--images is of no use here: the photos of your own posts are named in the run "
                "file (data.image_root)"
            )
        found = check_own(root, "conll" if dataset == "conll" else "table").as_dict()
    elif dataset == "jmere":
        found = JMERE(root, images).check().as_dict()
    elif dataset.startswith("mnre"):
        found = MNRE(root, dataset[-2:], images).check().as_dict()
    else:
        found = TwitterMNER(root, dataset, images).check().as_dict()
    if as_json:
        say(json.dumps(found, indent=1))
        return
    _show_extraction(dataset, found)
    if "complete" in found:
        photos = (
            "photos were not looked for, --images names their folder"
            if images is None
            else "every photo there"
        )
        say(
            f"complete: as published; {photos}"
            if found["complete"]
            else "not complete: counts differ from the published ones, splits share photos, or posts or "
            "photos are missing or unreadable"
        )


def _show_extraction(dataset: str, found: Mapping[str, object]) -> None:
    """What is counted for each split as a table, all other counts as a line each."""
    rows, others = [], []
    for name, counts in found.items():
        title = name.replace("_", " ")
        if not isinstance(counts, dict) or not counts:
            continue
        if set(counts) == set(_SPLITS):
            rows.append([title, *(_cell(counts[split]) for split in _SPLITS)])
        else:
            others.append(f"{title}: {_cell(counts)}")
    table(f"{dataset}: counts and traps", ["", *_SPLITS], rows)
    for line in others:
        say(line)


def _cell(count: object) -> str:
    """A count, or several by what is counted."""
    if isinstance(count, dict):
        return ", ".join(f"{name} {number}" for name, number in count.items())
    return str(count)


def _show_counts(name: str, found: object) -> None:
    from crisislens.data.crisismmd import CrisisMMDCheck

    assert isinstance(found, CrisisMMDCheck)
    rows = []
    for split, count in found.rows.items():
        expected = found.expected.get(split)
        verdict = (
            "no published count"
            if expected is None
            else "as published"
            if expected == count
            else f"{count - expected:+d}"
        )
        rows.append(
            [
                split,
                str(count),
                "" if expected is None else str(expected),
                verdict,
                str(found.photos_missing[split]),
            ]
        )
    table(f"{name}: rows", ["split", "here", "published", "", "photos missing"], rows)


def _show_leaks(name: str, leaks: object) -> None:
    from crisislens.data.splits import KINDS, SplitReport

    assert isinstance(leaks, SplitReport)
    columns = ["splits", *(kind.replace("_", " ") for kind in KINDS)]
    rows = []
    for pair, kinds in leaks.shared.items():
        rows.append([pair, *(str(kinds[kind]) for kind in KINDS)])
    table(f"{name}: shared between splits", columns, rows)
