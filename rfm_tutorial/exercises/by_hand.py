"""Exercises on paper: a small table of numbers, typed in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Verdict

DIGITS = 2
"""Two decimals are as good as all of them."""

Numbers = Sequence[Any]
"""Numbers, or lists of them, or lists of lists."""


@dataclass(frozen=True)
class ByHand:
    """What `check` needs to know of numbers that are worked out by hand.

    Examples
    --------
    >>> halves = ByHand(
    ...     right=[0.5, 1.0, 1.5], mistakes={}, returns="3 numbers", names=("the half of {}",)
    ... )
    >>> halves.verdict([0.5, 2.0, 1.5]).message
    '2 of 3 numbers are right; look at the half of 1.'
    >>> halves.verdict([0.5, ..., 1.5]).message
    '1 of 3 numbers is still to be filled in.'
    """

    right: Numbers
    mistakes: dict[str, Numbers]
    """From what to say to wrong numbers that are often typed in, to these."""
    returns: str
    """What is asked, in words."""
    names: tuple[str, ...]
    """What a position is called, axis by axis; {} is its number, counted from 0."""
    edges: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    """From what is special about some places, in words, to these. They are looked at last."""
    see: str = ""
    """Where in the book to look."""

    def verdict(self, answer: object) -> Verdict:
        """What is right or wrong about the numbers."""
        right = torch.tensor(self.right, dtype=torch.float64)
        shape, numbers = _leaves(answer)
        if shape != tuple(right.shape):
            return Verdict("kind", f"asked are {self.returns}, but got {_called(answer, shape)}.")
        if missing := sum(number is ... for number in numbers):
            be = "is" if missing == 1 else "are"
            return Verdict(
                "kind", f"{missing} of {right.numel()} numbers {be} still to be filled in."
            )
        if wrong := [number for number in numbers if not isinstance(number, int | float)]:
            return Verdict("kind", f"asked are {self.returns}, but {wrong[0]!r} is no number.")
        typed = torch.tensor(numbers, dtype=torch.float64).reshape(right.shape)
        return self._verdict(typed, right)

    def _verdict(self, typed: Tensor, right: Tensor) -> Verdict:
        agree = _agree(typed, right)
        if agree.all():
            return Verdict(None, f"all {right.numel()} numbers are right.")
        for message, wrong in self.mistakes.items():
            if _agree(typed, torch.tensor(wrong, dtype=torch.float64)).all():
                return Verdict("values", message)
        at_edges = torch.zeros_like(agree)
        for places in self.edges.values():
            for place in places:
                at_edges[place] = True
        for edge, places in self.edges.items():
            at_this = any(not agree[place] for place in places)
            if at_this and agree[~at_edges].all():
                return Verdict("edges", f"right but for {edge}.")
        first = (~agree & ~at_edges).nonzero()[0].tolist()
        where = ", ".join(name.format(i) for name, i in zip(self.names, first, strict=True))
        count = f"{int(agree.sum())} of {right.numel()} numbers are right"
        return Verdict("values", f"{count}; look at {where}.")


def _agree(typed: Tensor, right: Tensor) -> Tensor:
    return (typed - right).abs() <= 0.5 * 10.0**-DIGITS + 1e-6


def _leaves(answer: Any) -> tuple[tuple[int, ...] | None, list[Any]]:
    """The shape of nested lists and their numbers, one after another; no shape if it is uneven."""
    if isinstance(answer, Tensor):
        answer = answer.tolist()
    if not isinstance(answer, list | tuple):
        return (), [answer]
    parts = [_leaves(part) for part in answer]
    shapes = {shape for shape, _ in parts}
    numbers = [number for _, part in parts for number in part]
    if len(shapes) != 1 or None in shapes:
        return None, numbers
    return (len(answer), *(shapes.pop() or ())), numbers


def _called(answer: object, shape: tuple[int, ...] | None) -> str:
    if callable(answer):
        return "a function"
    if shape is None:
        return "lists of different lengths"
    return f"a list of shape {shape}" if shape else f"{answer!r}"
