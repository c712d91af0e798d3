"""Rows and labels, cut at random into a part to train on and a part to test with."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_device,
    check_dtype,
    check_fraction,
    check_integer,
    check_labels,
    check_matrix,
    check_memory,
    check_tensor,
    in_short,
    seeded_generator,
)


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
    return encode_digits(values[:, None], (size,), dtype)


def encode_digits(
    digits: Int[Tensor, "n k"], sizes: tuple[int, ...], dtype: torch.dtype
) -> Float[Tensor, "n d"]:
    """One one-hot part per digit, side by side. Digits are not checked."""
    check_dtype(dtype)
    ends = torch.tensor(sizes, device=digits.device).cumsum(0)
    starts = ends - torch.tensor(sizes, device=digits.device)
    X = torch.zeros(len(digits), sum(sizes), dtype=dtype, device=digits.device)
    return X.scatter_(1, digits + starts, 1.0)


class Split(NamedTuple):
    """Training and test part of a table. The digit pairs behind each row come last.

    A `Dataset` has no digits: there the pairs have no columns.
    """

    X_train: Float[Tensor, "n d"]
    Y_train: Float[Tensor, "n c"]
    y_train: Int[Tensor, " n"]
    X_test: Float[Tensor, "m d"]
    Y_test: Float[Tensor, "m c"]
    y_test: Int[Tensor, " m"]
    pairs_train: Int[Tensor, "n k"]
    pairs_test: Int[Tensor, "m k"]

    def __repr__(self) -> str:
        return in_short("Split", self._asdict())


class Labelled(ABC):
    """Rows with class numbers: what can be cut at random."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, int, int]:
        """Rows, width of an input, width of a target."""

    @cached_property
    @abstractmethod
    def labels(self) -> Int[Tensor, " N"]:
        """The class number of each row, (N,) int64."""

    @cached_property
    @abstractmethod
    def pairs(self) -> Int[Tensor, "N k"]:
        """The digits behind each row."""

    @abstractmethod
    def _inputs(self, rows: Int[Tensor, " n"], dtype: torch.dtype) -> Float[Tensor, "n d"]:
        """The inputs of some rows."""

    def _check_split(self, needed: float, dtype: torch.dtype) -> None:
        rows, width, classes = self.sizes
        check_memory(
            f"a split of {rows} rows with {width} inputs and {classes} classes in {dtype}",
            needed,
            "take a part of the rows",
        )

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
        return self._cut(None, train_fraction, seed, dtype, device)

    def _cut(
        self,
        units: Int[Tensor, " N"] | None,
        train_fraction: float,
        seed: int,
        dtype: torch.dtype,
        device: torch.device | str | None,
    ) -> Split:
        """`split`, with rows of the same unit number kept together; None for rows on their own."""
        total, width, n_classes = self.sizes
        check_fraction(train_fraction)
        drawn = total if units is None else len(units.unique())
        n_drawn = int(train_fraction * drawn)
        if n_drawn == 0:
            raise ValueError(
                f"train_fraction must leave at least one training row, got {train_fraction!r} "
                f"of {drawn} rows"
            )
        generator = seeded_generator(seed)
        check_dtype(dtype)
        device = check_device(device)
        self._check_split(total * ((width + n_classes) * dtype.itemsize + 100.0), dtype)
        order, n_train = torch.randperm(drawn, generator=generator, device="cpu"), n_drawn
        if units is not None:
            places = order.argsort()[units.unique(return_inverse=True)[1]]
            order, n_train = places.argsort(stable=True), int((places < n_drawn).sum())
        parts: list[Tensor] = []
        pairs: list[Tensor] = []
        for rows in (order[:n_train], order[n_train:]):
            labels = self.labels[rows]
            Y = encode_digits(labels[:, None], (n_classes,), dtype)
            parts += [self._inputs(rows, dtype).to(device), Y.to(device), labels.to(device)]
            pairs += [self.pairs[rows].to(device)]
        return Split(*parts, *pairs)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Labelled):
    """Any rows and their class numbers, to be split as a task is.

    Parameters
    ----------
    X : inputs, (n, d), float32 or float64
    y : class numbers, (n,) int64 in 0 … n_classes − 1, on the device of X
    n_classes : how many classes there are, also those that no row has

    Raises
    ------
    ValueError
        If an argument has a wrong shape, dtype or device, an input is not finite, or a class
        number is out of range.

    Examples
    --------
    Sparse parity: the product of the first two of ten signs.

    >>> X = torch.randn(200, 10).sign()
    >>> Dataset(X, (X[:, 0] * X[:, 1] > 0).long(), n_classes=2).split(0.8)
    Split(X_train=float32 (160, 10), Y_train=float32 (160, 2), y_train=int64 (160,), \
X_test=float32 (40, 10), Y_test=float32 (40, 2), y_test=int64 (40,), \
pairs_train=int64 (160, 0), pairs_test=int64 (40, 0))
    """

    X: Float[Tensor, "n d"]
    y: Int[Tensor, " n"]
    n_classes: int

    def __post_init__(self) -> None:
        n_classes = check_integer("n_classes", self.n_classes, at_least=1)
        object.__setattr__(self, "n_classes", n_classes)
        check_matrix("X", self.X)
        check_labels("y", self.y, len(self.X), n_classes, device=self.X.device)

    def __repr__(self) -> str:
        return in_short("Dataset", {"X": self.X, "y": self.y, "n_classes": self.n_classes})

    @cached_property
    def labels(self) -> Int[Tensor, " N"]:
        """The class numbers y."""
        return self.y

    @cached_property
    def pairs(self) -> Int[Tensor, "N 0"]:
        """No digits, (n, 0) int64."""
        return self.y.new_empty(len(self.y), 0)

    @property
    def sizes(self) -> tuple[int, int, int]:
        return len(self.X), self.X.shape[1], self.n_classes

    def _inputs(self, rows, dtype):
        return self.X[rows].to(dtype)

    def split(
        self,
        train_fraction: float = 0.5,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Split:
        """Cut at random, as `ModularTask.split` does; dtype and device are those of X if None.

        Raises
        ------
        ValueError
            As for `ModularTask.split`.
        """
        dtype = self.X.dtype if dtype is None else dtype
        device = self.X.device if device is None else device
        return super().split(train_fraction, seed, dtype, device)
