"""Border checks: what every public function asks of its arguments.

Each function returns the checked value or raises an error that names the argument, says what
arrived and what would be right. The numerical code behind the border trusts its inputs.
"""

import math
import os
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FLOAT_TYPES = (torch.float32, torch.float64)


class NotFittedError(ValueError, AttributeError):
    """Something that only `fit` finds was asked for before `fit`."""


def check_fitted(model: object, attribute: str, call: str = "fit(X, Y)") -> None:
    """A model that has the attribute which its `fit` sets."""
    if not hasattr(model, attribute):
        raise NotFittedError(f"this {type(model).__name__} is not fitted yet; call {call} first")


def check_matrix(
    name: str,
    value: Tensor,
    *,
    columns: int | None = None,
    rows: int | None = None,
    like: Tensor | None = None,
    like_name: str = "X",
) -> Tensor:
    """A non-empty, finite 2-d float tensor, with the dtype and device of `like` if given.

    On the meta device there are no values, so finiteness is not looked at there.
    """
    check_tensor(name, value)
    if value.ndim != 2:
        raise ValueError(
            f"{name} must have 2 dimensions, got shape {tuple(value.shape)}"
            f"{_two_dimensions(name, value, rows, columns)}"
        )
    if value.dtype not in FLOAT_TYPES:
        raise ValueError(
            f"{name} must be float32 or float64, got {value.dtype}; {_real_floats(name, value)}"
        )
    if value.numel() == 0:
        raise ValueError(f"{name} must not be empty, got shape {tuple(value.shape)}")
    if columns is not None and value.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, got shape {tuple(value.shape)}")
    if rows is not None and value.shape[0] != rows:
        raise ValueError(
            f"{name} must have {rows} rows, one for each row of {like_name}, "
            f"got shape {tuple(value.shape)}"
        )
    if like is not None:
        check_same_kind(name, value, like, like_name)
    return check_finite(name, value)


def check_tensor(name: str, value: Tensor, whole: bool = False) -> Tensor:
    """A dense torch tensor of any shape and type; `whole` numbers are what it should hold."""
    if not isinstance(value, Tensor):
        hint = _as_tensor(name, value, whole)
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}{hint}")
    if value.is_nested:
        raise ValueError(
            f"{name} must be a dense tensor, got a nested one; "
            f"torch.nested.to_padded_tensor({name}, 0.0) converts it"
        )
    if value.layout != torch.strided:
        raise ValueError(
            f"{name} must be a dense tensor, got {value.layout}; {name}.to_dense() converts it"
        )
    return value


def _as_tensor(name: str, value: object, whole: bool) -> str:
    """How to make a tensor of what is none, if it may hold numbers."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiubc":
        # What torch takes as it is and without a warning.
        plain = (
            value.dtype.isnative and value.flags.writeable and min(value.strides, default=0) >= 0
        )
        if plain and value.dtype.itemsize <= (16 if value.dtype.kind == "c" else 8):
            return f" (torch.as_tensor({name}) converts it)"
    if isinstance(value, list | tuple) and value and all(isinstance(v, Tensor) for v in value):
        return f" (torch.stack({name}) makes one of them)"
    if isinstance(value, list | tuple) or hasattr(type(value), "__array__"):
        kind = "int" if whole else "float"
        return f" (torch.tensor(numpy.array({name}, dtype={kind})) converts a table of numbers)"
    return ""


def _two_dimensions(name: str, value: Tensor, rows: int | None, columns: int | None) -> str:
    """How to make a matrix of a tensor of another shape."""
    if value.ndim == 0:
        return f"; {name}.reshape(1, 1) makes one row of it"
    if value.ndim > 2:
        return f"; {name}.flatten(1) makes one row of each {name}[i]"
    row, column = f"{name}[None] makes one row of it", f"{name}[:, None] one column"
    if rows is not None and len(value) == rows and len(value) != columns:
        whole = not value.is_floating_point() and not value.is_complex()
        classes = (
            f"; class numbers become rows by torch.nn.functional.one_hot({name}.long()).double()"
        )
        return f"; {name}[:, None] makes one column of it" + classes * whole
    return f"; {row}" if len(value) == columns else f"; {row}, {column}"


def _real_floats(name: str, value: Tensor) -> str:
    """How to make float32 or float64 of another type."""
    if value.is_complex():
        return f"{name}.real is its real part, torch.cat([{name}.real, {name}.imag], 1) has both"
    if value.is_quantized:
        return f"{name}.dequantize() converts it"
    return f"{name}.double() converts it"


def check_same_kind(name: str, value: Tensor, like: Tensor, like_name: str) -> None:
    """Same dtype and same device: nothing is ever converted behind the caller's back."""
    # Some names are words, such as "the training data".
    expression = like_name.replace(".", "").isidentifier()
    if value.dtype != like.dtype:
        target = f"{like_name}.dtype" if expression else f"{like.dtype}"
        raise ValueError(
            f"{name} is {value.dtype} but {like_name} is {like.dtype}; "
            f"{name}.to({target}) makes them agree"
        )
    if value.device != like.device:
        target = f"{like_name}.device" if expression else f"{str(like.device)!r}"
        raise ValueError(
            f"{name} is on {value.device} but {like_name} is on {like.device}; "
            f"{name}.to({target}) makes them agree"
        )


