"""Ledger, Fig. 4: random circulant features against those that RFM learns, by training share.

`features` "dice" is an ordinary kernel machine on `random_circulant_features`, "noise" one on their
control without structure, "paper" one on the recipe of the paper, "learned" an RFM with 30 updates.
The recipe: M* = [[A, Cᵀ], [C, A]] with A = I − 11ᵀ/p and C circulant from a uniform column, inputs
times (M*)^¼, which is a kernel with the feature matrix (M*)^½. M* is not PSD; as in the authors'
program, which takes the real part of the root and centres the column, negative eigenvalues count as
zero. One record a run.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    ModularTask,
    accuracy,
    random_block_features,
    random_circulant_features,
)
from rfm_tutorial.operations import OPERATIONS

P = 61
CASES = [
    {"operation": operation, "features": features, "train_fraction": fraction, "seed": seed}
    for operation in ("add", "mul")
    for features in ("dice", "noise", "paper", "learned")
    for fraction in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
    for seed in range(5)
]
SAMPLE = {"operation": "mul", "features": "paper", "train_fraction": 0.3, "seed": 1}


def papers_features(operation: str, p: int, seed: int) -> Tensor:
    """(M*)^½ of the recipe."""
    rows, columns = OPERATIONS[operation].order(p)
    column = torch.rand(
        len(rows), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    column = column - column.mean()
    C = torch.zeros(p, p, dtype=torch.float64)
    C[rows[:, None], columns] = torch.stack([column.roll(k) for k in range(len(rows))], 1)
    A = torch.eye(p, dtype=torch.float64) - 1 / p
    values, vectors = torch.linalg.eigh(torch.cat([torch.cat([A, C.T], 1), torch.cat([C, A], 1)]))
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


MADE = {
    "dice": random_circulant_features,
    "noise": random_block_features,
    "paper": papers_features,
}


def run(operation: str, features: str, train_fraction: float, seed: int) -> list[dict[str, Any]]:
    """One split."""
    split = ModularTask(operation, P).split(train_fraction, seed)
    kernel = GaussianKernel(bandwidth=2.5)
    if features == "learned":
        *_, machine = RFM(kernel, n_iterations=30).iterate(split.X_train, split.Y_train)
    else:
        M = MADE[features](operation, P, seed)
        machine = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
    scores = machine.predict(split.X_test)
    return [
        {
            "test_accuracy": accuracy(scores, split.y_test),
            "test_loss": float((scores - split.Y_test).square().mean()),
        }
    ]
