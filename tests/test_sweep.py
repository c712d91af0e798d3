"""Sweeps on several processes of one machine, and what survives when they are killed."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from sweeps import GRID, SLOWER, check_hopeless, deadly, files, same, starts_processes, wait_for

from rfm_tutorial import sweep
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.store import StoreError, SweepWarning
from rfm_tutorial.sweep import run_sweep


def start(grid: Grid, folder: Path) -> tuple[subprocess.Popen, Path]:
    """The command line, on two workers, in a process group of its own, and its store."""
    toml = "".join(f"{name} = {json.dumps(value)}\n" for name, value in vars(grid).items())
    (folder / "grid.toml").write_text(toml)
    store = folder / "store"
    command = [sys.executable, "-m", "rfm_tutorial.sweep", folder / "grid.toml"]
    process = subprocess.Popen(
        [*command, "--store", store, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return process, store


def workers_of(pid: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(pid).children(recursive=True)
        if any("LokyProcess" in word for word in child.cmdline())
    ]


@starts_processes
def test_a_pool_gives_the_same_table_as_one_process(tmp_path: Path, undisturbed: pa.Table) -> None:
    assert same(run_sweep(GRID, tmp_path, workers=2), undisturbed)


@starts_processes
def test_sigkill_to_a_worker_and_to_the_parent_loses_nothing(
    tmp_path: Path, slower: pa.Table
) -> None:
    process, store = start(SLOWER, tmp_path)
    wait_for(lambda: len(files(store)) > 0, process)
    with pytest.raises(
        StoreError, match=r"another sweep is running on .*store; wait until it ends"
    ):
        run_sweep(SLOWER, store, workers=1)
    workers_of(process.pid)[0].kill()
    at_first_death = files(store)
    wait_for(lambda: len(files(store)) > len(at_first_death) + 1, process)
    orphans = workers_of(process.pid)
    process.kill()
    stdout, stderr = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "16 cells to compute, 2 at a time" in stdout
    assert "warning: a worker process died" in stderr
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert alive == [], "workers end with their sweep"

    before = files(store)
    assert len(at_first_death) < len(before) < 16, "it was in the middle"
    assert at_first_death.items() <= before.items()
    with warnings.catch_warnings():
        # If the parent died while it was writing, its half file is reported.
        warnings.simplefilter("ignore", SweepWarning)
        table = run_sweep(SLOWER, store, workers=2)
    assert same(table, slower)
    assert before.items() <= files(store).items(), "what was finished was not written again"
    assert files(store).keys() == {f"{cell.id}.parquet" for cell in SLOWER.cells()}


@starts_processes
def test_ctrl_c_ends_cleanly_and_keeps_what_is_done(tmp_path: Path, slower: pa.Table) -> None:
    process, store = start(SLOWER, tmp_path)
    wait_for(lambda: len(files(store)) > 1, process)
    workers = workers_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    kept = files(store)
    assert f"interrupted: {len(kept)} cells are finished and kept in {store}; the" in stderr
    assert "Traceback" not in stderr
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert 1 < len(kept) < 16
    assert same(run_sweep(SLOWER, store, workers=2), slower)
    assert kept.items() <= files(store).items()


@starts_processes
def test_an_interrupt_in_a_program_keeps_what_is_done(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []

    def interrupted(cell: Cell, checkpoints: Path | None) -> pa.Table:
        computed.append(cell)
        if len(computed) == 4:
            raise KeyboardInterrupt
        return run_cell(cell)

    monkeypatch.setattr(sweep, "run_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(GRID, tmp_path, workers=1)
    assert len(files(tmp_path)) == 3
    monkeypatch.undo()
    assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)


@starts_processes
def test_a_cell_that_kills_its_worker_is_a_row_and_the_sweep_goes_on(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    hopeless = GRID.cells()[6].id
    monkeypatch.setattr(sweep, "run_cell", deadly(hopeless))
    with pytest.warns(SweepWarning, match="a worker process died .* computed again one at a time"):
        table = run_sweep(GRID, tmp_path, workers=2)
    check_hopeless(table, undisturbed, hopeless, "TerminatedWorkerError: its worker process died")
