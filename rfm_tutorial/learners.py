"""The loop around any learner: fit, read the features off, let it see its inputs through them.

A kernel has a place for M; most learners have none. But k(x, z; M) = k(M^½ x, M^½ z): what sees
M^½ x in place of x has been given M. With h the function that was fitted,

    f(x) = h(M^½ x),        ∇f(x) = M^½ ∇h(M^½ x),        M ← AGOP(f)^½

and automatic differentiation takes the AGOP in the inputs x as they were given. With `KernelRidge`
as the learner these are the steps of `RFM`, which is far quicker.

    for step in recursive_features(RandomFourierRidge(2000, 2.5), X, Y, n_iterations=10):
        print(step.iteration, accuracy(step.predict(X_test), y_test))
"""

import copy
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rfm_tutorial.checks import (
    check_choice,
    check_fitted,
    check_flag,
    check_integer,
    check_matrix,
    check_memory,
    check_real,
    in_short,
    seeded_generator,
    shown,
)
from rfm_tutorial.gradients import agop
from rfm_tutorial.linalg import own, psd_power, solve_positive_definite
from rfm_tutorial.rfm import NORMALIZATIONS


@runtime_checkable
class Learner(Protocol):
    """What `recursive_features` needs; `KernelRidge` and the classes below have it."""

    def fit(self, X: Tensor, Y: Tensor) -> Any:
        """Learn from inputs (n, d) and targets (n, c). What it returns is not looked at."""
        ...

    def predict(self, X: Tensor) -> Tensor:
        """Predictions (m, c), by torch operations that can be differentiated in X."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class LearnerStep:
    """One step of the loop: the feature matrix, its root, and the learner fitted through it."""

    iteration: int
    feature_matrix: Float[Tensor, "d d"]
    root: Float[Tensor, "d d"]
    learner: Learner

    def __repr__(self) -> str:
        return in_short("LearnerStep", vars(self))

    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions for inputs as they were given, (m, c)."""
        return self.learner.predict(X @ self.root)


def recursive_features(
    learner: Learner,
    X: Float[Tensor, "n d"],
    Y: Float[Tensor, "n c"],
    n_iterations: int = 10,
    agop_power: float = 0.5,
    center_gradients: bool = True,
    normalization: str = "none",
) -> Iterator[LearnerStep]:
    """Yield step 0, 1, … n_iterations of the loop, each computed when it is asked for.

    Every step fits a copy of the learner as it came, so steps may be collected in a list.

    Parameters
    ----------
    learner : anything with `fit(X, Y)` and a `predict(X)` that torch can differentiate, each row
        by itself; not yet fitted
    X, Y : inputs (n, d) and targets (n, c), same dtype and device
    n_iterations, agop_power, center_gradients, normalization : as for `RFM`

    Raises
    ------
    ValueError
        At once if an argument does not fit; at a step whose predictions are no tensor of one row
        per row, have no gradient, or one that is not finite.

    Source: "RFM with general machine learning models" in arXiv 2407.20199, section 2; the chain
    rule above is this module's own.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, KernelRidge, ModularTask
    >>> split = ModularTask("add", 5).split(train_fraction=0.8)
    >>> learner = KernelRidge(GaussianKernel(2.5))
    >>> steps = list(recursive_features(learner, split.X_train, split.Y_train, n_iterations=2))
    >>> len(steps), steps[-1].feature_matrix.shape
    (3, torch.Size([10, 10]))
    """
    if not isinstance(learner, Learner) or isinstance(learner, type):
        raise ValueError(
            f"learner must be an object with fit(X, Y) and predict(X), got {shown(learner)}"
        )
    check_matrix("X", X)
    check_matrix("Y", Y, rows=X.shape[0], like=X)
    n_iterations = check_integer("n_iterations", n_iterations, at_least=0)
    agop_power = check_real("agop_power", agop_power, positive=True)
    check_flag("center_gradients", center_gradients)
    scaled = NORMALIZATIONS[check_choice("normalization", normalization, NORMALIZATIONS)]

    def next_features(step: LearnerStep, X: Tensor) -> Tensor:
        G = agop(step.predict, X, center_gradients)
        # Where all gradients are the same, centering leaves their rounding.
        rounding = (100 * torch.finfo(X.dtype).eps) ** 2 * agop(step.predict, X[:1]).trace()
        if bool(G.trace() <= rounding):
            raise ValueError(
                f"learner must have gradients to read features from, got none at step "
                f"{step.iteration}: its predictions are constant, or computed without gradients "
                f"(torch.no_grad, .detach()), or linear, with center_gradients = True"
            )
        return scaled(psd_power(G, agop_power))

    def steps(X: Tensor, Y: Tensor) -> Iterator[LearnerStep]:
        M = torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
        for iteration in range(n_iterations + 1):
            root = psd_power(M, 0.5)
            fitted = copy.deepcopy(learner)
            fitted.fit(X @ root, Y)
            step = LearnerStep(iteration, M, root, fitted)
            yield step
            if iteration < n_iterations:
                M = next_features(step, X)

    return steps(own(X), own(Y))


