"""Ledger, Fig. 5B: the dip of the alignment for ×, with and without the two inputs of zero.

The networks are those of `networks.py`. A record for each of the first ten epochs: the alignment of
AGOP^½ with that of epoch 50, over all inputs, and over those of the digits that are not 0.
"""

from typing import Any

import torch

from rfm_tutorial import (
    ModularTask,
    QuadraticNetwork,
    agop_alignment,
    network_agop,
    psd_power,
    train_network,
)

P = 61
CASES = [{"operation": "mul", "seed": seed} for seed in range(5)]
SAMPLE = {"operation": "mul", "seed": 1, "n_epochs": 3}


def run(operation: str, seed: int, n_epochs: int = 50) -> list[dict[str, Any]]:
    """One network, with the seed of its split."""
    split = ModularTask(operation, P).split(0.5, seed)
    network = QuadraticNetwork(P, width=1024, seed=seed)
    kept = torch.cat([torch.arange(1, P), torch.arange(P + 1, 2 * P)])
    records, roots = [], []
    for epoch in train_network(network, split, n_epochs, seed=seed, progress=False):
        if epoch.epoch <= 10 or epoch.epoch == n_epochs:
            roots.append(psd_power(network_agop(network, split.X_train), 0.5))
        if epoch.epoch <= 10:
            records.append({"epoch": epoch.epoch, "accuracy": epoch.test_accuracy})
    others = [root[kept][:, kept] for root in roots]
    for record, root, other in zip(records, roots, others, strict=False):
        record["alignment"] = agop_alignment(root, roots[-1])
        record["alignment_without_zero"] = agop_alignment(other, others[-1])
    return records
