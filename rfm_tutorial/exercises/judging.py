"""How an answer is judged: cases, a reference, and mistakes that are recognised."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

RUNGS = ("kind", "values", "edges")


@dataclass(frozen=True)
class Exercise:
    """What `check` needs to know of one exercise that asks for a function.

    The program of "find the bug" is one, too: as it is given it stands among the mistakes, and so
    does each version in which something has been mended and something has not.

    Inputs are copied before a function gets them, so cases may share what they are made of.
    """

    reference: Callable
    """A right answer."""
    cases: dict[str, Callable[[], tuple]]
    """From what is tried, in words, to what makes its inputs. The first is ordinary, the others
    are edges."""
    mistakes: dict[str, Callable]
    """From what to say to a wrong answer that is often given, to that answer."""
    returns: str
    """In words, what the function gives back."""
    see: str = ""
    """Where in the book to look."""

    def verdict(self, answer: object) -> "Verdict":
        """What is right or wrong about a function."""
        return judge(self, answer)


@dataclass(frozen=True)
class Verdict:
    """What a check found: the rung it stopped at (None if it passed) and what it says."""

    rung: str | None
    message: str


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Seeded normal random numbers, for cases."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def psd(d: int, seed: int) -> Tensor:
    """A seeded symmetric matrix with no negative eigenvalue, for cases."""
    half = normal(d, d, seed=seed)
    return half @ half.T


def judge(exercise: Exercise, answer: object) -> Verdict:
    """The verdict on an answer, without printing it."""
    if not callable(answer):
        found = type(answer).__name__
        return Verdict("kind", f"check needs your function itself, but got a value ({found}).")
    ordinary, *edges = exercise.cases
    if verdict := _judge_case(exercise, ordinary, answer):
        return verdict
    for edge in edges:
        if verdict := _judge_case(exercise, edge, answer):
            return Verdict("edges", verdict.message)
    s = "" if len(edges) == 1 else "s"
    return Verdict(None, f"right on an ordinary case and on {len(edges)} edge case{s}.")


def _judge_case(exercise: Exercise, case: str, answer: Callable) -> Verdict | None:
    """The verdict on an answer to one case; None if it is right."""
    inputs = exercise.cases[case]()
    expected = exercise.reference(*deepcopy(inputs))
    given = deepcopy(inputs)
    try:
        result = answer(*given)
    # Whatever a reader's function raises is an answer to be judged, not a failure of the check.
    except Exception as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Verdict("kind", f"on {case} your function raised {what}")
    share = _share_right(result, expected)
    if share == 1:
        if all(_unchanged(before, after) for before, after in zip(inputs, given, strict=True)):
            return None
        return Verdict("edges", "the values are right, but your function changed its input.")
    for message, wrong in exercise.mistakes.items():
        if result is not None and _share_right(result, wrong(*deepcopy(inputs))) == 1:
            return Verdict("values", message)
    if problem := _wrong_kind(result, expected):
        returned = f"your function returned {problem}; it should return {exercise.returns}"
        return Verdict("kind", f"on {case} {returned}.")
    if isinstance(expected, Tensor) and isinstance(result, Tensor):
        said = f"on {case} {share:.1%} of the values are right"
        return Verdict("values", f"{said}{_likeness(result, expected)}.")
    return Verdict("values", f"on {case} your function returned {result!r}, which is not right.")


def _wrong_kind(result: Any, expected: Any) -> str | None:
    """What is wrong about the kind of a result, in words; None if nothing is."""
    if isinstance(expected, Tensor):
        if not isinstance(result, Tensor):
            return f"{_called(result)} instead of a tensor"
        if result.shape != expected.shape:
            return f"shape {tuple(result.shape)} instead of {tuple(expected.shape)}"
        # Half the digits are lost where nobody sees it; whole numbers for floats are no loss.
        if result.is_floating_point() and result.dtype != expected.dtype:
            return f"{result.dtype} numbers instead of {expected.dtype}"
        if result.is_complex() and not expected.is_complex():
            return "complex numbers instead of real ones"
        return None
    if isinstance(result, Tensor):
        if result.ndim > 0:
            return f"a tensor of shape {tuple(result.shape)}"
        result = result.item()
    if (result is None) != (expected is None) or isinstance(result, str | bool):
        return _called(result)
    if isinstance(expected, int) and isinstance(result, float) and not result.is_integer():
        return _called(result)
    return None if result is None or isinstance(result, int | float) else _called(result)


def _called(value: Any) -> str:
    return "None" if value is None else f"{value!r} ({type(value).__name__})"


def _share_right(result: Any, expected: Any) -> float:
    """The share of the values that are right; 0 if they are of the wrong kind."""
    if _wrong_kind(result, expected):
        return 0.0
    if expected is None:
        return 1.0
    result, expected = torch.as_tensor(result).double(), torch.as_tensor(expected).double()
    if expected.numel() == 0:
        return 1.0
    scale = float(expected.abs().max()) or 1.0
    return float(torch.isclose(result, expected, rtol=1e-6, atol=1e-8 * scale).double().mean())


def _likeness(result: Tensor, expected: Tensor) -> str:
    """What the wrong values have to do with the right ones, to end a sentence; may be empty."""
    result, expected = result.double(), expected.double()
    size = float(expected.norm())
    if size == 0 or not bool(result.isfinite().all()):
        return ""
    factor = float((result * expected).sum()) / size**2
    if torch.allclose(result, factor * expected, rtol=1e-6, atol=1e-8 * size) and factor:
        return f"; all of them are {factor:.4g} times what they should be"
    if expected.ndim == 2 and _share_right(result.T, expected) == 1:
        return "; rows and columns are exchanged"
    off = float((result - expected).norm()) / size
    return f"; the difference is {off:.2g} times as large as the right answer"


def _unchanged(before: Any, after: Any) -> bool:
    return torch.equal(before, after) if isinstance(before, Tensor) else before == after