def check_finite(name: str, value: Tensor) -> Tensor:
    """No NaN and no infinity among the entries."""
    if not value.is_meta and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got NaN or infinity in {bad} entries")
    return value


def check_numbers(name: str, value: Tensor) -> Tensor:
    """Not on the meta device, where there is nothing to measure."""
    if value.is_meta:
        raise ValueError(f"{name} must hold numbers, got a tensor on the meta device")
    return value


def check_square(name: str, value: Tensor, size: int | None = None) -> Tensor:
    """A finite square float matrix, of the given size if one is given."""
    if isinstance(value, Tensor) and value.ndim == 1 and not value.is_nested:
        raise ValueError(
            f"{name} must have 2 dimensions, got shape {tuple(value.shape)}; "
            f"torch.diag({name}) makes a diagonal matrix of it"
        )
    check_matrix(name, value)
    if value.shape[0] != value.shape[1] or (size is not None and value.shape[0] != size):
        wanted = "square" if size is None else f"({size}, {size})"
        raise ValueError(f"{name} must be {wanted}, got shape {tuple(value.shape)}")
    return value


def check_symmetric(name: str, value: Tensor, size: int | None = None) -> Tensor:
    """A finite symmetric float matrix, of the given size if one is given."""
    check_square(name, value, size)
    if not value.is_meta:
        plain = value.detach()
        gap, scale = float((plain - plain.T).abs().max()), float(plain.abs().max())
        if gap > 1e3 * torch.finfo(value.dtype).eps * scale:
            raise ValueError(
                f"{name} must be symmetric, got entries that differ from their mirror image "
                f"by up to {gap:.3g}; ({name} + {name}.T) / 2 is the nearest symmetric matrix"
            )
    return value


def check_labels(
    name: str, value: Tensor, rows: int, classes: int, device: torch.device | None = None
) -> Tensor:
    """Class numbers: an int64 tensor of shape (rows,) with entries in 0 … classes − 1."""
    check_tensor(name, value, whole=True)
    if value.shape != (rows,):
        hint = "; .argmax(1) turns one-hot rows into class numbers" if value.ndim == 2 else ""
        raise ValueError(f"{name} must have shape ({rows},), got {tuple(value.shape)}{hint}")
    if value.dtype != torch.int64:
        raise ValueError(
            f"{name} must be int64 class numbers, got {value.dtype}"
            + (f"; {name}.long() converts whole numbers" if not value.is_complex() else "")
        )
    if device is not None and value.device != device:
        raise ValueError(f"{name} must be on {device} like what it labels, got {value.device}")
    if not value.is_meta and not bool(((value >= 0) & (value < classes)).all()):
        raise ValueError(
            f"{name} must lie in 0 … {classes - 1}, "
            f"got values from {int(value.min())} to {int(value.max())}"
        )
    return value