class FeatureRidge(ABC):
    """Ridge regression on features of the inputs, which a subclass gives as `features`."""

    ridge: float
    coef_: Float[Tensor, "D c"]

    @abstractmethod
    def features(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n D"]:
        """The features of each row."""

    def fit(self, X: Float[Tensor, "n d"], Y: Float[Tensor, "n c"]) -> "FeatureRidge":
        """Minimise ‖ΦW − Y‖² + ridge ‖W‖² over W (D, c), kept as `coef_`.

        Raises
        ------
        ValueError
            If an argument does not fit.
        SingularKernelError
            If there is no ridge and no unique solution.
        """
        check_matrix("X", X)
        check_matrix("Y", Y, rows=len(X), like=X)
        features = self.features(X)
        name = "the matrix of the features' products"
        # Of the two equal forms of the solution, the one with the smaller matrix.
        if features.shape[1] <= len(features):
            right = features.T @ Y
            self.coef_ = solve_positive_definite(
                features.T @ features, right, self.ridge, name=name
            )
        else:
            dual = solve_positive_definite(features @ features.T, Y, self.ridge, name=name)
            self.coef_ = features.T @ dual
        return self

    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions (m, c), differentiable in X."""
        check_fitted(self, "coef_")
        return self.features(X) @ self.coef_


@dataclass(eq=False)
class RandomFourierRidge(FeatureRidge):
    """Ridge regression on random waves √(2/D) cos(wᵀx + b), whose products average to a Gaussian.

    Parameters
    ----------
    n_features : how many waves D
    bandwidth : L > 0, as of `GaussianKernel`: w is normal with standard deviation 1/L
    ridge : ≥ 0; with D waves and n rows, 0 interpolates where D ≥ n
    seed : of the waves, drawn on the CPU from a generator of their own

    Source: Rahimi and Recht, *Random features for large-scale kernel machines* (2007).

    Examples
    --------
    >>> X = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> model = RandomFourierRidge(100, 0.5, ridge=1e-8).fit(X, X.square())
    >>> bool((model.predict(X) - X.square()).abs().max() < 1e-3)
    True
    """

    n_features: int
    bandwidth: float
    ridge: float = 1e-6
    seed: int = 0

    coef_: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_integer("n_features", self.n_features, at_least=1)
        check_real("bandwidth", self.bandwidth, positive=True)
        check_real("ridge", self.ridge)
        seeded_generator(self.seed)

    def features(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n D"]:
        """√(2/D) cos(wᵀx + b), the same waves at every call."""
        generator, d = seeded_generator(self.seed), X.shape[1]
        drawn = {"generator": generator, "dtype": torch.float64, "device": "cpu"}
        waves = torch.randn(d, self.n_features, **drawn) / self.bandwidth
        phases = torch.rand(self.n_features, **drawn) * 2 * math.pi
        angles = X @ waves.to(X) + phases.to(X)
        return angles.cos() * math.sqrt(2 / self.n_features)


@dataclass(eq=False)
class PolynomialRidge(FeatureRidge):
    """Ridge regression on all products of up to `degree` inputs, a constant among them.

    Of d inputs there are (d + degree choose degree) products: for small d or degree 2.

    Parameters
    ----------
    degree : ≥ 1
    ridge : ≥ 0

    Examples
    --------
    >>> X = torch.randn(20, 3, dtype=torch.float64)
    >>> y = X[:, :1] * X[:, 1:2] - 2
    >>> bool(torch.allclose(PolynomialRidge(degree=2, ridge=0.0).fit(X, y).predict(X), y))
    True
    """

    degree: int = 2
    ridge: float = 1e-6

    coef_: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_integer("degree", self.degree, at_least=1)
        check_real("ridge", self.ridge)

    def features(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n D"]:
        """1, x_i, x_i x_j for i ≤ j, … up to the degree."""
        n, d = X.shape
        count = math.comb(d + self.degree, self.degree)
        needed = 3.0 * n * count * X.element_size()
        check_memory(f"{count} products of {d} inputs", needed, "take a lower degree")
        which = torch.tensor(
            [*itertools.combinations_with_replacement(range(d + 1), self.degree)], device=X.device
        )
        return torch.cat([X.new_ones(n, 1), X], 1)[:, which].prod(-1)


@dataclass(eq=False)
class TrainedModule:
    """A torch module, and a function that trains it.

    Parameters
    ----------
    make : from d and c, the widths of inputs and targets, to a new module of the data's dtype
    train : called with the module, X and Y; trains it in place

    Examples
    --------
    >>> def train(module, X, Y):
    ...     optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    ...     for _ in range(200):
    ...         optimiser.zero_grad()
    ...         (module(X) - Y).square().mean().backward()
    ...         optimiser.step()
    >>> def make(d, c):
    ...     return nn.Sequential(nn.Linear(d, 16), nn.Tanh(), nn.Linear(16, c)).double()
    >>> _ = torch.manual_seed(0)
    >>> X = torch.randn(100, 3, dtype=torch.float64)
    >>> for step in recursive_features(TrainedModule(make, train), X, X[:, :1].sin(), 2): pass
    >>> step.feature_matrix.diagonal().argmax()
    tensor(0)
    """

    make: Callable[[int, int], nn.Module]
    train: Callable[[nn.Module, Tensor, Tensor], object]

    module_: nn.Module = field(init=False, repr=False)

    def fit(self, X: Float[Tensor, "n d"], Y: Float[Tensor, "n c"]) -> "TrainedModule":
        """Make a new module and train it."""
        self.module_ = self.make(X.shape[1], Y.shape[1])
        self.train(self.module_, X, Y)
        self.module_.eval()
        return self

    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """What the module gives, (m, c)."""
        check_fitted(self, "module_")
        return self.module_(X)
