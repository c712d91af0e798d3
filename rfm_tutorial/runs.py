"""One cell of a sweep, computed: its whole trajectory, as a table."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rfm_tutorial.grids import Cell
from rfm_tutorial.named import named_task
from rfm_tutorial.orbit_rfm import OrbitRFM
from rfm_tutorial.orbit_splits import OrbitSplit
from rfm_tutorial.orbit_steps import OrbitStep
from rfm_tutorial.rfm import RFMStep
from rfm_tutorial.saving import replace_file
from rfm_tutorial.structure import agop_alignment, class_deviation
from rfm_tutorial.workers import check_extra

if TYPE_CHECKING:
    import pyarrow as pa


def run_cell(cell: Cell, checkpoints: Path | None = None) -> "pa.Table":
    """Compute one cell, on one torch thread.

    Parameters
    ----------
    cell : of a grid
    checkpoints : a folder, made if it does not exist, in which a cell on orbits keeps its last
        step until it is finished; one whose process died goes on from there

    Returns
    -------
    A table of `SCHEMA`: one row per step, or a single row with an error if the numbers (a
    singular system, an overflow) or the memory did not allow it.

    Examples
    --------
    >>> table = run_cell(Cell("add", 5, 0.5, "gaussian", 2.5, 0.0, 0, 2, "float64"))
    >>> table["iteration"].to_pylist(), table["train_accuracy"].to_pylist()
    ([0, 1, 2], [1.0, 1.0, 1.0])
    """
    check_extra()
    # Here, so that `rfm-sweep --help` is shown without the extra.
    from rfm_tutorial.store import cell_table

    # A process has one peak in its life, and a worker many cells: start from here again.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    steps: list[_Kept] = []
    try:
        with _one_thread():
            history = (
                _on_orbits(cell, steps, checkpoints) if cell.on_orbits else _on_cells(cell, steps)
            )
        rows = _rows(history, steps)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
        rows = [{"error": f"{type(error).__name__} at step {len(steps)}: {error}"}]
    return cell_table(cell, rows)


class _Kept(NamedTuple):
    """What is kept of a step."""

    features: Tensor
    """M, or fewer numbers whose inner products are the same: what alignment is measured by."""
    more: dict[str, Any]
    """Columns of the table."""


def _on_cells(cell: Cell, steps: list[_Kept]) -> list[dict[str, float]]:
    """The history. What is kept of the steps comes into `steps`, one after another."""
    classes, split = named_task(cell.operation, cell.modulus).classes, cell.make_split()

    def keep(step: RFMStep) -> None:
        M = step.feature_matrix.cpu()
        more = _matrix_column(cell, step.iteration, M) if cell.features != "none" else {}
        if classes is not None:
            m = len(classes)
            more["circulant_deviation"] = class_deviation(M[:m, m:], classes)
        steps.append(_Kept(M, more))

    validation = (split.X_test, split.Y_test)
    rfm = cell.make_rfm()
    rfm.fit(split.X_train, split.Y_train, validation, progress=False, on_step=keep)
    return rfm.history_


def _on_orbits(cell: Cell, steps: list[_Kept], checkpoints: Path | None) -> list[dict[str, float]]:
    """The same on whole diagonals, where all blocks are circulant by construction."""
    split, rfm, start = cell.make_split(), cell.make_orbit_rfm(), None
    assert isinstance(split, OrbitSplit)
    kept = None if checkpoints is None else _Checkpoint(checkpoints, cell.id)
    if kept is not None and kept.machine.exists():
        start = OrbitRFM.load(kept.machine, cell.device)
        # The last step is done again.
        steps += kept.steps()[: len(start.history_) - 1]

    def keep(step: OrbitStep) -> None:
        M = step.feature_matrix.cpu() if cell.features != "none" else torch.empty(0)
        steps.append(_Kept(_by_rows(step), _matrix_column(cell, step.iteration, M)))
        if kept is not None:
            kept.write(rfm, steps)

    rfm.fit(split, progress=False, on_step=keep, start=start)
    if kept is not None:
        kept.delete()
    return rfm.history_


class _Checkpoint:
    """Two files, each whole at any time. Of the steps there may be one more than in the machine."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.machine, self.kept = (folder / f"{name}.{end}" for end in ("safetensors", "steps"))

    def steps(self) -> list[_Kept]:
        return [_Kept(*step) for step in torch.load(self.kept)]

    def write(self, rfm: OrbitRFM, steps: list[_Kept]) -> None:
        replace_file(self.kept, lambda path: torch.save([*map(tuple, steps)], path))
        rfm.save(self.machine)

    def delete(self) -> None:
        self.machine.unlink()
        self.kept.unlink()


def _by_rows(step: OrbitStep) -> Tensor:
    """Numbers with the inner products of M, of which each row of A, C, D comes N times."""
    clock = step.split.clock
    # Digits on no hour have a part of the identity at first, and nothing later.
    rest = (clock.modulus - clock.n_hours) ** 0.5 * float(step.iteration == 0)
    rows = step.features.rows.cpu().flatten() * clock.n_hours**0.5
    return torch.cat([rows, rows.new_tensor([rest])])[None]


def _matrix_column(cell: Cell, iteration: int, M: Tensor) -> dict[str, Any]:
    if cell.features == "all" or (cell.features == "last" and iteration == cell.n_iterations):
        return {"feature_matrix": M.flatten().tolist()}
    return {}


def _rows(history: list[dict[str, float]], steps: list[_Kept]) -> list[dict[str, Any]]:
    """One record per step."""
    peak, last = _peak_bytes(), steps[-1].features
    rows = []
    for record, step in zip(history, steps, strict=True):
        row = {**record, "peak_bytes": peak, "alignment": agop_alignment(step.features, last)}
        row |= step.more
        # What has no value is null, never nan, so that there is one way to say it.
        rows.append({name: value for name, value in row.items() if value == value})
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """A worker has one core, and one thread adds up in one order: results repeat bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_bytes() -> int | None:
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(dict(line.split(":", 1) for line in lines)["VmHWM"].split()[0]) * 1024
