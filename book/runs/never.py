"""How often was S4 tried? Kernels × bandwidths × powers × shares × splits, up to 30 updates each.

The cyclic group of the same order stands beside it, as a control that a setting can learn at all,
and random Latin squares of that order, as a control that there is a rule to learn. A5 is tried at
the largest share with few settings, which are dear at its size. A record per step; a setting whose
kernel matrix is singular has one record more, `refused`.
"""

import runpy
from pathlib import Path
from typing import Any

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    LaplaceKernel,
    QuadraticKernel,
    SingularKernelError,
    accuracy,
)
from rfm_tutorial.groups import named_group
from rfm_tutorial.tasks import Task

KERNELS = {
    **{f"Gaussian {L}": (GaussianKernel(L), 0.0) for L in (1.0, 2.5, 5.0, 10.0)},
    **{f"Laplace {L}": (LaplaceKernel(L), 0.0) for L in (1.0, 2.5, 5.0, 10.0)},
    "quadratic": (QuadraticKernel(3.0), 1e-8),
}
"""By name and bandwidth: the kernel, and the ridge. The quadratic one is singular without."""
NO_RULE = runpy.run_path(str(Path(__file__).with_name("group_networks.py")))["no_rule"]
"""A random Latin square of order 24, from a seed."""
POWERS = (0.25, 0.5, 1.0)
CASES = [
    {"group": group, "kernel": kernel, "power": power, "train_fraction": fraction, "seed": seed}
    for group, fractions, n_seeds, powers in (
        ("Z24", (0.7, 0.9), 1, POWERS),
        ("S4", (0.7, 0.9), 5, POWERS),
        ("A5", (0.9,), 1, (0.5,)),
        ("A5", (0.9,), 1, (1.0,)),
        ("no rule", (0.9,), 5, (1.0,)),
    )
    for kernel in KERNELS
    for power in powers
    for fraction in fractions
    for seed in range(n_seeds)
    if group != "A5" or kernel in ("Gaussian 1.0", "Gaussian 10.0", "Laplace 2.5", "quadratic")
]
SAMPLE = {
    "group": "S4",
    "kernel": "Gaussian 5.0",
    "power": 1.0,
    "train_fraction": 0.7,
    "seed": 3,
    "n_iterations": 2,
}


def run(
    group: str,
    kernel: str,
    power: float,
    train_fraction: float,
    seed: int,
    n_iterations: int = 30,
) -> list[dict[str, Any]]:
    """One split."""
    unruly = group == "no rule"
    task = Task.from_table(NO_RULE(seed)) if unruly else named_group(group).task()
    split = task.split(train_fraction, seed)
    machine, ridge = KERNELS[kernel]
    records: list[dict[str, Any]] = []
    try:
        for step in RFM(machine, n_iterations, ridge, power).iterate(split.X_train, split.Y_train):
            records.append(
                {
                    "iteration": step.iteration,
                    "train_accuracy": accuracy(step.predict(split.X_train), split.y_train),
                    "test_accuracy": accuracy(step.predict(split.X_test), split.y_test),
                    "refused": False,
                }
            )
    except SingularKernelError:
        records.append({"iteration": len(records), "refused": True})
    return records
