"""Ledger, Fig. 7 and App. Fig. 9: networks on 17.5 % of the table, plain and with circulants.

Width 1024, AdamW with learning rate 1e-3 and weight decay 1, batches of 32: the paper's setting,
but for single precision. `inputs` "plain" are the digits, "dice" those with the features of
`random_circulant_features`, "paper" those with the recipe of the paper as printed: times (M*)^¼
with M* = [[A, Cᵀ], [C, A]], A = I − 11ᵀ/p and C circulant from a uniform column that is not
centred. M* is not PSD; a negative eigenvalue counts as zero, as in the real part of a root. A
record every 25 epochs, on all hidden cells.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    ModularTask,
    QuadraticNetwork,
    accuracy,
    random_circulant_features,
    train_network,
    transform_inputs,
)
from rfm_tutorial.operations import OPERATIONS

P = 61
EVERY = 25
EPOCHS = {"paper": 600, "plain": 3000, "dice": 300}
SEEDS = {  # a plain network takes two minutes of one core
    ("add", "paper"): (0, 1, 2, 3, 4),
    ("mul", "paper"): (0, 1, 2, 3, 4),
    ("add", "dice"): (0, 1, 2),
    ("mul", "dice"): (0, 1, 2),
    ("add", "plain"): (0, 1, 4),
}
CASES = [
    {"operation": operation, "inputs": inputs, "seed": seed}
    for (operation, inputs), seeds in SEEDS.items()
    for seed in seeds
]
SAMPLE = {"operation": "mul", "inputs": "paper", "seed": 1, "n_epochs": 25}


def papers_features(operation: str, p: int, seed: int) -> Tensor:
    """(M*)^½ of the recipe."""
    rows, columns = OPERATIONS[operation].order(p)
    dice = torch.Generator().manual_seed(seed)
    column = torch.rand(len(rows), dtype=torch.float64, generator=dice)
    C = torch.zeros(p, p, dtype=torch.float64)
    C[rows[:, None], columns] = torch.stack([column.roll(k) for k in range(len(rows))], 1)
    A = torch.eye(p, dtype=torch.float64) - 1 / p
    values, vectors = torch.linalg.eigh(torch.cat([torch.cat([A, C.T], 1), torch.cat([C, A], 1)]))
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


MADE = {"paper": papers_features, "dice": random_circulant_features}


def run(
    operation: str, inputs: str, seed: int, n_epochs: int | None = None
) -> list[dict[str, Any]]:
    """One network, with the seed of its split and of its features."""
    split = ModularTask(operation, P).split(0.175, seed)
    if inputs != "plain":
        split = transform_inputs(split, MADE[inputs](operation, P, seed))
    parts = {name: getattr(split, name).float() for name in ("X_train", "Y_train", "X_test")}
    X_test = parts["X_test"]
    # All hidden cells at every epoch would double the time: the trainer gets one of them.
    few = {"X_test": X_test[:1], "Y_test": split.Y_test[:1].float(), "y_test": split.y_test[:1]}
    network = QuadraticNetwork(P, width=1024, seed=seed, dtype=torch.float32)
    records = []
    n_epochs = EPOCHS[inputs] if n_epochs is None else n_epochs
    short = split._replace(**parts | few)
    for epoch in train_network(network, short, n_epochs, seed=seed, progress=False):
        if epoch.epoch % EVERY == 0:
            with torch.no_grad():
                right = accuracy(network(X_test), split.y_test)
            records.append(
                {
                    "epoch": epoch.epoch,
                    "train_accuracy": epoch.train_accuracy,
                    "accuracy": right,
                }
            )
    return records
