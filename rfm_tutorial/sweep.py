"""Grids of runs, on the cores of one machine or on a Dask cluster, into a folder of Parquet files.

    python -m rfm_tutorial.sweep grid.toml --store runs/phase

    table = run_sweep(Grid(["add"], [31], [0.3, 0.5], seeds=[0, 1, 2]), "runs/phase")
    table.to_pandas().groupby(["train_fraction", "iteration"]).test_accuracy.median()

A second call with the same grid computes only what is missing. Workers only compute; one process,
the one that holds the store's lock, writes. So a cluster needs no common file system, and a worker
that outlives its sweep cannot write into the next one. `store` says what is written, and how.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from rfm_tutorial.checks import check_flag
from rfm_tutorial.costs import Cost, estimate_cost
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.workers import check_extra, compute, connected, deaths

# `--help` is shown without the extra; `check_extra` stands before all that needs it.
if TYPE_CHECKING or find_spec("pyarrow") is not None:
    import pyarrow as pa

    from rfm_tutorial.store import (
        cell_table,
        claim,
        folder,
        held_cells,
        locked,
        missing_cells,
        read_sweep,
        set_aside,
        warn,
        write_cell,
    )


Run = Callable[[Cell], "pa.Table"]


def run_sweep(
    grid: Grid,
    store: str | os.PathLike,
    workers: int | None = None,
    scheduler: object = None,
    progress: bool = True,
    report: Callable[[str], object] | None = None,
    grow: bool = False,
    checkpoints: str | os.PathLike | None = None,
) -> "pa.Table":
    """Compute the cells of a grid that a store does not have yet, then read all of them.

    When an error or Ctrl-C ends a sweep, what is finished is kept, and the same call goes on from
    there. What a worker was computing when its process died is computed again, one cell at a
    time; a cell whose worker dies then, too, becomes a row with that error.

    Parameters
    ----------
    grid : what to run
    store : a folder, made if it does not exist
    workers : local processes; None for as many as cores and memory allow, 1 for this process
    scheduler : a Dask cluster instead: its scheduler's address, or a `distributed.Client`. With
        neither workers nor scheduler, an active client is used
    progress : the cost and a bar with the time left, if stderr is a terminal
    report : called with the cost in words, before the work begins, instead
    grow : whether a grid that the store does not have is added to it, with more seeds or other
        values; cells that it has are not computed again. Without it, another grid is refused
    checkpoints : a folder in which each cell on orbits keeps its last step, so that it goes on
        from there when its process dies; of a cluster, one that all workers see. None for one in
        the store where workers are local, and for none on a cluster

    Returns
    -------
    The table of `read_sweep`, with the cells of all grids of the store.

    Raises
    ------
    ValueError
        If an argument does not fit, the grid is none of the store's, or its largest cell does
        not fit in memory.
    StoreError
        If the store cannot be written, or another sweep is running on it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as store:
    ...     run_sweep(Grid(["add", "sub"], [5], n_iterations=[2]), store, workers=1).num_rows
    6
    """
    check_extra()
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid, got {type(grid).__name__}")
    store = folder(store)
    with connected(workers, scheduler) as client, locked(store):
        claim(store, grid, check_flag("grow", grow))
        set_aside(store, held_cells(store))
        missing = missing_cells(store, grid)
        if missing:
            cost = estimate_cost(missing, workers, client)
            default = store / "checkpoints" if client is None else None
            steps = default if checkpoints is None else folder(checkpoints, "checkpoints")
            run = partial(run_cell, checkpoints=steps)
            _fill(store, cost, run, client, progress, report)
    return read_sweep(store)


def _fill(
    store: Path,
    cost: Cost,
    run: Run,
    client: Any,
    progress: bool,
    report: Callable[[str], object] | None,
) -> None:
    # The longest first: no worker is left alone with one at the end.
    cells = {cell.id: cell for cell in sorted(cost.seconds, key=lambda cell: -cost.seconds[cell])}
    # The bar counts estimated seconds, not cells: only so is the time left worth reading.
    with (
        closing(_results(cells, run, cost.workers, client)) as results,
        tqdm(
            total=sum(cost.seconds.values()),
            disable=None if progress else True,
            bar_format="{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}",
        ) as bar,
    ):
        if report is not None:
            report(str(cost))
        elif not bar.disable:
            bar.write(str(cost), file=sys.stderr)
        for count, table in enumerate(results, start=1):
            cell = cells[table["cell"][0].as_py()]
            write_cell(store, cell, table)
            bar.set_postfix_str(f"{count} of {len(cells)} cells", refresh=False)
            bar.update(cost.seconds[cell])


def _results(cells: dict[str, Cell], run: Run, workers: int, client: Any) -> "Generator[pa.Table]":
    """Results in the order in which they come, whoever dies on the way."""
    left, suspects = dict(cells), []
    while left:
        given: list[Cell] = []
        try:
            for table in compute(run, list(left.values()), workers, client, given):
                del left[table["cell"][0].as_py()]
                yield table
        except deaths() as error:
            died = [left.pop(cell.id) for cell in given if cell.id in left]
            suspects += died
            warn(
                f"a worker process died ({type(error).__name__}); the {len(died)} cells that it "
                f"may have been computing are computed again one at a time, after all others"
            )
    for cell in suspects:
        try:
            yield from compute(run, [cell], workers, client, [])
        except deaths() as error:
            text = "its worker process died while nothing else was computed. Out of memory?"
            yield cell_table(cell, [{"error": f"{type(error).__name__}: {text}"}])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 when done, 1 after an error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog=None if Path(sys.argv[0]).stem == "rfm-sweep" else "python -m rfm_tutorial.sweep",
        description="Compute the cells of a grid that a store does not have yet.",
    )
    parser.add_argument("grid", help="a TOML file such as benchmarks/sweep.toml")
    parser.add_argument("--store", required=True, help="the folder for the results")
    parser.add_argument(
        "--workers", type=int, help="local processes; as many as can be if left out"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster to use instead")
    parser.add_argument(
        "--grow", action="store_true", help="add the grid to the store if it is another one"
    )
    parser.add_argument(
        "--checkpoints",
        metavar="FOLDER",
        help="where cells on orbits keep their last step; for a cluster, a folder that all see",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what it will cost")
    given = parser.parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        check_extra()
        store, grid = folder(given.store), Grid.from_toml(given.grid)
        if given.dry_run:
            if (store / "manifest.json").exists() and not given.grow:
                claim(store, grid)  # only compares: the real run would refuse another grid, too
            missing = missing_cells(store, grid)
            cost = missing and estimate_cost(missing, given.workers, given.scheduler)
            print(cost or "nothing to compute")
            return 0
        report = lambda text: print(text, flush=True)  # noqa: E731
        table = run_sweep(
            grid,
            store,
            given.workers,
            given.scheduler,
            report=report,
            grow=given.grow,
            checkpoints=given.checkpoints,
        )
    # The last: a scheduler that is gone.
    except (ModuleNotFoundError, OSError, ValueError, CancelledError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        finished = len([*Path(given.store, "cells").glob("*.parquet")])
        print(
            f"\ninterrupted: {finished} cells are finished and kept in {given.store}; the same "
            f"command goes on from there",
            file=sys.stderr,
        )
        return 130
    failed = len(table) - table["error"].null_count
    trouble = f"; {failed} of them failed, see the column error" if failed else ""
    print(f"{len(grid.cells())} cells are finished in {given.store}{trouble}")
    return 0


if __name__ == "__main__":
    # The module under its own name, not as __main__: workers look its functions up there.
    from rfm_tutorial.sweep import main as named_main

    sys.exit(named_main())
