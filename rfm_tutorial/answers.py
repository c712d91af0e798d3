"""Plain values of exact types, as text: all that passes between a submission and its graders.

A submission runs in a process of its own (`answering`), its graders in another (`sandbox`). What
the one computes reaches the other as JSON: None, bool, int, float, str, lists and tuples of these,
and tensors as their bytes. Everything else, such as a function or a class, arrives as an `Answer`:
something that can be called, and then is called over there.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MOST_CHARACTERS = 10**4
"""Of a text or a whole number in a reply."""

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.complex64,
        torch.complex128,
    )
}


class Answer:
    """Something in a submission that is no plain value; calling it calls it where it is.

    Parameters
    ----------
    ask : sends the steps that lead to it and gives back a value
    steps : names to look up and arguments to call with, from the notebook's names on
    """

    def __init__(self, ask: Callable, steps: tuple) -> None:
        self._ask, self._steps = ask, steps

    def ask(self, arguments: tuple, seconds: float = 5, without: tuple[str, ...] = ()) -> Any:
        """What it gives back, in time, while these names are taken away."""
        return self._ask((*self._steps, arguments), seconds, without)

    def __call__(self, *arguments: object) -> Any:
        return self.ask(arguments)

    def __getattr__(self, name: str) -> "Answer":
        if name.startswith("_"):
            raise AttributeError(name)
        return Answer(self._ask, (*self._steps, name))


def pack(value: Any, function: Callable[[Any], dict] | None = None) -> Any:
    """What JSON can hold of a value. What is not plain is packed by `function`, or named only.

    Examples
    --------
    >>> pack([1, 0.5, "x"])
    ['list', 1, 0.5, 'x']
    >>> pack(torch.arange(2))
    {'dtype': 'int64', 'shape': [2], 'bytes': 'AAAAAAAAAAABAAAAAAAAAA=='}
    >>> pack(print)
    {'other': 'builtin_function_or_method'}
    """
    if hasattr(value, "item") and not isinstance(value, Tensor) and getattr(value, "ndim", 1) == 0:
        value = value.item()  # A number of NumPy's.
    if value is None or isinstance(value, bool):
        return value
    for plain in (int, float, str):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, *(pack(one, function) for one in value)]
    name = str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else ""
    if isinstance(value, Tensor) and name in DTYPES and value.layout == torch.strided:
        plain = value.detach().as_subclass(Tensor).cpu().resolve_conj().resolve_neg()
        # A copy, because what has one element may have any stride.
        flat = torch.empty(plain.numel(), dtype=plain.dtype).copy_(plain.reshape(-1))
        data = flat.view(torch.uint8).numpy().tobytes()
        text = base64.b64encode(data).decode()
        return {"dtype": name, "shape": list(value.shape), "bytes": text}
    return {"other": type(value).__name__} if function is None else function(value)


def unpack(packed: Any, other: Callable[[dict], Any]) -> Any:
    """The value; `other` makes something of what is not plain.

    Raises
    ------
    ValueError, TypeError, KeyError
        If this is not what `pack` gives.

    Examples
    --------
    >>> unpack(pack((None, [1, torch.zeros(1)])), lambda packed: packed)
    (None, [1, tensor([0.])])
    """
    if packed is None or type(packed) in (bool, int, float):
        return packed
    if type(packed) is str:
        if len(packed) > MOST_CHARACTERS:
            raise ValueError(f"a text of {len(packed)} characters")
        return packed
    if type(packed) is list:
        kind, *values = packed
        return {"list": list, "tuple": tuple}[kind](unpack(value, other) for value in values)
    if "dtype" not in packed:
        return other(packed)
    data = bytearray(base64.b64decode(packed["bytes"], validate=True))
    dtype, shape = DTYPES[packed["dtype"]], [int(n) for n in packed["shape"]]
    flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    return flat.reshape(shape).clone()


def message(content: Any) -> bytes:
    """One line that carries this."""
    return json.dumps(content).encode() + b"\n"
