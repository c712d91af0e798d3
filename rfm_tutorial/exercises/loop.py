"""Exercises of "The RFM loop in twenty lines"."""

import torch
from torch import Tensor

from rfm_tutorial.agop import predictor_agop
from rfm_tutorial.exercises.judging import Exercise, normal, psd
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.rfm import KernelRidge


def _effective_dimension(M: Tensor) -> float:
    return float(M.trace() ** 2 / M.square().sum())


effective_dimension = Exercise(
    reference=_effective_dimension,
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
        "the trace enters squared; without the square the answer changes when M "
        "is scaled.": lambda M: float(M.trace() / M.square().sum()),
        "this is the rank, which counts a direction fully however small its "
        "eigenvalue is.": lambda M: float(torch.linalg.matrix_rank(M)),
        "this is the trace over the largest eigenvalue; asked is the square of the sum of the "
        "eigenvalues over the sum of their squares.": (
            lambda M: float(M.trace() / torch.linalg.eigvalsh(M)[-1])
        ),
    },
    returns="a number from 1 to d",
    see="the formula in the exercise, and its hint",
)


def _inside(M: Tensor, U: Tensor) -> Tensor:
    Q = torch.linalg.qr(U).Q
    return Q.T @ M @ Q


def _share(M: Tensor, U: Tensor) -> float:
    return float(_inside(M, U).trace() / M.trace())


def _share_of_unit_columns(M: Tensor, U: Tensor) -> float:
    unit = U / U.norm(dim=0)
    return float((unit.T @ M @ unit).trace() / M.trace())


share = Exercise(
    reference=_share,
    cases={
        "a plane given by two columns": lambda: (psd(6, 0), 2 * normal(6, 2, seed=1)),
        "a single direction": lambda: (psd(5, 2), 3 * normal(5, 1, seed=3)),
        "columns that are orthonormal": lambda: (psd(4, 4), torch.eye(4).double()[:, 1:3]),
        "all directions": lambda: (psd(3, 5), normal(3, 3, seed=6)),
    },
    mistakes={
        "this needs orthonormal columns; make an orthonormal basis of their span first.": (
            lambda M, U: float((U.T @ M @ U).trace() / M.trace())
        ),
        "columns of length 1 are not enough: where two are not orthogonal, what they have in "
        "common counts twice.": _share_of_unit_columns,
        "this is the trace inside the span; divide it by the trace of M.": lambda M, U: float(
            _inside(M, U).trace()
        ),
        "this compares Frobenius norms; the share is a ratio of traces.": (
            lambda M, U: float(_inside(M, U).norm() / M.norm())
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
            lambda X, Y, t, L, ridge: _features(X, Y, max(t - 1, 0), L, ridge)
        ),
        "you made one update too many: the last fit of the loop is for predicting, not "
        "for another update.": lambda X, Y, t, L, ridge: _features(X, Y, t + 1, L, ridge),
        "the root is missing: M is the AGOP to the power 1/2.": (
            lambda X, Y, t, L, ridge: _features(X, Y, t, L, ridge, root=False)
        ),
        "the gradients are not centred; the loop subtracts each output's mean gradient.": (
            lambda X, Y, t, L, ridge: _features(X, Y, t, L, ridge, center=False)
        ),
        "every fit uses M = I; pass the current features on, fit(X, Y, feature_matrix=M).": (
            lambda X, Y, t, L, ridge: _features(X, Y, t, L, ridge, use_features=False)
        ),
        "the ridge is not used; it belongs into every fit.": (
            lambda X, Y, t, L, ridge: _features(X, Y, t, L, 0.0)
        ),
    },
    returns="a (d, d) tensor, the feature matrix",
    see='`rfm` in the section "By hand"',
)


def _squeezed(
    X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float, *, center: bool = True
) -> tuple[Tensor, Tensor]:
    """The root of M, and the AGOP with respect to the squeezed inputs."""
    root = psd_power(M, 0.5)
    model = KernelRidge(GaussianKernel(bandwidth), ridge).fit(X @ root, Y)
    return root, predictor_agop(model, center=center)


def _symmetric_root(G: Tensor) -> Tensor:
    return psd_power((G + G.T) / 2, 0.5)


def _next_features(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float) -> Tensor:
    root, G = _squeezed(X, Y, M, bandwidth, ridge)
    return _symmetric_root(root @ G @ root)


def _without_chain_rule(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float) -> Tensor:
    return psd_power(_squeezed(X, Y, M, bandwidth, ridge)[1], 0.5)


def _with_whole_matrix(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float) -> Tensor:
    _, G = _squeezed(X, Y, M, bandwidth, ridge)
    return _symmetric_root(M @ G @ M)


def _without_root(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float) -> Tensor:
    root, G = _squeezed(X, Y, M, bandwidth, ridge)
    return root @ G @ root


def _without_centering(X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float) -> Tensor:
    root, G = _squeezed(X, Y, M, bandwidth, ridge, center=False)
    return _symmetric_root(root @ G @ root)


def _squeezed_by_whole_matrix(
    X: Tensor, Y: Tensor, M: Tensor, bandwidth: float, ridge: float
) -> Tensor:
    model = KernelRidge(GaussianKernel(bandwidth), ridge).fit(X @ M, Y)
    root = psd_power(M, 0.5)
    return _symmetric_root(root @ predictor_agop(model) @ root)


def _current_features(which: str) -> tuple[Tensor, Tensor, Tensor, float, float]:
    X, Y, _, bandwidth, ridge = _regression(1)
    M = {
        "random": psd(4, 3) / 4,
        "identity": torch.eye(4, dtype=X.dtype),
        "two directions": torch.diag(torch.tensor([2.0, 1.0, 0.0, 0.0], dtype=X.dtype)),
    }[which]
    return X, Y, M, bandwidth, ridge


squeezed = Exercise(
    reference=_next_features,
    cases={
        "a random feature matrix": lambda: _current_features("random"),
        "M = I": lambda: _current_features("identity"),
        "a feature matrix with two eigenvalues that are zero": (
            lambda: _current_features("two directions")
        ),
    },
    mistakes={
        "this is the root of the AGOP with respect to the squeezed inputs; the chain rule brings "
        "it back to x, with M^½ on both sides.": _without_chain_rule,
        "you put M on both sides; f(x) = f̃(M^½x), "
        "so a gradient gets a factor M^½.": _with_whole_matrix,
        "you squeeze the inputs by M; the distance of M^½x and M^½z is the one that "
        "k(x, z; M) sees.": _squeezed_by_whole_matrix,
        "this is the AGOP with respect to x; the next features are its square root.": _without_root,
        "the gradients are not centred; "
        "the loop subtracts each output's mean gradient.": _without_centering,
        "M is not used: squeeze the inputs with its root first.": (
            lambda X, Y, M, L, ridge: _next_features(
                X, Y, torch.eye(len(M), dtype=M.dtype), L, ridge
            )
        ),
    },
    returns="a (d, d) tensor, the next feature matrix",
    see='the section "Why it helps"',
)
