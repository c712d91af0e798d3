"""Grids of runs, on the cores of one machine or on a Dask cluster, into a folder of Parquet files.

    python -m rfm_tutorial.sweep grid.toml --store runs/phase

    table = run_sweep(Grid(["add"], [31], [0.3, 0.5], seeds=[0, 1, 2]), "runs/phase")
    table.to_pandas().groupby(["train_fraction", "iteration"]).test_accuracy.median()

A second call with the same grid computes only what is missing. Workers only compute; one process,
the one that holds the store's lock, writes. So a cluster needs no common file system, and a worker
that outlives its sweep cannot write into the next one. `store` says what is written, and how.
"""

import argparse
import math
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from tqdm import tqdm

from rfm_tutorial.checks import check_integer
from rfm_tutorial.circulant import circulant_block, circulant_deviation
from rfm_tutorial.grids import DTYPES, Cell, Grid
from rfm_tutorial.operations import OPERATIONS
from rfm_tutorial.rfm import RFM
from rfm_tutorial.structure import agop_alignment
from rfm_tutorial.tasks import ModularTask

# `--help` is shown without the extra; `_check_extra` stands before all that needs it.
_MISSING = [name for name in ("joblib", "psutil", "pyarrow") if find_spec(name) is None]
if TYPE_CHECKING or not _MISSING:
    import joblib
    import psutil
    import pyarrow as pa

    from rfm_tutorial.store import (
        StoreError,
        cell_table,
        claim,
        folder,
        locked,
        missing_cells,
        read_sweep,
        set_aside,
        warn,
        write_cell,
    )

PROCESS_BYTES = 450e6
"""Memory of a worker that has loaded its libraries and done nothing yet."""
MATRICES = {"gaussian": 4, "laplace": 8, "quadratic": 4}
"""How many n × n matrices are in memory at the peak: kernel, Cholesky factor, predictions, and
what leads from distances to values. Measured, and rounded up."""


def _check_extra(*more: str) -> None:
    if missing := [*_MISSING, *(name for name in more if find_spec(name) is None)]:
        raise ModuleNotFoundError(
            f"sweeps need {missing[0]}; pip install 'rfm-tutorial[sweep]' brings all that they need"
        )


# One cell


def run_cell(cell: Cell) -> "pa.Table":
    """Compute one cell, on one torch thread.

    Returns
    -------
    A table of `SCHEMA`: one row per step, or a single row with an error if the numbers (a
    singular system, an overflow) or the memory did not allow it.

    Examples
    --------
    >>> table = run_cell(Grid(["add"], [5], n_iterations=[2]).cells()[0])
    >>> table["iteration"].to_pylist(), table["train_accuracy"].to_pylist()
    ([0, 1, 2], [1.0, 1.0, 1.0])
    """
    _check_extra()
    # A process has one peak in its life, and a worker many cells: start from here again.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    matrices: list[Tensor] = []
    try:
        with _one_thread():
            rows = _trajectory(cell, matrices)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
        rows = [{"error": f"{type(error).__name__} at step {len(matrices)}: {error}"}]
    return cell_table(cell, rows)


