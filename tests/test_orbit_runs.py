"""Runs on whole diagonals that are saved, cut off and gone on with, alone and in sweeps."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from sweeps import InverseQuadratic, same, wait_for

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    ModularTask,
    NotFittedError,
    OrbitRFM,
    OrbitStep,
    agop_alignment,
)
from rfm_tutorial.costs import memory_needed, reference_seconds
from rfm_tutorial.grids import Cell, Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.sweep import run_sweep


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("operation", ["add", "div"])
def test_a_run_goes_on_from_its_file_as_if_it_had_never_stopped(
    operation: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    split = ModularTask(operation, 13).split_orbits(0.5, seed=1, dtype=dtype)
    whole = OrbitRFM(GaussianKernel(2.5), 6).fit(split)
    path = tmp_path / "machine.safetensors"
    cut_off = OrbitRFM(GaussianKernel(2.5), 6)
    cut_off.fit(split, on_step=lambda step: cut_off.save(path) or step.iteration == 3)
    loaded = OrbitRFM.load(path)
    assert loaded.history_ == cut_off.history_
    assert (loaded.kernel, loaded.n_iterations) == (cut_off.kernel, 6)
    assert torch.equal(loaded.feature_matrix_, cut_off.feature_matrix_)
    pairs = split.pairs_test
    assert torch.equal(loaded.predict(pairs), cut_off.predict(pairs))
    assert loaded.step_.test_loss == cut_off.step_.test_loss
    for start in (loaded, loaded.step_):
        gone_on = OrbitRFM(GaussianKernel(2.5), 6).fit(split, start=start)
        assert torch.equal(gone_on.feature_matrix_, whole.feature_matrix_)
        first = 0 if start is loaded else 3
        assert without_seconds(gone_on.history_) == without_seconds(whole.history_[first:])


def test_a_kernel_that_has_no_centres_to_be_known_by_is_known_by_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = ModularTask("add", 5).split_orbits(n_orbits=3)
    rfm = OrbitRFM(InverseQuadratic(), 1).fit(split)
    rfm.save(tmp_path / "machine")
    assert OrbitRFM.load(tmp_path / "machine").kernel == rfm.kernel
    values = InverseQuadratic.profile
    monkeypatch.setattr(InverseQuadratic, "profile", lambda kernel, x: 2 * values(kernel, x))
    with pytest.raises(ValueError, match="was saved with another InverseQuadratic"):
        OrbitRFM.load(tmp_path / "machine")


def test_a_machine_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    task, kernel = ModularTask("add", 5), GaussianKernel(2.5)
    split = task.split_orbits(n_orbits=3)
    OrbitRFM(kernel, 1).fit(split).save(tmp_path / "orbits")
    RFM(kernel, 1).fit(split.X_train, split.Y_train).save(tmp_path / "cells")
    with pytest.raises(ValueError, match=r"is not a whole safetensors|has a damaged header"):
        RFM.load(tmp_path / "orbits")
    with pytest.raises(ValueError, match="cells has a damaged header: chunk_numbers"):
        OrbitRFM.load(tmp_path / "cells")
    with pytest.raises(NotFittedError):
        OrbitRFM(kernel).save(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("step", "start must be a step or a fitted OrbitRFM, got 'step'"),
        (KernelRidge(GaussianKernel(2.5)), "start must be a step or a fitted OrbitRFM"),
        ((7, 2), "start must be of a clock of 5 hours, as split is, got 7 hours"),
        ((5, 3), "start must not lie behind the last step, n_iterations = 2, got step 3"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(start: Any, message: str) -> None:
    split = ModularTask("add", 5).split_orbits(n_orbits=3)
    if isinstance(start, tuple):
        p, n_iterations = start
        other = ModularTask("add", p).split_orbits(n_orbits=3)
        start = OrbitRFM(GaussianKernel(2.5), n_iterations).fit(other)
    with pytest.raises(ValueError, match=message):
        OrbitRFM(GaussianKernel(2.5), 2).iterate(split, start)


def cells(**more: Any) -> tuple[Cell, ...]:
    given = {"train_fractions": [0.6], "splits": ["orbits"], "n_iterations": [4], **more}
    return Grid(["add", "mul"], [11], **given).cells()


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_cell_on_orbits_is_that_run(symmetric: bool) -> None:
    for cell in cells(splits=["mirror orbits" if symmetric else "orbits"], features="all"):
        table = run_cell(cell)
        split = ModularTask(cell.operation, 11).split_orbits(0.6, symmetric=symmetric)
        steps = [*OrbitRFM(GaussianKernel(2.5), 4).iterate(split)]
        assert cell.rows == (len(split.X_train), len(split.X_test))
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
            assert table[name].to_pylist() == pytest.approx([getattr(s, name) for s in steps])
        last = steps[-1].feature_matrix
        alignments = [agop_alignment(step.feature_matrix, last) for step in steps]
        assert table["alignment"].to_pylist() == pytest.approx(alignments)
        kept = torch.tensor(table["feature_matrix"].to_pylist(), dtype=torch.float64)
        for step, M in zip(steps, kept, strict=True):
            torch.testing.assert_close(M, step.feature_matrix.flatten())
        assert table["circulant_deviation"].null_count == 5


def test_a_cell_that_is_cut_off_goes_on_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    predict = OrbitStep._measure
    monkeypatch.setattr(
        OrbitStep,
        "_measure",
        lambda step, scores: computed.append(step.iteration) or predict(step, scores),
    )
    for cell in cells(features="all"):
        expected = run_cell(cell)
        save, folder = OrbitRFM.save, tmp_path / cell.operation

        def dying(rfm: OrbitRFM, path: Path, save=save) -> None:
            save(rfm, path)
            if rfm.step_.iteration == 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(OrbitRFM, "save", dying)
        with pytest.raises(KeyboardInterrupt):
            run_cell(cell, folder)
        assert len([*folder.iterdir()]) == 2
        monkeypatch.setattr(OrbitRFM, "save", save)
        computed.clear()
        assert same(run_cell(cell, folder), expected)
        assert set(computed) == {2, 3, 4}
        assert [*folder.iterdir()] == []


def test_a_sweep_that_is_killed_in_the_middle_of_a_cell_goes_on_there(tmp_path: Path) -> None:
    grid = Grid(["add"], [61], [0.5], splits=["orbits"], n_iterations=[100_000])
    (cell,) = grid.cells()
    program = (
        "from rfm_tutorial.sweep import Grid, run_sweep\n"
        f"run_sweep(Grid(['add'], [61], [0.5], splits=['orbits'], n_iterations=[100_000]), "
        f"{str(tmp_path)!r}, workers=1)"
    )
    kept = tmp_path / f"checkpoints/{cell.id}.safetensors"
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_for(kept.exists)
        time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    # What the store has is whole, whenever the process died.
    history = OrbitRFM.load(kept).history_
    assert [record["iteration"] for record in history] == [*range(len(history))]
    assert len(torch.load(kept.with_suffix(".steps"))) >= len(history)


def test_grids_refuse_what_has_no_diagonals() -> None:
    with pytest.raises(ValueError, match="splits must be one of 'random', 'orbits'"):
        Grid(["add"], [5], splits=["rows"])
    with pytest.raises(ValueError, match=r"splits must be 'random' for 'S3', got 'orbits'"):
        Grid(["S3"], splits=["random", "orbits"])
    with pytest.raises(ValueError, match=r"'orbits' for 'x\^2\+y\^2' at p = 5: split_orbits needs"):
        Grid(["x^2+y^2"], [5], splits=["orbits"])
    with pytest.raises(ValueError, match=r"at p = 31: train_fraction must leave at least one"):
        Grid(["add"], [31], [0.04], splits=["mirror orbits"])
    with pytest.raises(ValueError, match="normalizations must be 'none' where splits has 'orbits'"):
        Grid(["add"], [5], splits=["orbits"], normalizations=["trace"])


def test_the_cost_of_orbits_is_far_below_that_of_cells_and_grows_with_the_fourth_power() -> None:
    def cell(p: int, split: str) -> Cell:
        return Grid(["add"], [p], [0.25], splits=[split]).cells()[0]

    assert memory_needed(cell(997, "orbits")) < 2e9 < 1e11 < memory_needed(cell(997, "random"))
    ratio = reference_seconds(cell(1999, "orbits")) / reference_seconds(cell(997, "orbits"))
    assert ratio == pytest.approx((1999 / 997) ** 4, rel=0.15)


def test_a_sweep_has_both_kinds_of_split(tmp_path: Path) -> None:
    grid = Grid(["add"], [7], [0.6], splits=["random", "orbits"], n_iterations=[2])
    frame = run_sweep(grid, tmp_path, workers=1).to_pandas()
    assert frame.groupby("split").size().to_dict() == {"orbits": 3, "random": 3}
    assert [*(tmp_path / "checkpoints").iterdir()] == []
