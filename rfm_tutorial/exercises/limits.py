"""Exercises of "Where it fails: fractions, kernels, operations, seeds"."""

import math
import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.tasks import ModularTask


def _jumps(runs: list[list[float]], threshold: float) -> list[float]:
    """Where each run reaches the threshold; infinite if it never does."""
    return [
        next((i for i, value in enumerate(run) if value >= threshold), math.inf) for run in runs
    ]


def _finite(runs: list[list[float]], threshold: float) -> list[float]:
    return [jump for jump in _jumps(runs, threshold) if jump < math.inf]


def _middle(jumps: list[float], average: Callable = statistics.median) -> float | None:
    """The median or another average; None if it is infinite or there is nothing to average."""
    middle = float(average(jumps)) if jumps else math.inf
    return None if middle == math.inf else middle


_RUNS = [
    [0.0, 0.1, 0.2, 0.6, 0.9, 1.0],
    [0.0, 0.0, 0.0, 0.1, 0.1, 0.1],
    [0.0, 0.6, 0.9, 1.0, 1.0, 1.0],
    [0.0, 0.0, 0.1, 0.1, 0.2, 0.5],
    [0.0, 0.0, 0.0, 0.1, 0.7, 0.9],
]

median_jump = Exercise(
    reference=lambda runs, threshold: _middle(_jumps(runs, threshold)),
    cases={
        "five runs, one of which never jumps": lambda: (_RUNS, 0.5),
        "four runs that all jump": lambda: (_RUNS[:1] + _RUNS[2:], 0.5),
        "a run that comes to the threshold itself": lambda: ([[0.0, 0.5, 0.6]], 0.5),
        "three runs, two of which never jump": lambda: ([*_RUNS[:2], _RUNS[1]], 0.5),
        "two runs, one of which never jumps": lambda: (_RUNS[:2], 0.5),
    },
    mistakes={
        "you leave out the runs that never jump, so a machine that fails more often looks faster; "
        "count them as infinitely late.": lambda runs, threshold: _middle(_finite(runs, threshold)),
        "you count a run that never jumps as if it had jumped right after its last step; it is "
        "infinitely late, and the median can be, too.": (
            lambda runs, threshold: _middle(
                [min(i, len(run)) for i, run in zip(_jumps(runs, threshold), runs, strict=True)]
            )
        ),
        "this is the mean of the runs that jump; asked is the median over all runs.": (
            lambda runs, threshold: _middle(_finite(runs, threshold), statistics.mean)
        ),
        "you take the lower of the two runs in the middle; with an even number of runs the median "
        "is their mean.": (
            lambda runs, threshold: _middle(_jumps(runs, threshold), statistics.median_low)
        ),
        "a run reaches the threshold when it is equal to it, too: compare with >=.": (
            lambda runs, threshold: _middle(_jumps(runs, math.nextafter(threshold, math.inf)))
        ),
    },
    returns="a number, the median iteration, or None if it is infinite",
    see='the section "By hand: a sweep is a loop"',
)


def _ratio(sizes: list[float]) -> float:
    return (sizes[-1] - sizes[-2]) / (sizes[-2] - sizes[-3])


def _grown(power: float, rho: float, source: float, steps: int) -> list[float]:
    sizes = [power * source]
    for _ in range(steps - 1):
        sizes.append(power * (source + rho * sizes[-1]))
    return sizes


critical_power = Exercise(
    reference=lambda sizes, power: power / _ratio(sizes),
    cases={
        "a run with the power 1/2": lambda: (_grown(0.5, 3.14, 0.008, 6), 0.5),
        "a run that fades, with the power 1/4": lambda: (_grown(0.25, 3.0, 0.008, 9), 0.25),
        "three sizes and no more": lambda: (_grown(0.4, 2.5, 0.01, 3), 0.4),
        "a run whose first sizes are still disturbed": (
            lambda: ([0.02, 0.005, *_grown(0.4, 2.5, 0.01, 4)], 0.4)
        ),
    },
    mistakes={
        "you compare the sizes themselves; they contain the constant e, and only their differences "
        "grow by the factor sρ.": lambda sizes, power: power * sizes[-2] / sizes[-1],
        "the ratio of the differences is sρ, not ρ: divide it by the power of the run.": (
            lambda sizes, power: 1 / _ratio(sizes)
        ),
        "this is ρ; the threshold is the power s with sρ = 1.": (
            lambda sizes, power: _ratio(sizes) / power
        ),
        "this is sρ, the ratio of the differences; the threshold is the power at which that ratio "
        "would be 1.": lambda sizes, power: _ratio(sizes),
        "you use the first three sizes; asked are the last three.": (
            lambda sizes, power: power / _ratio(sizes[:3])
        ),
    },
    returns="a number, the power at the threshold",
    see='the section "Why there are thresholds"',
)


