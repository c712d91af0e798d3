"""What several test modules share: the kernels under contract, plain references, small data.

The references are written from the formulas, in numpy, one Jacobian after another, and share no
line with the package.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, overload

import numpy as np
import torch
from numpy import exp
from torch import Tensor

from rfm_tutorial import GaussianKernel, LaplaceKernel, ModularTask, QuadraticKernel
from rfm_tutorial.kernels import KERNELS, InnerProductKernel, Kernel, RadialKernel
from rfm_tutorial.shared_ones import Groups

Array = np.ndarray


@dataclass(frozen=True)
class RationalQuadraticKernel(RadialKernel):
    """A radial kernel that the package does not have: 1 / (1 + ‖x − z‖²_M / 2L²)."""

    @property
    def slope_scale(self) -> float:
        return 1 / self.bandwidth**2

    def profile(self, squared_distance):
        return 1 / (1 + squared_distance / (2 * self.bandwidth**2))

    def slope(self, squared_distance):
        return self.profile(squared_distance) ** 2


@dataclass(frozen=True)
class AffineQuadraticKernel(InnerProductKernel):
    """An inner product kernel that the package does not have: (1 + xᵀMz)²."""

    def profile(self, product):
        return (1 + product) ** 2

    def slope(self, product):
        return 2 * (1 + product)


@dataclass(frozen=True)
class Case:
    """A kernel and what it must be: its value and its weight, of the distance r or the product t.

    The gradient of k in x is weight · M(z − x) for a radial kernel and weight · Mz for the others.
    """

    kernel: Kernel
    value: Callable[[Array], Array]
    weight: Callable[[Array], Array]

    def __str__(self) -> str:
        return type(self.kernel).__name__


def laplace_weight(r: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.where(r == 0, 0.0, exp(-r / 2.5) / (2.5 * r))


# One line for each kernel; every test of the contract runs for each line.
CASES = [
    Case(GaussianKernel(1.7), lambda r: exp(-(r**2) / 5.78), lambda r: exp(-(r**2) / 5.78) / 2.89),
    Case(LaplaceKernel(2.5), lambda r: exp(-r / 2.5), laplace_weight),
    Case(QuadraticKernel(3.0), lambda t: 3 * t**2, lambda t: 6 * t),
    # Not of the package: a kernel is added with one class, above, and one line.
    Case(RationalQuadraticKernel(2.0), lambda r: 8 / (8 + r**2), lambda r: 16 / (8 + r**2) ** 2),
    Case(AffineQuadraticKernel(), lambda t: (1 + t) ** 2, lambda t: 2 * (1 + t)),
]
CASES_OF_THE_PACKAGE = [case for case in CASES if type(case.kernel) in KERNELS.values()]
KERNELS_OF_THE_PACKAGE = [case.kernel for case in CASES_OF_THE_PACKAGE]


def plain_argument(case: Case, X: Tensor, Z: Tensor, M: Tensor | None) -> Array:
    """‖x − z‖_M or xᵀMz for all pairs, from the differences themselves."""
    x, z = X.double().numpy(), Z.double().numpy()
    m = np.eye(x.shape[1]) if M is None else M.double().numpy()
    if not case.kernel.radial:
        return x @ m @ z.T
    difference = x[:, None, :] - z[None, :, :]
    squared = np.einsum("ijd,de,ije->ij", difference, m, difference)
    return np.sqrt(np.maximum(squared, 0))


def plain_values(case: Case, X: Tensor, Z: Tensor, M: Tensor | None = None) -> Array:
    return case.value(plain_argument(case, X, Z, M))


def plain_weights(case: Case, X: Tensor, Z: Tensor, M: Tensor | None = None) -> Array:
    return case.weight(plain_argument(case, X, Z, M))


def plain_jacobians(case: Case, Z: Tensor, alpha: Tensor, M: Tensor | None, X: Tensor) -> Array:
    """(m, c, d): the gradient of each output at each row, all of them in memory."""
    weights = plain_weights(case, X, Z, M)
    x, z, a = X.double().numpy(), Z.double().numpy(), alpha.double().numpy()
    m = np.eye(x.shape[1]) if M is None else M.double().numpy()
    rows = []
    for point, weight in zip(x, weights, strict=True):
        directions = (z - point if case.kernel.radial else z) @ m
        rows.append(a.T @ (weight[:, None] * directions))
    return np.stack(rows)


def plain_agop(
    case: Case, Z: Tensor, alpha: Tensor, M: Tensor | None, X: Tensor, center: bool
) -> Array:
    J = plain_jacobians(case, Z, alpha, M, X)
    if center:
        J = J - J.mean(axis=0)
    return sum((jacobian.T @ jacobian for jacobian in J), np.zeros(2 * J.shape[2:])) / len(J)


def plain_root(G: Array, power: float) -> Array:
    values, vectors = np.linalg.eigh((G + G.T) / 2)
    return vectors @ np.diag(np.maximum(values, 0) ** power) @ vectors.T


def plain_rfm(
    case: Case,
    X: Tensor,
    Y: Tensor,
    ridge: float = 0.0,
    power: float = 0.5,
    center: bool = True,
) -> Iterator[tuple[Tensor, Tensor]]:
    """M and the dual coefficients of step 0, 1, 2, … without end."""
    M = torch.eye(X.shape[1], dtype=torch.float64)
    while True:
        K = plain_values(case, X, X, M) + ridge * np.eye(len(X))
        alpha = torch.from_numpy(np.linalg.solve(K, Y.double().numpy()))
        yield M, alpha
        M = torch.from_numpy(plain_root(plain_agop(case, X, alpha, M, X, center), power))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


@overload
def feature_matrix(kind: Literal["dense", "singular"], d: int, seed: int = 3) -> Tensor: ...
@overload
def feature_matrix(kind: str, d: int, seed: int = 3) -> Tensor | None: ...
def feature_matrix(kind: str, d: int, seed: int = 3) -> Tensor | None:
    """None, "dense" or "singular" (of half the rank)."""
    if kind == "none":
        return None
    A = normal(d, d if kind == "dense" else d // 2, seed=seed)
    return A @ A.T / d


def rows(kind: str, seed: int = 0) -> Tensor:
    """Distinct rows of one kind, about 20 of them."""
    if kind == "dense":
        return normal(18, 6, seed=seed) + 0.5
    if kind == "one-hot pairs":
        return ModularTask("add", 7).split(0.45, seed).X_train
    generator = torch.Generator().manual_seed(seed)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 6)
    ones = every.sum(1)
    # Three ones in each row but no first digit; or any number of ones, none included.
    every = every[ones == 3] if kind == "three ones" else every[ones != 1]
    return every[torch.randperm(len(every), generator=generator)[:18]]


def moved(groups: Groups, device: str) -> Groups:
    """The same groups elsewhere. There are no numbers on the meta device to find any in."""
    tensors = {name: part for name, part in vars(groups).items() if isinstance(part, Tensor)}
    return replace(groups, **{name: part.to(device) for name, part in tensors.items()})


KINDS_OF_ROWS = ["one-hot pairs", "three ones", "zeros and ones", "dense"]


def tolerance(dtype: torch.dtype) -> float:
    return 1e-10 if dtype == torch.float64 else 1e-3


def difference(got: Tensor, expected: Array | Tensor) -> float:
    """Largest difference, relative to the largest expected number."""
    want = torch.as_tensor(expected, dtype=torch.float64)
    got = got.detach().double()
    assert got.shape == want.shape
    return float((got - want).abs().max() / want.abs().max())
