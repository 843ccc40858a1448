"""Each row of a table beside its baseline: paired tests over the predictions that runs left."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from crisislens.bench.results import BenchResult
from crisislens.core.errors import CacheError
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.power import MARGIN, verdict
from crisislens.evaluation.significance import PairedDifference, holm, paired_bootstrap
from crisislens.training.config import RowConfig

__all__ = ["BaselineComparison", "compare_with_baselines"]


@dataclass(frozen=True)
class BaselineComparison:
    """A row beside its baseline.

    Attributes:
        baseline: The other row's title.
        difference: Of weighted F1, this row minus the other.
        corrected_p: Its p-value after Holm's correction within the setting.
        corrected_equivalence_p: Of "the difference is the margin or more", corrected likewise.
    """

    baseline: str
    difference: PairedDifference
    corrected_p: float
    corrected_equivalence_p: float = 1.0

    @property
    def verdict(self) -> str:
        """What may be said after both corrections."""
        d = self.difference
        return verdict(d.difference, self.corrected_p, self.corrected_equivalence_p, d.margin)

    @property
    def clear(self) -> bool:
        """Whether the corrected p-value is below 5 %."""
        return self.corrected_p < 0.05


def compare_with_baselines(
    rows: dict[str, RowConfig],
    there: dict[str, list[BenchResult]],
    root: Path,
    resamples: int,
    margin: float = MARGIN,
    *,
    over_seeds: bool = False,
) -> dict[str, BaselineComparison]:
    """Each row beside its baseline, where both ran with the same seeds on the same posts and their
    predictions are still there; `over_seeds`, where these are two at least.
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
        # a mean over three seeds beside one over five would compare luck as well
        if [r.seed for r in there[name]] != [r.seed for r in there[base]]:
            continue
        # one training tells nothing of others
        if over_seeds and len(mine) < 2:
            continue
        first = mine[0]
        found[name] = paired_bootstrap(
            first.y,
            [one.p for one in mine],
            [one.p for one in theirs],
            "weighted_f1",
            clusters=first.tweets,
            resamples=resamples,
            margin=margin,
            over_seeds=over_seeds,
        )
    # Holm over all comparisons of the setting: one of twenty would be clear by chance
    corrected = holm({name: d.p_value for name, d in found.items()})
    # a claim that nothing is there is as easily made by chance as one that something is
    smaller = holm({name: d.equivalence_p for name, d in found.items()})
    return {
        name: BaselineComparison(rows[pairs[name]].title, d, corrected[name], smaller[name])
        for name, d in found.items()
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
    # all seeds or none: a comparison over some of them would not be the row's
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
