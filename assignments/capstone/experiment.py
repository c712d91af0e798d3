"""The example to write over: ten mirror pairs hidden, the diagonal shown.

`run` and `control` are functions of the seed and of nothing else. Whoever
calls `run(7)`, on whatever machine, gets your numbers for 7.
"""

import torch

from rfm_tutorial import RFM, GaussianKernel, ModularTask
from rfm_tutorial.datasets import one_hot

P = 17
N_PAIRS = 10
N_UPDATES = 12


def run(seed: int) -> dict[str, float]:
    """What the machine makes of the sums."""
    task = ModularTask("add", P)
    return learned(task, task.labels, seed)


def control(seed: int) -> dict[str, float]:
    """The same with shuffled labels: there is nothing to learn."""
    task = ModularTask("add", P)
    dice = torch.Generator().manual_seed(seed)
    labels = task.labels[torch.randperm(P * P, generator=dice)]
    return learned(task, labels, seed)


def learned(task, labels, seed):
    """Train on all cells but the hidden pairs: what is right of these, and
    which share of M looks at e_a + e_b, the part that the mirror leaves."""
    above = torch.ones(P, P).triu(1).nonzero()
    dice = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(above), generator=dice)
    a, b = above[order[:N_PAIRS]].T
    hidden = torch.zeros(P, P, dtype=torch.bool)
    hidden[a, b] = hidden[b, a] = True
    hidden = hidden.flatten()

    X = task.encode(task.pairs[~hidden])
    Y = one_hot(labels[~hidden], P)
    *_, last = RFM(GaussianKernel(2.5), N_UPDATES).iterate(X, Y)
    answers = last.predict(task.encode(task.pairs[hidden])).argmax(1)
    right = (answers == labels[hidden]).double().mean()
    M = last.feature_matrix
    even = 0.5 + M[:P, P:].trace() / M.trace()
    return {"right": float(right), "even": float(even)}
