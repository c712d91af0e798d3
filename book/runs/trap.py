"""The symmetry trap: all cells but the diagonal are shown, and a few more are hidden.

`kind` says what is moved to the tests: "cells", drawn one by one, or "pairs", a cell together with
its mirror image; `moved` counts the cells or the pairs. `machine` is the Gaussian kernel with its
bandwidth, or the quadratic one with its ridge. The latter has no bandwidth of its own: dividing the
inputs by L divides the kernel by L⁴, which without a ridge changes nothing, and with one is a ridge
L⁴ times as large.

A record every fifth step: the share of the diagonal that is right, the share of the moved cells
that is, and the even share of the features: how much of the trace of M lies in e_a + e_b and not in
e_a − e_b. A run whose system is singular ends before it.
"""

from typing import Any

import torch

from rfm_tutorial import RFM, GaussianKernel, ModularTask, QuadraticKernel, SingularKernelError
from rfm_tutorial.datasets import one_hot
from rfm_tutorial.kernels import Kernel

MACHINES: dict[str, tuple[Kernel, float]] = {
    **{f"gaussian {L:g}": (GaussianKernel(L), 0.0) for L in (1.0, 2.5, 5.0, 10.0, 25.0)},
    **{f"quadratic {ridge:g}": (QuadraticKernel(), ridge) for ridge in (1e-8, 1e-6, 1e-4)},
}
GRID = [("cells", 0, 1), ("cells", 1, 5), ("cells", 2, 5), ("cells", 5, 5), ("cells", 20, 5)]
GRID += [("cells", 60, 5), ("pairs", 1, 5), ("pairs", 20, 5)]
CASES = [
    {"modulus": 31, "machine": machine, "kind": kind, "moved": moved, "seed": seed}
    for machine in MACHINES
    for kind, moved, seeds in GRID
    for seed in range(seeds)
]
CASES += [
    {"modulus": 61, "machine": "gaussian 2.5", "kind": kind, "moved": moved, "seed": seed}
    for kind, moved, seeds in (("cells", 0, 1), ("cells", 1, 5), ("pairs", 20, 5))
    for seed in range(seeds)
]
SAMPLE = {**CASES[47], "n_iterations": 10}
LAST = {31: 30, 61: 15}
"""How many updates a run has, by modulus."""


def run(
    modulus: int, machine: str, kind: str, moved: int, seed: int, n_iterations: int | None = None
) -> list[dict[str, Any]]:
    """One training set."""
    p = modulus
    task = ModularTask("add", p)
    a, b = task.pairs.T
    diagonal = a == b
    drawn_from = (~diagonal if kind == "cells" else a < b).nonzero()[:, 0]
    order = torch.randperm(len(drawn_from), generator=torch.Generator().manual_seed(seed))
    table = diagonal.view(p, p).clone()
    table.view(-1)[drawn_from[order[:moved]]] = True
    hidden = (table if kind == "cells" else table | table.T).view(-1)

    X, Y = task.encode(task.pairs[~hidden]), one_hot(task.labels[~hidden], p)
    tests, labels = task.encode(task.pairs[hidden]), task.labels[hidden]
    kernel, ridge = MACHINES[machine]
    records: list[dict[str, Any]] = []
    try:
        for step in RFM(kernel, n_iterations or LAST[p], ridge).iterate(X, Y):
            if step.iteration % 5:
                continue
            right = (step.predict(tests).argmax(1) == labels).double()
            M, on_it = step.feature_matrix, diagonal[hidden]
            records.append(
                {
                    "iteration": step.iteration,
                    "diagonal": float(right[on_it].mean()),
                    "others": float(right[~on_it].mean()) if moved else None,
                    "even_share": 0.5 + float(M[:p, p:].trace() / M.trace()),
                }
            )
    except SingularKernelError:
        records.append({"iteration": -1, "diagonal": None, "others": None, "even_share": None})
    return records
