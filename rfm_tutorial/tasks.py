"""Tables as data: every pair of digits that has a label, and a seeded split.

An input is two one-hot halves, x = e_a ⊕ e_b; a target is the one-hot vector of the label, which
is (a∘b) mod p in modular arithmetic and anything else in a table of one's own.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_digits,
    check_flag,
    check_labels,
    check_memory,
    check_numbers,
    check_tensor,
    shown,
)
from rfm_tutorial.datasets import Labelled, Split, encode_digits
from rfm_tutorial.operations import GROUP_OPERATIONS, OPERATIONS
from rfm_tutorial.orbit_splits import OrbitClock, OrbitSplit, draw_differences


class Task(Labelled):
    """A table: all pairs (a, b) of m digits that have a label. `Task.from_table` makes one.

    Examples
    --------
    >>> smaller = Task.from_table(torch.tensor([[0, 0], [1, 0]]))
    >>> smaller.pairs.tolist(), smaller.labels
    ([[0, 0], [0, 1], [1, 0], [1, 1]], tensor([0, 0, 1, 0]))
    """

    @staticmethod
    def from_table(table: Int[Tensor, "m m"]) -> "Task":
        """The task of any table of labels.

        Parameters
        ----------
        table : (m, m) int64, the label of every cell (a, b), −1 where it has none. There may be
            more labels than digits, or fewer

        Raises
        ------
        ValueError
            If the table is not square, not int64, has an entry below −1 or no label at all.

        Examples
        --------
        >>> absolute_difference = (torch.arange(6)[:, None] - torch.arange(6)).abs()
        >>> task = Task.from_table(absolute_difference)
        >>> task, task.split().X_train.shape
        (Task(6 digits, 6 classes, 36 pairs), torch.Size([18, 12]))
        """
        return Task(table)

    def __init__(self, table: Int[Tensor, "m m"]) -> None:
        self._table = checked_table(table)

    def __repr__(self) -> str:
        rows = self.sizes[0]
        return f"Task({self.n_digits} digits, {self.n_classes} classes, {rows} pairs)"

    @cached_property
    def table(self) -> Int[Tensor, "m m"]:
        """The label of every cell (a, b), (m, m) int64, −1 where it has none."""
        return self._table

    @property
    def n_digits(self) -> int:
        """How many digits there are."""
        return len(self.table)

    @property
    def n_classes(self) -> int:
        """How many labels there are: the largest one and 1 more."""
        return int(self.table.max()) + 1

    # Made when they are asked for: a table too large for any memory can still be described.
    @cached_property
    def pairs(self) -> Int[Tensor, "N 2"]:
        """All pairs (a, b) that have a label, (N, 2) int64, row-major."""
        return (self.table >= 0).nonzero().contiguous()

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        """The label of each pair, (N,) int64."""
        return self.table[self.table >= 0]

    def encode(
        self, pairs: Int[Tensor, "n 2"], dtype: torch.dtype = torch.float64
    ) -> Float[Tensor, "n d"]:
        """Rows e_a ⊕ e_b, shape (n, 2p), for digit pairs (a, b), on the pairs' device.

        Raises
        ------
        ValueError
            If the pairs are not an int64 (n, 2) tensor with digits in 0 … p − 1, or the dtype is
            not float32 or float64.
        """
        check_digits("pairs", pairs, self.n_digits)
        return encode_digits(pairs, (self.n_digits, self.n_digits), dtype)

    @property
    def sizes(self) -> tuple[int, int, int]:
        return int((self.table >= 0).sum()), 2 * self.n_digits, self.n_classes

    def _inputs(self, rows, dtype):
        return self.encode(self.pairs[rows], dtype)


@dataclass(frozen=True)
class ModularTask(Task):
    """The table of one operation: all pairs (a, b) and the label a∘b mod p of each.

    Parameters
    ----------
    operation : "add", "sub", "mul", "div", or a polynomial from `OPERATIONS`
    modulus : p ≥ 2; prime for "div", which leaves out b = 0

    Examples
    --------
    >>> task = ModularTask("add", 5)
    >>> task.pairs[7], task.labels[7]
    (tensor([1, 2]), tensor(3))
    >>> split = task.split(train_fraction=0.5, seed=0)
    >>> split.X_train.shape, split.Y_test.shape
    (torch.Size([12, 10]), torch.Size([13, 5]))
    """

    operation: str
    modulus: int

    def __post_init__(self) -> None:
        check_choice("operation", self.operation, OPERATIONS)
        object.__setattr__(self, "modulus", OPERATIONS[self.operation].check_table(self.modulus))

    @cached_property
    def table(self) -> Int[Tensor, "p p"]:
        """The label of every cell (a, b), (p, p) int64, −1 where it has none."""
        _check_table(self, self.sizes[0])
        return OPERATIONS[self.operation].table(self.modulus)

    @property
    def n_digits(self) -> int:
        """The modulus p: digits are 0 … p − 1."""
        return self.modulus

    @property
    def n_classes(self) -> int:
        """The modulus p: labels are 0 … p − 1."""
        return self.modulus

    @property
    def sizes(self) -> tuple[int, int, int]:
        p = self.modulus
        return OPERATIONS[self.operation].n_cells(p), 2 * p, p

    def _check_split(self, needed: float, dtype: torch.dtype) -> None:
        _check_split(self, needed, dtype)

    def split_orbits(
        self,
        train_fraction: float | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        *,
        n_orbits: int | None = None,
        symmetric: bool = False,
    ) -> OrbitSplit:
        """Cut the table into whole diagonals, some to train on and the others to test with.

        Diagonals are those of the operation's own clock, see `rfm_tutorial.orbit_splits`: for
        sums all cells with the same a − b. Products and quotients leave out the cells of 0, which
        is on no hour. Which diagonals are drawn is decided on the CPU, as in `split`.

        Parameters
        ----------
        train_fraction : of the diagonals, rounded down; one half if n_orbits is not given either
        seed, dtype, device : as for `split`
        n_orbits : how many diagonals to train on, instead of a fraction
        symmetric : keep mirror images together: the diagonals of s and −s, which change places
            where the two digits do (for sums and products). A diagonal that is its own mirror
            image, like a = b, is then for testing. The number of training diagonals is even:
            that of a fraction is rounded down

        Raises
        ------
        ValueError
            If the operation has no clock for this modulus, an argument does not fit, or there
            would be no diagonal to train on or none to test with.

        Examples
        --------
        >>> ModularTask("add", 31).split_orbits(0.25, seed=1).differences
        tensor([ 6, 10, 14, 22, 27, 29, 30])
        >>> ModularTask("add", 31).split_orbits(n_orbits=4, symmetric=True).differences
        tensor([ 5, 15, 16, 26])
        """
        operation = OPERATIONS[self.operation]
        if operation.clock is None:
            known = ", ".join(map(repr, GROUP_OPERATIONS))
            raise ValueError(
                f"split_orbits needs an operation with a clock, {known}, got {self.operation!r}: "
                f"no renaming of its digits keeps all diagonals"
            )
        digits = operation.clock(operation.check_clock(self.modulus), None)
        clock = OrbitClock(self.modulus, digits, operation.turn)
        chosen = draw_differences(clock.n_hours, train_fraction, n_orbits, symmetric, seed)
        return OrbitSplit(clock, chosen, dtype, device)


@dataclass(frozen=True)
class MultiTask(Labelled):
    """Several operations on the same digits: their tables one below the other, with a task digit.

    An input is x = e_a ⊕ e_b ⊕ e_task, and its label that of the task's operation.

    Parameters
    ----------
    operations : names as for `ModularTask`, each once; task number t means operations[t]
    modulus : p ≥ 2; prime where "div" is among the operations

    Source: the experiment on several tasks in the appendix of arXiv 2407.20199.

    Examples
    --------
    >>> task = MultiTask(("add", "sub"), 5)
    >>> task.pairs[32], task.tasks[32], task.labels[32]
    (tensor([1, 2]), tensor(1), tensor(4))
    >>> task.split().X_train.shape
    torch.Size([25, 12])
    """

    operations: tuple[str, ...]
    modulus: int

    def __post_init__(self) -> None:
        names = self.operations
        if not isinstance(names, tuple) or not names or len({*map(repr, names)}) < len(names):
            raise ValueError(
                f"operations must be a tuple of different names such as ('add', 'sub'), "
                f"got {shown(names)}"
            )
        object.__setattr__(self, "modulus", self._tables[0].modulus)

    @property
    def _tables(self) -> list[ModularTask]:
        return [ModularTask(name, self.modulus) for name in self.operations]

    @property
    def n_classes(self) -> int:
        """The modulus p: labels are 0 … p − 1."""
        return self.modulus

    @property
    def sizes(self) -> tuple[int, int, int]:
        rows = sum(table.sizes[0] for table in self._tables)
        return rows, 2 * self.modulus + len(self.operations), self.modulus

    def _check_split(self, needed: float, dtype: torch.dtype) -> None:
        _check_split(self, needed, dtype)

    @cached_property
    def pairs(self) -> Int[Tensor, "N 2"]:
        """The pairs of all tables, (N, 2) int64."""
        _check_table(self, self.sizes[0])
        return torch.cat([table.pairs for table in self._tables])

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        """The label of each pair, (N,) int64."""
        _check_table(self, self.sizes[0])
        return torch.cat([table.labels for table in self._tables])

    @cached_property
    def tasks(self) -> Int[Tensor, " N"]:
        """The task number of each pair, (N,) int64."""
        sizes = torch.tensor([table.sizes[0] for table in self._tables], device="cpu")
        return torch.arange(len(sizes), device="cpu").repeat_interleave(sizes)

    def encode(
        self,
        pairs: Int[Tensor, "n 2"],
        tasks: Int[Tensor, " n"],
        dtype: torch.dtype = torch.float64,
    ) -> Float[Tensor, "n d"]:
        """Rows e_a ⊕ e_b ⊕ e_task, shape (n, 2p + number of tasks), on the pairs' device.

        Raises
        ------
        ValueError
            As for `ModularTask.encode`, or if the tasks are not one task number per pair.
        """
        check_digits("pairs", pairs, self.modulus)
        check_labels("tasks", tasks, len(pairs), len(self.operations), device=pairs.device)
        digits = torch.cat([pairs, tasks[:, None]], dim=1)
        return encode_digits(digits, (self.modulus, self.modulus, len(self.operations)), dtype)

    def _inputs(self, rows, dtype):
        return self.encode(self.pairs[rows], self.tasks[rows], dtype)

    def split(
        self,
        train_fraction: float = 0.5,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        same_cells: bool = False,
    ) -> Split:
        """Cut all tables at random, as `ModularTask.split` does.

        Parameters
        ----------
        same_cells : whether a cell (a, b) is shown for every task or for none, as in the paper;
            by default each row, a cell with its task, is drawn on its own, so that a cell may
            be shown for one task and asked for another

        Raises
        ------
        ValueError
            As for `ModularTask.split`.

        Examples
        --------
        >>> split = MultiTask(("add", "x^2+y^2"), 5).split(0.8, same_cells=True)
        >>> split.pairs_test.unique(dim=0).shape, split.pairs_test.shape
        (torch.Size([5, 2]), torch.Size([10, 2]))
        """
        check_flag("same_cells", same_cells)
        cells = self.pairs[:, 0] * self.modulus + self.pairs[:, 1] if same_cells else None
        return self._cut(cells, train_fraction, seed, dtype, device)


def _check_table(table: object, rows: int) -> None:
    # Pairs, labels, and two numbers on the way to a label.
    check_memory(f"{table!r} with its {rows} pairs", 40.0 * rows, "take a smaller modulus")


def _check_split(task: ModularTask | MultiTask, needed: float, dtype: torch.dtype) -> None:
    check_memory(
        f"a split of {task.sizes[0]} rows with modulus {task.modulus} in {dtype}",
        needed,
        "take a smaller modulus",
    )


def checked_table(table: Tensor) -> Tensor:
    """A copy of a table of labels, on the CPU."""
    check_numbers("table", check_tensor("table", table, whole=True))
    if table.ndim != 2 or len(table) != table.shape[1] or len(table) == 0:
        raise ValueError(f"table must have shape (m, m), got {tuple(table.shape)}")
    if table.dtype != torch.int64:
        raise ValueError(
            f"table must be int64 labels, got {table.dtype}"
            + ("; table.long() converts whole numbers" if not table.is_complex() else "")
        )
    low, high = int(table.min()), int(table.max())
    if low < -1 or high < 0:
        raise ValueError(
            f"table must have labels from 0 on, and −1 where there is none, got values from {low} "
            f"to {high}"
        )
    return table.to("cpu", copy=True)
