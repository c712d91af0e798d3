"""Sweeps: what is computed, what is kept, and what survives when processes are killed."""

import errno
import io
import json
import logging
import math
import os
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from rfm_tutorial import RFM, GaussianKernel, ModularTask, costs, plots, store, sweep
from rfm_tutorial.costs import estimate_cost, memory_needed
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.store import (
    SCHEMA,
    VOLATILE_COLUMNS,
    StoreError,
    SweepWarning,
    jump_table,
    read_sweep,
)
from rfm_tutorial.sweep import main, run_sweep

GRID = Grid(["add", "div"], [5, 7], [0.4, 0.6], seeds=[0, 1], n_iterations=[4])
SLOWER = Grid(["add", "sub", "mul", "div"], [11], [0.4, 0.6], seeds=[0, 1], n_iterations=[100])
"""Cells of a tenth of a second and more: a process can be killed in the middle of it."""


starts_processes = pytest.mark.processes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return run_sweep(GRID, tmp_path_factory.mktemp("undisturbed"), workers=1)


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return run_sweep(SLOWER, tmp_path_factory.mktemp("slower"), workers=1)


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
    monkeypatch.setattr(sweep, "run_cell", lambda cell: computed.append(cell) or run_cell(cell))
    return computed


# The grid


def test_a_grid_has_every_combination_once_in_one_order() -> None:
    cells = GRID.cells()
    assert len(cells) == len({cell.id for cell in cells}) == 16
    assert cells == GRID.cells()
    assert [cell.seed for cell in cells[:4]] == [0, 1, 0, 1]
    for cell in cells:
        split = ModularTask(cell.operation, cell.modulus).split(cell.train_fraction, cell.seed)
        assert cell.rows == (len(split.X_train), len(split.X_test))


def test_the_quadratic_kernel_has_no_bandwidth_and_is_run_once() -> None:
    grid = Grid(["add"], [5], kernels=["gaussian", "quadratic"], bandwidths=[1.0, 2.5])
    assert [(cell.kernel, cell.bandwidth) for cell in grid.cells()] == [
        ("gaussian", 1.0),
        ("gaussian", 2.5),
        ("quadratic", None),
    ]


