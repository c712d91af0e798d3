"""Ledger, App. F: the form of the final features imposed on those of each step, modulo 97.

The loop goes on as before; beside each step stands a machine that was fitted with M as the recipe
makes it: diagonal scaled to 1, A = I − 11ᵀ/p, C circulant from the first column of the lower block.
That matrix is not PSD. The authors' program sets negative squared distances to zero; we take the
nearest PSD matrix. A record per step.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, accuracy

P = 97
CASES = [{"seed": seed} for seed in range(5)]
SAMPLE = {"seed": 3, "n_iterations": 1}


def imposed(M: Tensor) -> Tensor:
    """The recipe."""
    scale = M.diagonal().rsqrt()
    column = (scale[:, None] * M * scale)[P:, 0]
    C = torch.stack([column.roll(k) for k in range(P)], dim=1)
    A = torch.eye(P, dtype=M.dtype) - 1 / P
    return torch.cat([torch.cat([A, C.T], 1), torch.cat([C, A], 1)])


def clipped(M: Tensor) -> tuple[Tensor, float]:
    """The nearest matrix without negative eigenvalues, and the lowest eigenvalue of M."""
    values, vectors = torch.linalg.eigh(M)
    return (vectors * values.clamp(min=0)) @ vectors.T, float(values[0])


def run(seed: int, n_iterations: int = 25) -> list[dict[str, Any]]:
    """One split."""
    split = ModularTask("add", P).split(0.5, seed)
    kernel = GaussianKernel(bandwidth=2.5)
    records = []
    for step in RFM(kernel, n_iterations).iterate(split.X_train, split.Y_train):
        scores = step.predict(split.X_test)
        record = {
            "step": step.iteration,
            "accuracy": accuracy(scores, split.y_test),
            "loss": float((scores - split.Y_test).square().mean()),
        }
        if step.iteration > 0:
            M, record["eigenvalue"] = clipped(imposed(step.feature_matrix))
            helped = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
            scores = helped.predict(split.X_test)
            record["imposed_accuracy"] = accuracy(scores, split.y_test)
            record["imposed_loss"] = float((scores - split.Y_test).square().mean())
        records.append(record)
    return records
