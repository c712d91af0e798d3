"""A grid of runs: what a sweep is to compute, as small validated objects."""

import hashlib
import itertools
import json
import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from rfm_tutorial.checks import check_choice, check_integer, check_real
from rfm_tutorial.kernels import GaussianKernel, Kernel, LaplaceKernel, QuadraticKernel
from rfm_tutorial.modular import OPERATIONS, check_prime

KERNELS: dict[str, type[Kernel]] = {
    "gaussian": GaussianKernel,
    "laplace": LaplaceKernel,
    "quadratic": QuadraticKernel,
}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


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
        p = self.modulus
        total = p * (p - 1) if OPERATIONS[self.operation].skips_zero else p * p
        n = int(self.train_fraction * total)
        return n, total - n

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
            "operations": lambda name, value: check_choice(name, value, OPERATIONS),
            "moduli": lambda name, value: check_integer(name, value, at_least=2),
            "train_fractions": _check_fraction,
            "kernels": lambda name, value: check_choice(name, value, KERNELS),
            "bandwidths": lambda name, value: check_real(name, value, positive=True),
            "ridges": check_real,
            "seeds": lambda name, value: check_integer(name, value, at_least=0, at_most=2**64 - 1),
            "n_iterations": lambda name, value: check_integer(name, value, at_least=0),
        }
        for name, check in checks.items():
            values = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise ValueError(f"{name} must be a list of at least one value, got {values!r}")
            checked = tuple(check(name, value) for value in values)
            if len(set(checked)) < len(checked):
                raise ValueError(f"{name} must not repeat a value, got {values!r}")
            object.__setattr__(self, name, checked)
        check_choice("dtype", self.dtype, DTYPES)
        for cell in self.cells():
            if OPERATIONS[cell.operation].skips_zero:
                check_prime("moduli", cell.modulus, repr(cell.operation))
            if cell.rows[0] == 0:
                raise ValueError(
                    f"train_fractions must leave a training row of every table, got "
                    f"{cell.train_fraction} of {sum(cell.rows)} rows at p = {cell.modulus}"
                )

    @classmethod
    def from_toml(cls, path: str | os.PathLike) -> "Grid":
        """A grid from a file with one line per field, such as `benchmarks/sweep.toml`.

        Raises
        ------
        ValueError
            If the file is not TOML, names an unknown field, or a value does not fit.
        """
        try:
            return cls.from_dict(tomllib.loads(Path(path).read_text("utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Grid":
        """A grid from its fields by name; an unknown or missing name is a `ValueError`."""
        for name in values:
            check_choice("a field's name", name, [field.name for field in fields(cls)])
        for name in ("operations", "moduli"):
            if name not in values:
                raise ValueError(f"{name} must be given, got only {', '.join(values) or 'nothing'}")
        return cls(**values)

    def cells(self) -> tuple[Cell, ...]:
        """All cells, each once, always in the same order."""
        scaled = {
            (kernel, bandwidth if hasattr(KERNELS[kernel], "bandwidth") else None): None
            for kernel, bandwidth in itertools.product(self.kernels, self.bandwidths)
        }
        tables = (self.operations, self.moduli, self.train_fractions)
        rest = (self.ridges, self.seeds, self.n_iterations)
        return tuple(
            Cell(operation, modulus, fraction, *kernel, ridge, seed, n_iterations, self.dtype)
            for operation, modulus, fraction, kernel, ridge, seed, n_iterations in (
                itertools.product(*tables, scaled, *rest)
            )
        )


def _check_fraction(name: str, value: float) -> float:
    if check_real(name, value, positive=True) >= 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)
