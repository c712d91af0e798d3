"""One cell of a sweep: what it records, and what it does when it fails."""

import math
import resource
import sys
from pathlib import Path

import psutil
import pytest
import torch
from sweeps import GRID, files, same

from rfm_tutorial import RFM, GaussianKernel, ModularTask
from rfm_tutorial.grids import Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.sweep import run_sweep


def test_a_cell_records_the_whole_trajectory() -> None:
    (cell,) = Grid(["sub"], [7], [0.6], seeds=[3], n_iterations=[5]).cells()
    frame = run_cell(cell).to_pandas()
    split = ModularTask("sub", 7).split(0.6, seed=3)
    steps = [*RFM(GaussianKernel(2.5), 5).iterate(split.X_train, split.Y_train)]
    last = steps[-1].feature_matrix.flatten()
    for (_, row), step in zip(frame.iterrows(), steps, strict=True):
        scores = step.predict(split.X_test)
        right = (scores.argmax(1) == split.y_test).double().mean()
        assert row.test_accuracy == pytest.approx(float(right))
        assert row.test_loss == pytest.approx(float((scores - split.Y_test).square().mean()))
        assert row.train_accuracy == 1
        assert row.train_loss < 1e-20
        cosine = torch.cosine_similarity(step.feature_matrix.flatten(), last, dim=0)
        assert row.alignment == pytest.approx(float(cosine))
        # For sub the block is Hankel: constant along its antidiagonals.
        block = step.feature_matrix[:7, 7:]
        sums = torch.arange(7)[:, None] + torch.arange(7)
        spread = sum(block[sums % 7 == k].var(unbiased=False) * 7 for k in range(7))
        if row.iteration > 0:
            deviation = float(spread / block.square().sum())
            assert row.circulant_deviation == pytest.approx(deviation)
    assert math.isnan(frame.circulant_deviation[0])
    assert frame.seconds.is_monotonic_increasing
    assert frame.error.isna().all()
    assert frame.iteration.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("operation", "modulus"), [("x^2+y^2", 5), ("mul", 6)])
def test_no_circulant_deviation_where_no_order_is_circulant(operation: str, modulus: int) -> None:
    table = run_cell(Grid([operation], [modulus], [0.7], n_iterations=[1]).cells()[0])
    assert table["error"].null_count == 2
    assert table["circulant_deviation"].null_count == 2


def test_a_cell_runs_on_one_thread_and_leaves_the_process_as_it_was() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first = run_cell(GRID.cells()[0])
        assert torch.get_num_threads() == 2
        assert same(first, run_cell(GRID.cells()[0]))
    finally:
        torch.set_num_threads(before)


def test_a_failed_cell_is_a_row_with_its_error_and_the_sweep_goes_on(tmp_path: Path) -> None:
    grid = Grid(["add"], [5], bandwidths=[1e9, 2.5], n_iterations=[1])
    table = run_sweep(grid, tmp_path, workers=1)
    assert table["iteration"].to_pylist() == [None, 0, 1]
    assert table["error"][0].as_py().startswith("SingularKernelError at step 0: the kernel matrix")
    assert table["error"].null_count == 2
    assert files(tmp_path).keys() == {f"{cell.id}.parquet" for cell in grid.cells()}


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is known to work on Linux")
def test_running_out_of_memory_is_a_row_with_its_error() -> None:
    # Its matrices are larger than anything that earlier tests may have left free for reuse.
    (cell,) = Grid(["add"], [97], n_iterations=[1]).cells()
    run_cell(GRID.cells()[0])  # what is loaded on first use is loaded
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**24, limits[1]))
    try:
        table = run_cell(cell)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert table.num_rows == 1
    assert "memory" in table["error"][0].as_py()
