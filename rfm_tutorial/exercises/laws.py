"""Exercises of "Another learner, another law"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise, normal, psd
from rfm_tutorial.gradients import agop
from rfm_tutorial.linalg import psd_power


def _force(J: Tensor, R: Tensor, X: Tensor, decay: float) -> Tensor:
    return torch.einsum("icd,ic,ie->de", J, R, X) / (len(X) * decay)


def _inputs(n: int, c: int, d: int, decay: float, seed: int = 0) -> tuple:
    shapes = ((n, c, d), (n, c), (n, d))
    return *(normal(*shape, seed=seed + i) for i, shape in enumerate(shapes)), decay


force = Exercise(
    reference=_force,
    cases={
        "20 inputs with 3 outputs": lambda: _inputs(20, 3, 5, 0.1),
        "one input": lambda: _inputs(1, 3, 5, 0.1, seed=4),
        "one output": lambda: _inputs(20, 1, 5, 2.0, seed=7),
        "residuals that are all zero": lambda: (
            normal(6, 2, 4),
            torch.zeros(6, 2, dtype=torch.float64),
            normal(6, 4, seed=1),
            0.5,
        ),
    },
    mistakes={
        "this is the transpose: the push stands in the rows, the input in the columns.": (
            lambda J, R, X, decay: _force(J, R, X, decay).T
        ),
        "the sign is wrong: the residuals are y − f already, and the minus of the law meets the "
        "minus of the chain rule.": lambda J, R, X, decay: -_force(J, R, X, decay),
        "the sum is not divided by the number of inputs.": (
            lambda J, R, X, decay: _force(J, R, X, decay) * len(X)
        ),
        "the weight decay stands below the line.": (
            lambda J, R, X, decay: _force(J, R, X, decay) * decay**2
        ),
        "without the inputs, this is the outer product of the pushes; the law has the input on its "
        "right.": lambda J, R, X, decay: _outer(torch.einsum("icd,ic->id", J, R), decay),
    },
    returns="a (d, d) tensor",
    see='the section "A law for features at rest"',
)


def _outer(push: Tensor, decay: float) -> Tensor:
    return push.T @ push / (len(push) * decay)


def _next_features(h, M: Tensor, X: Tensor) -> Tensor:
    root = psd_power(M, 0.5)
    return psd_power(agop(lambda x: h(x @ root), X, center=True), 0.5)


def _in_the_wrong_room(h, M: Tensor, X: Tensor) -> Tensor:
    return psd_power(agop(h, X @ psd_power(M, 0.5), center=True), 0.5)


def _function(d: int, c: int, seed: int):
    weights, mixed = normal(d, 6, seed=seed), normal(6, c, seed=seed + 1)
    return lambda x: (x @ weights).tanh() @ mixed


room = Exercise(
    reference=_next_features,
    cases={
        "a function of 4 inputs": lambda: (_function(4, 3, 0), psd(4, 2), normal(30, 4, seed=3)),
        "M = I": lambda: (
            _function(4, 2, 5),
            torch.eye(4, dtype=torch.float64),
            normal(30, 4, seed=6),
        ),
        "an M without one direction": lambda: (
            _function(3, 2, 8),
            torch.diag(torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)),
            normal(30, 3, seed=9),
        ),
    },
    mistakes={
        "these are the features of h in its own room: the AGOP is to be that of f, in the inputs "
        "as they were given.": _in_the_wrong_room,
        "f is the right function, and asked at the wrong inputs: they were transformed before.": (
            lambda h, M, X: _next_features(h, M, X @ psd_power(M, 0.5))
        ),
        "h is asked at inputs that it has never seen: without M.": (
            lambda h, M, X: psd_power(agop(h, X, center=True), 0.5)
        ),
        "this is the AGOP; the next features are its root.": (
            lambda h, M, X: agop(lambda x: h(x @ psd_power(M, 0.5)), X, center=True)
        ),
        "the gradients are to be centred, as in the program that you were given.": (
            lambda h, M, X: psd_power(agop(lambda x: h(x @ psd_power(M, 0.5)), X), 0.5)
        ),
    },
    returns="a (d, d) tensor",
    see='the section "By hand: the loop around anything"',
)
