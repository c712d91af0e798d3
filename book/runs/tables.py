"""Tables with 31 digits that are no group, or no longer look like one. Gaussian, bandwidth 2.5.

All are Latin squares: each label stands once in each row and once in each column. A record per
step: accuracy on the hidden cells, on those whose mirror image (b, a) is shown, and on the others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, accuracy
from rfm_tutorial.groups import cyclic
from rfm_tutorial.tasks import Task

N = 31


def renamed(seed: int) -> Tensor:
    """The clock, with rows, columns and labels renamed, each in its own way: not commutative, no
    identity, not associative."""
    dice = torch.Generator().manual_seed(seed)
    rows, columns, labels = (torch.randperm(N, generator=dice) for _ in range(3))
    return labels[cyclic(N).table[rows][:, columns]]


def latin_square(seed: int) -> Tensor:
    """Row after row, the cheapest assignment of labels that are still free in their columns."""
    dice = np.random.default_rng(seed)
    free = np.ones((N, N), dtype=bool)  # column, label
    rows = []
    for _ in range(N):
        rows.append(linear_sum_assignment(np.where(free, dice.random((N, N)), N**2))[1])
        free[np.arange(N), rows[-1]] = False
    return torch.tensor(np.stack(rows))


def commutative(seed: int) -> Tensor:
    """A random Latin square with a·b = b·a and a·a = a.

    N + 1 players meet, each pair on one of N days, nobody twice on a day: a·b is the day of a and
    b, and a·a = a the day on which a meets player N, for a suitable numbering of days. The plan is
    found by chance: let a pair play that shares a free day, and send away who is in the way.
    """
    dice = np.random.default_rng(seed)
    partner = np.full((N + 1, N), -1)  # of a player on a day
    day = np.full((N + 1, N + 1), -1)
    while (partner < 0).any():
        a, d = (int(x) for x in dice.choice(np.argwhere(partner < 0)))
        b = int(dice.choice([y for y in range(N + 1) if y != a and day[a, y] < 0]))
        if (c := int(partner[b, d])) >= 0:
            partner[c, d] = day[b, c] = day[c, b] = -1
        partner[a, d], partner[b, d] = b, a
        day[a, b] = day[b, a] = d
    name = np.argsort(day[:N, N])  # the digit that meets player N on a day
    table = name[day[:N, :N]]
    np.fill_diagonal(table, np.arange(N))
    return torch.tensor(table)


TABLES: dict[str, Callable[[int], Tensor]] = {
    "Z31": lambda seed: cyclic(N).table,
    "Z31, all renamed": renamed,
    "commutative, random": commutative,
    "Latin square, random": latin_square,
}
CASES = [
    {"table": table, "train_fraction": fraction, "seed": seed}
    for table in TABLES
    for fraction in (0.7, 0.9)
    for seed in range(5)
]
SAMPLE = {**CASES[20], "n_iterations": 2}


def run(
    table: str, train_fraction: float, seed: int, n_iterations: int = 30
) -> list[dict[str, Any]]:
    """One split, of a table with its own seed."""
    made = TABLES[table](seed)
    split = Task.from_table(made).split(train_fraction, seed)
    shown = torch.zeros(N, N, dtype=torch.bool)
    shown[split.pairs_train[:, 0], split.pairs_train[:, 1]] = True
    mirrored = shown[split.pairs_test[:, 1], split.pairs_test[:, 0]]
    records = []
    for step in RFM(GaussianKernel(2.5), n_iterations).iterate(split.X_train, split.Y_train):
        scores = step.predict(split.X_test)
        records.append(
            {
                "iteration": step.iteration,
                "test_accuracy": accuracy(scores, split.y_test),
                "mirrored_accuracy": accuracy(scores[mirrored], split.y_test[mirrored]),
                "other_accuracy": accuracy(scores[~mirrored], split.y_test[~mirrored]),
            }
        )
    return records
