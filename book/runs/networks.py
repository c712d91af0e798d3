"""Ledger: networks on all four operations at the paper's setting, beside shuffled labels.

Width 1024, AdamW with learning rate 1e-3 and weight decay 1, batches of 32, half of the table,
50 epochs: appendix D of the paper. A record per epoch; epoch 0 is the untrained network.

`deviation` and `alignment` are those of AGOP^½, in the order in which blocks would be circulant;
`circulant` and `hankel` are shares of the NFM's block, less its mean, in that order, and
`natural` is the sum of both in the natural order; `nfa` is the correlation of NFM and AGOP^½ off
the diagonal, `nfa_with_diagonal` that of all entries.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import (
    ModularTask,
    QuadraticNetwork,
    agop_alignment,
    circulant_block,
    circulant_deviation,
    network_agop,
    neural_feature_matrix,
    nfa_correlation,
    project_circulant,
    project_hankel,
    psd_power,
    train_network,
)

P = 61
CASES = [
    {"operation": operation, "labels": labels, "seed": seed}
    for labels in ("true", "shuffled")
    for operation in ("add", "sub", "mul", "div")
    for seed in range(5)
]
SAMPLE = {"operation": "div", "labels": "true", "seed": 1, "n_epochs": 3}


def shares(block: Tensor) -> list[float]:
    """Circulant and Hankel share of a block, less its mean."""
    block = block - block.mean()
    parts = (project_circulant(block), project_hankel(block))
    return [float(part.square().sum() / block.square().sum()) for part in parts]


def run(operation: str, labels: str, seed: int, n_epochs: int = 50) -> list[dict[str, Any]]:
    """One network, with the seed of its split."""
    split = ModularTask(operation, P).split(0.5, seed)
    if labels == "shuffled":
        dice = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(split.y_train), generator=dice)
        split = split._replace(Y_train=split.Y_train[order], y_train=split.y_train[order])
    network = QuadraticNetwork(P, width=1024, seed=seed)
    records, roots = [], []
    for epoch in train_network(network, split, n_epochs, seed=seed, progress=False):
        with torch.no_grad():
            errors = (network(split.X_test) - split.Y_test).square()
        root = psd_power(network_agop(network, split.X_train), 0.5)
        roots.append(root)
        M = neural_feature_matrix(network)
        circulant, hankel = shares(circulant_block(M, operation))
        records.append(
            {
                "epoch": epoch.epoch,
                "train_accuracy": epoch.train_accuracy,
                "train_loss": epoch.train_loss,
                "accuracy": epoch.test_accuracy,
                "loss": epoch.test_loss,
                "right_loss": float(errors.gather(1, split.y_test[:, None]).mean()),
                "deviation": circulant_deviation(circulant_block(root, operation)),
                "circulant": circulant,
                "hankel": hankel,
                "natural": sum(shares(M[1:P, P + 1 :])),
                "nfa": nfa_correlation(network, split.X_train),
                "nfa_with_diagonal": nfa_correlation(network, split.X_train, True),
                "weight_norm": float(
                    sum(weight.detach().square().sum() for weight in network.parameters())
                )
                ** 0.5,
            }
        )
    for record, root in zip(records, roots, strict=True):
        record["alignment"] = agop_alignment(root, roots[-1])
    return records
