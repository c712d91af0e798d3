"""Two groups with 18 elements: one with 9 conjugacy classes, one with 6."""

import torch

from rfm_tutorial import RFM, GaussianKernel, accuracy
from rfm_tutorial.groups import named_group


def run(seed: int) -> dict[str, float]:
    """How much more of the first table is right than of the second."""
    return {"ahead": right("D3xZ3", seed) - right("D9", seed)}


def control(seed: int) -> dict[str, float]:
    """The same with the training labels shuffled."""
    return {"ahead": right("D3xZ3", seed, shuffled=True) - right("D9", seed, shuffled=True)}


def right(name: str, seed: int, shuffled: bool = False) -> float:
    split = named_group(name).task().split(0.9, seed)
    Y = split.Y_train
    if shuffled:
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    *_, last = RFM(GaussianKernel(2.5), 30).iterate(split.X_train, Y)
    return accuracy(last.predict(split.X_test), split.y_test)