def test_the_name_of_a_cell_does_not_change_between_versions() -> None:
    cell = Cell("add", 5, 0.5, "gaussian", 2.5, 0.0, 0, 30, "float64")
    assert Grid(["add"], [5]).cells() == (cell,)
    assert cell.id == "fb3f992a6be32eae"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"operations": ["plus"]}, "operations must be one of 'add', .*, got 'plus'"),
        ({"operations": "add"}, "operations must be a list of at least one value, got 'add'"),
        ({"moduli": []}, r"moduli must be a list of at least one value, got \[\]"),
        ({"moduli": [1]}, "moduli must be an integer ≥ 2, got 1"),
        ({"operations": ["div"], "moduli": [60]}, "moduli must be prime for 'div', got 60; .* 59"),
        ({"train_fractions": [0.5, 1.0]}, "train_fractions must lie strictly .* got 1.0"),
        ({"train_fractions": [0.01]}, "train_fractions must leave a training row .* p = 5"),
        ({"kernels": ["rbf"]}, "kernels must be one of 'gaussian'.* got 'rbf'"),
        ({"bandwidths": [0.0]}, "bandwidths must be a positive number, got 0.0"),
        ({"ridges": [-1.0]}, "ridges must be a number ≥ 0, got -1.0"),
        ({"seeds": [0, 1, 0]}, r"seeds must not repeat a value, got \[0, 1, 0\]"),
        ({"seeds": [-1]}, "seeds must be an integer ≥ 0, got -1"),
        ({"n_iterations": [2.5]}, "n_iterations must be an integer ≥ 0, got 2.5"),
        ({"dtype": "float16"}, "dtype must be one of 'float32', 'float64', got 'float16'"),
        ({"dtype": torch.float64}, "dtype must be one of 'float32', 'float64', got torch.float64"),
        ({"moduli": [10**30]}, "moduli must be an integer ≤ 1000000, got 10+"),
        ({"moduli": 5}, "moduli must be a list of at least one value, got 5"),
        ({"seeds": [2**64]}, "seeds must be an integer ≤ 18446744073709551615, got 18446744073709"),
        ({"seeds": b"ab"}, "seeds must be a list of at least one value, got b'ab'"),
        ({"seeds": np.arange(3)}, r"seeds must be a list .* got array\(\[0, 1, 2\]\)"),
        ({"seeds": [0] * 100}, r"must not repeat a value, got \[0, 0, .*\.\.\.\] with 0 more than"),
        ({"seeds": [1.0]}, "seeds must be an integer ≥ 0, got 1.0"),
        ({"n_iterations": [10**12]}, "n_iterations must be an integer ≤ 1000000, got 10+"),
        ({"ridges": [math.nan]}, "ridges must be a number ≥ 0, got nan"),
        ({"ridges": [10**400]}, "ridges must be a number ≥ 0, got an integer of 1329 bits"),
        ({"ridges": [0.0, -0.0]}, "ridges must not repeat a value"),
        ({"train_fractions": ["0.5"]}, "train_fractions must be a positive number, got '0.5'"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_a_wrong_value_is_refused_by_name(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grid(**({"operations": ["add"], "moduli": [5]} | fields))


@pytest.mark.usefixtures("no_type_checks")
def test_numbers_of_numpy_name_the_same_cells() -> None:
    plain = Grid(["add"], [5], [0.5], ridges=[0.0], seeds=[0, 1])
    grid = Grid(
        [np.str_("add")],
        [*np.array([5])],
        [*np.array([0.5])],
        bandwidths=[np.float32(2.5)],
        ridges=[np.float64(-0.0)],
        seeds=range(2),
        dtype=np.str_("float64"),
    )
    assert repr(grid) == repr(plain)
    assert [cell.id for cell in grid.cells()] == [cell.id for cell in plain.cells()]


@pytest.mark.usefixtures("no_type_checks")
def test_a_grid_is_checked_without_building_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_cell(*_: object) -> None:
        raise AssertionError("no cell was asked for")

    monkeypatch.setattr("rfm_tutorial.grids.Cell", no_cell)
    Grid(["add", "div"], [5, 7], seeds=range(100_000))
    for fields in ({"seeds": range(10**30)}, {"seeds": range(1001), "n_iterations": range(1000)}):
        message = "at most 1,000,000 cells, because each becomes a file, got 1,00[01],00[01] or mo"
        with pytest.raises(ValueError, match=message):
            Grid(["add"], [5], **fields)


GRID_FILE = 'operations = ["add"]\nmoduli = [5]\n'


@pytest.mark.parametrize(
    "contents", [b"\xef\xbb\xbf" + GRID_FILE.encode(), GRID_FILE.replace("\n", "\r\n").encode()]
)
def test_a_grid_may_come_from_another_editor(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "grid.toml").write_bytes(contents)
    assert Grid.from_toml(tmp_path / "grid.toml") == Grid(["add"], [5])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (GRID_FILE.encode("utf-16"), "grid.toml must be encoded as UTF-8, got .* byte 0xff"),
        (GRID_FILE.encode("utf-16-le"), "grid.toml must be encoded as UTF-8, got zero bytes as in"),
        ("# Größe\n".encode("latin-1"), "grid.toml must be encoded as UTF-8, got .* byte 0xf6"),
        (b"", "grid.toml: operations must be given, got no field at all"),
        (f"[grid]\n{GRID_FILE}".encode(), "a field's name must be one of .* got 'grid'"),
        (f"{GRID_FILE}seeds = [{2**64}]".encode(), "grid.toml: seeds must be an integer ≤ 18446"),
    ],
)
def test_a_file_that_is_no_grid_is_refused(tmp_path: Path, contents: bytes, message: str) -> None:
    (tmp_path / "grid.toml").write_bytes(contents)
    with pytest.raises(ValueError, match=message):
        Grid.from_toml(tmp_path / "grid.toml")


