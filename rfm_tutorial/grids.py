"""A grid of runs: what a sweep is to compute, as small validated objects."""

import hashlib
import itertools
import json
import math
import os
import reprlib
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from rfm_tutorial.checks import check_choice, check_integer, check_real
from rfm_tutorial.kernels import GaussianKernel, Kernel, LaplaceKernel, QuadraticKernel
from rfm_tutorial.operations import OPERATIONS

KERNELS: dict[str, type[Kernel]] = {
    "gaussian": GaussianKernel,
    "laplace": LaplaceKernel,
    "quadratic": QuadraticKernel,
}
DTYPES = {"float32": torch.float32, "float64": torch.float64}
MAX_CELLS = 1_000_000
"""Each cell becomes a file of its own."""
MAX_NUMBER = 1_000_000
"""Of a modulus or of iterations: far above what memory can hold, so that nothing overflows."""


@dataclass(frozen=True)
class Cell:
    """One run: a table and a split of it, a kernel and its settings. A `Grid` checks them."""

    operation: str
    modulus: int
    train_fraction: float
    kernel: str
    bandwidth: float | None
    ridge: float
    seed: int
    n_iterations: int
    dtype: str

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in asdict(self).items())

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits, a hash of the parameters: the name of the cell's file."""
        parameters = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(parameters.encode()).hexdigest()[:16]

    @property
    def rows(self) -> tuple[int, int]:
        """Numbers of training and test rows."""
        return _rows(self.operation, self.modulus, self.train_fraction)

    def make_kernel(self) -> Kernel:
        """The kernel object; the quadratic kernel has no bandwidth and its usual scale."""
        parameters = {} if self.bandwidth is None else {"bandwidth": self.bandwidth}
        return KERNELS[self.kernel](**parameters)


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of its fields. Every field but `dtype` is a list.

    Parameters
    ----------
    operations, moduli, train_fractions, seeds : as for `ModularTask` and its `split`
    kernels : "gaussian", "laplace", "quadratic"
    bandwidths : of the first two; the quadratic kernel has none and is run once
    ridges, n_iterations : as for `RFM`
    dtype : "float64" or "float32", one for all

    Raises
    ------
    ValueError
        If a value does not fit or a list repeats one; the error names the field.

    Examples
    --------
    >>> grid = Grid(["add", "div"], [5, 7], train_fractions=[0.4, 0.5], seeds=[0, 1, 2])
    >>> len(grid.cells())
    24
    """

    operations: Sequence[str]
    moduli: Sequence[int]
    train_fractions: Sequence[float] = (0.5,)
    kernels: Sequence[str] = ("gaussian",)
    bandwidths: Sequence[float] = (2.5,)
    ridges: Sequence[float] = (0.0,)
    seeds: Sequence[int] = (0,)
    n_iterations: Sequence[int] = (30,)
    dtype: str = "float64"

    def __post_init__(self) -> None:
        checks: dict[str, Callable[[str, Any], Any]] = {
            "operations": lambda name, value: str(check_choice(name, value, OPERATIONS)),
            "moduli": lambda name, value: check_integer(
                name, value, at_least=2, at_most=MAX_NUMBER
            ),
            "train_fractions": _check_fraction,
            "kernels": lambda name, value: str(check_choice(name, value, KERNELS)),
            "bandwidths": lambda name, value: check_real(name, value, positive=True),
            # -0.0 is 0.0, and its cells have the same names.
            "ridges": lambda name, value: check_real(name, value) + 0.0,
            "seeds": lambda name, value: check_integer(name, value, at_least=0, at_most=2**64 - 1),
            "n_iterations": lambda name, value: check_integer(
                name, value, at_least=0, at_most=MAX_NUMBER
            ),
        }
        for name, check in checks.items():
            values = getattr(self, name)
            listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
            if not listed or not values:
                raise ValueError(
                    f"{name} must be a list of at least one value, got {reprlib.repr(values)}"
                )
            some = itertools.islice(values, MAX_CELLS + 1)  # a range may have more than fit
            checked = tuple(check(name, value) for value in some)
            if len(set(checked)) < len(checked):
                ((twice, _),) = Counter(checked).most_common(1)
                raise ValueError(
                    f"{name} must not repeat a value, got {reprlib.repr(values)} with {twice!r} "
                    f"more than once"
                )
            object.__setattr__(self, name, checked)
        object.__setattr__(self, "dtype", str(check_choice("dtype", self.dtype, DTYPES)))
        count = math.prod(map(len, self._axes()))
        if count > MAX_CELLS:
            raise ValueError(
                f"a grid must have at most {MAX_CELLS:,} cells, because each becomes a file, got "
                f"{count:,} or more; make several grids of it"
            )
        for operation, modulus in itertools.product(self.operations, self.moduli):
            OPERATIONS[operation].check_table(modulus, "moduli")
            for fraction in self.train_fractions:
                n, m = _rows(operation, modulus, fraction)
                if n == 0:
                    raise ValueError(
                        f"train_fractions must leave a training row of every table, got "
                        f"{fraction} of {n + m} rows at p = {modulus}"
                    )

    @classmethod
    def from_toml(cls, path: str | os.PathLike) -> "Grid":
        """A grid from a file with one line per field, such as `benchmarks/sweep.toml`.

        Raises
        ------
        ValueError
            If the file is not TOML, names an unknown field, or a value does not fit.
        """
        if Path(path).is_dir():
            raise ValueError(f"{path} must be a TOML file, got a folder")
        try:
            # -sig: some editors put a mark of three bytes first.
            text = Path(path).read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} must be encoded as UTF-8, got {error}") from error
        if "\0" in text:
            raise ValueError(f"{path} must be encoded as UTF-8, got zero bytes as in UTF-16")
        try:
            return cls.from_dict(tomllib.loads(text))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Grid":
        """A grid from its fields by name; an unknown or missing name is a `ValueError`."""
        for name in values:
            check_choice("a field's name", name, [field.name for field in fields(cls)])
        for name in ("operations", "moduli"):
            if name not in values:
                got = f"only {', '.join(values)}" if values else "no field at all"
                raise ValueError(f"{name} must be given, got {got}")
        return cls(**values)

    def cells(self) -> tuple[Cell, ...]:
        """All cells, each once, always in the same order."""
        return tuple(
            Cell(operation, modulus, fraction, kernel, bandwidth, ridge, seed, steps, self.dtype)
            for operation, modulus, fraction, (kernel, bandwidth), ridge, seed, steps in (
                itertools.product(*self._axes())
            )
        )

    def _axes(self) -> tuple[Collection[Any], ...]:
        """What is combined: kernels come with their bandwidths, as pairs."""
        scaled = {
            (kernel, bandwidth if hasattr(KERNELS[kernel], "bandwidth") else None): None
            for kernel, bandwidth in itertools.product(self.kernels, self.bandwidths)
        }
        tables = (self.operations, self.moduli, self.train_fractions)
        return (*tables, scaled, self.ridges, self.seeds, self.n_iterations)


def _rows(operation: str, p: int, train_fraction: float) -> tuple[int, int]:
    """Numbers of training and test rows."""
    total = OPERATIONS[operation].n_cells(p)
    n = int(train_fraction * total)
    return n, total - n


def _check_fraction(name: str, value: float) -> float:
    if check_real(name, value, positive=True) >= 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)
