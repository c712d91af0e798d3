"""How often was S4 tried? Kernels × bandwidths × powers × shares × splits, up to 30 updates each.

The cyclic group of the same order stands beside it, as a control that a setting can learn at all,
and A5 at the largest share with the settings that are dear at its size. A record per step; a
setting whose kernel matrix is singular has one record, `refused`.
"""

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

KERNELS = {
    **{f"Gaussian {L}": (GaussianKernel(L), 0.0) for L in (1.0, 2.5, 5.0, 10.0)},
    **{f"Laplace {L}": (LaplaceKernel(L), 0.0) for L in (1.0, 2.5, 5.0, 10.0)},
    "quadratic": (QuadraticKernel(3.0), 1e-8),
}
"""By name and bandwidth: the kernel, and the ridge. The quadratic one is singular without."""
POWERS = (0.25, 0.5, 1.0)
CASES = [
    {"group": group, "kernel": kernel, "power": power, "train_fraction": fraction, "seed": seed}
    for group, fractions, n_seeds, powers in (
        ("Z24", (0.7, 0.9), 1, POWERS),
        ("S4", (0.7, 0.9), 5, POWERS),
        ("A5", (0.9,), 1, (0.5,)),
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
    split = named_group(group).task().split(train_fraction, seed)
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
