"""Exercises of "The RFM loop in twenty lines"."""

from collections.abc import Callable
from functools import partial
from itertools import chain, combinations

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise, normal, psd
from rfm_tutorial.gradients import predictor_agop
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import psd_power

_NOT_CENTRED = "the gradients are not centred; the loop subtracts each output's mean gradient."

effective_dimension = Exercise(
    reference=lambda M: float(M.trace() ** 2 / M.square().sum()),
    cases={
        "a random feature matrix": lambda: (psd(6, 0),),
        "a matrix with a single direction": lambda: (torch.ones(4, 4).double(),),
        "a thousand times the identity": lambda: (1000 * torch.eye(7).double(),),
    },
    mistakes={
        "you add up the squared entries of the diagonal; the sum of the squared eigenvalues is the "
        "sum of all squared entries, those off the diagonal included.": (
            lambda M: float(M.trace() ** 2 / M.diagonal().square().sum())
        ),
        "the trace enters squared; without the square the answer changes when M is scaled.": (
            lambda M: float(M.trace() / M.square().sum())
        ),
        "this is the rank, which counts a direction fully however small its eigenvalue is.": (
            lambda M: float(torch.linalg.matrix_rank(M))
        ),
        "this is the trace over the largest eigenvalue; asked is the square of the sum of the "
        "eigenvalues over the sum of their squares.": (
            lambda M: float(M.trace() / torch.linalg.eigvalsh(M)[-1])
        ),
    },
    returns="a number from 1 to d",
    see="the formula in the exercise, and its hint",
)


def _inside(M: Tensor, U: Tensor) -> Tensor:
    return U.T @ M @ U


def _orthonormal(U: Tensor) -> Tensor:
    return torch.linalg.qr(U).Q


def _share(M: Tensor, U: Tensor) -> float:
    """The share of M inside the span of U, if the columns of U are orthonormal."""
    return float(_inside(M, U).trace() / M.trace())


share = Exercise(
    reference=lambda M, U: _share(M, _orthonormal(U)),
    cases={
        "a plane given by two columns": lambda: (psd(6, 0), 2 * normal(6, 2, seed=1)),
        "a single direction": lambda: (psd(5, 2), 3 * normal(5, 1, seed=3)),
        "columns that are orthonormal": lambda: (psd(4, 4), torch.eye(4).double()[:, 1:3]),
        "all directions": lambda: (psd(3, 5), normal(3, 3, seed=6)),
    },
    mistakes={
        "this needs orthonormal columns; make an orthonormal basis of their span first.": _share,
        "columns of length 1 are not enough: where two are not orthogonal, what they have in "
        "common counts twice.": lambda M, U: _share(M, U / U.norm(dim=0)),
        "this is the trace inside the span; divide it by the trace of M.": (
            lambda M, U: float(_inside(M, _orthonormal(U)).trace())
        ),
        "this compares Frobenius norms; the share is a ratio of traces.": (
            lambda M, U: float(_inside(M, _orthonormal(U)).norm() / M.norm())
        ),
    },
    returns="a number from 0 to 1",
    see='`share` in the section "By hand"',
)


def _features(
    X: Tensor,
    Y: Tensor,
    n_updates: int,
    bandwidth: float,
    ridge: float,
    *,
    center: bool = True,
    root: bool = True,
    use_features: bool = True,
) -> Tensor:
    identity = torch.eye(X.shape[1], dtype=X.dtype)
    M = identity
    for _ in range(n_updates):
        model = KernelRidge(GaussianKernel(bandwidth), ridge)
        model.fit(X, Y, M if use_features else identity)
        G = predictor_agop(model, center=center)
        M = psd_power(G, 0.5) if root else G
    return M


def _regression(n_updates: int, ridge: float = 0.01, c: int = 2) -> tuple:
    X = normal(30, 4)
    Y = torch.stack([X[:, 0] * X[:, 1], X[:, 0].sin()], dim=1)[:, :c]
    return X, Y, n_updates, 2.0, ridge


_FAULTS = {
    "use_features": (
        "The second update gives the same matrix as the first: what does the fit know of M?"
    ),
    "root": "After one update the eigenvalues are the squares of what they should be.",
    "center": (
        "What an output has in common at all inputs, such as the slope of a straight line, should "
        "add nothing to M, and it does."
    ),
}
"""From a fault of the given program to how it shows."""


def _programs() -> dict[str, Callable]:
    """From what is said to the given program with some of its faults, or all, to that program."""
    found: dict[str, Callable] = {}
    for left in chain.from_iterable(combinations(_FAULTS, count) for count in (3, 2, 1)):
        count = ("one fault is", "two faults are", "three faults are")[len(left) - 1]
        symptoms = " And: ".join(_FAULTS[fault] for fault in left[:2])
        found[f"{count} left. {symptoms}"] = partial(_features, **dict.fromkeys(left, False))
    return found


