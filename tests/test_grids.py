"""What a sweep is to compute: every combination, checked, from Python or from a file."""

import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sweeps import GRID, GRID_FILE

from rfm_tutorial import ModularTask, grids
from rfm_tutorial.grids import Cell, Grid


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


def test_every_parameter_is_in_the_name_of_a_cell() -> None:
    (cell,) = Grid(["add"], [5]).cells()
    others = {
        "operation": "sub", "modulus": 7, "train_fraction": 0.6, "kernel": "laplace",
        "bandwidth": 1.0, "ridge": 1.0, "seed": 1, "n_iterations": 1, "dtype": "float32",
        "agop_power": 1.0, "center_gradients": False, "normalization": "max", "device": "cuda",
        "features": "all", "split": "orbits",
    }  # fmt: skip
    assert others.keys() == grids.PARAMETERS.keys()
    names = {replace(cell, **{name: value}).id for name, value in others.items()}
    assert len(names | {cell.id}) == len(others) + 1


def test_groups_have_no_modulus_and_are_run_once() -> None:
    grid = Grid(["add", "D4", "Z2 x Z3"], [5, 7], [0.5])
    assert [(cell.operation, cell.modulus) for cell in grid.cells()] == [
        ("add", 5),
        ("add", 7),
        ("D4", None),
        ("Z2 x Z3", None),
    ]
    assert [cell.rows for cell in grid.cells()] == [(12, 13), (24, 25), (32, 32), (18, 18)]
    assert [cell.widths for cell in grid.cells()][1:] == [(14, 7), (16, 8), (12, 6)]
    assert Grid(["S4"]).cells()[0].rows == (288, 288)


def test_several_tasks_and_tasks_of_ones_own_are_cells() -> None:
    names = ["add, x^2+y^2", "sweeps:halves", "sweeps:small_group"]
    cells = Grid(names, [6], kernels=["sweeps:InverseQuadratic", "quadratic"]).cells()
    assert [(cell.operation, cell.modulus, cell.kernel, cell.bandwidth) for cell in cells] == [
        (names[0], 6, "sweeps:InverseQuadratic", 2.5),
        (names[0], 6, "quadratic", None),
        (names[1], 6, "sweeps:InverseQuadratic", 2.5),
        (names[1], 6, "quadratic", None),
        (names[2], None, "sweeps:InverseQuadratic", 2.5),
        (names[2], None, "quadratic", None),
    ]
    assert [sum(cell.rows) for cell in cells[::2]] == [72, 36, 36]
    assert [cell.widths for cell in cells[::2]] == [(14, 6), (12, 3), (12, 6)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"operations": ["plus"]}, "operations must be one of 'add', .*, got 'plus'"),
        ({"operations": "add"}, "operations must be a list of at least one value, got 'add'"),
        ({"moduli": []}, "moduli must have at least one value for 'add', got none"),
        ({"operations": ["D5", "add"], "moduli": ()}, "moduli must have at least one value"),
        ({"operations": ["add, plus"]}, "operations must be one of 'add', .*, got 'plus'"),
        ({"operations": ["E8"]}, "operations must be one of 'add', .*, got 'E8'"),
        ({"operations": ["Z5 y Z7"]}, "operations must be one of 'add', .*, got 'Z5 y Z7'"),
        ({"operations": ["no_such:task"]}, "operations must name what can be imported"),
        ({"operations": ["math:no_such"]}, "operations must name what can be imported, .*no_such"),
        ({"operations": ["math:pi"]}, "operations must name a function, got 'math:pi', 3.14"),
        ({"operations": ["math:floor"]}, "operations must name what gives a task or"),
        ({"operations": ["add, div"], "moduli": [6]}, "moduli must be prime for 'div', got 6"),
        ({"kernels": ["math:pi"]}, "kernels must name a class of kernels, got 'math:pi', 3.14"),
        ({"agop_powers": [0]}, "agop_powers must be a positive number, got 0"),
        ({"center_gradients": [1]}, "center_gradients must be True or False, got 1"),
        ({"normalizations": ["l2"]}, "normalizations must be one of 'none', 'trace', 'max'"),
        ({"device": "gpu"}, "device must be such as .cpu. or .cuda:0., got .gpu."),
        ({"features": "some"}, "features must be one of 'none', 'last', 'all', got 'some'"),
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
        ("moduli = [5]", "grid.toml: operations must be given, got only moduli"),
        ('operations = ["add"]', "grid.toml: moduli must have at least one value for 'add', got"),
        ('operations = ["add"]\nmoduli = [0]', "grid.toml: moduli must be an integer"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            Grid.from_toml(path)
    with pytest.raises(ValueError, match=f"{tmp_path} must be a TOML file, got a folder"):
        Grid.from_toml(tmp_path)


ONE_LINE = """\
    scale: float | None = _parameter(
        "scales", "float64", partial(check_real, positive=True), "kernel", default=3.0
    )
"""
USE_OF_IT = """
import sys
from rfm_tutorial.grids import Grid
from rfm_tutorial.store import jump_table
from rfm_tutorial.sweep import run_sweep

path, store = sys.argv[1:]
table = run_sweep(Grid.from_toml(path), store, workers=1)
print(table.schema.field("scale").type, table["scale"].to_pylist())
print(table["test_loss"][1] != table["test_loss"][3], table["cell"][1] != table["cell"][3])
print(jump_table(table, rows="scale", threshold=1e-9).index.tolist())
try:
    Grid(["add"], [5], scales=[0])
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_parameter_of_sweeps_is_declared_in_one_place(tmp_path: Path) -> None:
    package = Path(grids.__file__).parent
    copy = tmp_path / "rfm_tutorial"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "grids.py").read_text(encoding="utf-8")
    before, after = "    dtype: str = _parameter(", ONE_LINE + "    dtype: str = _parameter("
    assert source.count(before) == 1
    (copy / "grids.py").write_text(source.replace(before, after), encoding="utf-8")
    path = tmp_path / "grid.toml"
    more = 'n_iterations = [1]\nkernels = ["quadratic"]\nridges = [0.1]\nscales = [1.0, 3.0]\n'
    path.write_text(GRID_FILE + more)
    run = subprocess.run(
        [sys.executable, "-c", USE_OF_IT, path, tmp_path / "store"],
        cwd=tmp_path,  # the first place where -c looks
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.splitlines() == [
        "double [1.0, 1.0, 3.0, 3.0]",
        "True True",
        "[1.0, 3.0]",
        "scales must be a positive number, got 0",
    ], run.stderr
