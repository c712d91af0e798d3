"""Exercises of "The reproduction ledger"."""

import math
import statistics

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise


def _places(claims: list[str], fragment: str) -> list[int]:
    return [place for place, claim in enumerate(claims) if fragment in claim]


def _pick(claims: list[str], fragment: str) -> int | None:
    places = _places(claims, fragment)
    return places[0] if len(places) == 1 else None


_CLAIMS = [
    "training accuracy is 1.000 at every step",
    "test accuracy passes one half at step 13",
    "test accuracy is 1.000 at step 25",
    "5 of 5 splits: at least 0.998 at step 25",
]

pick = Exercise(
    reference=_pick,
    cases={
        "a fragment of one claim": lambda: (_CLAIMS, "splits: at least"),
        "a fragment of two claims": lambda: (_CLAIMS, "at step 25"),
        "a fragment of no claim": lambda: (_CLAIMS, "test loss"),
        "a chapter without claims": lambda: ([], "step"),
    },
    mistakes={
        "you take the first of several: where a fragment fits two claims, nobody can tell which "
        "one was meant, and the answer is None.": (
            lambda claims, fragment: min(_places(claims, fragment), default=None)
        ),
        "this is how many claims contain the fragment; asked is the place of the only one.": (
            lambda claims, fragment: len(_places(claims, fragment))
        ),
        "you take the last of several: where a fragment fits two claims, the answer is None.": (
            lambda claims, fragment: max(_places(claims, fragment), default=None)
        ),
        "you are one place late: places are counted from 0, as in a Python list.": (
            lambda claims, fragment: next((i + 1 for i in _places(claims, fragment)), None)
        ),
    },
    returns="an int, the place of the only claim with the fragment, or None",
    see='the section "Where the numbers come from"',
)


def _grade(parts: list[list[float]], thresholds: list[float]) -> int:
    measured = [
        all(value >= threshold for value in values)
        for values, threshold in zip(parts, thresholds, strict=True)
        if values
    ]
    if not measured:
        return 0
    if all(measured):
        return 4 if len(measured) == len(parts) else 3
    return 2 if any(measured) else 1


_FIVE = [0.99, 1.0, 0.998, 1.0, 0.995]

grade = Exercise(
    reference=_grade,
    cases={
        "two parts, each of which fails on one seed of five": (
            lambda: ([[0.99, 1.0, 0.998, 0.5, 0.995], [0.6, 0.9, 0.9, 0.9, 0.9]], [0.8, 0.7])
        ),
        "one part that holds and one that does not": lambda: ([_FIVE, [0.1] * 5], [0.9] * 2),
        "two parts that hold on every seed": lambda: ([_FIVE] * 2, [0.99, 0.9]),
        "a part that nobody has measured": lambda: ([_FIVE, []], [0.9, 0.9]),
        "nothing measured at all": lambda: ([[], []], [0.9, 0.9]),
        "no part holds, one is not measured": lambda: ([[0.1] * 5, []], [0.9, 0.9]),
        "a part that comes to its threshold": lambda: ([[0.9, 0.95, 0.9, 1.0, 0.9]], [0.9]),
    },
    mistakes={
        "you compare the mean over the seeds; one run that fails is hidden in a mean. A part holds "
        "if every seed reaches its threshold.": (
            lambda parts, thresholds: _grade(
                [[statistics.mean(values)] if values else [] for values in parts], thresholds
            )
        ),
        "you know 'yes' and nothing else: a claim of which one part holds and one fails comes out "
        "in part, 2, and one of which nothing holds does not, 1.": (
            lambda parts, thresholds: 4 * (_grade(parts, thresholds) == 4)
        ),
        "you look at the first seed only; a part holds if every seed reaches its threshold.": (
            lambda parts, thresholds: _grade([values[:1] for values in parts], thresholds)
        ),
        "you forget the parts that nobody has measured: with such a part, a claim comes out with "
        "gaps at best, 3.": (
            lambda parts, thresholds: _grade(
                [values for values in parts if values],
                [t for values, t in zip(parts, thresholds, strict=True) if values],
            )
        ),
        "a value that is equal to the threshold reaches it, too: compare with >=.": (
            lambda parts, thresholds: _grade(
                parts, [math.nextafter(t, math.inf) for t in thresholds]
            )
        ),
    },
    returns="an int: 0 not run, 1 no, 2 in part, 3 yes, with gaps, 4 yes",
    see='the section "The rule, before the values"',
)


