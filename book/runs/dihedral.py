"""D15, D25 and how their cells become right: rotation with rotation, with reflection, and so on.

A record per step. Of each quadrant of the table the accuracy on its hidden cells, and of the same
quadrant of the block, less its mean, what the class means of i − j and of i + j leave over, where
element i is the i-th rotation or reflection. `deviation_…` are the class means of words in the
whole block, `deviation_clocks` those of one clock in each quadrant: i − j if the first element is a
rotation, and i + j otherwise.
"""

from typing import Any

import torch

from rfm_tutorial import RFM, GaussianKernel, accuracy, class_deviation
from rfm_tutorial.groups import dihedral

QUADRANTS = {"rr": (0, 0), "rs": (0, 1), "sr": (1, 0), "ss": (1, 1)}
"""r a rotation, s a reflection, a first."""
CASES = [
    {"n": n, "train_fraction": fraction, "seed": seed}
    for n in (15, 25)
    for fraction in (0.7, 0.9)
    for seed in range(5)
]
SAMPLE = {"n": 15, "train_fraction": 0.9, "seed": 3, "n_iterations": 2}


def run(n: int, train_fraction: float, seed: int, n_iterations: int = 30) -> list[dict[str, Any]]:
    """One split."""
    group = dihedral(n)
    split = group.task().split(train_fraction, seed)
    i = torch.arange(n)
    minus, plus = (i[:, None] - i) % n, (i[:, None] + i) % n
    clocks = torch.cat(
        [torch.cat([minus, minus + n], 1), torch.cat([plus + 2 * n, plus + 3 * n], 1)]
    )
    half = split.pairs_test // n
    records = []
    for step in RFM(GaussianKernel(2.5), n_iterations).iterate(split.X_train, split.Y_train):
        scores = step.predict(split.X_test)
        record: dict[str, Any] = {
            "iteration": step.iteration,
            "test_accuracy": accuracy(scores, split.y_test),
        }
        block = step.feature_matrix[: 2 * n, 2 * n :]
        for name, (x, y) in QUADRANTS.items():
            rows = (half == torch.tensor([x, y])).all(1)
            record[f"{name}_accuracy"] = accuracy(scores[rows], split.y_test[rows])
            if step.iteration > 0:
                part = block[x * n :, y * n :][:n, :n]
                part = part - part.mean()
                record[f"{name}_minus"] = class_deviation(part, minus)
                record[f"{name}_plus"] = class_deviation(part, plus)
        if step.iteration > 0:
            record["deviation_left_quotient"] = class_deviation(block, group.classes("a^-1 b"))
            record["deviation_right_quotient"] = class_deviation(block, group.classes("a b^-1"))
            record["deviation_clocks"] = class_deviation(block, clocks)
        records.append(record)
    return records
