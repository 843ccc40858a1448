r"""From results to a table: published beside ours with the difference, and each row beside the one
that it is compared with.

Ours is the mean over seeds with its t interval. A comparison is of all seeds of two rows on the
same test posts: the difference of weighted F1 with a 95 % interval from a paired bootstrap over
tweets, and its p-value after Holm's correction over all comparisons of the setting. A published
number stands only in the setting that it was published for; the paper gives no interval, so a
difference has none of its own, and the test split's own noise is printed with the setting.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from crisislens.bench.cells import Blocked
from crisislens.bench.grid import SETTINGS
from crisislens.bench.results import BenchResult
from crisislens.core.errors import CacheError
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.significance import (
    MeanInterval,
    PairedDifference,
    holm,
    mean_interval,
    paired_bootstrap,
)
from crisislens.training.config import RowConfig

__all__ = ["METRICS", "BaselineComparison", "SettingTable", "TableRow", "build_tables"]

METRICS = ("accuracy", "macro_f1", "weighted_f1")
_RESAMPLES = 4000


@dataclass(frozen=True)
class BaselineComparison:
    """A row beside its baseline.

    Attributes:
        baseline: The other row's title.
        difference: Of weighted F1, this row minus the other.
        corrected_p: Its p-value after Holm's correction within the setting.
    """

    baseline: str
    difference: PairedDifference
    corrected_p: float

    @property
    def clear(self) -> bool:
        """Whether the corrected p-value is below 5 %."""
        return self.corrected_p < 0.05


@dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Attributes:
        name: The row's name.
        row: What the row says of itself.
        published: Accuracy, macro-F1, weighted F1 in percent, where there are any for the setting.
        ours: The same, measured; empty where the row did not run.
        seeds: The seeds behind them.
        clean: Weighted F1 on test posts that leak in no way, where measured.
        seconds: Time of all seeds.
        comparison: Beside its baseline, where both ran.
        blocked: Why it did not run here; empty where it did or was not asked for.
    """

    name: str
    row: RowConfig
    published: tuple[float, float, float] | None
    ours: dict[str, MeanInterval]
    seeds: tuple[int, ...]
    clean: MeanInterval | None
    seconds: float
    comparison: BaselineComparison | None
    blocked: str

    def difference(self, metric: str) -> float | None:
        """Ours minus published, in points; None where either is missing."""
        if self.published is None or metric not in self.ours:
            return None
        return 100 * self.ours[metric].mean - self.published[METRICS.index(metric)]


@dataclass(frozen=True)
class SettingTable:
    """All rows in one setting.

    Attributes:
        setting: Its id.
        rows: The lines.
        posts: Posts by split.
        with_photo: Those with a photo that could be used.
        noise: 95 % half-width of the rows' mean accuracy on so many test posts, in points.
        codes: Fingerprints of the code behind the results; more than one is said in the table.
        caveats: What a reader must know.
    """

    setting: str
    rows: tuple[TableRow, ...]
    posts: dict[str, int]
    with_photo: dict[str, int]
    noise: float
    codes: tuple[str, ...]
    caveats: tuple[str, ...] = field(default=())


def build_tables(
    rows: dict[str, RowConfig],
    results: Sequence[BenchResult],
    blocked: Sequence[Blocked],
    root: Path,
    *,
    resamples: int = _RESAMPLES,
) -> list[SettingTable]:
    """One table a setting that any row ran in or was blocked in.

    Arguments:
        rows: Every row of the table, in order.
        results: Results; of one experiment that ran twice the last counts, and of one cell the
            experiments of the last configuration.
        blocked: Cells that could not run.
        root: The folder that results name theirs from.
        resamples: Of the paired bootstraps.
    """
    by_cell = _latest(results, rows)
    reasons = {(b.setting, b.row): b.reason for b in blocked}
    # a setting has its table although all of it was blocked: the reasons are worth reading
    seen = {setting for setting, _ in (*by_cell, *reasons)}
    settings = [setting for setting in SETTINGS if setting in seen]
    return [_setting(s, rows, by_cell, reasons, root, resamples) for s in settings]


def _latest(
    results: Sequence[BenchResult], rows: dict[str, RowConfig]
) -> dict[tuple[str, str], list[BenchResult]]:
    """The seeds of each cell, all of the configuration, data, knowledge and features that ran last."""
    found: dict[tuple[str, str], list[BenchResult]] = {}
    for cell, group in _grouped(results).items():
        if cell[1] not in rows:
            continue
        last = group[-1]
        mark = (last.config, last.data, last.knowledge, last.features)
        seeds = {r.seed: r for r in group if (r.config, r.data, r.knowledge, r.features) == mark}
        found[cell] = [seeds[seed] for seed in sorted(seeds)]
    return found


def _grouped(results: Sequence[BenchResult]) -> dict[tuple[str, str], list[BenchResult]]:
    groups: dict[tuple[str, str], list[BenchResult]] = defaultdict(list)
    for result in results:
        groups[result.setting, result.row].append(result)
    return groups


