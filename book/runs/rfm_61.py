"""RFM modulo 61 on half of the table: for chapters 5, 6 and 11, and for half of the ledger.

The paper's setting: 30 iterations, ridgeless; the quadratic kernel in most figures, the Gaussian in
some. "printed" is the Gaussian as the paper's text has it, exp(−d²/L), where its program has
exp(−d²/2L²). `centered` is false for the AGOP as the paper's definition prints it. A record per
step:

- `right_loss`: the loss of the correct output alone; `zero_accuracy`: on hidden cells with a zero;
- `circulant_deviation`: of the block in the order in which it would be circulant;
  `natural_deviation`: of the block as it stands, zeros left out;
- of M = [[A, Cᵀ], [C, A]]: how much of A is left over by c₁ I + c₂ 11ᵀ, in parts of C, `ratio`
  p c₂ / c₁, `asymmetry` of C, and how many eigenvalues hold 90 % of the trace;
- `off_grid`: correlation, over all outputs, with the Fourier Multiplication Algorithm on inputs
  that are no digits, but mixtures of two digits in each half, of cells that were not shown. There
  the algorithm gives the mixture of the four labels.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    ModularTask,
    QuadraticKernel,
    Split,
    accuracy,
    agop_alignment,
    circulant_block,
    circulant_deviation,
)

P = 61
KERNELS = {
    "gaussian": GaussianKernel(bandwidth=2.5),
    "quadratic": QuadraticKernel(),
    "printed": GaussianKernel(bandwidth=1.25**0.5),
}
CASES = [
    {
        "kernel": kernel,
        "operation": operation,
        "labels": labels,
        "centered": True,
        "seed": seed,
    }
    for kernel in ("gaussian", "quadratic")
    for labels in ("true", "shuffled")
    for operation in ("add", "sub", "mul", "div")
    for seed in range(5)
]
CASES += [
    {"kernel": kernel, "operation": "add", "labels": "true", "centered": centered, "seed": seed}
    for kernel, centered in (("printed", True), ("gaussian", False), ("quadratic", False))
    for seed in range(5)
]
SAMPLE = {
    "kernel": "quadratic",
    "operation": "mul",
    "labels": "true",
    "centered": True,
    "seed": 4,
    "n_iterations": 2,
}


def form(M: Tensor) -> dict[str, float]:
    """How far M is from the form of the paper's first observation."""
    A, C = M[:P, :P], M[P:, :P]
    off = A[~torch.eye(P, dtype=torch.bool)]
    c_1 = A.diagonal().mean() - off.mean()
    values = torch.linalg.eigvalsh(M).flip(0)
    return {
        "left_over": float(off.std() / C.std()),
        "ratio": float(P * off.mean() / c_1),
        "asymmetry": float((C - C.T).norm() / C.norm()),
        "directions": int((values.cumsum(0) / values.sum() < 0.9).sum()) + 1,
    }


def mixtures(task: ModularTask, split: Split, n: int = 500) -> tuple[Tensor, Tensor]:
    """Inputs off the grid, and what the Fourier Multiplication Algorithm makes of them.

    Each mixes two digits a and two digits b, none of whose four cells was shown.
    """
    dice = torch.Generator().manual_seed(0)
    answers = torch.zeros(P, P, P, dtype=torch.float64)
    answers[(*task.pairs.T, task.labels)] = 1
    hidden = torch.zeros(P, P, dtype=torch.bool)
    hidden[tuple(split.pairs_test.T)] = True
    a, b = torch.randint(P, (2, 50 * n, 2), generator=dice)
    kept = hidden[a[:, :, None], b[:, None, :]].all((1, 2)).nonzero()[:n, 0]
    halves = []
    for digits in (a[kept], b[kept]):
        share = torch.rand(len(kept), 1, generator=dice, dtype=torch.float64)
        half = torch.zeros(len(kept), P, dtype=torch.float64)
        half.scatter_add_(1, digits, torch.cat([share, 1 - share], 1))
        halves.append(half)
    return torch.cat(halves, 1), torch.einsum("na,nb,abc->nc", *halves, answers)


def run(
    kernel: str, operation: str, labels: str, centered: bool, seed: int, n_iterations: int = 30
) -> list[dict[str, Any]]:
    """One split."""
    task = ModularTask(operation, P)
    split = task.split(0.5, seed)
    Y = split.Y_train
    if labels == "shuffled":
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    with_zero = (split.pairs_test == 0).any(1)
    X_between, Y_between = mixtures(task, split)
    rfm = RFM(KERNELS[kernel], n_iterations, center_gradients=centered)
    records, matrices = [], []
    for step in rfm.iterate(split.X_train, Y):
        M = step.feature_matrix
        matrices.append(M)
        scores = step.predict(split.X_test)
        errors = (scores - split.Y_test).square()
        known = step.predict(split.X_train)
        between = torch.stack([step.predict(X_between).flatten(), Y_between.flatten()])
        record = {
            "iteration": step.iteration,
            "train_accuracy": accuracy(known, Y.argmax(1)),
            "train_loss": float((known - Y).square().mean()),
            "test_accuracy": accuracy(scores, split.y_test),
            "test_loss": float(errors.mean()),
            "right_loss": float(errors.gather(1, split.y_test[:, None]).mean()),
            "zero_accuracy": accuracy(scores[with_zero], split.y_test[with_zero]),
            "off_grid": float(torch.corrcoef(between)[0, 1]),
        }
        if step.iteration > 0:
            record["circulant_deviation"] = circulant_deviation(circulant_block(M, operation))
            record["natural_deviation"] = circulant_deviation(M[1:P, P + 1 :])
            record |= form(M)
        records.append(record)
    for record, M in zip(records, matrices, strict=True):
        record["alignment"] = agop_alignment(M, matrices[-1])
    return records
