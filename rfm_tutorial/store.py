"""The store of a sweep: a folder of Parquet files, one per finished cell, none ever rewritten.

    manifest.json          the grids, the versions, the rule of the seeds
    cells/<id>.parquet     one finished cell, written once
    damaged/               what was found damaged or half-written, and was computed again
    lock                   held by the sweep that is running

What is finished stays, whoever is killed and when. A file is written under another name, flushed to
the disk and moved into place; its name is a hash of the cell's parameters, so that no cell is there
twice. The lock is the operating system's: it ends with its process, however that ends, also over
NFS. Where a file system has no locks, a warning says so; two sweeps at once then repeat each
other's work.

A table has one row per step, with the cell's parameters repeated in it, because that is what
groupby, filters and plots want; Parquet stores repeated values once. A cell that failed has a
single row: its error, and nulls. To try it again, delete its file.
"""

import json
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

import rfm_tutorial
from rfm_tutorial.checks import check_choice, check_real
from rfm_tutorial.grids import DEFAULTS, PARAMETERS, Cell, Grid

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"sweeps need {error.name}; pip install 'rfm-tutorial[sweep]' brings all that they need"
    ) from error
try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

FORMAT_VERSION = 3
"""Version 2 had no orbits, version 1 one grid and fewer parameters. Both are read."""
SEED_RULE = (
    "seed s is that of ModularTask.split or split_orbits, the one random step: a generator of its "
    "own"
)
VOLATILE_COLUMNS = ("seconds", "peak_bytes")
"""Differ from run to run. All other columns repeat bit for bit, on the same kind of machine."""
SCHEMA = pa.schema(
    {
        "cell": pa.string(),
        # Null where a kernel or a task has no such parameter.
        **{name: pa.type_for_alias(p.column) for name, p in PARAMETERS.items()},
        "iteration": pa.int64(),
        "train_accuracy": pa.float64(),
        "test_accuracy": pa.float64(),
        "train_loss": pa.float64(),
        "test_loss": pa.float64(),
        # By the classes a⁻¹b for a group. Null for M = I, where no classes are known, and on
        # orbits, where it is 0 by construction.
        "circulant_deviation": pa.float64(),
        "alignment": pa.float64(),  # with the feature matrix of the cell's last step
        "seconds": pa.float64(),  # since the cell began
        "peak_bytes": pa.int64(),  # of the worker process during the cell; null but on Linux
        "error": pa.string(),  # null, or why the cell failed, and at which step
        "feature_matrix": pa.list_(pa.float64()),  # row by row; null if it is not kept
    }
)


class SweepWarning(UserWarning):
    """Something went wrong that the sweep has dealt with: a damaged file, a dead worker."""


class StoreError(OSError):
    """A store cannot be used: not writable, full, in use, or not a store."""


def warn(text: str) -> None:
    """Warn of the line that called our caller."""
    warnings.warn(text, SweepWarning, stacklevel=3)


def cell_table(cell: Cell, rows: list[dict[str, Any]]) -> pa.Table:
    """What `run_cell` returns: `rows`, each with the cell's parameters."""
    described = [{"cell": cell.id, **asdict(cell), **row} for row in rows]
    return pa.Table.from_pylist(described, schema=SCHEMA)


def folder(store: str | os.PathLike, name: str = "store") -> Path:
    """The path of a store, or of another folder that is an argument of this name."""
    if not isinstance(store, str | os.PathLike) or store == "":
        raise ValueError(f"{name} must be the path of a folder, got {store!r}")
    if Path(store).is_file():
        raise ValueError(f"{name} must be the path of a folder, got the file {store}")
    return Path(store)


class _DamagedFileError(ValueError):
    """A cell's file does not hold what was written."""


def read_sweep(store: str | os.PathLike, columns: Sequence[str] | None = None) -> pa.Table:
    """All finished cells of a store, in the order of its grids; `.to_pandas()` for a data frame.

    Changes nothing, and works while a sweep is running. A damaged file is left out with a
    `SweepWarning`.

    Parameters
    ----------
    store : the folder
    columns : names of columns of `SCHEMA`; all of them if None

    Raises
    ------
    StoreError
        If the folder is not a store, its manifest is damaged or of another format, or it is moved
        away while it is read.
    """
    store = folder(store)
    names = SCHEMA.names if columns is None else [*columns]
    for name in names:
        check_choice("columns", name, SCHEMA.names)
    tables = [SCHEMA.empty_table().select(names)]
    for cell in all_cells(_read_manifest(store)["grids"]):
        path = cell_path(store, cell)
        try:
            tables.append(_read_cell(path, cell).select(names))
        except FileNotFoundError:
            continue
        except _DamagedFileError as error:
            warn(f"{path} is left out: {error}. Run the sweep again to have it computed again")
    if not (store / "manifest.json").exists():
        raise StoreError(f"{store} was moved or deleted while it was read")
    return pa.concat_tables(tables).combine_chunks()


