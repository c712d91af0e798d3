"""Ledger, App. F: the form of the final features imposed on those of each step, modulo 97.

The loop goes on as before; beside each step stands a machine that was fitted with M as the recipe
makes it: diagonal scaled to 1, A = I − 11ᵀ/p, C circulant from the first column of the lower block.
That matrix is not PSD (`eigenvalue` is its lowest). The authors' program sets negative squared
distances to zero; we take the nearest PSD matrix. The control is the same recipe with the entries
of that column in random order: as circulant as before, and with nothing left of what was learned. A
record per step; at step 0, where M = I, the column is zero and the two are the same.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, accuracy

P = 97
CASES = [{"seed": seed} for seed in range(5)]
SAMPLE = {"seed": 3, "n_iterations": 0}


def imposed(M: Tensor, order: Tensor) -> tuple[Tensor, float]:
    """The recipe, made PSD, and its lowest eigenvalue before that."""
    scale = M.diagonal().rsqrt()
    column = (scale[:, None] * M * scale)[P:, 0][order]
    C = torch.stack([column.roll(k) for k in range(P)], dim=1)
    A = torch.eye(P, dtype=M.dtype) - 1 / P
    values, vectors = torch.linalg.eigh(torch.cat([torch.cat([A, C.T], 1), torch.cat([C, A], 1)]))
    return (vectors * values.clamp(min=0)) @ vectors.T, float(values[0])


def run(seed: int, n_iterations: int = 20) -> list[dict[str, Any]]:
    """One split."""
    split = ModularTask("add", P).split(0.5, seed)
    kernel = GaussianKernel(bandwidth=2.5)
    orders = {
        "imposed": torch.arange(P),
        "control": torch.randperm(P, generator=torch.Generator().manual_seed(seed)),
    }

    def measure(scores: Tensor, name: str = "") -> dict[str, float]:
        return {
            f"{name}accuracy": accuracy(scores, split.y_test),
            f"{name}loss": float((scores - split.Y_test).square().mean()),
        }

    records = []
    for step in RFM(kernel, n_iterations).iterate(split.X_train, split.Y_train):
        record = {"step": step.iteration} | measure(step.predict(split.X_test))
        for name, order in orders.items():
            M, record[f"{name}_eigenvalue"] = imposed(step.feature_matrix, order)
            helped = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
            record |= measure(helped.predict(split.X_test), f"{name}_")
        records.append(record)
    return records
