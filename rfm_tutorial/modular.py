"""Modular arithmetic as data: every pair of digits, its label, and a seeded split.

An input is two one-hot halves, x = e_a ⊕ e_b; a target is the one-hot vector of (a∘b) mod p.
"""

from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_device,
    check_dtype,
    check_integer,
    check_labels,
    check_memory,
    check_tensor,
    seeded_generator,
    shown,
)
from rfm_tutorial.operations import OPERATIONS


def one_hot(
    values: Int[Tensor, " n"], size: int, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "n size"]:
    """One row per value, with a single one in its column.

    Raises
    ------
    ValueError
        If the values are not int64 in 0 … size − 1, or the dtype is not float32 or float64.

    Examples
    --------
    >>> one_hot(torch.tensor([2, 0]), 3, torch.float32)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    check_integer("size", size, at_least=1)
    check_tensor("values", values, whole=True)
    check_labels("values", values, len(values) if values.ndim else 1, size)
    return _encode(values[:, None], (size,), dtype)


class Split(NamedTuple):
    """Training and test part of a table. The digit pairs behind each row come last."""

    X_train: Float[Tensor, "n d"]
    Y_train: Float[Tensor, "n p"]
    y_train: Int[Tensor, " n"]
    X_test: Float[Tensor, "m d"]
    Y_test: Float[Tensor, "m p"]
    y_test: Int[Tensor, " m"]
    pairs_train: Int[Tensor, "n 2"]
    pairs_test: Int[Tensor, "m 2"]


class _Table:
    """What tables share: a seeded cut."""

    modulus: int

    @cached_property
    def pairs(self) -> Int[Tensor, "N 2"]:
        raise NotImplementedError

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        raise NotImplementedError

    @property
    def _size(self) -> tuple[int, int]:
        """Rows of the table and width of an input."""
        raise NotImplementedError

    def _inputs(self, rows: Int[Tensor, " n"], dtype: torch.dtype) -> Float[Tensor, "n d"]:
        raise NotImplementedError

    def split(
        self,
        train_fraction: float = 0.5,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> Split:
        """Cut the table at random: ⌊train_fraction · N⌋ rows to train on, the rest to test.

        The permutation is drawn on the CPU from a generator of its own, so that a seed means
        the same split on every device and nothing else that draws numbers can change it.

        Raises
        ------
        ValueError
            If the fraction is not strictly between 0 and 1 or leaves a part empty, another
            argument does not fit, or memory does not hold the inputs and targets.
        """
        total, width = self._size
        if not isinstance(train_fraction, Real) or not 0 < train_fraction < 1:
            raise ValueError(
                f"train_fraction must lie strictly between 0 and 1, got {shown(train_fraction)}"
            )
        n_train = int(train_fraction * total)
        if n_train == 0:
            raise ValueError(
                f"train_fraction must leave at least one training row, got {train_fraction!r} "
                f"of {total} rows"
            )
        generator = seeded_generator(seed)
        check_dtype(dtype)
        device = check_device(device)
        check_memory(
            f"a split of {total} rows with modulus {self.modulus} in {dtype}",
            total * ((width + self.modulus) * dtype.itemsize + 100.0),
            "take a smaller modulus",
        )
        order = torch.randperm(total, generator=generator, device="cpu")
        parts: list[Tensor] = []
        pairs: list[Tensor] = []
        for rows in (order[:n_train], order[n_train:]):
            labels = self.labels[rows]
            X, Y = self._inputs(rows, dtype), _encode(labels[:, None], (self.modulus,), dtype)
            parts += [X.to(device), Y.to(device), labels.to(device)]
            pairs += [self.pairs[rows].to(device)]
        return Split(*parts, *pairs)


@dataclass(frozen=True)
class ModularTask(_Table):
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

    @property
    def _size(self) -> tuple[int, int]:
        return OPERATIONS[self.operation].n_cells(self.modulus), 2 * self.modulus

    # Made when they are asked for: a table too large for any memory can still be described.
    @cached_property
    def pairs(self) -> Int[Tensor, "N 2"]:
        """All pairs (a, b), (N, 2) int64, row-major."""
        p, rows = self.modulus, self._size[0]
        _check_table(self, rows)
        a = torch.arange(p, device="cpu")
        b = a[p - rows // p :]
        return torch.stack([a[:, None].expand(-1, len(b)), b.expand(p, -1)], 2).view(-1, 2)

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        """The label of each pair, (N,) int64."""
        a, b = self.pairs.unbind(1)
        return OPERATIONS[self.operation].apply(a, b, self.modulus)

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
        _check_digits("pairs", pairs, self.modulus)
        return _encode(pairs, (self.modulus, self.modulus), dtype)

    def _inputs(self, rows, dtype):
        return self.encode(self.pairs[rows], dtype)


@dataclass(frozen=True)
class MultiTask(_Table):
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
    def _size(self) -> tuple[int, int]:
        rows = sum(table._size[0] for table in self._tables)
        return rows, 2 * self.modulus + len(self.operations)

    @cached_property
    def pairs(self) -> Int[Tensor, "N 2"]:
        """The pairs of all tables, (N, 2) int64."""
        _check_table(self, self._size[0])
        return torch.cat([table.pairs for table in self._tables])

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        """The label of each pair, (N,) int64."""
        _check_table(self, self._size[0])
        return torch.cat([table.labels for table in self._tables])

    @cached_property
    def tasks(self) -> Int[Tensor, " N"]:
        """The task number of each pair, (N,) int64."""
        sizes = torch.tensor([table._size[0] for table in self._tables], device="cpu")
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
        _check_digits("pairs", pairs, self.modulus)
        check_labels("tasks", tasks, len(pairs), len(self.operations), device=pairs.device)
        digits = torch.cat([pairs, tasks[:, None]], dim=1)
        return _encode(digits, (self.modulus, self.modulus, len(self.operations)), dtype)

    def _inputs(self, rows, dtype):
        return self.encode(self.pairs[rows], self.tasks[rows], dtype)


def _check_table(table: object, rows: int) -> None:
    # Pairs, labels, and two numbers on the way to a label.
    check_memory(f"{table!r} with its {rows} pairs", 40.0 * rows, "take a smaller modulus")


def _check_digits(name: str, value: Tensor, modulus: int) -> None:
    """Pairs of digits: an int64 tensor of shape (n, 2) with entries in 0 … p − 1."""
    check_tensor(name, value, whole=True)
    if value.ndim != 2 or value.shape[1] != 2:
        hint = f"; {name}[None] is one pair" if value.shape == (2,) else ""
        raise ValueError(f"{name} must have shape (n, 2), got {tuple(value.shape)}{hint}")
    if value.dtype != torch.int64:
        raise ValueError(
            f"{name} must be int64 digits, got {value.dtype}; {name}.long() converts whole numbers"
        )
    if not value.is_meta and not bool(((value >= 0) & (value < modulus)).all()):
        raise ValueError(
            f"{name} must lie in 0 … {modulus - 1}, "
            f"got values from {int(value.min())} to {int(value.max())}"
        )


def _encode(
    digits: Int[Tensor, "n k"], sizes: tuple[int, ...], dtype: torch.dtype
) -> Float[Tensor, "n d"]:
    """One one-hot part per digit, side by side."""
    check_dtype(dtype)
    ends = torch.tensor(sizes, device=digits.device).cumsum(0)
    starts = ends - torch.tensor(sizes, device=digits.device)
    X = torch.zeros(len(digits), sum(sizes), dtype=dtype, device=digits.device)
    return X.scatter_(1, digits + starts, 1.0)
