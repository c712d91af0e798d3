"""Ledger, Fig. 4: random circulant features against those that RFM learns, by training share.

`features` "dice" is an ordinary kernel machine on `random_circulant_features`, "paper" one on the
paper's own recipe (uniform first column, c₁ = 1, c₂ = −1/p, negative eigenvalues set to zero),
"learned" an RFM with 30 updates. One record a run.
"""

from typing import Any

import torch

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    ModularTask,
    accuracy,
    random_circulant_features,
)
from rfm_tutorial.operations import OPERATIONS

P = 61
CASES = [
    {"operation": operation, "features": features, "train_fraction": fraction, "seed": seed}
    for operation in ("add", "mul")
    for features in ("dice", "paper", "learned")
    for fraction in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
    for seed in range(5)
]
SAMPLE = {"operation": "mul", "features": "paper", "train_fraction": 0.3, "seed": 1}


def papers_features(operation: str, p: int, seed: int) -> torch.Tensor:
    """The recipe of the paper's section on random circulant features, made PSD by clipping."""
    rows, columns = OPERATIONS[operation].order(p)
    n = len(rows)
    first = torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    first = first - first.mean()
    C = torch.stack([first.roll(k) for k in range(n)], 1)
    A = torch.eye(n, dtype=torch.float64) - 1 / n
    digits = torch.cat([rows, p + columns])
    M = torch.eye(2 * p, dtype=torch.float64)
    M[digits[:, None], digits] = torch.cat([torch.cat([A, C.T], 1), torch.cat([C, A], 1)])
    values, vectors = torch.linalg.eigh(M)
    return (vectors * values.clamp(min=0)) @ vectors.T


def run(operation: str, features: str, train_fraction: float, seed: int) -> list[dict[str, Any]]:
    """One split."""
    split = ModularTask(operation, P).split(train_fraction, seed)
    kernel = GaussianKernel(bandwidth=2.5)
    if features == "learned":
        *_, machine = RFM(kernel, n_iterations=30).iterate(split.X_train, split.Y_train)
    else:
        make = random_circulant_features if features == "dice" else papers_features
        M = make(operation, P, seed)
        machine = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
    scores = machine.predict(split.X_test)
    return [
        {
            "test_accuracy": accuracy(scores, split.y_test),
            "test_loss": float((scores - split.Y_test).square().mean()),
        }
    ]