def _weight(m: float, bandwidth: float) -> float:
    return (1 - math.exp(-m / bandwidth**2)) ** 2


def _scale(
    n_updates: int,
    ridge: float,
    m_star: float,
    bandwidth: float,
    *,
    weight: Callable[[float, float], float] = _weight,
    start: float = 1.0,
    limit: bool = True,
) -> float:
    m = start
    for _ in range(n_updates):
        q = weight(m, bandwidth)
        m = (m_star if limit else m) * q / (q + ridge) if q > 0 else 0.0
    return m


scale = Exercise(
    reference=_scale,
    cases={
        "six updates with a ridge of 0.002": lambda: (6, 0.002, 0.7, 2.5),
        "no update at all": lambda: (0, 0.01, 0.7, 2.5),
        "no ridge": lambda: (3, 0.0, 0.6, 5.0),
        "a ridge beyond the threshold": lambda: (10, 0.01, 0.7, 2.5),
    },
    mistakes={
        "q is a square: a pair is told from others by two digits, with one factor for each.": (
            lambda *inputs: _scale(*inputs, weight=lambda m, L: 1 - math.exp(-m / L**2))
        ),
        "you use the approximation m²/L⁴; asked is the exact q with the exponential.": (
            lambda *inputs: _scale(*inputs, weight=lambda m, L: (m / L**2) ** 2)
        ),
        "two pairs that differ in one digit have the squared distance 2m, and the kernel divides "
        "by 2L²: the exponent is m/L².": (
            lambda *inputs: _scale(*inputs, weight=lambda m, L: _weight(m / 2, L))
        ),
        "you start from m*; step 0 has M = I, so start from 1.": (
            lambda n, ridge, m_star, L: _scale(n, ridge, m_star, L, start=m_star)
        ),
        "the new m is m* q/(q + λ), not the old m times that factor.": (
            lambda *inputs: _scale(*inputs, limit=False)
        ),
        "this is one update too many.": lambda n, *rest: _scale(n + 1, *rest),
    },
    returns="a number, the mean diagonal entry after the last update",
    see='the section "The ridge: a collapse"',
)


def _copied_share(
    pairs_train: Tensor,
    pairs_test: Tensor,
    p: int,
    swap: bool = True,
    signs: Sequence[tuple[int, int]] = ((1, 1), (1, -1), (-1, 1), (-1, -1)),
) -> float:
    """The share of test pairs with an image in training, one that the signs or the swap make."""
    shown = torch.zeros(p, p, dtype=torch.bool)
    shown[pairs_train[:, 0], pairs_train[:, 1]] = True
    a, b = pairs_test.T
    found = torch.zeros(len(pairs_test), dtype=torch.bool)
    for s, t in signs:
        found |= shown[s * a % p, t * b % p]
        if swap:
            found |= shown[s * b % p, t * a % p]
    return float(found.double().mean())


def _pairs(fraction: float) -> tuple[Tensor, Tensor, int]:
    split = ModularTask("x^2+y^2", 13).split(fraction)
    return split.pairs_train, split.pairs_test, 13


def _few_pairs() -> tuple[Tensor, Tensor, int]:
    return torch.tensor([[0, 1], [3, 2]]), torch.tensor([[6, 0], [2, 4], [5, 4], [1, 1]]), 7


symmetry = Exercise(
    reference=_copied_share,
    cases={
        "a fifth of the table of 13": lambda: _pairs(0.2),
        "a handful of pairs, one with a zero": _few_pairs,
        "no training pair at all": (
            lambda: (torch.zeros(0, 2, dtype=torch.int64), _few_pairs()[1], 7)
        ),
    },
    mistakes={
        "the four changes of sign are there, but not the swap of a and b.": (
            lambda *inputs: _copied_share(*inputs, swap=False)
        ),
        "the swap is there, but not the changes of sign; if you made them, take the negative "
        "digits modulo p.": lambda *inputs: _copied_share(*inputs, signs=[(1, 1)]),
        "you change both signs at once only; each of the two can change by itself.": (
            lambda *inputs: _copied_share(*inputs, signs=[(1, 1), (-1, -1)])
        ),
        "this is the share that has no image among the training pairs.": (
            lambda *inputs: 1 - _copied_share(*inputs)
        ),
    },
    returns="a number between 0 and 1, the share of the test pairs",
    see='the section "Operations: what symmetry gives away"',
)
