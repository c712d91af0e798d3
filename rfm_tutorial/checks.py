"""Border checks: what every public function asks of its arguments.

Each function returns the checked value or raises an error that names the argument, says what
arrived and what would be right. The numerical code behind the border trusts its inputs.
"""

import math
from numbers import Integral, Real

import torch
from torch import Tensor

FLOAT_TYPES = (torch.float32, torch.float64)


class NotFittedError(ValueError, AttributeError):
    """Something that only `fit` finds was asked for before `fit`."""


def check_fitted(model: object, attribute: str) -> None:
    """A model that has the attribute which its `fit` sets."""
    if not hasattr(model, attribute):
        raise NotFittedError(f"this {type(model).__name__} is not fitted yet; call fit(X, Y) first")


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
    if not isinstance(value, Tensor):
        hint = " (torch.as_tensor converts it)" if hasattr(value, "__array__") else ""
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}{hint}")
    if value.layout != torch.strided:
        raise ValueError(
            f"{name} must be a dense tensor, got {value.layout}; {name}.to_dense() converts it"
        )
    if value.ndim != 2:
        hint = f"; {name}[:, None] makes one column of it" if value.ndim == 1 else ""
        raise ValueError(f"{name} must have 2 dimensions, got shape {tuple(value.shape)}{hint}")
    if value.dtype not in FLOAT_TYPES:
        raise ValueError(
            f"{name} must be float32 or float64, got {value.dtype}; {name}.double() converts it"
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


def check_same_kind(name: str, value: Tensor, like: Tensor, like_name: str) -> None:
    """Same dtype and same device: nothing is ever converted behind the caller's back."""
    if value.dtype != like.dtype:
        raise ValueError(
            f"{name} is {value.dtype} but {like_name} is {like.dtype}; "
            f"{name}.to({like_name}.dtype) makes them agree"
        )
    if value.device != like.device:
        raise ValueError(
            f"{name} is on {value.device} but {like_name} is on {like.device}; "
            f"{name}.to({like_name}.device) makes them agree"
        )


def check_finite(name: str, value: Tensor) -> Tensor:
    """No NaN and no infinity among the entries."""
    if not value.is_meta and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got NaN or infinity in {bad} entries")
    return value


def check_square(name: str, value: Tensor, size: int | None = None) -> Tensor:
    """A finite square float matrix, of the given size if one is given."""
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
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.shape != (rows,):
        hint = "; .argmax(1) turns one-hot rows into class numbers" if value.ndim == 2 else ""
        raise ValueError(f"{name} must have shape ({rows},), got {tuple(value.shape)}{hint}")
    if value.dtype != torch.int64:
        raise ValueError(f"{name} must be int64 class numbers, got {value.dtype}")
    if device is not None and value.device != device:
        raise ValueError(f"{name} must be on {device} like what it labels, got {value.device}")
    if not value.is_meta and not bool(((value >= 0) & (value < classes)).all()):
        raise ValueError(
            f"{name} must lie in 0 … {classes - 1}, "
            f"got values from {int(value.min())} to {int(value.max())}"
        )
    return value


def check_real(name: str, value: float, *, positive: bool = False) -> float:
    """A finite number, > 0 if `positive`, otherwise ≥ 0."""
    wanted = "a positive number" if positive else "a number ≥ 0"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        number = math.inf
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return number


def check_integer(name: str, value: int, *, at_least: int, at_most: int | None = None) -> int:
    """A whole number from `at_least` to `at_most`; True, 3.0 and "3" are refused."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < at_least:
        raise ValueError(f"{name} must be an integer ≥ {at_least}, got {value!r}")
    if at_most is not None and value > at_most:
        raise ValueError(f"{name} must be an integer ≤ {at_most}, got {value!r}")
    return int(value)


def check_choice(name: str, value: str, choices) -> str:
    """One of a few names."""
    if not isinstance(value, str) or value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {known}, got {value!r}")
    return value
