"""One cell of a sweep: what it records, and what it does when it fails."""

import math
import resource
import sys
from pathlib import Path

import psutil
import pytest
import torch
from sweeps import GRID, InverseQuadratic, files, halves, same

from rfm_tutorial import RFM, GaussianKernel, ModularTask, MultiTask, class_deviation
from rfm_tutorial.grids import Grid
from rfm_tutorial.groups import named_group
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


def test_a_group_is_measured_by_its_own_classes() -> None:
    (cell,) = Grid(["Z3 x Z3"], train_fractions=[0.7], n_iterations=[3]).cells()
    table = run_cell(cell)
    group = named_group("Z3 x Z3")
    split = group.task().split(0.7)
    *_, last = RFM(GaussianKernel(2.5), 3).iterate(split.X_train, split.Y_train)
    expected = class_deviation(last.feature_matrix[:9, 9:], group.classes("a^-1 b"))
    assert table["circulant_deviation"][3].as_py() == pytest.approx(expected)
    assert table["modulus"].null_count == 4


def test_the_clock_as_a_group_runs_as_the_operation_does() -> None:
    as_group, as_sum = (
        run_cell(Grid([name], [7], n_iterations=[3]).cells()[0]) for name in ("Z7", "add")
    )
    columns = ["train_loss", "test_loss", "test_accuracy", "alignment", "circulant_deviation"]
    assert as_group.select(columns).equals(as_sum.select(columns))


def test_a_task_a_kernel_and_settings_of_ones_own() -> None:
    (cell,) = Grid(
        ["sweeps:halves"], [6], [0.7], kernels=["sweeps:InverseQuadratic"], ridges=[0.1],
        n_iterations=[2], agop_powers=[1.0], center_gradients=[False], normalizations=["trace"],
    ).cells()  # fmt: skip
    table = run_cell(cell)
    split = halves(6).split(0.7)
    rfm = RFM(InverseQuadratic(2.5), 2, 0.1, 1.0, False, "trace").fit(
        split.X_train, split.Y_train, (split.X_test, split.Y_test), progress=False
    )
    for name in ("train_loss", "test_loss", "test_accuracy"):
        expected = [record[name] for record in rfm.history_]
        assert table[name].to_pylist() == pytest.approx(expected)
    assert table["circulant_deviation"].null_count == 3


def test_several_tasks_at_once_are_a_cell() -> None:
    (cell,) = Grid(["add, x^2+y^2"], [5], n_iterations=[1]).cells()
    table = run_cell(cell)
    split = MultiTask(("add", "x^2+y^2"), 5).split()
    rfm = RFM(GaussianKernel(2.5), 1).fit(
        split.X_train, split.Y_train, (split.X_test, split.Y_test), progress=False
    )
    assert table["test_loss"].to_pylist() == pytest.approx(
        [record["test_loss"] for record in rfm.history_]
    )


def test_a_device_that_is_not_there_is_a_row_with_its_error() -> None:
    (cell,) = Grid(["add"], [5], device="cuda:9").cells()
    table = run_cell(cell)
    assert table.num_rows == 1
    assert "device" in table["error"][0].as_py()


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
