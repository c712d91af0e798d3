"""Exercises of "Kernel machines, and what a fixed one cannot learn"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.tasks import ModularTask

_NO_RIDGE = "this is right without a ridge: it is not used."


def _shared(pairs: Tensor, others: Tensor) -> Tensor:
    return (pairs[:, None, :] == others[None, :, :]).sum(2)


def _gram(pairs: Tensor, others: Tensor, values: Tensor) -> Tensor:
    return values[_shared(pairs, others)]


def _gram_inputs(pairs: list[list[int]], others: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
    values = torch.tensor([0.1, 0.4, 1.0], dtype=torch.float64)
    return torch.tensor(pairs), torch.tensor(others), values


gram = Exercise(
    reference=_gram,
    cases={
        "three cells and four others": (
            lambda: _gram_inputs([[0, 1], [2, 2], [3, 0]], [[0, 1], [1, 0], [2, 3], [3, 1]])
        ),
        "one cell with itself": lambda: _gram_inputs([[4, 2]], [[4, 2]]),
        "a cell and its mirror image": lambda: _gram_inputs([[1, 2]], [[2, 1], [2, 2]]),
        "a quadratic kernel, whose k₀ is 0": (
            lambda: (
                ModularTask("add", 5).pairs,
                ModularTask("add", 5).pairs[:7],
                torch.tensor([0.0, 3, 12]).double(),
            )
        ),
    },
    mistakes={
        "the order is turned round: values[0] belongs to cells that share *no* digit, values[2] to "
        "a cell with itself.": lambda pairs, others, values: values[2 - _shared(pairs, others)],
        "a digit counts as shared only in the same place: (1, 0) and (0, 1) share nothing.": (
            lambda pairs, others, values: values[
                (pairs[:, None, :, None] == others[None, :, None, :]).any(3).sum(2)
            ]
        ),
        "you ask whether the cells share a digit; asked is how many, and for a cell with itself "
        "that is 2.": lambda pairs, others, values: values[_shared(pairs, others).clamp(max=1)],
        "these are the numbers of shared digits; look up the similarity that belongs to each.": (
            lambda pairs, others, values: _shared(pairs, others).double()
        ),
        "rows and columns are exchanged: a row for each of `pairs`, a column for "
        "each of `others`.": lambda pairs, others, values: _gram(others, pairs, values),
    },
    returns="an (n, m) tensor of similarities",
    see='the section "Three similarities"',
)


def _system(K: Tensor, ridge: float) -> Tensor:
    return K + ridge * torch.eye(len(K), dtype=K.dtype)


def _dual(K: Tensor, Y: Tensor, ridge: float) -> Tensor:
    return torch.linalg.solve(_system(K, ridge), Y)


def _ridge(K: Tensor, Y: Tensor, ridge: float, K_new: Tensor) -> Tensor:
    return K_new @ _dual(K, Y, ridge)


def _ridge_inputs(ridge: float, n_new: int = 3) -> tuple[Tensor, Tensor, float, Tensor]:
    kernel = GaussianKernel(0.4)
    X = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    new = torch.linspace(0.1, 0.8, n_new, dtype=torch.float64)[:, None]
    return kernel(X, X), torch.cat([torch.sin(5 * X), X**2], dim=1), ridge, kernel(new, X)


ridge = Exercise(
    reference=_ridge,
    cases={
        "five points of two curves, ridge 0.1": lambda: _ridge_inputs(0.1),
        "no ridge": lambda: _ridge_inputs(0.0),
        "one new input, ridge 10": lambda: _ridge_inputs(10.0, n_new=1),
    },
    mistakes={
        _NO_RIDGE: lambda K, Y, ridge, K_new: _ridge(K, Y, 0.0, K_new),
        "right without a ridge, wrong with one: print K before and after the line that adds the "
        "ridge. Which entries should change?": (
            lambda K, Y, ridge, K_new: K_new @ torch.linalg.solve(K + ridge, Y)
        ),
        "these are the answers at the training inputs; the new inputs come in with K_new.": (
            lambda K, Y, ridge, K_new: _ridge(K, Y, ridge, K)
        ),
        "these are the dual coefficients; the answers are K_new times them.": (
            lambda K, Y, ridge, K_new: _dual(K, Y, ridge)
        ),
        "you square the ridge; add it to the diagonal as it is.": (
            lambda K, Y, ridge, K_new: _ridge(K, Y, ridge**2, K_new)
        ),
    },
    returns="an (m, c) tensor, a row for each new input",
    see='the section "Ridge"',
)


def _votes(a: int, b: int, pairs: Tensor, labels: Tensor, n_labels: int) -> Tensor:
    chosen = (pairs[:, 0] == a) | (pairs[:, 1] == b)
    return torch.bincount(labels[chosen], minlength=n_labels)


def _votes_inputs(operation: str, number: int) -> tuple[int, int, Tensor, Tensor, int]:
    split = ModularTask(operation, 7).split(seed=0)
    a, b = split.pairs_test[number].tolist()
    return a, b, split.pairs_train, split.y_train, 7


_THREE_CELLS = torch.tensor([[0, 0], [0, 1], [1, 1]]), torch.tensor([0, 1, 2]), 3

votes = Exercise(
    reference=_votes,
    cases={
        "a hidden cell of + mod 7": lambda: _votes_inputs("add", 0),
        "a row without training cells": lambda: (2, 0, *_THREE_CELLS),
        "a cell for which nobody votes": lambda: (2, 2, *_THREE_CELLS),
        "a hidden cell of × mod 7": lambda: _votes_inputs("mul", 3),
    },
    mistakes={
        "only the row votes; the column has a vote, too.": (
            lambda a, b, pairs, labels, n: torch.bincount(labels[pairs[:, 0] == a], minlength=n)
        ),
        "only the column votes; the row has a vote, too.": (
            lambda a, b, pairs, labels, n: torch.bincount(labels[pairs[:, 1] == b], minlength=n)
        ),
        "you count the labels of all training cells; only those in row a or column b vote.": (
            lambda a, b, pairs, labels, n: torch.bincount(labels, minlength=n)
        ),
        "you ask for cells in row a *and* column b; that is the hidden cell itself, which is not "
        "among the training cells.": (
            lambda a, b, pairs, labels, n: torch.bincount(
                labels[(pairs[:, 0] == a) & (pairs[:, 1] == b)], minlength=n
            )
        ),
        "you also count cells where a is the second digit or b the first; row a has a in the first "
        "place, column b has b in the second.": (
            lambda a, b, pairs, labels, n: torch.bincount(
                labels[(pairs == a).any(1) | (pairs == b).any(1)], minlength=n
            )
        ),
    },
    returns="a tensor with one whole number for each label",
    see='the section "Votes"',
)


def _leave_one_out(K: Tensor, Y: Tensor, ridge: float) -> Tensor:
    inverse = torch.linalg.inv(_system(K, ridge))
    return Y - inverse @ Y / inverse.diagonal()[:, None]


def _sums() -> tuple[Tensor, Tensor, float]:
    task = ModularTask("add", 5)
    X = task.encode(task.pairs)
    return GaussianKernel(2.5)(X, X), torch.eye(5).double()[task.labels], 0.5


leave_one_out = Exercise(
    reference=_leave_one_out,
    cases={
        "the table of + mod 5, ridge 0.5": _sums,
        "five points of two curves, no ridge": lambda: _ridge_inputs(0.0)[:3],
        "two inputs and one target": (
            lambda: (
                torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double(),
                torch.tensor([[1.0], [-2.0]]).double(),
                0.25,
            )
        ),
    },
    mistakes={
        "these are the answers of a machine that was trained on all inputs; row i must not have "
        "seen target i.": lambda K, Y, ridge: _ridge(K, Y, ridge, K),
        _NO_RIDGE: lambda K, Y, ridge: _leave_one_out(K, Y, 0.0),
        "1 / [K⁻¹]ᵢᵢ is not Kᵢᵢ: take the diagonal of the inverse.": (
            lambda K, Y, ridge: Y - _dual(K, Y, ridge) * _system(K, ridge).diagonal()[:, None]
        ),
        "these are the errors, target minus answer; asked are the answers.": (
            lambda K, Y, ridge: Y - _leave_one_out(K, Y, ridge)
        ),
    },
    returns="an (n, c) tensor, a row for each input",
    see='step 1 in the section "A proof for the last cell"',
)
