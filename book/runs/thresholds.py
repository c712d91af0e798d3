"""How much of the table of a + b does RFM need, as p grows? Gaussian, bandwidth 2.5, 40 updates.

`split` says what is shown: whole diagonals ("orbits"); as many cells at random ("random"), which
needs the dense machine; whole diagonals with their labels shuffled ("shuffled"), the control. The
diagonals of one seed are nested: those of a smaller number are among those of a larger one.

A record per step, with the accuracy on what is hidden; a run ends where that reaches 0.99.
"""

from collections.abc import Iterator
from typing import Any

import torch

from rfm_tutorial import RFM, GaussianKernel, ModularTask, OrbitRFM, accuracy

FACTORS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5)
SEEDS = {31: 20, 43: 20, 61: 20, 97: 20, 139: 12, 199: 12, 283: 8, 397: 5, 499: 4}
FRACTIONS = {31: (0.4, 0.45, 0.5, 0.55), 43: (0.35, 0.4, 0.45, 0.5), 61: (0.3, 0.35, 0.4, 0.45)}
RANDOM_SEEDS = {31: 10, 43: 5, 61: 5}


def expected(modulus: int) -> float:
    """Where a first look with two seeds, p = 31 … 397, had the border: how many diagonals."""
    return 16 * (modulus / 31) ** 0.62


def _cases() -> Iterator[dict[str, Any]]:
    for modulus, seeds in SEEDS.items():
        for factor in FACTORS:
            for seed in range(seeds):
                n_orbits = round(factor * expected(modulus))
                yield _case("orbits", modulus, n_orbits / modulus, seed)
    for modulus, fractions in FRACTIONS.items():
        for fraction in fractions:
            for seed in range(RANDOM_SEEDS[modulus]):
                yield _case("random", modulus, fraction, seed)
    for modulus in (31, 43, 61):
        for seed in range(5):
            n_orbits = round(1.5 * expected(modulus))
            yield _case("shuffled", modulus, n_orbits / modulus, seed)


def _case(split: str, modulus: int, share: float, seed: int) -> dict[str, Any]:
    return {"split": split, "modulus": modulus, "share": share, "seed": seed}


CASES = [*_cases()]
SAMPLE = {**_case("orbits", 61, 24 / 61, 0), "n_iterations": 14}


def run(
    split: str, modulus: int, share: float, seed: int, n_iterations: int = 40
) -> list[dict[str, Any]]:
    """One run."""
    records = []
    task, kernel = ModularTask("add", modulus), GaussianKernel(2.5)
    n_orbits = round(share * modulus)
    if split == "orbits":
        shown = task.split_orbits(n_orbits=n_orbits, seed=seed)
        accuracies = (step.test_accuracy for step in OrbitRFM(kernel, n_iterations).iterate(shown))
    else:
        if split == "random":
            shown = task.split(share, seed)
            Y = shown.Y_train
        else:
            shown = task.split_orbits(n_orbits=n_orbits, seed=seed)
            order = torch.randperm(
                len(shown.Y_train), generator=torch.Generator().manual_seed(seed)
            )
            Y = shown.Y_train[order]
        accuracies = (
            accuracy(step.predict(shown.X_test), shown.y_test)
            for step in RFM(kernel, n_iterations).iterate(shown.X_train, Y)
        )
    for iteration, found in enumerate(accuracies):
        records.append({"iteration": iteration, "test_accuracy": found})
        if found >= 0.99:
            break
    return records
