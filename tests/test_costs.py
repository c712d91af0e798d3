"""What a sweep will cost, against what it did cost."""

import sys
import time
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from sweeps import GRID, files, starts_processes

from rfm_tutorial import costs
from rfm_tutorial.costs import estimate_cost, memory_needed
from rfm_tutorial.grids import Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.sweep import run_sweep


def test_a_grid_that_cannot_fit_is_refused_and_the_cell_named(tmp_path: Path) -> None:
    grid = Grid(["add", "mul"], [31, 997], [0.2, 0.5])
    message = (
        r"does not fit in memory: a cell needs about 80\d\d.\d GB \(operation='add', modulus=997"
    )
    with pytest.raises(ValueError, match=message):
        run_sweep(grid, tmp_path)
    assert len(files(tmp_path)) == 0
    with pytest.raises(ValueError, match=r"a worker has 0.0 GB \(100000 at a time\)"):
        estimate_cost(GRID.cells(), workers=100_000)


def test_the_memory_of_a_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text
    limit = lambda path, *rest: "1e9" if path.name == "memory.max" else read(path, *rest)  # noqa: E731
    monkeypatch.setattr(Path, "read_text", limit)
    assert costs._free_memory() == 1e9


def test_the_cost_is_said_and_of_the_right_size() -> None:
    cells = Grid(["add"], [5, 23], n_iterations=[10]).cells()
    cost = estimate_cost(cells, workers=1)
    assert str(cost).startswith("2 cells to compute, 1 at a time; estimated time 0:00:0")
    assert "memory 0.5 GB a worker (largest cell: operation='add', modulus=23" in str(cost)
    started = time.thread_time()
    table = run_cell(cells[1])
    measured = time.thread_time() - started
    assert measured / 4 < cost.seconds[cells[1]] < 4 * measured
    assert 0.1 * memory_needed(cells[1]) < table["peak_bytes"][0].as_py()


@starts_processes
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is measured on Linux only")
def test_memory_needed_is_an_upper_bound_for_a_worker(tmp_path: Path) -> None:
    # joblib keeps its workers, and those of earlier tests bring their own peaks along.
    get_reusable_executor().shutdown(wait=True)
    grid = Grid(["add"], [31], [0.8], ["gaussian", "laplace", "quadratic"], n_iterations=[1])
    peaks = run_sweep(grid, tmp_path, workers=2).to_pandas().groupby("kernel").peak_bytes.max()
    for cell in grid.cells():
        assert 0.5 * memory_needed(cell) < peaks[cell.kernel] < memory_needed(cell)


def test_time_grows_with_the_cube_of_the_rows() -> None:
    small, large = (Grid(["add"], [p]).cells()[0] for p in (499, 997))
    ratio = costs.reference_seconds(large) / costs.reference_seconds(small)
    assert ratio == pytest.approx((997 / 499) ** 6, rel=0.1)
