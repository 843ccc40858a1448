"""Made-up posts with labels of one's own, as a table."""

import csv
from pathlib import Path

_PLACES = ["river", "bridge", "school", "market", "clinic", "harbor", "station", "village", "tower", "camp"]
_SAID = {"water": "no drinking water", "food": "hungry families ask for bread", "shelter": "roof is gone"}
CLASSES = tuple(sorted(_SAID))


def own_rows(count: int = 120, *, several: bool = True, split: bool = True) -> list[dict[str, str]]:
    """Posts of three classes, each fifth of two; every post names places of its own, so that none is near
    another.
    """
    kinds = list(_SAID)
    found = []
    for i in range(count):
        labels = [kinds[i % 3]] + ([kinds[(i + 1) % 3]] if several and i % 5 == 0 else [])
        place = " ".join(_PLACES[int(digit)] for digit in f"{i * 7919 % 100_000:05d}")
        row = {
            "id": f"p_{i}",
            "text": f"{' and '.join(_SAID[name] for name in labels)} near {place} {i * i}",
            "label": ";".join(labels),
            "ask": ("asks", "offers")[i // 3 % 2],
        }
        row["text"] = f"{'we need help' if row['ask'] == 'asks' else 'we bring help'}: {row['text']}"
        if split:
            row["split"] = ("train", "dev", "test")[i // 3 % 3]
        found.append(row)
    return found


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    """Writes a CSV."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
