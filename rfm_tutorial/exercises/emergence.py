"""Exercises of "Feature emergence: measures that see it coming"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise, normal

deviation = ByHand(
    right=[1, 1, 2, 0.25],
    mistakes={
        "you read the lines of equal a + b, which rise to the right; the stripes of equal b − a "
        "fall to the right.": [5 / 3, 5 / 3, 2 / 3, 0.25],
        "you subtract the other way round: stripe d holds the entries with b − a = d, so stripe 1 "
        "begins to the right of the corner.": [1, 2, 1, 0.25],
        "you did not wrap: a stripe goes on at the other side of the block, and each of the three "
        "has three entries.": [1, 1, 0, 0],
        "the means are right. The last number is the share that the stripes explain; the deviation "
        "is what they leave over.": [1, 1, 2, 0.75],
        "the means are right. The last number is a ratio of lengths; the deviation is a ratio of "
        "sums of squares.": [1, 1, 2, 0.5],
        "the means are right. The last number is the energy that is left over; divide it by the "
        "energy of the block.": [1, 1, 2, 6],
        "these are the sums of the stripes; asked are the means.": [3, 3, 6, 0.25],
    },
    returns="4 numbers",
    names=("number {}, counted from 0",),
    edges={"the deviation: what is left of each entry, squared and added up?": [(3,)]},
    see='the section "By hand: how circulant is a block?"',
)


noise = Exercise(
    reference=lambda n: 1 - 1 / n,
    cases={
        "a block with 61 rows": lambda: (61,),
        "a block with one row": lambda: (1,),
        "a block with two rows": lambda: (2,),
    },
    mistakes={
        "this is the share that the columns' means explain; asked is what they leave over.": (
            lambda n: 1 / n
        ),
        "a circulant matrix has n free numbers, one for each diagonal, not a single one.": (
            lambda n: 1 - 1 / n**2
        ),
        "near 1, but not 1: each column's mean takes away one of its n degrees of freedom.": (
            lambda n: 1.0
        ),
    },
    returns="a number, the expected deviation",
    see='the section "What noise gives"',
)


def _margin(scores: Tensor, labels: Tensor, instead: float = -torch.inf) -> Tensor:
    """`instead` stands for the right class's score when the largest wrong one is sought."""
    column = labels[:, None]
    wrong = scores.scatter(1, column, instead).max(dim=1).values
    return scores.gather(1, column)[:, 0] - wrong


def _some_scores() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(8, 5, generator=generator, dtype=torch.float64)
    right_in_half_of_them = torch.cat([scores[:4].argmax(1), scores[4:].argmin(1)])
    return scores, right_in_half_of_them


margin = Exercise(
    reference=_margin,
    cases={
        "eight rows, half of them answered right": _some_scores,
        "scores that are all negative": lambda: (-1 - _some_scores()[0], _some_scores()[1]),
        "a tie between the right and a wrong class": (
            lambda: (torch.tensor([[0.5, 0.5, 0.1]]), torch.tensor([1]))
        ),
        "two classes": lambda: (torch.tensor([[0.9, 0.1], [0.2, 0.7]]), torch.tensor([0, 0])),
    },
    mistakes={
        "the sign is turned round: a row that is answered right has a positive margin.": (
            lambda scores, labels: -_margin(scores, labels)
        ),
        "your maximum includes the right class, so no margin is ever positive; take it over the "
        "wrong classes only.": (
            lambda scores, labels: scores.gather(1, labels[:, None])[:, 0] - scores.max(1).values
        ),
        "this is the lead of the best class over the second, whichever they are; a machine can be "
        "far ahead and wrong.": lambda scores, labels: -scores.topk(2).values.diff()[:, 0],
        "you set the right score to 0 before the maximum; where all other scores are negative, 0 "
        "wins. Use -torch.inf.": lambda scores, labels: _margin(scores, labels, instead=0.0),
    },
    returns="a tensor with one margin for each row",
    see='the section "Is it the accuracy that is too coarse?"',
)


def _cosine(A: Tensor, B: Tensor) -> float:
    length = float(A.norm() * B.norm())
    return float((A * B).sum()) / length if length > 0 else 0.0