def all_cells(grids: Iterable[Grid]) -> list[Cell]:
    """The cells of some grids, each once, in their order."""
    return [*dict.fromkeys(cell for grid in grids for cell in grid.cells())]


def held_cells(store: Path) -> list[Cell]:
    """The cells that a store is for, finished or not."""
    return all_cells(_read_manifest(store)["grids"])


def cell_path(store: Path, cell: Cell) -> Path:
    """Where a finished cell is, or will be."""
    return store / "cells" / f"{cell.id}.parquet"


def missing_cells(store: Path, grid: Grid) -> list[Cell]:
    """The cells of a grid that are not finished."""
    return [cell for cell in grid.cells() if not cell_path(store, cell).exists()]


def write_cell(store: Path, cell: Cell, table: pa.Table) -> None:
    """Store a finished cell, with checksums; a `StoreError` if that cannot be done."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    _put(cell_path(store, cell), sink.getvalue())


def _read_cell(path: Path, cell: Cell) -> pa.Table:
    contents = pa.BufferReader(path.read_bytes())
    try:
        # Arrow's threads now and then abort the interpreter when it ends.
        table = pq.ParquetFile(contents, page_checksum_verification=True).read(use_threads=False)
    except Exception as error:  # whatever it is, the bytes are there and are wrong
        raise _DamagedFileError(f"it is no whole Parquet file ({error})") from error
    table = _with_later_columns(table)
    if not table.schema.equals(SCHEMA) or table["cell"].unique().to_pylist() != [cell.id]:
        raise _DamagedFileError(f"it does not hold the cell {cell.id}")
    return table


def _with_later_columns(table: pa.Table) -> pa.Table:
    """A table of an older format version, with what all cells had in common then."""
    later: dict[str, Any] = {**DEFAULTS, "feature_matrix": None}
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if not set(missing) <= set(later):
        return table
    for name in missing:
        column = pa.array([later[name]] * table.num_rows, SCHEMA.field(name).type)
        table = table.append_column(SCHEMA.field(name), column)
    return table.select(SCHEMA.names)


def _put(path: Path, contents: Any) -> None:
    """The whole file or nothing: written beside its place, flushed to the disk, moved."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} could not be written: {error.strerror}. What is finished is kept; put that "
            f"right and start the same sweep again"
        ) from error


def _read_manifest(store: Path) -> dict[str, Any]:
    """The manifest, with a list of `Grid`s in it."""
    path = store / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
        version = manifest["format_version"]
        if version == 1:
            manifest["grids"] = [manifest.pop("grid")]
        if version in range(1, FORMAT_VERSION + 1):
            version = FORMAT_VERSION
            manifest["grids"] = [Grid.from_dict(grid) for grid in manifest["grids"]]
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): not a store?") from error
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged ({error}). Delete it and start the same sweep again: what is "
            f"finished is kept"
        ) from error
    if version != FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {version}, and this version of rfm_tutorial reads version "
            f"{FORMAT_VERSION}: rfm_tutorial {manifest.get('rfm_tutorial')} wrote it"
        )
    return manifest


def claim(store: Path, grid: Grid, grow: bool = False) -> None:
    """Write the manifest of a new store; refuse what contradicts that of an old one.

    With `grow`, a grid that an old store does not have is added to it.
    """
    path = store / "manifest.json"
    version = rfm_tutorial.__version__
    grids = []
    if path.exists():
        held = _read_manifest(store)
        grids, last = held["grids"], {**held, **asdict(held["grids"][-1])}
        if grid in grids:
            grow, new = False, {"rfm_tutorial": version}
        else:
            new = {"rfm_tutorial": version} | ({} if grow else asdict(grid))
        changes = [
            f"{name} is {value!r} and was {last.get(name)!r}"
            for name, value in new.items()
            if value != last.get(name)
        ]
        if changes:
            raise ValueError(
                f"grid contradicts the manifest of {store}: {'; '.join(changes)}. It needs a store "
                f"of its own; or grow=True, on the command line --grow, adds it to this one"
            )
        if not grow:
            return
    manifest = {
        "format_version": FORMAT_VERSION,
        "rfm_tutorial": version,
        "torch": torch.__version__,
        "seed_rule": SEED_RULE,
        "grids": [asdict(one) for one in [*grids, grid]],
    }
    _put(path, (json.dumps(manifest, indent=2) + "\n").encode())


