"""Exercises of "The Average Gradient Outer Product"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise, normal, psd

_NOT_AVERAGED = "this is the sum over the inputs; the AGOP is their average."

by_hand = ByHand(
    right=[[[8, 4], [4, 4]], [[4, 0], [0, 0]]],
    mistakes={
        "these are the sums over the two inputs; the AGOP is their average.": (
            [[[16, 8], [8, 8]], [[8, 0], [0, 0]]]
        ),
        "the two matrices are exchanged: first the one with the gradients as they are, then the "
        "centred one.": [[[4, 0], [0, 0]], [[8, 4], [4, 4]]],
        "the first matrix is the outer product of the mean gradient; take the outer product at "
        "each input first, and the mean last.": [[[4, 4], [4, 4]], [[4, 0], [0, 0]]],
        "off the diagonal stands the mean product of the two derivatives, which is not 0 here.": (
            [[[8, 0], [0, 4]], [[4, 0], [0, 0]]]
        ),
        "the derivative of x₁² is 2x₁, not x₁.": [[[2, 2], [2, 4]], [[1, 0], [0, 0]]],
        "the derivative of 2x₂ is 2, wherever the input is.": (
            [[[8, -4], [-4, 100]], [[4, -16], [-16, 64]]]
        ),
        "the centred matrix is divided by n − 1, as a covariance often is; the AGOP divides by n, "
        "centred or not.": [[[8, 4], [4, 4]], [[8, 0], [0, 0]]],
        "the first matrix is right. For the second subtract the mean gradient, (2, 2), from each "
        "gradient before you multiply.": [[[8, 4], [4, 4]], [[8, 4], [4, 4]]],
    },
    returns="2 matrices of 2 rows and 2 columns",
    names=("matrix {} (0: as it is, 1: centred)", "row {}", "column {}"),
    edges={
        "the entries off the diagonal, which are equal: an AGOP is symmetric": (
            [(0, 0, 1), (0, 1, 0), (1, 0, 1), (1, 1, 0)]
        )
    },
    see='the sections "What the matrix says" and "Several outputs, and centering"',
)


slope_along = Exercise(
    reference=lambda G, v: float((v @ G @ v / (v @ v)).sqrt()),
    cases={
        "a random AGOP and a direction": lambda: (psd(5, 0), normal(5, seed=1)),
        "a direction that the function ignores": (
            lambda: (
                torch.tensor([[4.0, 0, -2], [0, 0, 0], [-2, 0, 1]]).double(),
                torch.tensor([1.0, 5, 2]).double(),
            )
        ),
        "a direction a thousand times as long": lambda: (psd(5, 0), 1000 * normal(5, seed=1)),
        "one input only": lambda: (torch.full((1, 1), 4.0).double(), torch.ones(1).double()),
    },
    mistakes={
        "this is the mean squared slope; asked is its square root.": (
            lambda G, v: float(v @ G @ v / (v @ v))
        ),
        "your answer grows with the length of v; divide by it, so that only "
        "the direction counts.": lambda G, v: float((v @ G @ v).sqrt()),
        "this is the length of Gv; the mean squared slope along v is vᵀGv, with v on both sides.": (
            lambda G, v: float((G @ v).norm() / v.norm())
        ),
    },
    returns="a number, the root mean square slope along v",
    see='the section "What the matrix says"',
)


def _quadratic_form(A: Tensor, X: Tensor) -> Tensor:
    S = A + A.T
    return S @ (X.T @ X / len(X)) @ S


quadratic_form = Exercise(
    reference=_quadratic_form,
    cases={
        "a matrix that is not symmetric": lambda: (normal(4, 4), normal(9, 4, seed=1) + 1),
        "a symmetric matrix": lambda: (psd(3, 2), normal(7, 3, seed=3)),
        "a matrix with Aᵀ = −A, for which f is 0 everywhere": (
            lambda: (
                torch.tensor([[0.0, 1, -2], [-1, 0, 3], [2, -3, 0]]).double(),
                normal(6, 3, seed=4),
            )
        ),
        "a single input": lambda: (normal(3, 3, seed=5), normal(1, 3, seed=6)),
    },
    mistakes={
        "2Ax is the gradient only if A is symmetric; in general both factors x contribute, with A "
        "and with Aᵀ.": lambda A, X: 4 * A @ (X.T @ X / len(X)) @ A.T,
        "a factor is missing: the gradient of xᵀAx is (A + Aᵀ)x, without a half.": (
            lambda A, X: _quadratic_form(A, X) / 4
        ),
        _NOT_AVERAGED: lambda A, X: _quadratic_form(A, X) * len(X),
        "this is the centred AGOP, or the covariance in place of XᵀX/n; "
        "asked is the one that is not centred.": lambda A, X: _quadratic_form(A, X - X.mean(0)),
    },
    returns="a (d, d) tensor, the AGOP",
    see='step 1 in the section "The AGOP of a kernel machine, derived"',
)


def _moments(J: Tensor) -> Tensor:
    return torch.einsum("jca,jcb->ab", J, J) / len(J)


def _centred(J: Tensor, batch_size: int) -> Tensor:
    return _moments(J - J.mean(0))


def _centred_per_batch(J: Tensor, batch_size: int) -> Tensor:
    parts = [_moments(batch - batch.mean(0)) * len(batch) for batch in J.split(batch_size)]
    return torch.stack(parts).sum(0) / len(J)


def _equal_weights(J: Tensor, batch_size: int) -> Tensor:
    batches = J.split(batch_size)
    mean = torch.stack([batch.mean(0) for batch in batches]).mean(0)
    return torch.stack([_moments(batch) for batch in batches]).mean(0) - mean.T @ mean


def _without_the_rest(J: Tensor, batch_size: int) -> Tensor:
    whole = len(J) // batch_size * batch_size
    return _centred(J[:whole] if whole else J, batch_size)


batches = Exercise(
    reference=_centred,
    cases={
        "ten rows in batches of four": lambda: (normal(10, 3, 4) + normal(3, 4, seed=1), 4),
        "batches of a single row": lambda: (normal(5, 2, 3, seed=2) + 1, 1),
        "a batch size larger than n": lambda: (normal(5, 2, 3, seed=3) + 1, 100),
        "one output": lambda: (normal(7, 1, 3, seed=4) + 1, 3),
    },
    mistakes={
        "you subtract each batch's own mean, so the answer depends on the batch size; subtract the "
        "mean over all rows, at the end.": _centred_per_batch,
        "the gradients are not centred: take away the mean gradients, mᵀm summed "
        "over the outputs.": lambda J, batch_size: _moments(J),
        "you average the batches as if they were equally large; add up sums and divide by n once, "
        "at the end.": _equal_weights,
        "you subtract one mean pooled over the outputs; each output has a mean gradient "
        "of its own.": lambda J, batch_size: _moments(J - J.mean((0, 1))),
        "the last batch is missing: it can be smaller than batch_size.": _without_the_rest,
    },
    returns="a (d, d) tensor, the centred AGOP",
    see='the section "Several outputs, and centering"',
)


def _agop(W: Tensor, X: Tensor, alpha: Tensor, M: Tensor) -> Tensor:
    """The AGOP of a kernel whose gradient is the weight, one for each pair of inputs, times Mz."""
    return M @ X.T @ ((alpha @ alpha.T) * (W @ W.T)) @ X @ M / len(X)


def _quadratic_kernel(X: Tensor, alpha: Tensor, M: Tensor) -> Tensor:
    return _agop(2 * X @ M @ X.T, X, alpha, M)


def _with_own_center(X: Tensor, alpha: Tensor, M: Tensor) -> Tensor:
    W = 2 * X @ M @ X.T
    pulls = torch.einsum("ij,ic,ia->jca", W, alpha, X)
    own = torch.einsum("ij,ic,ja->jca", W, alpha, X)
    return M @ _moments(pulls - own) @ M


def _machine(n: int, c: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    M = psd(d, seed + 2) / d
    return normal(n, d, seed=seed), normal(n, c, seed=seed + 1), (M + M.T) / 2


quadratic_kernel = Exercise(
    reference=_quadratic_kernel,
    cases={
        "a machine with three outputs": lambda: _machine(8, 3, 5, seed=0),
        "M = I": lambda: (*_machine(8, 3, 5, seed=3)[:2], torch.eye(5).double()),
        "one output": lambda: _machine(6, 1, 4, seed=6),
        "a feature matrix that hides the first input": (
            lambda: (*_machine(6, 2, 3, seed=9)[:2], torch.diag(torch.tensor([0.0, 1, 2])).double())
        ),
    },
    mistakes={
        "the factor 2 of the derivative of a square is missing in the weights; "
        "it enters squared.": lambda X, alpha, M: _agop(X @ M @ X.T, X, alpha, M),
        "M is missing in front: the gradient of the kernel is w · Mz, so the AGOP has M "
        "on both sides.": (
            lambda X, alpha, M: _agop(2 * X @ M @ X.T, X, alpha, torch.eye(len(M)).double())
        ),
        "you subtract x_j; that term belongs to kernels of the distance, where the gradient points "
        "along z − x. Here it points along Mz.": _with_own_center,
        "your weights are the kernel's values; the derivative of t² is 2t.": (
            lambda X, alpha, M: _agop((X @ M @ X.T).square(), X, alpha, M)
        ),
        _NOT_AVERAGED: lambda X, alpha, M: _quadratic_kernel(X, alpha, M) * len(X),
    },
    returns="a (d, d) tensor, the AGOP",
    see='the section "The closed form, which needs no gradients"',
)