def _blocks(M: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    half = len(M) // 2
    return M[:half, half:], reference[:half, half:]


def _feature_matrix(seed: int) -> Tensor:
    half = normal(10, 10, seed=seed) + 0.2
    return half @ half.T / 10 + torch.eye(10).double()


block = Exercise(
    reference=lambda M, reference: _cosine(*_blocks(M, reference)),
    cases={
        "two different matrices": lambda: (_feature_matrix(0), _feature_matrix(1)),
        "M = I, whose block is zero": lambda: (torch.eye(10).double(), _feature_matrix(1)),
        "a matrix and twice the same": lambda: (_feature_matrix(0), 2 * _feature_matrix(0)),
        "blocks that point in opposite directions": (
            lambda: (_feature_matrix(0), 3 * torch.eye(10).double() - _feature_matrix(0))
        ),
    },
    mistakes={
        "this is the alignment of the whole matrices, diagonals included; take the block "
        "M[:half, half:] of both.": _cosine,
        "this is a block on the diagonal, which joins a digit with itself; the block that joins "
        "the two digits is M[:half, half:].": (
            lambda M, reference: _cosine(*(A[: len(A) // 2, : len(A) // 2] for A in (M, reference)))
        ),
        "the inner product still depends on the size of the blocks; divide by both norms.": (
            lambda M, reference: float(torch.mul(*_blocks(M, reference)).sum())
        ),
        "you subtract the means first; that is a correlation. A cosine is taken of the matrices "
        "as they are.": (
            lambda M, reference: _cosine(*(A - A.mean() for A in _blocks(M, reference)))
        ),
    },
    returns="a number, the cosine, or 0.0 if a block is zero",
    see='the sections "By hand: how near is the end?" and "A measure that cannot fail"',
)


def _alarm(
    deviations: list[float], n: int, falls: int = 3, level: float | None = None
) -> int | None:
    level = (1 - 1 / n) / 2 if level is None else level
    for step in range(falls, len(deviations)):
        last = range(step - falls + 1, step + 1)
        fell = all(deviations[i] < deviations[i - 1] for i in last)
        if fell and deviations[step] < level:
            return step
    return None


def _alarm_of_falls_in_all(deviations: list[float], n: int, falls: int) -> int | None:
    seen = 0
    for step in range(1, len(deviations)):
        seen += deviations[step] < deviations[step - 1]
        if seen >= falls and deviations[step] < (1 - 1 / n) / 2:
            return step
    return None


alarm = Exercise(
    reference=_alarm,
    cases={
        "a run like that of +": (
            lambda: ([torch.nan, 0.77, 0.68, 0.575, 0.464, 0.359, 0.27, 0.201], 61, 3)
        ),
        "a run that is low at first and then rises": (
            lambda: ([torch.nan, 0.47, 0.672, 0.563, 0.45, 0.345, 0.258], 61, 3)
        ),
        "a run that falls, but not far": (
            lambda: ([torch.nan, 0.971, 0.96, 0.945, 0.928, 0.909, 0.89], 61, 3)
        ),
        "a small block, where noise is 0.8": lambda: ([torch.nan, 0.75, 0.7, 0.6, 0.45, 0.3], 5, 2),
        "a run that rises once on its way down": (
            lambda: ([torch.nan, 0.9, 0.8, 0.85, 0.7, 0.45, 0.4], 61, 3)
        ),
        "a run that is too short for so many falls": lambda: ([torch.nan, 0.4, 0.3], 61, 3),
    },
    mistakes={
        "you are one step late: the list starts with step 0, so a position in it is the step.": (
            lambda deviations, *rest: _alarm([torch.nan, *deviations], *rest)
        ),
        "you count all falls; asked are falls in a row, so a rise begins the count again.": (
            _alarm_of_falls_in_all
        ),
        "you ring at the first low value; a value can be low by accident, and has to have fallen "
        "in each of the last updates.": (
            lambda deviations, n, falls: next(
                (i for i, value in enumerate(deviations) if value < (1 - 1 / n) / 2), None
            )
        ),
        "you ring after enough falls, however small; the deviation has to be below half the "
        "noise level, too.": (
            lambda deviations, n, falls: _alarm(deviations, n, falls, level=torch.inf)
        ),
        "0.5 is half of 1; asked is half of the noise level, (1 - 1/n) / 2, which is lower for "
        "a small block.": lambda deviations, n, falls: _alarm(deviations, n, falls, level=0.5),
    },
    returns="an int, the step, or None if the alarm never rings",
    see='the section "Another kernel"',
)
