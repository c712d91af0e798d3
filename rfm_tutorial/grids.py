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

from rfm_tutorial.checks import check_choice, check_flag, check_integer, check_real
from rfm_tutorial.datasets import Split
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.named import (
    check_kernel_name,
    check_modulus,
    check_task,
    named_kernel,
    named_task,
    takes_modulus,
)
from rfm_tutorial.orbit_rfm import OrbitRFM
from rfm_tutorial.orbit_splits import OrbitSplit
from rfm_tutorial.rfm import NORMALIZATIONS, RFM
from rfm_tutorial.tasks import ModularTask

SPLITS: dict[str, bool | None] = {"random": None, "orbits": False, "mirror orbits": True}
"""How a table is cut, and for whole diagonals whether mirror images stay together."""
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
    later: bool = False
    """Whether there were cells before it. It is in the name of a cell only where it is not at its
    default, so that those kept their names."""


def _parameter(*declared: Any, default: Any = None, **more: Any) -> Any:
    """A field of `Cell`. A grid must give it if it has no default."""
    parameter = Parameter(*declared, **more)
    metadata = {"parameter": parameter, "default": default}
    return field(default=default if parameter.later else MISSING, metadata=metadata)


def _choice(choices: Collection[str]) -> Callable[[str, Any], str]:
    return lambda name, value: str(check_choice(name, value, choices))


def _check_fraction(name: str, value: float) -> float:
    if check_real(name, value, positive=True) >= 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)


def _check_device(name: str, value: str) -> str:
    """A name of a device; whether it is there is for the worker to say."""
    try:
        return str(torch.device(value))
    except (RuntimeError, TypeError) as error:
        raise ValueError(f'{name} must be such as "cpu" or "cuda:0", got {value!r}') from error


_size = partial(check_integer, at_most=MAX_NUMBER)
_seed = partial(check_integer, at_least=0, at_most=2**64 - 1)


