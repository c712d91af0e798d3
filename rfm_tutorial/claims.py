"""Claims: what the book says in words, checked where the reader can see it."""

import ast
import reprlib
import sys
from types import FrameType

import torch

try:
    from executing import Source
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"claims need {error.name}; pip install 'rfm-tutorial[figures]' brings all that they need"
    ) from error


def claim(statement: str, holds: object) -> None:
    """Print a statement if it holds; stop the page if it does not.

    Parameters
    ----------
    statement : a sentence with the measured number in it
    holds : a comparison computed in the page; a tensor with a single bool will do

    Raises
    ------
    AssertionError
        If `holds` is false. The page then does not build: nothing false is published. The message
        gives the values of the variables that the call names.
    TypeError
        If `holds` is not a single truth value.

    Examples
    --------
    >>> claim("2 + 2 is 4", 2 + 2 == 4)
    ✓ 2 + 2 is 4
    """
    if isinstance(holds, torch.Tensor) and holds.dtype == torch.bool and holds.ndim == 0:
        holds = bool(holds)
    if type(holds).__name__ not in ("bool", "bool_"):
        raise TypeError(f"holds must be True or False, got {holds!r}")
    if not holds:
        values = _values_in_call(sys._getframe(1))
        raise AssertionError("\n".join([f"this claim does not hold here: {statement}", *values]))
    print(f"✓ {statement}")


def _values_in_call(caller: FrameType) -> list[str]:
    """The numbers behind the variables in the call that `caller` is making, a line each."""
    call = Source.executing(caller).node
    if call is None:  # the source is not to be had, as in exec
        return []
    lines = []
    for name in dict.fromkeys(part.id for part in ast.walk(call) if isinstance(part, ast.Name)):
        value = caller.f_locals.get(name, caller.f_globals.get(name))
        if isinstance(value, torch.Tensor):
            value = value.tolist()
        if isinstance(value, bool | int | float | str | list | tuple | dict):
            lines.append(f"{name} = {reprlib.repr(value)}")
    return lines