def _wilson(right: int, n: int, z: float = 1.96) -> Tensor:
    share, spread = right / n, z**2 / n
    middle = share + spread / 2
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4)
    ends = [(middle - half) / (1 + spread), (middle + half) / (1 + spread)]
    return torch.tensor(ends, dtype=torch.float64)


def _wald(right: int, n: int, z: float) -> Tensor:
    share = right / n
    half = z * math.sqrt(share * (1 - share) / n)
    return torch.tensor([share - half, share + half], dtype=torch.float64)


wilson = Exercise(
    reference=_wilson,
    cases={
        "17 right of 20": lambda: (17, 20, 1.96),
        "five of five": lambda: (5, 5, 1.96),
        "none of 1741": lambda: (0, 1741, 1.96),
        "one of one, with z = 1": lambda: (1, 1, 1.0),
    },
    mistakes={
        "this puts the measured share into the formula for the spread; with five of five it gives "
        "an interval of length 0. Solve for the unknown share instead.": _wald,
        "you forgot to divide by 1 + z²/n, the coefficient of π² in the equation.": (
            lambda right, n, z: _wilson(right, n, z) * (1 + z**2 / n)
        ),
        "your two ends are in the wrong order: the lower one comes first.": (
            lambda right, n, z: _wilson(right, n, z).flip(0)
        ),
        "z has to be squared in the equation.": lambda right, n, z: _wilson(right, n, math.sqrt(z)),
        "you always use 1.96; z is an argument.": lambda right, n, z: _wilson(right, n),
    },
    returns="a float64 tensor with two entries, the lower and the upper end",
    see='the section "Five of five"',
)


def _doubt(first: list[float], draws: Tensor) -> float:
    medians = torch.tensor(first, dtype=torch.float64)[draws].median(dim=1).values
    return float(medians.isinf().double().mean())


def _draws(n: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(n + count)
    return torch.randint(n, (count, n), generator=generator)


_SOME = [13.0, 14.0, math.inf, 15.0, math.inf]

doubt = Exercise(
    reference=_doubt,
    cases={
        "five runs, two of which never jump": lambda: (_SOME, _draws(5, 200)),
        "five runs that all jump": lambda: ([13.0, 13.0, 14.0, 12.0, 13.0], _draws(5, 50)),
        "five runs, none of which jumps": lambda: ([math.inf] * 5, _draws(5, 50)),
        "a single draw": lambda: (_SOME, torch.tensor([[2, 2, 2, 0, 1]])),
    },
    mistakes={
        "this is the share of the runs that never jump; asked is the share of the draws whose "
        "median is infinite.": lambda first, draws: sum(map(math.isinf, first)) / len(first),
        "you count a draw as soon as one of its runs never jumps; its median is infinite only if "
        "more than half of them never do.": (
            lambda first, draws: float(
                torch.tensor(first)[draws].isinf().any(dim=1).double().mean()
            )
        ),
        "you count runs; take the median of each draw first, then count draws.": (
            lambda first, draws: float(torch.tensor(first)[draws].isinf().double().mean())
        ),
        "this is the share of the draws whose median run jumps; asked is the rest.": (
            lambda first, draws: 1 - _doubt(first, draws)
        ),
    },
    returns="a float, the share of the draws with an infinite median",
    see='the exercise on medians in "Where it fails: fractions, kernels, operations, seeds"',
)
