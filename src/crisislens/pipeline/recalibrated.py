"""A bundle with another calibration: a new folder and a new version, so that nothing changes by itself."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.core.files import atomic_write
from crisislens.domain.calibration import Calibration
from crisislens.pipeline.bundle import BUNDLE, Bundle
from crisislens.pipeline.recalibration import Recalibrated

__all__ = ["RECORD", "next_version", "write_recalibrated"]

RECORD = "recalibration.json"
"""What was changed, why, and from which bundle."""
_COUNTED = re.compile(r"(.*)\+reviews\.(\d+)")


def next_version(version: str) -> str:
    """The version of a bundle after one more calibration.

    >>> next_version("0.2.0"), next_version("0.2.0+reviews.1")
    ('0.2.0+reviews.1', '0.2.0+reviews.2')
    """
    counted = _COUNTED.fullmatch(version)
    return f"{counted[1]}+reviews.{int(counted[2]) + 1}" if counted else f"{version}+reviews.1"


def write_recalibrated(bundle: Bundle, rows: Sequence[Recalibrated], out: Path) -> Bundle:
    """Copies a bundle with what is changed; the old one stays as it is.

    Arguments:
        bundle: The bundle.
        rows: What `recalibrate` found.
        out: The folder; it must not be there, or be empty.

    Raises:
        InputError: If nothing is changed, the folder holds something, or the models are loose runs.
    """
    if not any(row.changed for row in rows):
        raise InputError("nothing is changed, so there is no bundle to write")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already and not empty; give another --out")
    if not (bundle.folder / BUNDLE).is_file():
        raise InputError(
            "runs have no one calibration; join them first with: crisislens bundle RUN … --out FOLDER"
        )
    changed = {(row.task, row.kind): row.after for row in rows if row.changed}
    config = json.loads((bundle.folder / BUNDLE).read_text(encoding="utf-8"))
    config["version"] = next_version(bundle.config.version)
    for (task, kind), after in changed.items():
        config["tasks"][task]["calibration"][kind] = after.model_dump(mode="json")
    shutil.copytree(bundle.folder, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(BUNDLE, RECORD))
    atomic_write(out / RECORD, json.dumps(record(bundle, rows), indent=1) + "\n")
    atomic_write(out / "README.md", bundle.text.rstrip() + "\n\n" + _card(bundle, rows))
    # last: where it stands, the bundle is whole
    atomic_write(out / BUNDLE, json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    return Bundle.read(out)


def record(bundle: Bundle, rows: Sequence[Recalibrated]) -> dict[str, object]:
    """What was changed, as JSON, with what was left and why."""
    base = {"name": bundle.config.name, "version": bundle.config.version, "fingerprint": bundle.fingerprint()}
    return {
        "base": base,
        "version": next_version(bundle.config.version),
        "rows": [_plain(row) for row in rows],
    }


def _plain(row: Recalibrated) -> dict[str, object]:
    held_out = None
    if row.held_out is not None:
        held_out = {"before": asdict(row.held_out[0]), "after": asdict(row.held_out[1])}
    return {
        "task": row.task,
        "kind": row.kind,
        "posts": row.posts,
        "right": row.right,
        "accepted_risk": row.target,
        "before": _values(row.before),
        "after": _values(row.after),
        "held_out": held_out,
        "why_not": row.why or None,
    }


def _values(calibration: Calibration) -> dict[str, float]:
    return {"temperature": calibration.temperature, "abstain_below": calibration.abstain_below}


def _card(bundle: Bundle, rows: Sequence[Recalibrated]) -> str:
    lines = [
        "## Calibrated anew from reviews",
        "",
        f"From version {bundle.config.version} (`{bundle.fingerprint()}`); details in `{RECORD}`. "
        "People chose what to review, so these posts are no sample of all.",
        "",
    ]
    lines += [
        f"- {row.task}, {row.kind}: temperature {row.before.temperature:.3f} → {row.after.temperature:.3f}, "
        f"not sure below {row.before.abstain_below:.0%} → {row.after.abstain_below:.0%} ({row.posts} posts)"
        for row in rows
        if row.changed
    ]
    return "\n".join(lines) + "\n"