def _trajectory(cell: Cell, matrices: list[Tensor]) -> list[dict[str, Any]]:
    """One record per step. The feature matrices come into `matrices`, one after another."""
    task = ModularTask(cell.operation, cell.modulus)
    split = task.split(cell.train_fraction, cell.seed, DTYPES[cell.dtype])
    rfm = RFM(cell.make_kernel(), cell.n_iterations, cell.ridge).fit(
        split.X_train,
        split.Y_train,
        validation=(split.X_test, split.Y_test),
        progress=False,
        on_step=lambda step: matrices.append(step.feature_matrix),
    )
    arranged = OPERATIONS[cell.operation].has_clock(cell.modulus)
    peak = _peak_bytes()
    rows = []
    for record, M in zip(rfm.history_, matrices, strict=True):
        row: dict[str, Any] = {**record, "peak_bytes": peak}
        row["alignment"] = agop_alignment(M, matrices[-1])
        if arranged:
            row["circulant_deviation"] = circulant_deviation(circulant_block(M, cell.operation))
        # What has no value is null, never nan, so that there is one way to say it.
        rows.append({name: value for name, value in row.items() if not math.isnan(value or 0)})
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """A worker has one core, and one thread adds up in one order: results repeat bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_bytes() -> int | None:
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)["VmHWM"].split()[0]) * 1024


# What it will cost


def memory_needed(cell: Cell) -> float:
    """Bytes that a worker needs for a cell: a few n × n matrices, buffers, all feature matrices.

    Examples
    --------
    >>> f"{memory_needed(Grid(['add'], [97]).cells()[0]) / 1e9:.1f} GB"
    '1.3 GB'
    """
    n, p = cell.rows[0], cell.modulus
    numbers = MATRICES[cell.kernel] * n * n + 40 * n * p + (cell.n_iterations + 1) * 4 * p * p
    return PROCESS_BYTES + numbers * DTYPES[cell.dtype].itemsize


def reference_seconds(cell: Cell) -> float:
    """Seconds for a cell on one core of the machine on which the constants here were fitted.

    With n training and m test rows, d inputs and c outputs a step takes n³ / 3 multiplications
    for the Cholesky factorisation, those of the AGOP in the cheaper of its two forms, and
    n (2n + m) kernel values for the system and both predictions. Fitted to 45 measured steps
    (three kernels, p = 7 to 61), to within 20 % for p > 7; see `speed` for other machines.
    """
    (n, m), d, c = cell.rows, 2 * cell.modulus, cell.modulus
    # The rows that share a digit are padded to the largest group, a little more than n / p.
    agop = min(2.3 * n * n * c + 0.63 * n * d * d * c, 0.6 * n**3 + 2 * n * n * c)
    entry = 31e-9 if cell.kernel == "laplace" else 15e-9
    step = 0.8e-3 + 5.0e-11 * n**3 / 3 + 2.9e-11 * agop + entry * n * (2 * n + m)
    return step * (cell.n_iterations + 1) * DTYPES[cell.dtype].itemsize / 8


@cache
def speed(kernel: str) -> float:
    """How much longer than `reference_seconds` this machine takes: measured, in half a second.

    The best of three runs at p = 31, in processor time on one core, so that other work on the
    machine counts as little as can be. With it, estimates for the three kernels and p = 17 to 97
    were within 40 % of what was measured.
    """
    (cell,) = Grid(["add"], [31], kernels=[kernel], n_iterations=[5]).cells()
    seconds = []
    for _ in range(3):
        started = time.thread_time()
        run_cell(cell)
        seconds.append(time.thread_time() - started)
    return min(seconds) / reference_seconds(cell)


@dataclass(frozen=True)
class Cost:
    """What a sweep has still to do, and an estimate of what it takes. `str` says it in words."""

    seconds: dict[Cell, float]
    """Of each cell, on one core."""
    workers: int
    largest: Cell

    def __str__(self) -> str:
        total = max(sum(self.seconds.values()) / self.workers, *self.seconds.values())
        return (
            f"{len(self.seconds)} cells to compute, {self.workers} at a time; estimated time "
            f"{timedelta(seconds=round(total))}, memory {memory_needed(self.largest) / 1e9:.1f} GB "
            f"a worker (largest cell: {self.largest})"
        )


def estimate_cost(
    cells: Sequence[Cell], workers: int | None = None, scheduler: object = None
) -> Cost:
    """What it takes to compute some cells, with workers and scheduler as for `run_sweep`.

    Raises
    ------
    ValueError
        If there are no cells, or the largest does not fit in memory.
    """
    _check_extra()
    if isinstance(cells, Grid) or not cells:
        raise ValueError(f"cells must be at least one of a grid's .cells(), got {cells!r}")
    with _client(workers, scheduler) as client:
        largest = max(cells, key=memory_needed)
        workers = _workers_that_fit(largest, workers, client)
        speeds = {}
        for kernel in {cell.kernel for cell in cells}:
            speeds[kernel] = client.submit(speed, kernel).result() if client else speed(kernel)
    seconds = {cell: speeds[cell.kernel] * reference_seconds(cell) for cell in cells}
    return Cost(seconds, min(workers, len(seconds)), largest)


def _workers_that_fit(largest: Cell, workers: int | None, client: Any) -> int:
    """How many can work at once, each on the largest cell; an error if not even one can."""
    needed = memory_needed(largest)
    if client is None:
        free = _free_memory()
        workers = workers or max(1, min(joblib.cpu_count(), int(free / needed)))
        share = free / workers
    else:
        shares = client.run_on_scheduler(_memory_of_threads)
        if not shares:
            raise StoreError(f"the scheduler {client.scheduler.address} has no workers; start one")
        workers, share = len(shares), min(shares)
    if needed > share:
        raise ValueError(
            f"grid does not fit in memory: a cell needs about {needed / 1e9:.1f} GB ({largest}), "
            f"and a worker has {share / 1e9:.1f} GB ({workers} at a time). Leave that cell out, or "
            f"have fewer or larger workers"
        )
    return workers


def _memory_of_threads(dask_scheduler: Any) -> list[float]:
    """Runs on the scheduler: each thread's part of its worker's limit, inf if there is none."""
    workers = dask_scheduler.workers.values()
    return [(w.memory_limit or math.inf) / w.nthreads for w in workers for _ in range(w.nthreads)]


def _free_memory() -> float:
    """Bytes that are free, or that a container lets us have if that is less."""
    free = float(psutil.virtual_memory().available)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            free = min(free, float(Path("/sys/fs/cgroup", name).read_text()))
    return free


# The sweep


def run_sweep(
    grid: Grid,
    store: str | os.PathLike,
    workers: int | None = None,
    scheduler: object = None,
    progress: bool = True,
    report: Callable[[str], object] | None = None,
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

    Returns
    -------
    The table of `read_sweep`.

    Raises
    ------
    ValueError
        If an argument does not fit, the grid is not that of the store, or its largest cell does
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
    _check_extra()
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid, got {type(grid).__name__}")
    store = folder(store)
    with _client(workers, scheduler) as client, locked(store):
        claim(store, grid)
        set_aside(store, grid.cells())
        missing = missing_cells(store, grid)
        if missing:
            cost = estimate_cost(missing, workers, client)
            _fill(store, cost, client, progress, report)
    return read_sweep(store)


def _fill(
    store: Path,
    cost: Cost,
    client: Any,
    progress: bool,
    report: Callable[[str], object] | None,
) -> None:
    # The longest first: no worker is left alone with one at the end.
    cells = {cell.id: cell for cell in sorted(cost.seconds, key=lambda cell: -cost.seconds[cell])}
    # The bar counts estimated seconds, not cells: only so is the time left worth reading.
    with (
        closing(_results(cells, cost.workers, client)) as results,
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


def _results(cells: dict[str, Cell], workers: int, client: Any) -> "Generator[pa.Table]":
    """Results in the order in which they come, whoever dies on the way."""
    left, suspects = dict(cells), []
    while left:
        given: list[Cell] = []
        try:
            for table in _parallel(list(left.values()), workers, client, given):
                del left[table["cell"][0].as_py()]
                yield table
        except _deaths() as error:
            died = [left.pop(cell.id) for cell in given if cell.id in left]
            suspects += died
            warn(
                f"a worker process died ({type(error).__name__}); the {len(died)} cells that it "
                f"may have been computing are computed again one at a time, after all others"
            )
    for cell in suspects:
        try:
            yield from _parallel([cell], workers, client, [])
        except _deaths() as error:
            text = "its worker process died while nothing else was computed. Out of memory?"
            yield cell_table(cell, [{"error": f"{type(error).__name__}: {text}"}])


def _parallel(
    cells: Iterable[Cell], workers: int, client: Any, given: list[Cell]
) -> "Generator[pa.Table]":
    """Results as they come. `given` grows as joblib hands cells out, before it computes them."""

    def tasks() -> Iterator:
        for cell in cells:
            given.append(cell)
            yield joblib.delayed(run_cell)(cell)

    if client is None:
        prepare = {"initializer": _prepare_worker, "initargs": (os.getpid(),)}
        backend = {"backend": "loky", **prepare}
    else:
        backend = {"backend": _dask_backend(client)}
    with joblib.parallel_config(n_jobs=workers, **backend):
        parallel = joblib.Parallel(return_as="generator_unordered")
    results = cast(Generator, parallel(tasks()))
    try:
        for table in results:  # noqa: UP028 - joblib must not be closed by `yield from`, but below
            yield table
    finally:
        with warnings.catch_warnings():
            # joblib would tell that what was being computed is lost. That is what closing means.
            warnings.simplefilter("ignore")
            results.close()


def _prepare_worker(parent: int) -> None:
    """Runs first in each local worker process."""
    # Ctrl-C reaches all processes of a terminal; one that ends the others is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # tqdm's own lock would be a semaphore that a killed worker leaves in the system.
    tqdm.set_lock(threading.RLock())

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    # joblib lets a worker whose parent was killed wait for five minutes, with all its memory.
    threading.Thread(target=follow, daemon=True).start()


def _deaths() -> tuple[type[Exception], ...]:
    """What says that a worker process is dead."""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if "distributed" not in sys.modules:
        return (TerminatedWorkerError,)
    from distributed import KilledWorker

    return TerminatedWorkerError, KilledWorker


@contextmanager
def _client(workers: int | None, scheduler: Any) -> Iterator[Any]:
    """A Dask client, or None for the local pool."""
    if workers is not None:
        check_integer("workers", workers, at_least=1)
        if scheduler is not None:
            raise ValueError(f"workers are local and must be None with a scheduler, got {workers}")
    if isinstance(scheduler, str) and scheduler:
        _check_extra("distributed")
        from distributed import Client

        with Client(scheduler, set_as_default=False) as client:
            yield client
        return
    if scheduler is None and workers is None and "distributed" in sys.modules:
        from distributed import default_client

        with suppress(ValueError):  # there is none
            scheduler = default_client()
    if scheduler is not None and not hasattr(scheduler, "run_on_scheduler"):
        raise TypeError(f"scheduler must be an address or a distributed.Client, got {scheduler!r}")
    yield scheduler


def _dask_backend(client: Any) -> Any:
    """joblib's Dask backend, with two gaps closed (joblib 1.6)."""
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def effective_n_jobs(self, n_jobs):
            # On a cluster of one thread joblib would compute here instead of there.
            return max(2, super().effective_n_jobs(n_jobs))

        def submit(self, func, callback=None):
            # joblib waits for ever for a task that Dask gives up because its workers die of it.
            def pass_on(future):
                if callback is not None and future.exception() is not None:
                    callback(future.exception())

            future = super().submit(func, callback)
            future.add_done_callback(pass_on)
            return future

        def retrieve_result_callback(self, out):
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

    # Workers that died are started again, which takes a busy machine longer than ten seconds.
    return Backend(client=client, wait_for_workers_timeout=120)


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
    parser.add_argument("--dry-run", action="store_true", help="only say what it will cost")
    given = parser.parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        _check_extra()
        store, grid = folder(given.store), Grid.from_toml(given.grid)
        if given.dry_run:
            if (store / "manifest.json").exists():
                claim(store, grid)  # only compares: the real run would refuse another grid, too
            missing = missing_cells(store, grid)
            cost = missing and estimate_cost(missing, given.workers, given.scheduler)
            print(cost or "nothing to compute")
            return 0
        report = lambda text: print(text, flush=True)  # noqa: E731
        table = run_sweep(grid, store, given.workers, given.scheduler, report=report)
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
