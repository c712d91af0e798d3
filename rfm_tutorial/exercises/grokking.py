"""Exercises of "Grokking without a neural network"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise, psd
from rfm_tutorial.gradients import predictor_agop
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.tasks import ModularTask

_RUN = [0.0, 0.0, 0.01, 0.11, 0.43, 0.68, 0.87, 0.94, 0.99, 1.0]

jump = Exercise(
    reference=lambda a, t: next((i for i, value in enumerate(a) if value >= t), None),
    cases={
        "an ordinary run": lambda: (_RUN, 0.5),
        "a value that equals the threshold": lambda: ([0.0, 0.5, 0.5, 0.5, 1.0], 0.5),
        "a run that never reaches the threshold": lambda: ([0.0, 0.1, 0.2], 0.5),
        "a run that falls back below the threshold": lambda: ([0.1, 0.7, 0.3, 0.9], 0.5),
        "a run that starts above it": lambda: ([0.9, 1.0], 0.5),
        "a threshold other than one half": lambda: (_RUN, 0.9),
    },
    mistakes={
        "you are one iteration late: iterations are counted from 0, and step 0 is the "
        "plain kernel machine.": (
            lambda a, t: next((i + 1 for i, value in enumerate(a) if value >= t), None)
        ),
        "reaching the threshold counts: compare with >=, not with >.": (
            lambda a, t: next((i for i, value in enumerate(a) if value > t), None)
        ),
        "you answer when the run stays above the threshold, and for a run that never gets there "
        "with its length; asked is the first iteration that reaches it, "
        "or None.": lambda a, t: max((i for i, value in enumerate(a) if value < t), default=-1) + 1,
        "this is where the accuracy rises most; asked is the first iteration that "
        "reaches the threshold.": (
            lambda a, t: max(range(1, len(a)), key=lambda i: a[i] - a[i - 1])
        ),
    },
    returns="an int, the iteration, or None if the threshold is never reached",
    see='the curves in "The same with the package"',
)


constant_loss = Exercise(
    reference=lambda Y: float((Y - Y.mean(0)).square().mean()),
    cases={
        "the targets of + mod 11": lambda: (ModularTask("add", 11).split().Y_test,),
        "targets that are all the same class": lambda: (torch.eye(3).double()[[1] * 5],),
        "two classes of unequal size": lambda: (torch.eye(2).double()[[0, 0, 0, 1]],),
    },
    mistakes={
        "you add up the outputs; the loss in this book is the mean over rows and outputs.": (
            lambda Y: float((Y - Y.mean(0)).square().sum(1).mean())
        ),
        "this is the loss of always predicting 0; "
        "a better constant is the mean of each column of Y.": lambda Y: float(Y.square().mean()),
        "1/p is best only if all classes are equally frequent; the mean of each column of Y "
        "is best always.": lambda Y: float((Y - 1 / Y.shape[1]).square().mean()),
    },
    returns="a number, the mean squared loss",
    see='the section "What the loss tells"',
)


def _agop(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, center: bool = True) -> Tensor:
    model = KernelRidge(GaussianKernel(bandwidth)).fit(X, Y, M)
    return predictor_agop(model, center=center)


def _step(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float) -> Tensor:
    return psd_power(_agop(X, Y, M, bandwidth), 0.5)


def _sums(M: Tensor, bandwidth: float = 2.5) -> tuple[Tensor, Tensor, Tensor, float]:
    split = ModularTask("add", 5).split(0.6)
    return split.X_train, split.Y_train, M, bandwidth


step = Exercise(
    reference=_step,
    cases={
        "the first step, from M = I": lambda: _sums(torch.eye(10).double()),
        "a later step, where M is not the identity": (
            lambda: _sums(torch.eye(10).double() + psd(10, 0) / 10)
        ),
        "another bandwidth": lambda: _sums(torch.eye(10).double(), bandwidth=1.0),
    },
    mistakes={
        "this is the AGOP itself; the new feature matrix is its square root, psd_power(G, ½).": (
            _agop
        ),
        "the gradients are not centred: subtract each output's mean "
        "gradient first (center=True).": (
            lambda X, Y, M, L: psd_power(_agop(X, Y, M, L, center=False), 0.5)
        ),
        "you divide by the trace; this book's update leaves the scale as it is.": (
            lambda *inputs: _step(*inputs) / _step(*inputs).trace()
        ),
        "M is not used: the kernel machine of a later step is fitted with feature_matrix=M.": (
            lambda X, Y, M, L: _step(X, Y, torch.eye(len(M)).double(), L)
        ),
        "this is the root of each entry; the root of a matrix, psd_power(G, ½), is the one whose "
        "product with itself is G.": lambda *inputs: _agop(*inputs).clamp(min=0).sqrt(),
    },
    returns="a (d, d) tensor, the next feature matrix",
    see='the section "By hand"',
)
