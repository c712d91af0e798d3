"""Products in the precision of their inputs, whatever the program around them asks of torch.

Programs that train networks often let torch round products: `torch.autocast` to half precision,
TF32 or bfloat16 through `torch.set_float32_matmul_precision`. A network bears that, a linear system
does not: with 8 bits there is nothing left of a solution. float64 is never rounded so; float32 is.
"""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_AUTOCAST_DEVICES = ("cpu", "cuda", "mps", "xpu")
# One setting for each library that multiplies, since torch 2.9; before, one for all of them.
_LIBRARIES: list[Any] = [
    library
    for library in (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    if hasattr(library, "fp32_precision")
]


def in_full_precision(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorator: no autocast and no rounded float32 products while the function runs.

    Not for generators, which would keep the settings of others while they wait.
    """

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with full_precision():
            return function(*args, **kwargs)

    return call


@contextmanager
def full_precision() -> Iterator[None]:
    """The same as a context. Everything is as it was afterwards.

    Examples
    --------
    >>> x = torch.ones(2, 2)
    >>> with torch.autocast("cpu"), full_precision():
    ...     (x @ x).dtype
    torch.float32
    """
    with ExitStack() as stack:
        for device in _AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if _SETTING.users or _SETTING.rounds():
            stack.enter_context(_SETTING)
        yield


class _ProductSetting:
    """torch's setting for float32 products, which all threads share: the first one that needs it
    exact switches it, the last one that is done switches it back."""

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0
        self.legacy: str | None = None
        self.precisions: list[str] = []

    def rounds(self) -> bool:
        if not _LIBRARIES:
            return torch.get_float32_matmul_precision() != "highest"
        return any(library.fp32_precision not in ("none", "ieee") for library in _LIBRARIES)

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.precisions = [library.fp32_precision for library in _LIBRARIES]
                self.legacy = _legacy_precision()
                torch.set_float32_matmul_precision("highest")
            self.users += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                if self.legacy is not None:
                    torch.set_float32_matmul_precision(self.legacy)
                for library, precision in zip(_LIBRARIES, self.precisions, strict=True):
                    library.fp32_precision = precision


def _legacy_precision() -> str | None:
    """The one setting for all libraries; None where theirs have been set by themselves since, for
    then torch refuses to say."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


_SETTING = _ProductSetting()
