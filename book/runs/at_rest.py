"""Networks on their way to rest: do their features obey NFA and FACT, with nothing to learn, too?

"rest": a quadratic network of width 128 on the clock of 23 hours, 60 % shown, trained on all rows
at once by Adam on the mean squared error + (λ/2) ‖weights‖² with λ = 1e-5, the rate falling from
0.01 to 0 along a cosine over 3000 steps: the theorem's loss, and nearly its rest.

"adamw": the paper's networks, as in networks.py: p = 61, half of the table, width 1024, AdamW,
whose weight decay is not in the loss.

`nfa` and `fact` are correlations, off the diagonal, of the neural feature matrix with AGOP^½ and
with the features at convergence; `apart` is the distance of the latter pair, the former being 1.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch

from rfm_tutorial import (
    ModularTask,
    QuadraticNetwork,
    Split,
    accuracy,
    fact_matrix,
    neural_feature_matrix,
    nfa_correlation,
    train_network,
)

CASES = [
    {"training": training, "labels": labels, "seed": seed}
    for training in ("rest", "adamw")
    for labels in ("true", "shuffled")
    for seed in range(5)
]
SAMPLE = {"training": "rest", "labels": "true", "seed": 1, "last": 20}
DECAY = 1e-5
LOOKS = (0, 5, 10, 20, 50, 100, 200, 300, 500, 800, 1200, 1600, 2000, 3000)


def to_rest(network: QuadraticNetwork, split: Split) -> Iterator[int]:
    """Train in place; yield the steps at which to look."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(LOOKS[-1] + 1):
        if step in LOOKS:
            yield step
        optimizer.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * step / LOOKS[-1]))
        optimizer.zero_grad()
        loss = (network(split.X_train) - split.Y_train).square().mean()
        for weight in network.parameters():
            loss = loss + DECAY / 2 * weight.square().sum()
        loss.backward()
        optimizer.step()


def correlation(M: torch.Tensor, other: torch.Tensor) -> float:
    """Of the entries off the diagonal."""
    off = ~torch.eye(len(M), dtype=torch.bool)
    return float(torch.corrcoef(torch.stack([M[off], other[off]]))[0, 1])


def run(training: str, labels: str, seed: int, last: int = LOOKS[-1]) -> list[dict[str, Any]]:
    """One network, with the seed of its split."""
    rest = training == "rest"
    split = ModularTask("add", 23 if rest else 61).split(0.6 if rest else 0.5, seed)
    if labels == "shuffled":
        dice = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(split.y_train), generator=dice)
        split = split._replace(Y_train=split.Y_train[order], y_train=split.y_train[order])
    network = QuadraticNetwork(split.Y_train.shape[1], width=128 if rest else 1024, seed=seed)
    if rest:
        looks = to_rest(network, split)
    else:
        epochs = train_network(network, split, n_epochs=50, seed=seed, progress=False)
        looks = (record.epoch for record in epochs if record.epoch % 5 == 0)
    records = []
    for step in looks:
        M = neural_feature_matrix(network)
        F = fact_matrix(network, split.X_train, split.Y_train, DECAY)
        with torch.no_grad():
            right = accuracy(network(split.X_test), split.y_test)
        records.append(
            {
                "step": step,
                "test_accuracy": right,
                "nfa": nfa_correlation(network, split.X_train),
                "fact": correlation(M, F),
                "apart": float((M - F).norm() / M.norm()),
            }
        )
        if step >= last:
            break
    return records
