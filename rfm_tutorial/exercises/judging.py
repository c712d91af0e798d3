"""How an answer is judged: cases, a reference, and mistakes that are recognised."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

RUNGS = ("shape", "values", "edges")


@dataclass(frozen=True)
class Case:
    """Inputs for an answer. The first case of an exercise is ordinary, the others are edges."""

    name: str
    inputs: Callable[[], tuple]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is often given, and what to say to it."""

    function: Callable
    message: str


@dataclass(frozen=True)
class Exercise:
    """What `check` needs to know of one exercise."""

    reference: Callable
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    returns: str
    """In words, what the function gives back."""
    see: str
    """Where in the book to look."""


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
        return Verdict("shape", f"check needs your function itself, but got a value ({found}).")
    for number, case in enumerate(exercise.cases):
        verdict = _judge_case(exercise, case, answer, ordinary=number == 0)
        if verdict is not None:
            return verdict
    edges = len(exercise.cases) - 1
    return Verdict(None, f"right on an ordinary case and on {edges} edge case{'s'[: edges != 1]}.")


def _judge_case(exercise: Exercise, case: Case, answer: Callable, ordinary: bool) -> Verdict | None:
    inputs = case.inputs()
    expected = exercise.reference(*deepcopy(inputs))
    given = deepcopy(inputs)
    try:
        result = answer(*given)
    # Whatever a reader's function raises is an answer to be judged, not a failure of the check.
    except Exception as error:
        rung = "shape" if ordinary else "edges"
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Verdict(rung, f"on {case.name} your function raised {what}")
    problem = _wrong_kind(result, expected)
    share = 0.0 if problem else _share_right(result, expected)
    rung = "values" if ordinary else "edges"
    if share < 1:
        for mistake in exercise.mistakes:
            wrong = mistake.function(*deepcopy(inputs))
            same_kind = result is not None and not _wrong_kind(result, wrong)
            if same_kind and _share_right(result, wrong) == 1:
                return Verdict(rung, mistake.message)
        if problem:
            return Verdict(
                "shape" if ordinary else "edges",
                f"on {case.name} your function returned {problem}; "
                f"it should return {exercise.returns}.",
            )
        if isinstance(expected, Tensor):
            found = f"{share:.1%} of the values are right"
        else:
            found = f"your function returned {result!r}, which is not right"
        return Verdict(rung, f"on {case.name} {found}.")
    if not all(_unchanged(before, after) for before, after in zip(inputs, given, strict=True)):
        return Verdict("edges", "the values are right, but your function changed its input.")
    return None


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
    if expected is None or result is None:
        return float(result is expected)
    result, expected = torch.as_tensor(result).double(), torch.as_tensor(expected).double()
    if expected.numel() == 0:
        return 1.0
    scale = float(expected.abs().max()) or 1.0
    return float(torch.isclose(result, expected, rtol=1e-6, atol=1e-8 * scale).double().mean())


def _unchanged(before: Any, after: Any) -> bool:
    return torch.equal(before, after) if isinstance(before, Tensor) else before == after
