"""The triangle's table. The program is right; the numbers reported of it were made up."""

import torch

from rfm_tutorial import RFM, GaussianKernel, accuracy
from rfm_tutorial.groups import dihedral


def run(seed: int) -> dict[str, float]:
    """The share of the hidden cells that is right at the end."""
    return {"right": right(seed)}


def control(seed: int) -> dict[str, float]:
    """The same with the training labels shuffled."""
    return {"right": right(seed, shuffled=True)}


def right(seed: int, shuffled: bool = False) -> float:
    split = dihedral(3).task().split(0.8, seed)
    Y = split.Y_train
    if shuffled:
        Y = Y[torch.randperm(len(Y), generator=torch.Generator().manual_seed(seed))]
    *_, last = RFM(GaussianKernel(2.5), 20).iterate(split.X_train, Y)
    return accuracy(last.predict(split.X_test), split.y_test)