def set_aside(store: Path, cells: Iterable[Cell]) -> None:
    """Move what is damaged or half-written out of the way, and say so. Only under the lock."""
    expected = {cell_path(store, cell): cell for cell in cells}
    for path in sorted((store / "cells").iterdir()):
        if path in expected:
            try:
                _read_cell(path, expected[path])
                continue
            except _DamagedFileError as error:
                reason = str(error)
        elif path.name.startswith(".") and ".parquet." in path.name:
            reason = "its sweep ended while writing it"
        else:
            continue
        place = store / "damaged" / f"{path.name.lstrip('.')}.{uuid4().hex[:8]}"
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
        warn(f"{path} was moved to {place}: {reason}. The cell is computed again")


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """The store for us alone, made if there is none."""
    try:
        (store / "cells").mkdir(parents=True, exist_ok=True)
        lock = (store / "lock").open("ab")
    except OSError as error:
        raise StoreError(
            f"the store {store} cannot be written: {error.strerror} ({error.filename})"
        ) from error
    with lock:
        try:
            if fcntl is None:
                raise OSError(None, "this system has no flock")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"another sweep is running on {store}; wait until it ends, or use another store"
            ) from error
        except OSError as error:
            warn(f"{store} cannot be locked ({error.strerror}): see that no other sweep runs on it")
        yield


def jump_table(
    table: pa.Table, rows: str = "train_fraction", columns: str = "modulus", threshold: float = 0.5
) -> Any:
    """When grokking happens: the iteration at which test accuracy reaches a threshold.

    Parameters
    ----------
    table : from `read_sweep`, its cells differing in `rows`, `columns` and the seed only
    rows, columns : names of two parameters
    threshold : above 0, at most 1

    Returns
    -------
    A pandas data frame that `plots.phase` draws: medians over the seeds, nan where half of the
    runs or more never get there, or where there is none. Cells that failed do not count; a
    `SweepWarning` says where nothing else is left.

    Raises
    ------
    ValueError
        If an argument does not fit, no cell is left, or the cells differ in something else, which
        a median would mix.
    """
    if not isinstance(table, pa.Table):
        raise TypeError(f"table must be one that read_sweep gave, got {type(table).__name__}")
    # A table that was kept since before a parameter came does not differ in it.
    names = [name for name, p in PARAMETERS.items() if not p.later or name in table.column_names]
    needed = ["cell", *names, "iteration", "test_accuracy", "error"]
    if missing := [name for name in needed if name not in table.column_names]:
        raise ValueError(f"table must have all columns that read_sweep gave, got no {missing[0]}")
    check_choice("rows", rows, names)
    check_choice("columns", columns, [name for name in names if name != rows])
    if check_real("threshold", threshold, positive=True) > 1:
        raise ValueError(f"threshold must be an accuracy, at most 1, got {threshold}")
    frame = table.select(needed).to_pandas(use_threads=False)
    cells = frame.drop_duplicates("cell").set_index("cell")
    sound = cells.error.isna()
    if not sound.any():
        raise ValueError(f"table must have a cell that did not fail, got {len(cells)} failed ones")
    for name in names:
        # The quadratic kernel has no bandwidth to differ in.
        values = cells[sound][name].dropna().unique().tolist()
        if len(values) > 1 and name not in (rows, columns, "seed"):
            raise ValueError(
                f"table must have one {name}, got {', '.join(map(str, values))}; "
                f'table.filter(pc.field("{name}") == {values[0]!r}) selects one'
            )
    first = frame[frame.test_accuracy >= threshold].groupby("cell").iteration.min()
    cells["jump"] = first.reindex(cells.index).fillna(math.inf).where(sound)
    medians = cells.groupby([rows, columns], dropna=False).jump.median()
    if failed := int(medians.isna().sum()):
        warn(
            f"all runs failed in {failed} of {len(medians)} combinations of {rows} and {columns}: "
            f"nan, as where the threshold is never reached"
        )
    return medians.unstack().replace(math.inf, math.nan)
