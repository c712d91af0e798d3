"""One cell of a sweep, computed: its whole trajectory, as a table."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rfm_tutorial.grids import DTYPES, Cell
from rfm_tutorial.named import named_task
from rfm_tutorial.structure import agop_alignment, class_deviation
from rfm_tutorial.workers import check_extra

if TYPE_CHECKING:
    import pyarrow as pa


def run_cell(cell: Cell) -> "pa.Table":
    """Compute one cell, on one torch thread.

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
    matrices: list[Tensor] = []
    try:
        with _one_thread():
            rows = _trajectory(cell, matrices)
    except (ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
        rows = [{"error": f"{type(error).__name__} at step {len(matrices)}: {error}"}]
    return cell_table(cell, rows)


def _trajectory(cell: Cell, matrices: list[Tensor]) -> list[dict[str, Any]]:
    """One record per step. The feature matrices come into `matrices`, one after another."""
    named = named_task(cell.operation, cell.modulus)
    split = named.task.split(cell.train_fraction, cell.seed, DTYPES[cell.dtype], cell.device)
    rfm = cell.make_rfm().fit(
        split.X_train,
        split.Y_train,
        validation=(split.X_test, split.Y_test),
        progress=False,
        on_step=lambda step: matrices.append(step.feature_matrix.cpu()),
    )
    peak = _peak_bytes()
    rows = []
    for record, M in zip(rfm.history_, matrices, strict=True):
        row: dict[str, Any] = {**record, "peak_bytes": peak}
        row["alignment"] = agop_alignment(M, matrices[-1])
        if named.classes is not None:
            m = len(named.classes)
            row["circulant_deviation"] = class_deviation(M[:m, m:], named.classes)
        if cell.features == "all" or (cell.features == "last" and M is matrices[-1]):
            row["feature_matrix"] = M.flatten().tolist()
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
