"""Ledger: +, × and ÷ modulo 31, each beside the same cells with shuffled labels.

A record per step. `deviation` is that of the block in the order in which it would be circulant,
`natural` that of the block as it stands, zeros left out.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    ModularTask,
    accuracy,
    circulant_block,
    circulant_deviation,
)

P = 31
CASES = [
    {"operation": operation, "labels": labels, "seed": seed}
    for operation in ("add", "mul", "div")
    for labels in ("true", "shuffled")
    for seed in range(5)
]
SAMPLE = {"operation": "mul", "labels": "shuffled", "seed": 2, "n_iterations": 5}


def form(M: Tensor) -> dict[str, float]:
    """How far M is from the form of the paper's first observation; see `plus_59`."""
    A, C = M[:P, :P], M[P:, :P]
    off = A[~torch.eye(P, dtype=torch.bool)]
    c_1 = A.diagonal().mean() - off.mean()
    return {
        "left_over": float(off.std() / C.std()),
        "ratio": float(P * off.mean() / c_1),
        "asymmetry": float((C - C.T).norm() / C.norm()),
    }


def run(operation: str, labels: str, seed: int, n_iterations: int = 20) -> list[dict[str, Any]]:
    """One split."""
    split = ModularTask(operation, P).split(0.6, seed)
    Y = split.Y_train
    if labels == "shuffled":
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    records = []
    for step in RFM(GaussianKernel(bandwidth=2.5), n_iterations).iterate(split.X_train, Y):
        M = step.feature_matrix
        scores = step.predict(split.X_test)
        errors = (scores - split.Y_test).square()
        record = {
            "step": step.iteration,
            "accuracy": accuracy(scores, split.y_test),
            "loss": float(errors.mean()),
            "right_loss": float(errors.gather(1, split.y_test[:, None]).mean()),
        }
        if step.iteration > 0:
            record["deviation"] = circulant_deviation(circulant_block(M, operation))
            record["natural"] = circulant_deviation(M[1:P, P + 1 :])
            record |= form(M)
        records.append(record)
    return records
