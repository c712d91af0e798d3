"""The networks' side: tables that RFM does not learn, and two controls. A record per epoch.

One hidden layer of 1024 units, quadratic, AdamW with learning rate 1e-3 and weight decay 1,
batches of 32, 70 % of the table: chapter 9 has the same on the clock. The controls are a random
Latin square, which has no rule, and the cyclic group.

`deviation_…` is the share of the block of the NFM that the class means leave over.
"""

from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rfm_tutorial import QuadraticNetwork, class_deviation, neural_feature_matrix, train_network
from rfm_tutorial.groups import named_group
from rfm_tutorial.tasks import Task

EPOCHS = {"Z24": 150, "S4": 150, "D15": 150, "A5": 60, "no rule": 150}
CASES = [{"table": table, "seed": seed} for table in EPOCHS for seed in range(5)]
SAMPLE = {"table": "S4", "seed": 1, "n_epochs": 2}


def no_rule(seed: int, n: int = 24) -> Tensor:
    """A random Latin square, row after row."""
    dice = np.random.default_rng(seed)
    free = np.ones((n, n), dtype=bool)  # column, label
    rows = []
    for _ in range(n):
        rows.append(linear_sum_assignment(np.where(free, dice.random((n, n)), n**2))[1])
        free[np.arange(n), rows[-1]] = False
    return torch.tensor(np.stack(rows))


def run(table: str, seed: int, n_epochs: int | None = None) -> list[dict[str, Any]]:
    """One network, with the seed of its split."""
    group = None if table == "no rule" else named_group(table)
    task = Task.from_table(no_rule(seed)) if group is None else group.task()
    split = task.split(0.7, seed)
    n = split.Y_train.shape[1]
    network = QuadraticNetwork(n, width=1024, seed=seed)
    records = []
    epochs = n_epochs or EPOCHS[table]
    for epoch in train_network(network, split, epochs, seed=seed, progress=False):
        record: dict[str, Any] = {
            "epoch": epoch.epoch,
            "train_accuracy": epoch.train_accuracy,
            "test_accuracy": epoch.test_accuracy,
        }
        if group is not None:
            block = neural_feature_matrix(network)[:n, n:]
            for name, word in (
                ("left_quotient", "a^-1 b"),
                ("right_quotient", "a b^-1"),
                ("product", "ab"),
                ("swapped", "ba"),
            ):
                record[f"deviation_{name}"] = class_deviation(block, group.classes(word))
        records.append(record)
    return records