@dataclass(frozen=True)
class Cell:
    """One run: a table and a split of it, a kernel and its settings. A `Grid` checks them.

    Here, and only here, the parameters of sweeps are declared: the fields of `Grid`, the names of
    cells and the columns of a store follow. A new one changes names and columns, and with them
    the `FORMAT_VERSION` of `store`.
    """

    operation: str = _parameter("operations", "string", check_task)
    # None for a group.
    modulus: int | None = _parameter("moduli", "int64", partial(_size, at_least=2), default=())
    train_fraction: float = _parameter("train_fractions", "float64", _check_fraction, default=0.5)
    kernel: str = _parameter("kernels", "string", check_kernel_name, default="gaussian")
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
    agop_power: float = _parameter(
        "agop_powers",
        "float64",
        partial(check_real, positive=True),
        "rfm",
        default=0.5,
        later=True,
    )
    center_gradients: bool = _parameter(
        "center_gradients", "bool", check_flag, "rfm", default=True, later=True
    )
    normalization: str = _parameter(
        "normalizations", "string", _choice(NORMALIZATIONS), "rfm", default="none", later=True
    )
    split: str = _parameter("splits", "string", _choice(SPLITS), default="random", later=True)
    device: str = _parameter(
        "device", "string", _check_device, default="cpu", listed=False, later=True
    )
    features: str = _parameter(
        "features", "string", _choice(("none", "last", "all")), default="none", listed=False,
        later=True,
    )  # fmt: skip

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in asdict(self).items())

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits, a hash of the parameters: the name of the cell's file."""
        told = {
            name: value
            for name, value in asdict(self).items()
            if not PARAMETERS[name].later or value != DEFAULTS[name]
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def rows(self) -> tuple[int, int]:
        """Numbers of training and test rows."""
        return _rows(self)

    @property
    def on_orbits(self) -> bool:
        """Whether it is an `OrbitRFM` on whole diagonals."""
        return SPLITS[self.split] is not None

    def make_split(self) -> Split:
        """The table, cut; whole diagonals make nothing of it until it is asked for."""
        task = named_task(self.operation, self.modulus).task
        asked = (self.train_fraction, self.seed, DTYPES[self.dtype], self.device)
        if not self.on_orbits:
            return task.split(*asked)
        assert isinstance(task, ModularTask)  # since Grid's __post_init__
        return task.split_orbits(*asked, symmetric=bool(SPLITS[self.split]))

    @property
    def widths(self) -> tuple[int, int]:
        """Of an input and of a target."""
        return named_task(self.operation, self.modulus).task.sizes[1:]

    def make_kernel(self) -> Kernel:
        """The kernel object; the quadratic kernel has no bandwidth and its usual scale."""
        return named_kernel(self.kernel)(**self._handed_to("kernel"))

    def make_rfm(self) -> RFM:
        """The machine that the cell runs, if it is not on orbits."""
        return RFM(self.make_kernel(), **self._handed_to("rfm"))

    def make_orbit_rfm(self) -> OrbitRFM:
        """The machine that the cell runs, if it is on orbits."""
        given = self._handed_to("rfm")
        del given["normalization"]  # which is "none" there
        return OrbitRFM(self.make_kernel(), **given)

    def _handed_to(self, what: str) -> dict[str, Any]:
        values = {name: getattr(self, name) for name, p in PARAMETERS.items() if p.goes_to == what}
        return {name: value for name, value in values.items() if value is not None}


PARAMETERS: dict[str, Parameter] = {f.name: f.metadata["parameter"] for f in fields(Cell)}
"""Of a cell, by name."""
DEFAULTS = {f.name: f.metadata["default"] for f in fields(Cell) if PARAMETERS[f.name].later}
"""Of the parameters that came later."""
_OF_KERNELS = {name for name, parameter in PARAMETERS.items() if parameter.goes_to == "kernel"}


def _axis(of: Field) -> tuple[str, Any, Any]:
    """The field of a grid for a field of a cell."""
    parameter, default = of.metadata["parameter"], of.metadata["default"]
    if not parameter.listed:
        return parameter.axis, of.type, field(default=default)
    if default is None:
        return parameter.axis, Sequence[of.type], field()
    # Of moduli there may be none.
    values = field(default=default if default == () else (default,))
    return parameter.axis, Sequence[of.type], values


_Axes: Any = make_dataclass("_Axes", [_axis(of) for of in fields(Cell)], frozen=True)


@dataclass(frozen=True)
class Grid(_Axes):
    """All combinations of the values of its fields. Each is a list but those that say "for all".

    Parameters
    ----------
    operations : names as for `ModularTask`; several at once, such as "add, sub", as for
        `MultiTask`; groups, such as "D5" or "Z5 x Z7"; or "package.module:function", which is
        called with the modulus if it takes an argument and returns a task or a group
    moduli : p, for operations; groups have none and are run once
    train_fractions, seeds : as for `ModularTask.split`
    kernels : "gaussian", "laplace", "quadratic", or "package.module:Class"
    bandwidths : of kernels that have one; others are run once
    ridges, n_iterations, agop_powers, center_gradients, normalizations : as for `RFM`
    splits : "random", cells; "orbits", whole diagonals, as `ModularTask.split_orbits` cuts, on
        which an `OrbitRFM` runs; "mirror orbits", the same with `symmetric=True`. For both of them
        normalization is "none"
    dtype : "float64" or "float32", for all
    device : such as "cpu" or "cuda:0", for all
    features : "none", "last" or "all": which feature matrices the table keeps, for all

    Raises
    ------
    ValueError
        If a value does not fit or a list repeats one; the error names the field.

    Examples
    --------
    >>> grid = Grid(["add", "div"], [5, 7], train_fractions=[0.4, 0.5], seeds=[0, 1, 2])
    >>> len(grid.cells())
    24
    >>> [cell.operation for cell in Grid(["D5", "Z2 x Z5"]).cells()]
    ['D5', 'Z2 x Z5']
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
        orbits = [split for split in self.splits if SPLITS[split] is not None]
        if orbits and (scaled := [name for name in self.normalizations if name != "none"]):
            raise ValueError(
                f"normalizations must be 'none' where splits has {orbits[0]!r}, got {scaled[0]!r}"
            )
        for operation, modulus in self._tables():
            for fraction in self.train_fractions:
                _check_fraction_of(operation, modulus, fraction)
                for split in orbits:
                    _check_orbits(operation, modulus, fraction, split)

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
        takes = {name: takes_modulus(name) for name in self.operations}
        cells: dict[Cell, None] = {}
        for values in itertools.product(*self._values().values()):
            parameters = dict(zip(PARAMETERS, values, strict=True))
            for name in _OF_KERNELS - kernels[parameters["kernel"]]:
                parameters[name] = None
            if not takes[parameters["operation"]]:
                parameters["modulus"] = None
            cells[Cell(**parameters)] = None
        return tuple(cells)

    def _tables(self) -> list[tuple[str, int | None]]:
        """Operations and moduli that go together."""
        tables: list[tuple[str, int | None]] = []
        for operation in self.operations:
            if not takes_modulus(operation):
                tables.append((operation, None))
                continue
            if not self.moduli:
                raise ValueError(f"moduli must have at least one value for {operation!r}, got none")
            tables += [(operation, check_modulus("moduli", operation, p)) for p in self.moduli]
        return tables

    def _values(self) -> dict[str, Sequence[Any]]:
        """What is combined, by parameter."""
        values: dict[str, Sequence[Any]] = {
            name: getattr(self, parameter.axis)
            if parameter.listed
            else (getattr(self, parameter.axis),)
            for name, parameter in PARAMETERS.items()
        }
        return values | {"modulus": self.moduli or (None,)}

    def _count(self) -> int:
        """The number of cells, without making any."""
        lengths = {name: len(values) for name, values in self._values().items()}
        del lengths["kernel"], lengths["operation"]
        moduli = lengths.pop("modulus")
        tables = sum(moduli if takes_modulus(name) else 1 for name in self.operations)
        of_kernels = {name: lengths.pop(name) for name in _OF_KERNELS}
        combined = [
            math.prod(of_kernels[name] for name in _own_parameters(kernel))
            for kernel in self.kernels
        ]
        return tables * sum(combined) * math.prod(lengths.values())


def _own_parameters(kernel: str) -> set[str]:
    """Those of a cell that a kernel has."""
    return _OF_KERNELS & {own.name for own in fields(named_kernel(kernel))}


def _checked_list(parameter: Parameter, values: Any) -> tuple[Any, ...]:
    name = parameter.axis
    listed = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    if not listed or (not values and parameter.axis != "moduli"):
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


def _rows(cell: Cell) -> tuple[int, int]:
    if cell.on_orbits:
        split = cell.make_split()
        assert isinstance(split, OrbitSplit)
        N, m = split.clock.n_hours, len(split.differences)
        return N * m, N * (N - m)
    total = named_task(cell.operation, cell.modulus).task.sizes[0]
    n = int(cell.train_fraction * total)
    return n, total - n


def _check_fraction_of(operation: str, modulus: int | None, fraction: float) -> None:
    total = named_task(operation, modulus).task.sizes[0]
    if int(fraction * total) == 0:
        raise ValueError(
            f"train_fractions must leave a training row of every table, got {fraction} of {total} "
            f"rows of {operation!r} at p = {modulus}"
        )


def _check_orbits(operation: str, modulus: int | None, fraction: float, split: str) -> None:
    task = named_task(operation, modulus).task
    if not isinstance(task, ModularTask):
        raise ValueError(f"splits must be 'random' for {operation!r}, got {split!r}: no diagonals")
    try:
        task.split_orbits(fraction, symmetric=bool(SPLITS[split]))
    except ValueError as error:
        raise ValueError(
            f"splits must cut every table into diagonals, got {split!r} for {operation!r} at "
            f"p = {modulus}: {error}"
        ) from error