def check_digits(name: str, value: Tensor, modulus: int) -> None:
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


def shown(value: object) -> str:
    """A value in one short line, for an error message."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, Tensor | np.ndarray) and value.ndim > 0:
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:100]}…"


def in_short(name: str, values: dict[str, object]) -> str:
    """A repr in which a tensor is its type and shape, and its device if that is not the CPU.

    Examples
    --------
    >>> in_short("Step", {"iteration": 3, "M": torch.eye(2)})
    'Step(iteration=3, M=float32 (2, 2))'
    """

    def short(value: object) -> str:
        if not isinstance(value, Tensor):
            return repr(value)
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}{where}"

    return f"{name}({', '.join(f'{key}={short(value)}' for key, value in values.items())})"


def check_real(name: str, value: float, *, positive: bool = False) -> float:
    """A finite number, > 0 if `positive`, otherwise ≥ 0."""
    wanted = "a positive number" if positive else "a number ≥ 0"
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf  # an integer beyond all floats
    if not 0 <= number < math.inf or (positive and number == 0):
        raise ValueError(f"{name} must be {wanted}, got {shown(value)}")
    return number


def check_integer(name: str, value: int, *, at_least: int, at_most: int | None = None) -> int:
    """A whole number from `at_least` to `at_most`; True, 3.0 and "3" are refused."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise ValueError(f"{name} must be an integer ≥ {at_least}, got {shown(value)}")
    if at_most is not None and value > at_most:
        raise ValueError(f"{name} must be an integer ≤ {at_most}, got {shown(value)}")
    return int(value)


def check_fraction(value: float) -> float:
    """The share of a table to train on, with something left to test with."""
    if not isinstance(value, Real) or not 0 < value < 1:
        raise ValueError(f"train_fraction must lie strictly between 0 and 1, got {shown(value)}")
    return value


def check_callback(name: str, function: object) -> None:
    """Something that can be called, or None."""
    if function is not None and not callable(function):
        raise ValueError(f"{name} must be a function or None, got {shown(function)}")


def check_flag(name: str, value: bool) -> bool:
    """A truth value; 0 and 1 are refused."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def check_choice(name: str, value: str, choices) -> str:
    """One of a few names."""
    if not isinstance(value, str) or value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {known}, got {shown(value)}")
    return value


def check_dtype(dtype: torch.dtype) -> torch.dtype:
    """float32 or float64, as torch writes them."""
    if not isinstance(dtype, torch.dtype) or dtype not in FLOAT_TYPES:
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {shown(dtype)}")
    return dtype


def check_device(device: torch.device | str | None) -> torch.device:
    """A device that torch can use here; None is the CPU, whatever torch's default device is."""
    if device is None:
        return torch.device("cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        why = str(error).partition("\n")[0][:100]
        raise ValueError(
            f"device must be one that torch can use here, such as 'cpu', got {shown(device)}: {why}"
        ) from error


def seeded_generator(seed: int, name: str = "seed") -> torch.Generator:
    """Random numbers of their own, drawn on the CPU: a seed means the same on every device."""
    check_integer(name, seed, at_least=0, at_most=2**64 - 1)
    return torch.Generator(device="cpu").manual_seed(int(seed))


def free_memory() -> float:
    """Bytes that can be had on this machine: free ones, or all where the system tells no more."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return 64e9  # Windows does not say: refuse what hardly any machine has.


def check_memory(what: str, needed: float, advice: str) -> None:
    """Refuse in words what would fill the memory of the machine."""
    if needed < 1e8:
        return  # not worth asking for
    free = free_memory()
    if needed > free:
        raise ValueError(
            f"{what} would take about {_bytes(needed)}, and {_bytes(free)} are free; {advice}"
        )


def _bytes(number: float) -> str:
    return f"{number / 1e12:.3g} TB" if number >= 1e12 else f"{number / 1e9:.3g} GB"
