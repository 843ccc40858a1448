r"""From results to a table: published beside ours with the difference, and each row beside the one
that it is compared with.

Ours is the mean over seeds with its t interval. A comparison is of all seeds of two rows on the
same test posts: the difference of weighted F1 with a 95 % interval from a paired bootstrap over
tweets, or over seeds and tweets where that is asked for, its p-value after Holm's correction over
all comparisons of the setting, the smallest difference that it could have shown, and whether it is
shown to be smaller than one that matters (`evaluation.power`). A published number stands only in
the setting that it was published for; the paper gives no interval, so a difference has none of its
own, and the test split's own noise is printed with the setting.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crisislens.bench.cells import Blocked
from crisislens.bench.comparisons import BaselineComparison, compare_with_baselines
from crisislens.bench.grid import SETTINGS
from crisislens.bench.results import BenchResult
from crisislens.evaluation.power import MARGIN
from crisislens.evaluation.significance import MeanInterval, mean_interval
from crisislens.training.config import RowConfig

__all__ = ["METRICS", "BaselineComparison", "SettingTable", "TableRow", "build_tables"]

METRICS = ("accuracy", "macro_f1", "weighted_f1")
_RESAMPLES = 4000
# of all posts; below, a row with photos was hardly shown any
_ENOUGH_PHOTOS = 0.9


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
    margin: float = MARGIN,
    over_seeds: bool = False,
) -> list[SettingTable]:
    """One table a setting that any row ran in or was blocked in.

    Arguments:
        rows: Every row of the table, in order.
        results: Results; of one experiment that ran twice the last counts, and of one cell the
            experiments of the last configuration.
        blocked: Cells that could not run.
        root: The folder that results name theirs from.
        resamples: Of the paired bootstraps.
        margin: The smallest difference that matters, a share.
        over_seeds: Whether seeds are drawn as well as tweets, see `evaluation.significance`; rows with one
            seed are then compared with none.
    """
    by_cell = _latest(results, rows)
    reasons = {(b.setting, b.row): b.reason for b in blocked}
    # a setting has its table although all of it was blocked: the reasons are worth reading
    seen = {setting for setting, _ in (*by_cell, *reasons)}
    settings = [setting for setting in SETTINGS if setting in seen]
    return [
        _setting(s, rows, by_cell, reasons, root, resamples, margin, over_seeds=over_seeds) for s in settings
    ]


def _latest(
    results: Sequence[BenchResult], rows: dict[str, RowConfig]
) -> dict[tuple[str, str], list[BenchResult]]:
    """The seeds of each cell, all of the configuration, data, knowledge and features that ran last."""
    found: dict[tuple[str, str], list[BenchResult]] = {}
    for cell, group in _grouped(results).items():
        if cell[1] not in rows:
            continue
        # results are appended, so the last one is of the configuration that stands in the files now
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
    margin: float,
    *,
    over_seeds: bool,
) -> SettingTable:
    there = {name: by_cell[setting, name] for name in rows if (setting, name) in by_cell}
    compared = compare_with_baselines(rows, there, root, resamples, margin, over_seeds=over_seeds)
    lines = [
        _line(setting, name, row, there.get(name, []), compared.get(name), reasons.get((setting, name), ""))
        for name, row in rows.items()
        if name in there or (setting, name) in reasons
    ]
    everyone = [r for group in there.values() for r in group]
    posts = everyone[0].posts if everyone else {}
    # the binomial half-width of one accuracy: what a test of this size cannot tell apart
    n, accuracy = posts.get("test", 0), sum(r.accuracy for r in everyone) / max(1, len(everyone))
    return SettingTable(
        setting=setting,
        rows=tuple(lines),
        posts=posts,
        with_photo=everyone[0].with_photo if everyone else {},
        noise=100 * 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5 if n else 0.0,
        codes=tuple(sorted({r.code for r in everyone})),
        caveats=(*_caveats(setting, everyone), *_drawn(compared, over_seeds=over_seeds)),
    )


def _caveats(setting: str, results: Sequence[BenchResult]) -> list[str]:
    notes = []
    if results:
        there, posts = sum(results[0].with_photo.values()), sum(results[0].posts.values())
        if there < _ENOUGH_PHOTOS * posts:
            notes.append(
                f"only {there} of {posts} posts have their photo here: what photos bring cannot show"
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


def _drawn(compared: Mapping[str, BaselineComparison], *, over_seeds: bool) -> list[str]:
    """What the comparisons of a setting hold for; a reader cannot see it from an interval."""
    if not compared:
        return []
    if over_seeds:
        return ["intervals and p-values are over seeds and tweets"]
    return ["intervals and p-values are over tweets alone: they say nothing of other seeds"]


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
