"""Ledger: + modulo 59 on five splits, with what the paper says of its final features.

A record per step. From the feature matrix M = [[A, Cᵀ], [C, A]]: the deviation of C from circulant,
how much of A is left over by c₁ I + c₂ 11ᵀ in parts of C, p c₂ / c₁, the asymmetry of C, and how
many eigenvalues hold 90 % of the trace.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    ModularTask,
    accuracy,
    agop_alignment,
    circulant_deviation,
)

P = 59
CASES = [{"seed": seed} for seed in range(5)]
SAMPLE = {"seed": 3, "n_iterations": 3}


def form(M: Tensor) -> dict[str, float]:
    """How far M is from the form of the paper's first observation."""
    A, C = M[:P, :P], M[P:, :P]
    off = A[~torch.eye(P, dtype=torch.bool)]
    c_1 = A.diagonal().mean() - off.mean()
    values = torch.linalg.eigvalsh(M).flip(0)
    return {
        "deviation": circulant_deviation(C),
        "left_over": float(off.std() / C.std()),
        "ratio": float(P * off.mean() / c_1),
        "asymmetry": float((C - C.T).norm() / C.norm()),
        "directions": int((values.cumsum(0) / values.sum() < 0.9).sum()) + 1,
    }


def run(seed: int, n_iterations: int = 20) -> list[dict[str, Any]]:
    """One split."""
    split = ModularTask("add", P).split(0.5, seed)
    matrices, records = [], []
    machine = RFM(GaussianKernel(bandwidth=2.5), n_iterations)
    for step in machine.iterate(split.X_train, split.Y_train):
        M = step.feature_matrix
        matrices.append(M)
        scores = step.predict(split.X_test)
        errors = (scores - split.Y_test).square()
        record = {
            "step": step.iteration,
            "train_loss": float((step.predict(split.X_train) - split.Y_train).square().mean()),
            "accuracy": accuracy(scores, split.y_test),
            "loss": float(errors.mean()),
            "right_loss": float(errors.gather(1, split.y_test[:, None]).mean()),
        }
        if step.iteration > 0:
            record |= form(M)
        records.append(record)
    for record, M in zip(records, matrices, strict=True):
        record["alignment"] = agop_alignment(M, matrices[-1])
    return records
