"""A clock with 11 hours: too small for what is said of it."""

import torch

from rfm_tutorial import RFM, GaussianKernel, ModularTask, accuracy


def run(seed: int) -> dict[str, float]:
    """The best accuracy of 25 updates."""
    return {"right": best(seed)}


def control(seed: int) -> dict[str, float]:
    """The same with the training labels shuffled."""
    return {"right": best(seed, shuffled=True)}


def best(seed: int, shuffled: bool = False) -> float:
    split = ModularTask("add", 11).split(0.7, seed)
    Y = split.Y_train
    if shuffled:
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    steps = RFM(GaussianKernel(2.5), 25).iterate(split.X_train, Y)
    return max(accuracy(step.predict(split.X_test), split.y_test) for step in steps)
