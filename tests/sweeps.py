"""What the tests of sweeps share: grids, comparisons, cells that kill their process."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from rfm_tutorial import Task, sweep
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.groups import Group, permutations
from rfm_tutorial.kernels import RadialKernel
from rfm_tutorial.runs import run_cell
from rfm_tutorial.store import VOLATILE_COLUMNS

GRID = Grid(["add", "div"], [5, 7], [0.4, 0.6], seeds=[0, 1], n_iterations=[4])
SLOWER = Grid(["add", "sub", "mul", "div"], [11], [0.4, 0.6], seeds=[0, 1], n_iterations=[100])
"""Cells of a tenth of a second and more: a process can be killed in the middle of it."""
GRID_FILE = 'operations = ["add"]\nmoduli = [5]\n'


def halves(p: int) -> Task:
    """A task of one's own: half of a + b mod p, for even p."""
    digit = torch.arange(p)
    return Task.from_table((digit[:, None] + digit) % p // 2)


def small_group() -> Group:
    """A group of one's own, which needs no modulus."""
    return permutations([1, 2, 0], [1, 0, 2])


@dataclass(frozen=True)
class InverseQuadratic(RadialKernel):
    """A kernel of one's own, 1 / (1 + d²/L²)."""

    def profile(self, squared_distance):
        return 1 / (1 + squared_distance / self.bandwidth**2)

    def slope(self, squared_distance):
        return 2 / self.bandwidth**2 * self.profile(squared_distance) ** 2


starts_processes = pytest.mark.processes


def same(table: pa.Table, other: pa.Table) -> bool:
    """Bit for bit, but for what differs from run to run."""
    volatile = list(VOLATILE_COLUMNS)
    return table.drop_columns(volatile).equals(other.drop_columns(volatile))


def files(store: Path) -> dict[str, int]:
    """The finished cells and when each was written."""
    found = (store / "cells").glob("*.parquet")
    return {path.name: path.stat().st_mtime_ns for path in found}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    """Until something can be observed; an error if the process ends or a minute passes first."""
    deadline = time.monotonic() + 60
    while not condition():
        if process is not None and process.poll() is not None:
            assert condition(), process.communicate()
            return
        assert time.monotonic() < deadline
        time.sleep(0.002)


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """The cells that are computed from here on, in this process."""
    computed = []

    def counted(cell: Cell, checkpoints: Path | None) -> pa.Table:
        computed.append(cell)
        return run_cell(cell, checkpoints)

    monkeypatch.setattr(sweep, "run_cell", counted)
    return computed


def deadly(hopeless: str) -> Callable[..., pa.Table]:
    """`run_cell`, but one cell kills the process that computes it."""

    def run(cell: Cell, checkpoints: Path | None) -> pa.Table:
        from rfm_tutorial import sweep  # as it is there, not as it is patched here

        if cell.id == hopeless:
            os.kill(os.getpid(), signal.SIGKILL)
        return sweep.run_cell(cell, checkpoints)

    return run


def check_hopeless(table: pa.Table, undisturbed: pa.Table, hopeless: str, error: str) -> None:
    """One cell is a row with an error, all others are as they should be."""
    assert table.num_rows == undisturbed.num_rows - 4
    (failed,) = table.filter(pc.field("cell") == hopeless).to_pylist()
    assert failed["error"].startswith(error)
    others = pc.field("cell") != hopeless
    assert same(table.filter(others), undisturbed.filter(others))
