"""A grid of runs: what a sweep is to compute, as small validated objects.

A parameter is declared once, as a field of `Cell`; everything else that knows of it follows."""

import hashlib
import itertools
import json
import math
import os
import reprlib
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, make_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rfm_tutorial.checks import check_choice, check_integer, check_real
from rfm_tutorial.kernels import KERNELS, Kernel
from rfm_tutorial.operations import OPERATIONS
from rfm_tutorial.rfm import RFM

DTYPES = {"float32": torch.float32, "float64": torch.float64}
MAX_CELLS = 1_000_000
"""Each cell becomes a file of its own."""
MAX_NUMBER = 1_000_000
"""Of a modulus or of iterations: far above what memory can hold, so that nothing overflows."""


@dataclass(frozen=True)
class Parameter:
    """What a sweep has to know about one parameter of its cells."""

    axis: str
    """The field of `Grid` with its values."""
    column: str
    """The type of its column in a store, in the words of Arrow."""
    check: Callable[[str, Any], Any]
    """From the name of the axis and one value to the value as it is kept."""
    goes_to: str = ""
    """What has an argument of the same name for it: "kernel", "rfm", or neither, which is ""."""
    listed: bool = True
    """Whether a grid may have several values of it."""


def _parameter(*declared: Any, default: Any = None, **more: Any) -> Any:
    """A field of `Cell`. A grid must give it if it has no default."""
    return field(metadata={"parameter": Parameter(*declared, **more), "default": default})


def _choice(choices: Collection[str]) -> Callable[[str, Any], str]:
    return lambda name, value: str(check_choice(name, value, choices))


def _check_fraction(name: str, value: float) -> float:
    if check_real(name, value, positive=True) >= 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)


_size = partial(check_integer, at_most=MAX_NUMBER)
_seed = partial(check_integer, at_least=0, at_most=2**64 - 1)


@dataclass(frozen=True)
class Cell:
    """One run: a table and a split of it, a kernel and its settings. A `Grid` checks them.

    Here, and only here, the parameters of sweeps are declared: the fields of `Grid`, the names of
    cells and the columns of a store follow. A new one changes names and columns, and with them
    the `FORMAT_VERSION` of `store`.
    """

    operation: str = _parameter("operations", "string", _choice(OPERATIONS))
    modulus: int = _parameter("moduli", "int64", partial(_size, at_least=2))
    train_fraction: float = _parameter("train_fractions", "float64", _check_fraction, default=0.5)
    kernel: str = _parameter("kernels", "string", _choice(KERNELS), default="gaussian")
    # None for a kernel that has none.
    bandwidth: float | None = _parameter(
        "bandwidths", "float64", partial(check_real, positive=True), "kernel", default=2.5
    )
    # -0.0 is 0.0, and its cells have the same names.
    ridge: float = _parameter(
        "ridges", "float64", lambda name, value: check_real(name, value) + 0.0, "rfm", default=0.0
    )
    seed: int = _parameter("seeds", "uint64", _seed, default=0)
    n_iterations: int = _parameter(
        "n_iterations", "int64", partial(_size, at_least=0), "rfm", default=30
    )
    dtype: str = _parameter("dtype", "string", _choice(DTYPES), default="float64", listed=False)

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
        return KERNELS[self.kernel](**self._handed_to("kernel"))

    def make_rfm(self) -> RFM:
        """The machine that the cell runs."""
        return RFM(self.make_kernel(), **self._handed_to("rfm"))

    def _handed_to(self, what: str) -> dict[str, Any]:
        values = {name: getattr(self, name) for name, p in PARAMETERS.items() if p.goes_to == what}
        return {name: value for name, value in values.items() if value is not None}


PARAMETERS: dict[str, Parameter] = {f.name: f.metadata["parameter"] for f in fields(Cell)}
"""Of a cell, by name."""
_OF_KERNELS = {name for name, parameter in PARAMETERS.items() if parameter.goes_to == "kernel"}


def _axis(of: Field) -> tuple[str, Any, Any]:
    """The field of a grid for a field of a cell."""
    parameter, default = of.metadata["parameter"], of.metadata["default"]
    if not parameter.listed:
        return parameter.axis, of.type, field(default=default)
    values = field() if default is None else field(default=(default,))
    return parameter.axis, Sequence[of.type], values


_Axes: Any = make_dataclass("_Axes", [_axis(of) for of in fields(Cell)], frozen=True)


@dataclass(frozen=True)
class Grid(_Axes):
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

    def __post_init__(self) -> None:
        for parameter in PARAMETERS.values():
            given = getattr(self, parameter.axis)
            checked = (
                _checked_list(parameter, given)
                if parameter.listed
                else parameter.check(parameter.axis, given)
            )
            object.__setattr__(self, parameter.axis, checked)
        _check_count(self._count())
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
        for name in (axis.name for axis in fields(cls) if axis.default is MISSING):
            if name not in values:
                got = f"only {', '.join(values)}" if values else "no field at all"
                raise ValueError(f"{name} must be given, got {got}")
        return cls(**values)

    def cells(self) -> tuple[Cell, ...]:
        """All cells, each once, always in the same order."""
        kernels = {name: _own_parameters(name) for name in self.kernels}
        cells: dict[Cell, None] = {}
        for values in itertools.product(*self._values().values()):
            parameters = dict(zip(PARAMETERS, values, strict=True))
            for name in _OF_KERNELS - kernels[parameters["kernel"]]:
                parameters[name] = None
            cells[Cell(**parameters)] = None
        return tuple(cells)

    def _values(self) -> dict[str, Sequence[Any]]:
        """What is combined, by parameter."""
        return {
            name: getattr(self, parameter.axis)
            if parameter.listed
            else (getattr(self, parameter.axis),)
            for name, parameter in PARAMETERS.items()
        }

    def _count(self) -> int:
        """The number of cells, without making any."""
        lengths = {name: len(values) for name, values in self._values().items()}
        del lengths["kernel"]
        of_kernels = {name: lengths.pop(name) for name in _OF_KERNELS}
        combined = [
            math.prod(of_kernels[name] for name in _own_parameters(kernel))
            for kernel in self.kernels
        ]
        return sum(combined) * math.prod(lengths.values())


def _own_parameters(kernel: str) -> set[str]:
    """Those of a cell that a kernel has."""
    return _OF_KERNELS & {own.name for own in fields(KERNELS[kernel])}


def _checked_list(parameter: Parameter, values: Any) -> tuple[Any, ...]:
    name = parameter.axis
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    if not listed or not values:
        raise ValueError(f"{name} must be a list of at least one value, got {reprlib.repr(values)}")
    some = [*itertools.islice(values, MAX_CELLS + 1)]  # a range may have more than fit
    _check_count(len(some))
    checked = tuple(parameter.check(name, value) for value in some)
    if len(set(checked)) < len(checked):
        ((twice, _),) = Counter(checked).most_common(1)
        raise ValueError(
            f"{name} must not repeat a value, got {reprlib.repr(values)} with {twice!r} more than "
            f"once"
        )
    return checked


def _check_count(count: int) -> None:
    if count > MAX_CELLS:
        raise ValueError(
            f"a grid must have at most {MAX_CELLS:,} cells, because each becomes a file, got "
            f"{count:,} or more; make several grids of it"
        )


def _rows(operation: str, p: int, train_fraction: float) -> tuple[int, int]:
    """Numbers of training and test rows."""
    total = OPERATIONS[operation].n_cells(p)
    n = int(train_fraction * total)
    return n, total - n
