"""Sweeps on a Dask cluster, and what survives when its workers die."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from sweeps import GRID, SLOWER, check_hopeless, deadly, files, same, starts_processes, wait_for

from rfm_tutorial import sweep
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.store import SweepWarning
from rfm_tutorial.sweep import run_sweep


@pytest.fixture(scope="module")
def client() -> Iterator:
    distributed = pytest.importorskip("distributed")
    import dask

    before = dict(os.environ)
    patient = {
        # A task may take one worker with it and is given up at the second.
        "distributed.scheduler.allowed-failures": 1,
        # A worker that died is started again, which a busy machine takes a while for.
        "distributed.deploy.lost-worker-timeout": "10 minutes",
    }
    with (
        dask.config.set(patient),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit="2GB",
            dashboard_address=":0",  # any port: several tests may run on one machine
            silence_logs=logging.CRITICAL + 1,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
    # Starting workers leaves OMP_NUM_THREADS=1 behind, which would slow down all that follows.
    os.environ.clear()
    os.environ.update(before)


def not_in(pid: int) -> Callable[..., pa.Table]:
    """`run_cell`, but an error in one process."""

    def run(cell: Cell, checkpoints: Path | None) -> pa.Table:
        from rfm_tutorial import sweep  # as it is there, not as it is patched here

        if os.getpid() == pid:
            raise AssertionError("this process was not to compute")
        return sweep.run_cell(cell, checkpoints)

    return run


@starts_processes
def test_a_cluster_gives_the_same_table_as_the_local_pool(
    tmp_path: Path, undisturbed: pa.Table, client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "run_cell", not_in(os.getpid()))
    address = client.scheduler.address
    for name, scheduler in (("active", None), ("client", client), ("address", address)):
        table = run_sweep(GRID, tmp_path / name, scheduler=scheduler)
        assert same(table, undisturbed)
    others = {
        "groups": Grid(["S3", "Z2 x Z3"], train_fractions=[0.7], n_iterations=[2]),
        "orbits": Grid(["add", "div"], [7], splits=["orbits"], n_iterations=[2]),
    }
    computed = {
        name: run_sweep(grid, tmp_path / name, scheduler=client, checkpoints=tmp_path / "steps")
        for name, grid in others.items()
    }
    assert (tmp_path / "steps").is_dir()
    monkeypatch.undo()
    for name, grid in others.items():
        assert same(run_sweep(grid, tmp_path / f"local {name}", workers=1), computed[name])
    monkeypatch.setattr(sweep, "run_cell", not_in(os.getpid()))
    with pytest.raises(AssertionError, match="was not to compute"):
        run_sweep(GRID, tmp_path / "here", workers=1)
    with pytest.raises(ValueError, match="workers are local and must be None with a scheduler"):
        run_sweep(GRID, tmp_path, workers=2, scheduler=address)


# `make test` has a cell that kills one worker after another, below.
@pytest.mark.nightly
@starts_processes
def test_a_cluster_that_loses_a_worker_completes_the_sweep(
    tmp_path: Path, slower: pa.Table, client
) -> None:
    process = client.run(os.getpid)
    victim = psutil.Process(next(iter(process.values())))
    killed_at = []

    def kill(_: object) -> None:
        wait_for(lambda: len(files(tmp_path)) > 0)
        victim.kill()
        killed_at.append(len(files(tmp_path)))

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill, None)
        table = run_sweep(SLOWER, tmp_path, scheduler=client)
        killing.result()
    assert 0 < killed_at[0] < 16, "it was in the middle"
    assert same(table, slower)


@starts_processes
def test_a_cell_that_kills_every_worker_of_a_cluster_is_a_row(
    tmp_path: Path, undisturbed: pa.Table, client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hopeless = GRID.cells()[6].id
    monkeypatch.setattr(sweep, "run_cell", deadly(hopeless))
    with pytest.warns(SweepWarning, match="a worker process died .KilledWorker"):
        table = run_sweep(GRID, tmp_path, scheduler=client)
    check_hopeless(table, undisturbed, hopeless, "KilledWorker: its worker process died")


@starts_processes
def test_a_cluster_with_too_little_memory_is_refused(tmp_path: Path, client) -> None:
    client.wait_for_workers(2, timeout=300)  # both were killed just now
    with pytest.raises(
        ValueError, match=r"a worker has 2.0 GB \(2 at a time\). Leave that cell out"
    ):
        run_sweep(Grid(["add"], [199]), tmp_path, scheduler=client)
