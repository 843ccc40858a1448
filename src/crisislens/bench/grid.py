"""A grid: the rows of a table (one run file each) times settings times seeds.

A table is a folder of run files, each with a `row` section. A row is run in the settings that it
names, by putting the setting's file (`configs/settings/*.yaml`) on top of the run file; a setting's
file may hold more than data, such as the epochs that a small one needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from crisislens.core.errors import ConfigError, InputError
from crisislens.core.run_files import shipped_run_folder
from crisislens.core.yaml_files import read_yaml
from crisislens.training.config import RowConfig, RunConfig

__all__ = ["SETTINGS", "Cell", "Grid", "find_configs", "load_grid", "load_rows"]

SETTINGS = {"A1": "a1.yaml", "A2": "a2.yaml", "B2": "b2.yaml", "A3": "a3.yaml", "A3-photos": "a3_photos.yaml"}
"""From a setting to its file."""


@dataclass(frozen=True)
class Cell:
    """One row in one setting.

    Attributes:
        name: The row's run name, which is its file's.
        setting: A key of `SETTINGS`.
        row: What the row says of itself.
        run: The run with that setting's data.
    """

    name: str
    setting: str
    row: RowConfig
    run: RunConfig


@dataclass(frozen=True)
class Grid:
    """All rows of a table in the settings that were asked for.

    Attributes:
        table: The table's name.
        rows: Every row by its name, in order.
        cells: The cells, row by row.
    """

    table: str
    rows: dict[str, RowConfig]
    cells: tuple[Cell, ...]

    def settings(self) -> list[str]:
        """The settings of the cells, in the order of `SETTINGS`."""
        there = {cell.setting for cell in self.cells}
        return [name for name in SETTINGS if name in there]


def find_configs(given: Path | None) -> Path:
    """The folder with `runs/` and `settings/`: the one given, `configs` here, or the one that
    ships.

    Raises:
        InputError: If there is none.
    """
    shipped = shipped_run_folder()
    others = [Path("configs"), *([shipped] if shipped is not None else [])]
    tried = [given] if given is not None else others
    found = next((path for path in tried if (path / "runs").is_dir() and (path / "settings").is_dir()), None)
    if found is None:
        raise InputError(
            f"no run files in {', '.join(map(str, tried))}; give the folder configs of a checkout with "
            f"--configs"
        )
    return found


def load_grid(
    configs: Path,
    table: str,
    *,
    settings: Sequence[str] = (),
    rows: Sequence[str] = (),
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
) -> Grid:
    """Reads a table's rows.

    Arguments:
        configs: The folder with `runs/TABLE` and `settings`.
        table: The table's name.
        settings: Settings to run; empty for all that rows name.
        rows: Names of rows, `*` stands for any characters; empty for all.
        seeds: Seeds in place of the run files'.
        overrides: `KEY=VALUE` pairs for all run files.

    Raises:
        InputError: If there is no such table, setting or row.
        ConfigError: If a run file does not fit.
    """
    files = _files(configs, table)
    for name in settings:
        if name not in SETTINGS:
            raise InputError(f"--setting {name} is not known; expected one of {', '.join(SETTINGS)}")
    wanted = [path for path in files if not rows or _fits_any(path.stem, rows)]
    if not wanted:
        raise InputError(
            f"no row of {table} fits {', '.join(rows)}; rows: {', '.join(path.stem for path in files)}"
        )
    every = load_rows(configs, table)
    extra = [*overrides, *([f"seeds=[{','.join(map(str, seeds))}]"] if seeds else [])]
    cells = [
        Cell(path.stem, setting, every[path.stem], _run(path, configs, setting, extra))
        for path in wanted
        for setting in SETTINGS
        if setting in every[path.stem].settings and (not settings or setting in settings)
    ]
    return Grid(table, every, tuple(cells))


def _fits_any(name: str, patterns: Sequence[str]) -> bool:
    return any(_fits(name, pattern) for pattern in patterns)


def load_rows(configs: Path, table: str) -> dict[str, RowConfig]:
    """What the rows of a table say of themselves, by name, groups together.

    Raises:
        InputError: If there is no such table.
        ConfigError: If a run file is no row of it.
    """
    every = {path.stem: _row(path, table) for path in _files(configs, table)}
    return dict(sorted(every.items(), key=lambda item: (item[1].group, item[0])))


def _files(configs: Path, table: str) -> list[Path]:
    files = sorted((configs / "runs" / table).glob("*.yaml"))
    if not files:
        known = ", ".join(sorted(p.name for p in (configs / "runs").iterdir() if p.is_dir())) or "none"
        raise InputError(f"no table named {table!r} in {configs / 'runs'}; tables there: {known}")
    return files


def _row(path: Path, table: str) -> RowConfig:
    """The section `row` of a run file; the rest of it is read when it is run, which takes longer."""
    own = read_yaml(path)
    section = own.get("row") if isinstance(own, dict) else None
    if not isinstance(section, dict) or section.get("table") != table or own.get("name") != path.stem:
        raise ConfigError(
            f"{path} is no row of {table}; it must have name: {path.stem} and a section row with table: "
            f"{table}"
        )
    return RowConfig.parse(section, where=f"{path}, row")


def _run(path: Path, configs: Path, setting: str, overrides: list[str]) -> RunConfig:
    name = f"{setting.lower()}_{path.stem}"
    on_top = [configs / "settings" / SETTINGS[setting]]
    return RunConfig.load(path, [f"name={name}", *overrides], on_top=on_top, within=configs)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern)
