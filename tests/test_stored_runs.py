"""What chapters read from `book/runs` is what their sources give."""

import runpy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import stored_runs
from stored_runs import RUNS, stored

from rfm_tutorial.sweep import Grid, run_cell

SOURCES = stored_runs.sources()
SCRIPTS = [name for name, path in SOURCES.items() if path.suffix == ".py"]
GRIDS = [name for name, path in SOURCES.items() if path.suffix == ".toml"]


def assert_alike(found: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Whole numbers and texts are equal; others to a hundredth, which is far more than another
    processor's rounding comes to in the few steps of a sample, and far less than what the
    chapters claim. Below a millionth a number is rounding itself."""
    assert len(kept) == len(found)
    for name in found.columns:
        left, right = found[name], kept[name]
        if left.dtype.kind == "f":
            np.testing.assert_allclose(left, right, rtol=0.01, atol=1e-6, err_msg=name)
        else:
            assert left.tolist() == right.tolist(), name


def test_every_source_has_a_result_and_every_result_a_source() -> None:
    assert SCRIPTS
    assert GRIDS
    assert {path.stem for path in RUNS.glob("*.parquet")} == set(SOURCES)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_gives_what_is_stored(name: str) -> None:
    script = runpy.run_path(str(SOURCES[name]))
    frame, cases, sample = stored(name), script["CASES"], script["SAMPLE"]
    described = frame[list(cases[0])].drop_duplicates().to_dict("records")
    assert described == cases
    mine = np.logical_and.reduce([frame[key] == sample[key] for key in cases[0]])
    found = pd.DataFrame(stored_runs.records(SOURCES[name], sample))
    # The reference of an alignment is the last matrix of its run, and the sample is shorter.
    compared = [column for column in found.columns if not column.startswith("alignment")]
    assert_alike(found[compared], frame[mine][compared].head(len(found)))


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_gives_what_is_stored(name: str) -> None:
    frame, cells = stored(name), Grid.from_toml(SOURCES[name]).cells()
    assert frame.cell.drop_duplicates().tolist() == [cell.id for cell in cells]
    assert frame.error.isna().all()
    cell = cells[-1]
    found = run_cell(replace(cell, n_iterations=3)).to_pandas()
    compared = ["iteration", "train_accuracy", "test_accuracy", "test_loss", "circulant_deviation"]
    kept = frame[frame.cell == cell.id].head(len(found))
    assert_alike(found[compared], kept[compared])


def test_an_unknown_name_is_answered_in_words() -> None:
    with pytest.raises(SystemExit, match="no such runs: nothing"):
        stored_runs.main(["nothing"])


def test_what_each_name_took_is_said_at_the_end(monkeypatch, capsys) -> None:
    made, clock = [], iter([0.0, 3.0, 10.0, 70.0])
    monkeypatch.setattr(stored_runs, "remake", made.append)
    monkeypatch.setattr(stored_runs.time, "perf_counter", lambda: next(clock))
    stored_runs.main(["plus_59", "sizes"])
    assert made == [SOURCES["plus_59"], SOURCES["sizes"]]
    lines = [line.rsplit(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines == [["plus_59", "3", "s"], ["sizes", "60", "s"], ["all of these", "63", "s"]]
