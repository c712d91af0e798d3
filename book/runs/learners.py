"""The loop around learners that are no kernel machine, on the clock of 23 hours, 70 % shown.

Each learner is fitted 13 or 21 times, each time seeing its inputs through the features of the time
before; a record per step. "shuffled" deals the training labels out at random.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rfm_tutorial import (
    GaussianKernel,
    KernelRidge,
    ModularTask,
    accuracy,
    circulant_deviation,
    recursive_features,
)
from rfm_tutorial.learners import Learner, PolynomialRidge, RandomFourierRidge, TrainedModule

P = 23


class Square(nn.Module):
    """h ↦ h²."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Entry by entry."""
        return hidden.square()


def network(activation: type[nn.Module], seed: int, weight_decay: float) -> TrainedModule:
    """One hidden layer of 256 units without biases, 100 full steps of AdamW."""

    def make(d: int, c: int) -> nn.Module:
        torch.manual_seed(seed)
        first, last = nn.Linear(d, 256, bias=False), nn.Linear(256, c, bias=False)
        return nn.Sequential(first, activation(), last).double()

    def train(module: nn.Module, X: Tensor, Y: Tensor) -> None:
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=weight_decay)
        for _ in range(100):
            optimizer.zero_grad()
            (module(X) - Y).square().mean().backward()
            optimizer.step()

    return TrainedModule(make, train)


LEARNERS: dict[str, Callable[[int], Learner]] = {
    "Gaussian kernel": lambda _: KernelRidge(GaussianKernel(2.5)),
    "products of two inputs": lambda _: PolynomialRidge(2, ridge=1e-6),
    "500 random waves": lambda seed: RandomFourierRidge(500, 2.5, seed=seed),
    "2000 random waves": lambda seed: RandomFourierRidge(2000, 2.5, seed=seed),
    "8000 random waves": lambda seed: RandomFourierRidge(8000, 2.5, seed=seed),
    "network of squares": lambda seed: network(Square, seed, 0.0),
    "network of ReLUs": lambda seed: network(nn.ReLU, seed, 0.0),
    "network of squares, decay": lambda seed: network(Square, seed, 1.0),
    "network of ReLUs, decay": lambda seed: network(nn.ReLU, seed, 1.0),
}
CASES = [
    {"learner": learner, "labels": labels, "seed": seed}
    for labels in ("true", "shuffled")
    for learner in LEARNERS
    for seed in range(5)
    if labels == "true" or learner in ("products of two inputs", "network of squares")
]
SAMPLE = {"learner": "2000 random waves", "labels": "true", "seed": 1, "n_iterations": 2}


def run(
    learner: str, labels: str, seed: int, n_iterations: int | None = None
) -> list[dict[str, Any]]:
    """One split, waves or weights of the same seed."""
    split = ModularTask("add", P).split(0.7, seed)
    Y = split.Y_train
    if labels == "shuffled":
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    if n_iterations is None:
        n_iterations = 12 if learner.startswith("network") else 20
    steps = recursive_features(LEARNERS[learner](seed), split.X_train, Y, n_iterations)
    records = []
    for step in steps:
        block = step.feature_matrix[:P, P:]
        with torch.no_grad():
            scores = step.predict(split.X_test)
        records.append(
            {
                "iteration": step.iteration,
                "test_accuracy": accuracy(scores, split.y_test),
                "deviation": circulant_deviation(block) if bool(block.any()) else 1.0,
            }
        )
    return records
