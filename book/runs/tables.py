"""Tables with 31 digits that are no group, or no longer look like one. Gaussian, bandwidth 2.5.

All are Latin squares: each label stands once in each row and once in each column. A record per
step: accuracy on the hidden cells, on those whose mirror image (b, a) is shown, and on the others.
"""

import itertools
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

    N + 1 = 32 players meet, each pair on one of N days, nobody twice on a day: a·b is the day of a
    and b, and a·a = a that on which a meets the last player. At first the day is the exclusive or
    of two numbers. Then, again and again, two days are exchanged for some of the players: the
    meetings of both are closed chains, and in one chain they change places.
    """
    dice = np.random.default_rng(seed)
    number = np.arange(N + 1)
    day = number[:, None] ^ number  # 1 … N, and 0 with oneself
    for _ in range(3000):
        days = 1 + dice.choice(N, 2, replace=False)
        chain = [int(dice.integers(N + 1))]
        while len(chain) == 1 or chain[-1] != chain[0]:
            chain.append(int((day[chain[-1]] == days[(len(chain) - 1) % 2]).argmax()))
        for place, (a, b) in enumerate(itertools.pairwise(chain)):
            day[a, b] = day[b, a] = days[(place + 1) % 2]
    name = np.argsort(day[N])  # of a day: who meets the last player
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
