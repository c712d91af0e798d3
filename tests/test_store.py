"""The store of a sweep: what is kept, what is damaged, what does not fit."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from sweeps import GRID, counting, files, same

from rfm_tutorial import RFM, GaussianKernel, ModularTask, store
from rfm_tutorial.costs import estimate_cost
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.store import SCHEMA, StoreError, SweepWarning, read_sweep
from rfm_tutorial.sweep import run_sweep


def test_a_second_run_computes_only_what_is_missing(
    tmp_path: Path, undisturbed: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [Grid(**grid) for grid in manifest["grids"]] == [GRID]
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


def test_a_store_that_grows_is_that_of_one_larger_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Grid(["add"], [5], [0.4, 0.6], seeds=[0, 1], n_iterations=[2])
    more = Grid(["add"], [5, 7], [0.6], seeds=[1, 2], n_iterations=[2])
    first = run_sweep(small, tmp_path, workers=1)
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"or grow=True, on the command line --grow, adds it"):
        run_sweep(more, tmp_path, workers=1)
    assert same(read_sweep(tmp_path), first)
    computed = counting(monkeypatch)
    table = run_sweep(more, tmp_path, workers=1, grow=True)
    assert [(cell.modulus, cell.seed) for cell in computed] == [(7, 1), (7, 2), (5, 2)]
    assert before.items() <= files(tmp_path).items(), "what was finished was not written again"
    assert same(table.slice(0, len(first)), first)
    both = [*dict.fromkeys([*small.cells(), *more.cells()])]
    names = table["cell"].to_pylist()
    assert names == [cell.id for cell in both for _ in range(3)], "none lost, none twice"
    at_once = run_sweep(
        Grid(["add"], [5, 7], [0.4, 0.6], seeds=[0, 1, 2], n_iterations=[2]),
        tmp_path / "one",
        workers=1,
    )
    for cell in both:
        mine = pc.field("cell") == cell.id
        assert same(table.filter(mine), at_once.filter(mine))
    # Either grid is now the store's, and there is nothing left to do.
    manifest = (tmp_path / "manifest.json").read_text()
    for grid, grow in ((small, False), (more, True)):
        assert run_sweep(grid, tmp_path, workers=1, grow=grow).equals(table)
    assert (tmp_path / "manifest.json").read_text() == manifest


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_older_format_is_read_and_grows(
    version: int, tmp_path: Path, undisturbed: pa.Table
) -> None:
    run_sweep(GRID, tmp_path, workers=1)
    # Their columns, and the fields of a grid.
    later = {"split": "splits"}
    if version == 1:
        later |= {"agop_power": "agop_powers", "center_gradients": "center_gradients"}
        later |= {"normalization": "normalizations", "device": "device", "features": "features"}
    columns = [*later, *["feature_matrix"][: version == 1]]
    for path in (tmp_path / "cells").iterdir():
        table = pq.ParquetFile(path).read().drop_columns(columns)
        pq.write_table(table, path, write_page_checksum=True)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    (grid,) = manifest.pop("grids")
    for axis in later.values():
        del grid[axis]
    grids = {"grid": grid} if version == 1 else {"grids": [grid]}
    path.write_text(json.dumps({**manifest, "format_version": version, **grids}))
    before = files(tmp_path)
    assert same(read_sweep(tmp_path), undisturbed)
    assert same(run_sweep(GRID, tmp_path, workers=1), undisturbed)
    assert files(tmp_path) == before
    more = Grid(["sub"], [5], n_iterations=[1])
    table = run_sweep(more, tmp_path, workers=1, grow=True)
    assert same(table.slice(0, len(undisturbed)), undisturbed)
    assert len(table) == len(undisturbed) + 2


@pytest.mark.parametrize(("features", "kept"), [("none", []), ("last", [2]), ("all", [0, 1, 2])])
def test_feature_matrices_are_kept_beside_the_numbers(
    features: str, kept: list[int], tmp_path: Path
) -> None:
    grid = Grid(["add"], [5], n_iterations=[2], features=features)
    column = run_sweep(grid, tmp_path, workers=1)["feature_matrix"].to_pylist()
    assert [step for step in range(3) if column[step] is not None] == kept
    split = ModularTask("add", 5).split()
    for step in RFM(GaussianKernel(2.5), 2).iterate(split.X_train, split.Y_train):
        if step.iteration in kept:
            M = torch.tensor(column[step.iteration], dtype=torch.float64).view(10, 10)
            torch.testing.assert_close(M, step.feature_matrix)


def test_some_columns_may_be_read_alone(tmp_path: Path, undisturbed: pa.Table) -> None:
    run_sweep(GRID, tmp_path, workers=1)
    names = ["seed", "test_accuracy"]
    assert read_sweep(tmp_path, names).equals(undisturbed.select(names))
    with pytest.raises(ValueError, match=r"columns must be one of 'cell', .*, got 'accuracy'"):
        read_sweep(tmp_path, ["accuracy"])


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


@pytest.mark.slow
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
    manifest |= {"format_version": 4, "rfm_tutorial": "9.0"}
    manifest["grids"][0]["optimizers"] = ["none"]
    path.write_text(json.dumps(manifest))
    for use in (lambda: read_sweep(tmp_path), lambda: run_sweep(grid, tmp_path, workers=1)):
        with pytest.raises(StoreError, match=r"has format version 4, .* rfm_tutorial 9.0 wrote it"):
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
    tmp_path: Path,
    undisturbed_store: Path,
    undisturbed: pa.Table,
    damage: Callable[[Path], None],
) -> None:
    shutil.copytree(undisturbed_store, tmp_path, dirs_exist_ok=True)
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