def test_a_grid_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('operations = ["add", "div"]\nmoduli = [5]\nseeds = [0, 1]\n')
    assert Grid.from_toml(path) == Grid(["add", "div"], [5], seeds=[0, 1])
    shipped = Path(__file__).parents[1] / "benchmarks" / "sweep.toml"
    assert len(Grid.from_toml(shipped).cells()) == 60
    for text, message in (
        ("operations = [", "grid.toml: Invalid value"),
        ('operations = ["add"]\nmodulus = [5]', "name must be one of .*'moduli'.* got 'modulus'"),
        ('operations = ["add"]', "grid.toml: moduli must be given, got only operations"),
        ('operations = ["add"]\nmoduli = [0]', "grid.toml: moduli must be an integer"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            Grid.from_toml(path)
    with pytest.raises(ValueError, match=f"{tmp_path} must be a TOML file, got a folder"):
        Grid.from_toml(tmp_path)


# One cell


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


# The store


def test_a_second_run_computes_only_what_is_missing(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert Grid(**manifest["grid"]) == GRID
    assert manifest["rfm_tutorial"] == "0.1.0"
    assert "ModularTask.split" in manifest["seed_rule"]
    before = files(tmp_path)
    lost = GRID.cells()[3], GRID.cells()[11]
    for cell in lost:
        (tmp_path / "cells" / f"{cell.id}.parquet").unlink()
    computed = counting(monkeypatch)
    assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)
    assert set(computed) == set(lost)
    after = files(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {
        f"{cell.id}.parquet" for cell in lost
    }
    assert same(read_sweep(tmp_path), undisturbed)


def test_a_table_has_the_columns_of_the_schema_in_the_order_of_the_grid(
    undisturbed: pa.Table,
) -> None:
    assert undisturbed.schema.equals(SCHEMA)
    names = undisturbed["cell"].to_pylist()
    assert names == [cell.id for cell in GRID.cells() for _ in range(5)]
    assert undisturbed.to_pandas().test_accuracy.between(0, 1).all()


THREADS = """
import sys
from pathlib import Path

import pyarrow.parquet as pq

from rfm_tutorial.store import jump_table, read_sweep

def threads():
    return len([*Path("/proc/self/task").iterdir()])

store = Path(sys.argv[1])
before = threads()
jump_table(read_sweep(store))
ours = threads() - before
for path in (store / "cells").iterdir():
    pq.ParquetFile(path).read()
print(ours, threads() - before > 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted on Linux")
def test_reading_starts_no_thread_of_arrow(tmp_path: Path) -> None:
    # Its threads abort the interpreter now and then when it ends: in one run of five.
    run_sweep(Grid(["add"], [5], seeds=[0, 1], n_iterations=[2]), tmp_path, workers=1)
    command = [sys.executable, "-c", THREADS, tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["0", "True"], run.stderr


def test_a_store_may_have_any_path_and_any_seed(tmp_path: Path) -> None:
    store = tmp_path / "a folder of ünïcode ☃"
    grid = Grid(["add"], [5], seeds=[2**64 - 1], n_iterations=[1])
    table = run_sweep(grid, str(store), workers=1)
    assert table["seed"].to_pylist() == [2**64 - 1] * 2
    assert read_sweep(store).equals(table)


def test_a_store_that_is_moved_while_it_is_read_gives_no_part_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = tmp_path / "store", store._read_cell
    run_sweep(Grid(["add"], [5], seeds=[0, 1], n_iterations=[1]), folder, workers=1)

    def read_and_move(path: Path, cell: Cell) -> pa.Table:
        table = read(path, cell)
        folder.rename(tmp_path / "elsewhere")
        return table

    monkeypatch.setattr(store, "_read_cell", read_and_move)
    with pytest.raises(StoreError, match="store was moved or deleted while it was read"):
        read_sweep(folder)


def test_a_store_of_a_newer_format_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    grid = Grid(["add"], [5], n_iterations=[1])
    run_sweep(grid, tmp_path, workers=1)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest |= {"format_version": 2, "rfm_tutorial": "9.0"}
    manifest["grid"]["optimizers"] = ["none"]
    path.write_text(json.dumps(manifest))
    for use in (lambda: read_sweep(tmp_path), lambda: run_sweep(grid, tmp_path, workers=1)):
        with pytest.raises(StoreError, match=r"has format version 2, .* rfm_tutorial 9.0 wrote it"):
            use()


@pytest.mark.usefixtures("no_type_checks")
def test_wrong_arguments_are_named_and_leave_nothing_behind(tmp_path: Path) -> None:
    grid, folder = Grid(["add"], [5], n_iterations=[1]), tmp_path / "store"
    for workers in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match=f"workers must be an integer ≥ 1, got {workers!r}"):
            run_sweep(grid, folder, workers=workers)
    for scheduler in (5, ""):
        with pytest.raises(TypeError, match=r"scheduler must be an address or .* got"):
            run_sweep(grid, folder, scheduler=scheduler)
    with pytest.raises(TypeError, match="grid must be a Grid, got dict"):
        run_sweep({"operations": ["add"], "moduli": [5]}, folder)
    assert not folder.exists()
    file = tmp_path / "file"
    file.touch()
    for path, got in (
        (None, "None"),
        ("", "''"),
        (b"store", "b'store'"),
        (file, f"the file {file}"),
    ):
        message = f"store must be the path of a folder, got {got}"
        for use in (lambda: run_sweep(grid, path), lambda: read_sweep(path)):  # noqa: B023
            with pytest.raises(ValueError, match=message):
                use()
    for cells in (grid, []):
        with pytest.raises(ValueError, match=r"cells must be at least one of a grid's \.cells"):
            estimate_cost(cells)


@pytest.mark.parametrize("change", [{"seeds": [0]}, {"moduli": [5, 7, 11]}, {"dtype": "float32"}])
def test_another_grid_is_refused(tmp_path: Path, change: dict) -> None:
    run_sweep(Grid(["add"], [5, 7], seeds=[0, 1], n_iterations=[1]), tmp_path, workers=1)
    fields = {"operations": ["add"], "moduli": [5, 7], "seeds": [0, 1], "n_iterations": [1]}
    (name,) = change
    with pytest.raises(ValueError, match=f"contradicts the manifest of .*: {name} is"):
        run_sweep(Grid(**(fields | change)), tmp_path, workers=1)
    assert len(files(tmp_path)) == 4


def test_the_store_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(["add"], [5], n_iterations=[1])
    run_sweep(grid, tmp_path, workers=1)
    monkeypatch.setattr("rfm_tutorial.__version__", "9.0")
    with pytest.raises(ValueError, match=r"rfm_tutorial is '9.0' and was '0.1.0'"):
        run_sweep(grid, tmp_path, workers=1)
    assert read_sweep(tmp_path).num_rows == 2


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    # In the values of the first page: what pyarrow tells about a page has no checksum.
    contents[40] ^= 1
    path.write_bytes(contents)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def put_another_cell_there(path: Path) -> None:
    path.write_bytes(next(p for p in path.parent.iterdir() if p != path).read_bytes())


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, put_another_cell_there])
def test_a_damaged_file_is_reported_set_aside_and_computed_again(
    tmp_path: Path, undisturbed: pa.Table, damage: Callable[[Path], None]
) -> None:
    run_sweep(GRID, tmp_path, workers=1)
    path = tmp_path / "cells" / f"{GRID.cells()[5].id}.parquet"
    damage(path)
    with pytest.warns(SweepWarning, match=f"{path.name} is left out: it .*Run the sweep again"):
        assert read_sweep(tmp_path).num_rows == undisturbed.num_rows - 5
    with pytest.warns(SweepWarning, match=f"{path.name} was moved to .*damaged.*computed again"):
        assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)
    assert len([*(tmp_path / "damaged").iterdir()]) == 1
    assert len(files(tmp_path)) == 16


def test_a_half_written_file_is_reported_and_set_aside(tmp_path: Path) -> None:
    grid = Grid(["add"], [5], n_iterations=[1])
    table = run_sweep(grid, tmp_path, workers=1)
    (path,) = (tmp_path / "cells").iterdir()
    path.rename(path.with_name(f".{path.name}.0123"))
    assert read_sweep(tmp_path).num_rows == 0
    with pytest.warns(SweepWarning, match="its sweep ended while writing it"):
        assert same(run_sweep(grid, tmp_path, workers=1), table)
    assert [*(tmp_path / "cells").iterdir()] == [path]
    assert len([*(tmp_path / "damaged").iterdir()]) == 1


def test_a_damaged_manifest_costs_no_result(tmp_path: Path, monkeypatch) -> None:
    grid = Grid(["add"], [5, 7], n_iterations=[1])
    run_sweep(grid, tmp_path, workers=1)
    truncate(tmp_path / "manifest.json")
    for use in (lambda: read_sweep(tmp_path), lambda: run_sweep(grid, tmp_path, workers=1)):
        with pytest.raises(StoreError, match=r"manifest.json is damaged .*Delete it and start"):
            use()
    (tmp_path / "manifest.json").unlink()
    computed = counting(monkeypatch)
    assert run_sweep(grid, tmp_path, workers=1).num_rows == 4
    assert computed == []


def test_what_is_not_a_store_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be read \(No such file.*not a store"):
        read_sweep(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a few files; needs root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_said_and_costs_nothing(small_disk: Path, undisturbed: pa.Table) -> None:
    store = small_disk / "store"
    with pytest.raises(StoreError, match="could not be written: No space left on device"):
        run_sweep(GRID, store, workers=1)
    kept = files(store)
    assert 0 < len(kept) < 16
    assert len([*(store / "cells").iterdir()]) == len(kept), "nothing half-written is left"
    assert read_sweep(store).num_rows == 5 * len(kept)
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    assert same(run_sweep(GRID, store, workers=1), undisturbed)
    assert kept.items() <= files(store).items()


def test_a_disk_that_fills_up_stands_in(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, sync = [], os.fsync

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="What is finished is kept"):
        run_sweep(GRID, tmp_path, workers=1)
    assert len([*(tmp_path / "cells").iterdir()]) == len(files(tmp_path)) == 5
    monkeypatch.undo()
    assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)


def test_a_store_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = counting(monkeypatch)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"store .* cannot be written: Not a directory"):
        run_sweep(GRID, tmp_path / "file" / "store", workers=1)
    assert computed == []


def test_a_read_only_store_is_refused_at_once(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreError, match="cannot be written: Read-only file system"):
        run_sweep(GRID, small_disk / "store", workers=1)


def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(store.fcntl, "flock", no_locks)
    with pytest.warns(SweepWarning, match="cannot be locked .* no other sweep runs on it"):
        assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)


# Several processes


def start(grid: Grid, folder: Path) -> tuple[subprocess.Popen, Path]:
    """The command line, on two workers, in a process group of its own, and its store."""
    lists = {name: list(value) for name, value in vars(grid).items() if name != "dtype"}
    toml = "".join(f"{name} = {json.dumps(value)}\n" for name, value in lists.items())
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

    def interrupted(cell: Cell) -> pa.Table:
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


def deadly(hopeless: str) -> Callable[[Cell], pa.Table]:
    """`run_cell`, but one cell kills the process that computes it."""

    def run(cell: Cell) -> pa.Table:
        from rfm_tutorial import sweep  # as it is there, not as it is patched here

        if cell.id == hopeless:
            os.kill(os.getpid(), signal.SIGKILL)
        return sweep.run_cell(cell)

    return run


def check_hopeless(table: pa.Table, undisturbed: pa.Table, hopeless: str, error: str) -> None:
    """One cell is a row with an error, all others are as they should be."""
    assert table.num_rows == undisturbed.num_rows - 4
    (failed,) = table.filter(pc.field("cell") == hopeless).to_pylist()
    assert failed["error"].startswith(error)
    others = pc.field("cell") != hopeless
    assert same(table.filter(others), undisturbed.filter(others))


@starts_processes
def test_a_cell_that_kills_its_worker_is_a_row_and_the_sweep_goes_on(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    hopeless = GRID.cells()[6].id
    monkeypatch.setattr(sweep, "run_cell", deadly(hopeless))
    with pytest.warns(SweepWarning, match="a worker process died .* computed again one at a time"):
        table = run_sweep(GRID, tmp_path, workers=2)
    check_hopeless(table, undisturbed, hopeless, "TerminatedWorkerError: its worker process died")


# A cluster


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


def not_in(pid: int) -> Callable[[Cell], pa.Table]:
    """`run_cell`, but an error in one process."""

    def run(cell: Cell) -> pa.Table:
        from rfm_tutorial import sweep  # as it is there, not as it is patched here

        if os.getpid() == pid:
            raise AssertionError("this process was not to compute")
        return sweep.run_cell(cell)

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
    with pytest.raises(AssertionError, match="was not to compute"):
        run_sweep(GRID, tmp_path / "here", workers=1)
    with pytest.raises(ValueError, match="workers are local and must be None with a scheduler"):
        run_sweep(GRID, tmp_path, workers=2, scheduler=address)


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


# What it costs


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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_says_the_cost_and_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    grid = Grid(["add"], [5], seeds=[0, 1], n_iterations=[1])
    run_sweep(grid, tmp_path / "a", workers=1)
    shown = sys.stderr.getvalue()
    assert "2 cells to compute, 1 at a time" in shown
    assert "00:00 left, 2 of 2 cells" in shown
    monkeypatch.setattr(sys, "stderr", Terminal())
    run_sweep(grid, tmp_path / "b", workers=1, progress=False)
    assert sys.stderr.getvalue() == ""


# The command line, in this process


def test_the_command_line_says_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    path, store = tmp_path / "grid.toml", tmp_path / "store"
    path.write_text(
        'operations = ["add"]\nmoduli = [5]\nbandwidths = [1e9, 2.5]\nn_iterations = [1]\n'
    )
    arguments = [str(path), "--store", str(store), "--workers", "1"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "2 cells to compute, 1 at a time; estimated time" in capsys.readouterr().out
    assert not store.exists()
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "2 cells to compute" in out
    assert f"2 cells are finished in {store}; 1 of them failed, see the column error" in out
    assert err == ""
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out == "nothing to compute\n"
    path.write_text('operations = ["add"]\nmoduli = [7]\n')
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: grid contradicts the manifest of ")
    assert main([str(tmp_path / "none.toml"), "--store", str(store)]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("contents", "arguments", "message"),
    [
        (None, [], "must be a TOML file, got a folder"),
        (b"", [], "operations must be given, got no field at all"),
        (GRID_FILE.encode("utf-16"), [], "must be encoded as UTF-8"),
        (GRID_FILE.encode(), ["--workers", "0"], "workers must be an integer ≥ 1, got 0"),
        (GRID_FILE.encode(), ["--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], "workers are"),
        (GRID_FILE.encode(), ["--store", ""], "store must be the path of a folder, got ''"),
        (GRID_FILE.encode(), ["--store", __file__], "store must be the path of a folder, got the"),
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    contents: bytes | None,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    path = tmp_path / "grid.toml"
    path.mkdir() if contents is None else path.write_bytes(contents)
    assert main([str(path), "--store", str(tmp_path / "store"), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_dry_run_says_what_the_run_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    run_sweep(Grid(["add"], [7], n_iterations=[1]), tmp_path / "store", workers=1)
    path = tmp_path / "grid.toml"
    path.write_text(GRID_FILE)
    assert main([str(path), "--store", str(tmp_path / "store"), "--dry-run"]) == 1
    assert "error: grid contradicts the manifest of " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["grid.toml"], ["grid.toml", "--workers", "two"]])
def test_a_wrong_command_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: python -m rfm_tutorial.sweep")


def test_the_command_is_named_as_it_was_called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/rfm-sweep"])
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: rfm-sweep [-h] --store STORE")


WITHOUT_THE_EXTRA = """
import runpy, sys

sys.modules["pyarrow"] = None  # as if it were not installed
sys.argv[0] = "sweep.py"
runpy.run_module("rfm_tutorial.sweep", run_name="__main__")
"""


def test_without_the_extra_the_help_is_shown_and_a_run_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID_FILE)
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_THE_EXTRA]
    needed = "sweeps need pyarrow; pip install 'rfm-tutorial[sweep]' brings all that they need\n"
    for arguments, code, out, err in (
        (["--help"], 0, "usage: python -m rfm_tutorial.sweep [-h] --store STORE", ""),
        ([tmp_path / "grid.toml", "--store", tmp_path / "store"], 1, "", f"error: {needed}"),
    ):
        run = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (code, err)
        assert run.stdout.startswith(out)
    assert not (tmp_path / "store").exists()


def test_without_the_extra_every_function_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)  # as if it were not installed
    for use in (
        lambda: run_cell(GRID.cells()[0]),
        lambda: estimate_cost(GRID.cells()),
        lambda: run_sweep(GRID, tmp_path / "store"),
    ):
        with pytest.raises(ModuleNotFoundError, match="sweeps need joblib; pip install"):
            use()


# Figures


def jumps_of(paths: dict[tuple[float, int], list[float] | None]) -> pa.Table:
    """A table with the test accuracies of each fraction and seed, None for a run that failed."""
    rows = []
    for (fraction, seed), values in paths.items():
        cell = Cell("add", 5, fraction, "gaussian", 2.5, 0.0, seed, 2, "float64")
        described = {"cell": cell.id, **vars(cell)}
        rows += [{**described, "error": "it failed"}] if values is None else []
        for step, value in enumerate(values or []):
            rows.append({**described, "iteration": step, "test_accuracy": float(value)})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def test_a_jump_table_can_be_drawn_as_it_is() -> None:
    jumps = jump_table(jumps_of({(0.3, 0): [0, 0, 0], (0.5, 0): [0, 1, 1]}))
    ax = plots.phase(jumps, value_name="iteration of the jump")
    assert plots.alt_text(ax.figure) == (
        "Grid of iteration of the jump over train_fraction (rows) and modulus (columns): values "
        "from 1 to 1; in 1 of 2 cells it never happened."
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.3", "0.5"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5"]
    plt.close("all")


def test_where_all_runs_failed_is_said() -> None:
    paths = {(0.3, 0): None, (0.3, 1): None, (0.5, 0): None, (0.5, 1): [0, 1, 1]}
    with pytest.warns(SweepWarning, match="all runs failed in 1 of 2 combinations of"):
        jumps = jump_table(jumps_of(paths))
    assert math.isnan(jumps.loc[0.3, 5])
    assert jumps.loc[0.5, 5] == 1
    with pytest.raises(ValueError, match="a cell that did not fail, got 2 failed ones"):
        jump_table(jumps_of({(0.3, 0): None, (0.3, 1): None}))


def test_jumps_can_be_laid_out_by_kernel_though_one_has_no_bandwidth() -> None:
    grid = Grid(["add"], [5], [0.8], kernels=["gaussian", "quadratic"], n_iterations=[2])
    table = pa.concat_tables([run_cell(cell) for cell in grid.cells()])
    jumps = jump_table(table, rows="kernel", columns="bandwidth", threshold=1e-9)
    assert jumps.index.tolist() == ["gaussian", "quadratic"]
    assert jump_table(table, rows="kernel").shape == (2, 1)


@pytest.mark.usefixtures("no_type_checks")
def test_wrong_questions_about_jumps_are_refused(undisturbed: pa.Table) -> None:
    for changes, message in (
        ({"threshold": 0}, "threshold must be a positive number, got 0"),
        ({"threshold": 2}, "threshold must be an accuracy, at most 1, got 2"),
        ({"threshold": math.nan}, "threshold must be a positive number, got nan"),
        ({"rows": "fraction"}, "rows must be one of 'operation', .*, got 'fraction'"),
        ({"columns": "train_fraction"}, "columns must be one of .*, got 'train_fraction'"),
    ):
        with pytest.raises(ValueError, match=message):
            jump_table(undisturbed, **changes)
    with pytest.raises(ValueError, match="a cell that did not fail, got 0 failed ones"):
        jump_table(undisturbed.slice(0, 0))
    with pytest.raises(ValueError, match="all columns that read_sweep gave, got no iteration"):
        jump_table(undisturbed.drop_columns(["iteration"]))
    with pytest.raises(TypeError, match="table must be one that read_sweep gave, got DataFrame"):
        jump_table(undisturbed.to_pandas())


def test_the_jump_is_where_the_median_run_crosses_the_threshold() -> None:
    table = jumps_of(
        {
            (0.3, 0): [0, 0, 0],
            (0.3, 1): [0, 0, 1],
            (0.5, 0): [0, 1, 1],
            (0.5, 1): [0, 0, 0.5],
            (0.5, 2): None,
        }
    )
    jumps = jump_table(table)
    assert jumps.index.tolist() == [0.3, 0.5]
    assert jumps.columns.tolist() == [5]
    assert math.isnan(jumps.loc[0.3, 5])
    assert jumps.loc[0.5, 5] == 1.5
    ax = plots.phase(
        torch.tensor(jumps.to_numpy()),
        row_labels=jumps.index.tolist(),
        column_labels=jumps.columns.tolist(),
        row_name="fraction",
        column_name="modulus",
        value_name="iteration of the jump",
    )
    assert "in 1 of 2 cells it never happened" in plots.alt_text(ax.figure)


def test_jumps_of_different_settings_are_not_mixed(undisturbed: pa.Table) -> None:
    with pytest.raises(
        ValueError, match=r"table must have one operation, got add, div; table.filt"
    ):
        jump_table(undisturbed)
