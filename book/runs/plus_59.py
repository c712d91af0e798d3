"""Ledger: + modulo 59 on five splits, with what the paper says of its final features.

A record per step. From the feature matrix M = [[A, Cᵀ], [C, A]]: the deviation of C from circulant,
how much of A is left over by c₁ I + c₂ 11ᵀ in parts of C, p c₂ / c₁, the asymmetry of C, and how
many eigenvalues hold 90 % of the trace. At three steps the form is imposed, as in an appendix of
the paper, and a machine is fitted with it.
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


def imposed(M: Tensor) -> Tensor:
    """The recipe: diagonal 1, A = I − 11ᵀ/p, C from the first column of the lower block."""
    scale = M.diagonal().rsqrt()
    column = (scale[:, None] * M * scale)[P:, 0]
    C = torch.stack([column.roll(k) for k in range(P)], dim=1)
    A = torch.eye(P, dtype=M.dtype) - 1 / P
    return torch.cat([torch.cat([A, C.T], 1), torch.cat([C, A], 1)])


def clipped(M: Tensor) -> tuple[Tensor, float]:
    """The nearest matrix without negative eigenvalues, and the lowest eigenvalue of M."""
    values, vectors = torch.linalg.eigh(M)
    return (vectors * values.clamp(min=0)) @ vectors.T, float(values[0])


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
        if step.iteration in (7, 11, 12):
            features, lowest = clipped(imposed(M))
            helped = KernelRidge(GaussianKernel(bandwidth=2.5))
            helped.fit(split.X_train, split.Y_train, features)
            scores = helped.predict(split.X_test)
            record["imposed_eigenvalue"] = lowest
            record["imposed_accuracy"] = accuracy(scores, split.y_test)
            record["imposed_loss"] = float((scores - split.Y_test).square().mean())
        records.append(record)
    for record, M in zip(records, matrices, strict=True):
        record["alignment"] = agop_alignment(M, matrices[-1])
    return records
