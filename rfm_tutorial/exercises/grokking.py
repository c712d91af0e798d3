"""Exercises of "Grokking without a neural network"."""

import torch
from torch import Tensor

from rfm_tutorial.agop import predictor_agop
from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.modular import ModularTask
from rfm_tutorial.rfm import KernelRidge


def _jump(test_accuracy: list[float], threshold: float = 0.5) -> int | None:
    return next((i for i, value in enumerate(test_accuracy) if value >= threshold), None)


_RUN = [0.0, 0.0, 0.01, 0.11, 0.43, 0.68, 0.87, 0.94, 0.99, 1.0]

jump = Exercise(
    reference=_jump,
    cases={
        "an ordinary run": lambda: (list(_RUN), 0.5),
        "a value that equals the threshold": lambda: ([0.0, 0.5, 0.5, 0.5, 1.0], 0.5),
        "a run that never reaches the threshold": lambda: ([0.0, 0.1, 0.2], 0.5),
        "a run that falls back below the threshold": lambda: ([0.1, 0.7, 0.3, 0.9], 0.5),
        "a run that starts above it": lambda: ([0.9, 1.0], 0.5),
        "a threshold other than one half": lambda: (list(_RUN), 0.9),
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
        "with its length; asked is the first iteration that reaches it, or None.": (
            lambda a, t: max((i for i, value in enumerate(a) if value < t), default=-1) + 1
        ),
        "this is where the accuracy rises most; asked is the first iteration that "
        "reaches the threshold.": lambda a, t: max(range(1, len(a)), key=lambda i: a[i] - a[i - 1]),
    },
    returns="an int, the iteration, or None if the threshold is never reached",
    see='the curves in "The same with the package"',
)


def _constant_loss(Y: Tensor) -> Tensor:
    return (Y - Y.mean(0)).square().mean()


def _one_class() -> tuple[Tensor]:
    Y = torch.zeros(5, 3, dtype=torch.float64)
    Y[:, 1] = 1
    return (Y,)


constant_loss = Exercise(
    reference=lambda Y: float(_constant_loss(Y)),
    cases={
        "the targets of + mod 11": lambda: (ModularTask("add", 11).split().Y_test,),
        "targets that are all the same class": _one_class,
        "two classes of unequal size": lambda: (torch.eye(2).double()[[0, 0, 0, 1]],),
    },
    mistakes={
        "you add up the outputs; the loss in this book is the mean over rows and outputs.": (
            lambda Y: float((Y - Y.mean(0)).square().sum(1).mean())
        ),
        "this is the loss of always predicting 0; a better constant is the mean of "
        "each column of Y.": lambda Y: float(Y.square().mean()),
        "1/p is best only if all classes are equally frequent; the mean of each column "
        "of Y is best always.": lambda Y: float((Y - 1 / Y.shape[1]).square().mean()),
    },
    returns="a number, the mean squared loss",
    see='the section "What the loss tells"',
)


def _rfm_step(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float) -> Tensor:
    model = KernelRidge(GaussianKernel(bandwidth)).fit(X, Y, M)
    return psd_power(predictor_agop(model), 0.5)


def _step_inputs(identity: bool, bandwidth: float = 2.5) -> tuple[Tensor, Tensor, Tensor, float]:
    split = ModularTask("add", 5).split(0.6)
    d = split.X_train.shape[1]
    M = torch.eye(d, dtype=torch.float64)
    if not identity:
        half = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        M = M + half @ half.T / d
    return split.X_train, split.Y_train, M, bandwidth


def _step_without_root(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float) -> Tensor:
    return predictor_agop(KernelRidge(GaussianKernel(bandwidth)).fit(X, Y, M))


def _step_without_centering(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float) -> Tensor:
    model = KernelRidge(GaussianKernel(bandwidth)).fit(X, Y, M)
    return psd_power(predictor_agop(model, center=False), 0.5)


def _step_with_normalisation(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float) -> Tensor:
    new = _rfm_step(X, Y, M, bandwidth)
    return new / new.trace()


step = Exercise(
    reference=_rfm_step,
    cases={
        "the first step, from M = I": lambda: _step_inputs(identity=True),
        "a later step, where M is not the identity": lambda: _step_inputs(identity=False),
        "another bandwidth": lambda: _step_inputs(identity=True, bandwidth=1.0),
    },
    mistakes={
        "this is the AGOP itself; the new feature matrix is its square root, "
        "psd_power(G, ½).": _step_without_root,
        "the gradients are not centred: subtract each output's mean gradient first "
        "(center=True).": _step_without_centering,
        "you divide by the trace; "
        "this book's update leaves the scale as it is.": _step_with_normalisation,
        "M is not used: the kernel machine of a later step is fitted with feature_matrix=M.": (
            lambda X, Y, M, L: _rfm_step(X, Y, torch.eye(len(M), dtype=M.dtype), L)
        ),
        "this is the root of each entry; the root of a matrix, psd_power(G, ½), is the one whose "
        "product with itself is G.": (
            lambda X, Y, M, L: (
                predictor_agop(KernelRidge(GaussianKernel(L)).fit(X, Y, M)).clamp(min=0).sqrt()
            )
        ),
    },
    returns="a (d, d) tensor, the next feature matrix",
    see='the section "By hand"',
)
