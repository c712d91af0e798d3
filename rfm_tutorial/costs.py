"""What a sweep will cost in memory and time, before it begins."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from rfm_tutorial.grids import DTYPES, Cell, Grid
from rfm_tutorial.named import named_kernel
from rfm_tutorial.orbit_rfm import numbers_needed
from rfm_tutorial.orbit_splits import OrbitSplit
from rfm_tutorial.runs import run_cell
from rfm_tutorial.workers import check_extra, connected

PROCESS_BYTES = 450e6
"""Memory of a worker that has loaded its libraries and done nothing yet."""


def memory_needed(cell: Cell) -> float:
    """Bytes that a worker needs for a cell: a few n × n matrices, buffers, all feature matrices;
    on orbits, blocks instead.

    Examples
    --------
    >>> f"{memory_needed(Grid(['add'], [97]).cells()[0]) / 1e9:.1f} GB"
    '1.3 GB'
    """
    n, d = cell.rows[0], cell.widths[0]
    if cell.on_orbits:
        split, rfm = cell.make_split(), cell.make_orbit_rfm()
        assert isinstance(split, OrbitSplit)
        numbers = numbers_needed(split, rfm.chunk_numbers)
        kept = 0 if cell.features == "none" else cell.n_iterations + 1
    else:
        numbers = named_kernel(cell.kernel).n_matrices * n * n + 20 * n * d
        kept = cell.n_iterations + 1
    return PROCESS_BYTES + (numbers + kept * d * d) * DTYPES[cell.dtype].itemsize


def reference_seconds(cell: Cell) -> float:
    """Seconds for a cell on one core of the machine on which the constants here were fitted.

    With n training and m test rows, d inputs and c outputs a step takes n³ / 3 multiplications
    for the Cholesky factorisation, those of the AGOP in the cheaper of its two forms, and
    n (2n + m) kernel values for the system and both predictions. Fitted to 45 measured steps
    (three kernels, p = 7 to 61), to within 20 % for p > 7; see `speed` for other machines.
    """
    (n, m), (d, c) = cell.rows, cell.widths
    if cell.on_orbits:
        return _orbit_step(n, m) * (cell.n_iterations + 1) * DTYPES[cell.dtype].itemsize / 8
    # The rows that share a digit are padded to the largest group, a little more than n / p.
    agop = min(2.3 * n * n * c + 0.63 * n * d * d * c, 0.6 * n**3 + 2 * n * n * c)
    entry = 1e-9 * named_kernel(cell.kernel).nanoseconds
    step = 0.8e-3 + 5.0e-11 * n**3 / 3 + 2.9e-11 * agop + entry * n * (2 * n + m)
    return step * (cell.n_iterations + 1) * DTYPES[cell.dtype].itemsize / 8


def _orbit_step(n: int, m: int) -> float:
    """Seconds of a step on whole diagonals, from the counts in `rfm_tutorial.orbit_rfm`. Fitted to
    21 measured steps (three kernels, p = 31 to 397, a fifth to six tenths of the table), to within
    a quarter for p > 31."""
    total, share = n + m, n / (n + m)  # N² cells
    work = share**2 / 8 + share**3 / 12 + share**2 + share * (1 - share) / 4
    return 2.5e-3 + 5.5e-7 * total + 1.1e-10 * work * total**2


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
    check_extra()
    if isinstance(cells, Grid) or not cells:
        raise ValueError(f"cells must be at least one of a grid's .cells(), got {cells!r}")
    with connected(workers, scheduler) as client:
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
        import joblib

        free = _free_memory()
        workers = workers or max(1, min(joblib.cpu_count(), int(free / needed)))
        share = free / workers
    else:
        shares = client.run_on_scheduler(_memory_of_threads)
        if not shares:
            from rfm_tutorial.store import StoreError

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
    import psutil

    free = float(psutil.virtual_memory().available)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            free = min(free, float(Path("/sys/fs/cgroup", name).read_text()))
    return free
