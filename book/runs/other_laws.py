"""The loop with another law for the features: FACT-RFM of arXiv 2507.05644, beside the AGOP's.

p = 61, half of the table, Gaussian kernel with bandwidth 2.5, no ridge. Every new M is scaled to
the trace of the identity: the law leaves the scale of F to the weight decay, and there is none.

"agop": M ← AGOP^½, centred. "fact": M ← (F Fᵀ)^½. "fact with memory": M ← (F M² Fᵀ)^¼, the paper's
geometric mean with the step before. A record per step.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    GaussianKernel,
    KernelRidge,
    ModularTask,
    accuracy,
    circulant_deviation,
    predictor_agop,
    predictor_fact,
    psd_power,
)

P = 61


def fact(model: KernelRidge) -> Tensor:
    """(F Fᵀ)^½."""
    F = predictor_fact(model)
    return psd_power(F @ F.T, 0.5)


def fact_with_memory(model: KernelRidge) -> Tensor:
    """(F M² Fᵀ)^¼."""
    F = predictor_fact(model) @ model.feature_matrix_
    return psd_power(F @ F.T, 0.25)


LAWS: dict[str, Callable[[KernelRidge], Tensor]] = {
    "agop": lambda model: psd_power(predictor_agop(model), 0.5),
    "fact": fact,
    "fact with memory": fact_with_memory,
}
CASES = [
    {"law": law, "labels": labels, "seed": seed}
    for law, labels in (
        ("agop", "true"),
        ("fact", "true"),
        ("fact", "shuffled"),
        ("fact with memory", "true"),
    )
    for seed in range(5)
]
SAMPLE = {"law": "fact", "labels": "true", "seed": 1, "n_iterations": 3}


def run(law: str, labels: str, seed: int, n_iterations: int | None = None) -> list[dict[str, Any]]:
    """One split, 40 updates, or with memory 75."""
    if n_iterations is None:
        n_iterations = 75 if "memory" in law else 40
    split = ModularTask("add", P).split(0.5, seed)
    Y = split.Y_train
    if labels == "shuffled":
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    M = torch.eye(2 * P, dtype=Y.dtype)
    records = []
    for iteration in range(n_iterations + 1):
        model = KernelRidge(GaussianKernel(2.5)).fit(split.X_train, Y, M)
        scores = model.predict(split.X_test)
        block = M[:P, P:]
        records.append(
            {
                "iteration": iteration,
                "test_accuracy": accuracy(scores, split.y_test),
                "test_loss": float((scores - split.Y_test).square().mean()),
                "deviation": circulant_deviation(block) if bool(block.any()) else 1.0,
            }
        )
        M = LAWS[law](model)
        M *= 2 * P / M.trace()
    return records
