"""When grokking happens, from the table of a sweep to its figure."""

import math

import matplotlib.pyplot as plt
import pyarrow as pa
import pytest
import torch

from rfm_tutorial import plots
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.store import SCHEMA, SweepWarning, jump_table


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


def test_a_table_kept_since_before_some_parameters_came_is_read() -> None:
    table = jumps_of({(0.3, 0): [0, 0, 0], (0.5, 0): [0, 1, 1]})
    later = ["agop_power", "center_gradients", "normalization", "device", "features"]
    assert jump_table(table.drop_columns(later)).equals(jump_table(table))