def _setting(
    setting: str,
    rows: dict[str, RowConfig],
    by_cell: dict[tuple[str, str], list[BenchResult]],
    reasons: dict[tuple[str, str], str],
    root: Path,
    resamples: int,
) -> SettingTable:
    there = {name: by_cell[setting, name] for name in rows if (setting, name) in by_cell}
    compared = _comparisons(rows, there, root, resamples)
    lines = [
        _line(setting, name, row, there.get(name, []), compared.get(name), reasons.get((setting, name), ""))
        for name, row in rows.items()
        if name in there or (setting, name) in reasons
    ]
    everyone = [r for group in there.values() for r in group]
    posts = everyone[0].posts if everyone else {}
    n, accuracy = posts.get("test", 0), sum(r.accuracy for r in everyone) / max(1, len(everyone))
    return SettingTable(
        setting=setting,
        rows=tuple(lines),
        posts=posts,
        with_photo=everyone[0].with_photo if everyone else {},
        noise=100 * 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5 if n else 0.0,
        codes=tuple(sorted({r.code for r in everyone})),
        caveats=tuple(_caveats(setting, everyone)),
    )


def _caveats(setting: str, results: Sequence[BenchResult]) -> list[str]:
    notes = []
    if (
        results
        and (photos := results[0].with_photo)
        and sum(photos.values()) < 0.9 * sum(results[0].posts.values())
    ):
        notes.append(
            f"only {sum(photos.values())} of {sum(results[0].posts.values())} posts have their photo here: "
            f"what photos bring cannot show"
        )
    if setting == "A3":
        notes.append("62 tweets stand in train and test; scores on the test without them are in the results")
    if setting == "A2":
        notes.append(
            "the test has 9 affected and 3 vehicle posts: one vehicle post moves macro-F1 by up to 6.7 points"
        )
    if setting == "A3-photos":
        notes.append("a subset of A3; no published number belongs to it")
    if len({r.code for r in results}) > 1:
        notes.append(
            "results of different states of the code stand together; run into another --out for one state"
        )
    return notes


def _line(
    setting: str,
    name: str,
    row: RowConfig,
    seeds: list[BenchResult],
    compared: BaselineComparison | None,
    reason: str,
) -> TableRow:
    clean = [r.clean["weighted_f1"] for r in seeds if r.clean]
    ours: dict[str, MeanInterval] = {}
    if seeds:
        for metric in METRICS:
            ours[metric] = mean_interval([getattr(r, metric) for r in seeds])
    # YAML reads a setting's name as it likes
    published = {str(key): value for key, value in row.published.items()}
    return TableRow(
        name=name,
        row=row,
        published=published.get(setting),
        ours=ours,
        seeds=tuple(r.seed for r in seeds),
        clean=mean_interval(clean) if clean else None,
        seconds=sum(r.seconds for r in seeds),
        comparison=compared,
        blocked="" if seeds else reason,
    )


def _comparisons(
    rows: dict[str, RowConfig], there: dict[str, list[BenchResult]], root: Path, resamples: int
) -> dict[str, BaselineComparison]:
    """Each row beside its baseline, where both ran with the same seeds on the same posts and their
    predictions are still there.
    """
    pairs: dict[str, str] = {}
    for name, row in rows.items():
        if row.baseline is not None and row.baseline in there and name in there:
            pairs[name] = row.baseline
    read = {name: _read_all(there[name], root) for name in {*pairs, *pairs.values()}}
    found: dict[str, PairedDifference] = {}
    for name, base in pairs.items():
        mine, theirs = read[name], read[base]
        if mine is None or theirs is None or not _same_posts([*mine, *theirs]):
            continue
        if [r.seed for r in there[name]] != [r.seed for r in there[base]]:
            continue
        first = mine[0]
        found[name] = paired_bootstrap(
            first.y,
            [one.p for one in mine],
            [one.p for one in theirs],
            "weighted_f1",
            clusters=first.tweets,
            resamples=resamples,
        )
    # Holm over all comparisons of the setting: one of twenty would be clear by chance
    corrected = holm({name: d.p_value for name, d in found.items()})
    return {
        name: BaselineComparison(rows[pairs[name]].title, d, corrected[name]) for name, d in found.items()
    }


class _Predicted(NamedTuple):
    """Classes, tweets and probabilities of the test posts of a run."""

    y: Int[np.ndarray, " s"]
    tweets: Shaped[np.ndarray, " s"]
    p: Float[np.ndarray, "s c"]


def _same_posts(runs: Sequence[_Predicted]) -> bool:
    """Whether all runs tested the same tweets in the same order."""
    first = runs[0].tweets
    return all(len(run.y) == len(first) and not (run.tweets != first).any() for run in runs)


def _read_all(seeds: Sequence[BenchResult], root: Path) -> list[_Predicted] | None:
    """The predictions of a cell's seeds; None where one is gone."""
    found = [_read(root / r.folder / "predictions.parquet") for r in seeds]
    kept = [one for one in found if one is not None]
    return kept if len(kept) == len(found) else None


def _read(path: Path) -> _Predicted | None:
    """The predictions of a run; None where its folder is gone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        test = np.array(table["split"].to_pylist()) == "test"
        names = [name.removeprefix("logit_") for name in table.column_names if name.startswith("logit_")]
        z = np.stack([table[f"logit_{name}"].to_numpy()[test] for name in names], axis=1).astype(np.float64)
        labels = np.array(table["label"].to_pylist())[test]
        y = np.array([names.index(label) for label in labels], np.int64)
        ids = [str(i) for i in np.array(table["id"].to_pylist())[test]]
        # an id is the tweet's, `_` and the number of the photo; an id without one is the tweet's
        tweets = np.array([i.rpartition("_")[0] or i for i in ids])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise CacheError(f"{path} cannot be read as predictions ({error}); run the row again") from error
    return _Predicted(y, tweets, softmax(z))