features = Exercise(
    reference=_features,
    cases={
        "three updates": lambda: _regression(3),
        "no update at all": lambda: _regression(0),
        "one update": lambda: _regression(1),
        "no ridge, one output": lambda: _regression(2, ridge=0.0, c=1),
    },
    mistakes={
        "you are one update short: M = I counts as zero updates.": (
            lambda X, Y, t, *rest: _features(X, Y, max(t - 1, 0), *rest)
        ),
        "you made one update too many: the last fit of the loop is for predicting, "
        "not for another update.": lambda X, Y, t, *rest: _features(X, Y, t + 1, *rest),
        **_programs(),
        "the ridge is not used; it belongs into every fit.": (
            lambda X, Y, t, L, ridge: _features(X, Y, t, L, 0.0)
        ),
    },
    returns="a (d, d) tensor, the feature matrix",
    see='`rfm` in the section "By hand"',
)


def _agop(
    X: Tensor,
    Y: Tensor,
    M: Tensor,
    bandwidth: float,
    ridge: float,
    *,
    squeeze: Tensor | None = None,
    factor: Tensor | None = None,
    center: bool = True,
) -> Tensor:
    """The AGOP with respect to x of a machine on squeezed inputs.

    Both what squeezes the inputs and the factor that leads back to x should be the root of M.
    """
    root = psd_power(M, 0.5)
    model = KernelRidge(GaussianKernel(bandwidth), ridge)
    model.fit(X @ (root if squeeze is None else squeeze), Y)
    factor = root if factor is None else factor
    return factor @ predictor_agop(model, center=center) @ factor


def _root(G: Tensor) -> Tensor:
    return psd_power((G + G.T) / 2, 0.5)


def _with(M: Tensor) -> tuple[Tensor, Tensor, Tensor, float, float]:
    X, Y, _, bandwidth, ridge = _regression(1)
    return X, Y, M, bandwidth, ridge


squeezed = Exercise(
    reference=lambda *inputs: _root(_agop(*inputs)),
    cases={
        "a random feature matrix": lambda: _with(psd(4, 3) / 4),
        "M = I": lambda: _with(torch.eye(4).double()),
        "a feature matrix with two eigenvalues that are zero": (
            lambda: _with(torch.diag(torch.tensor([2.0, 1, 0, 0])).double())
        ),
    },
    mistakes={
        "this is the root of the AGOP with respect to the squeezed inputs; the chain rule brings "
        "it back to x, with M^½ on both sides.": (
            lambda X, Y, M, *rest: _root(_agop(X, Y, M, *rest, factor=torch.eye(len(M)).double()))
        ),
        "you put M on both sides; f(x) = f̃(M^½x), so a gradient gets a factor M^½.": (
            lambda X, Y, M, *rest: _root(_agop(X, Y, M, *rest, factor=M))
        ),
        "the factors come before the root: first the chain rule, with M^½ on both sides of the "
        "AGOP, then the root of the product.": (
            lambda X, Y, M, *rest: (
                psd_power(M, 0.5)
                @ _root(_agop(X, Y, M, *rest, factor=torch.eye(len(M)).double()))
                @ psd_power(M, 0.5)
            )
        ),
        "M^½ stands on one side only, and after the root: first the chain rule, which puts it on "
        "both sides of the AGOP, then the root.": (
            lambda X, Y, M, *rest: (
                psd_power(M, 0.5) @ _root(_agop(X, Y, M, *rest, factor=torch.eye(len(M)).double()))
            )
        ),
        "you divide by M^½; when x moves by δ, the squeezed input moves by M^½δ, so a gradient "
        "with respect to x is M^½ times the other.": (
            lambda X, Y, M, *rest: _root(
                _agop(X, Y, M, *rest, factor=torch.linalg.pinv(psd_power(M, 0.5)))
            )
        ),
        "M is used twice over: squeeze by M^½ and put M^½ on both sides, and give the machine no "
        "feature matrix beside it.": (
            lambda X, Y, M, *rest: _root(_agop(X, Y, M, *rest, squeeze=M, factor=M))
        ),
        "you squeeze the inputs by M; the distance of M^½x and M^½z is the one that "
        "k(x, z; M) sees.": lambda X, Y, M, *rest: _root(_agop(X, Y, M, *rest, squeeze=M)),
        "this is the AGOP with respect to x; the next features are its square root.": _agop,
        _NOT_CENTRED: lambda *inputs: _root(_agop(*inputs, center=False)),
        "M is not used: squeeze the inputs with its root first.": (
            lambda X, Y, M, *rest: _root(_agop(X, Y, torch.eye(len(M)).double(), *rest))
        ),
    },
    returns="a (d, d) tensor, the next feature matrix",
    see='the section "Why it helps"',
)
