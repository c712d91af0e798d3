"""The loop around any learner: RFM's own steps with a kernel machine, and other learners."""

import copy

import numpy as np
import pytest
import torch
from helpers import KERNELS_OF_THE_PACKAGE
from sklearn.linear_model import Ridge
from sklearn.preprocessing import PolynomialFeatures
from torch import Tensor, nn

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, Split, accuracy
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.learners import (
    LearnerStep,
    PolynomialRidge,
    RandomFourierRidge,
    TrainedModule,
    recursive_features,
)


@pytest.fixture(scope="module")
def split() -> Split:
    return ModularTask("add", 7).split(0.7)


def rows(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("kernel", KERNELS_OF_THE_PACKAGE, ids=lambda kernel: type(kernel).__name__)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"center_gradients": False},
        {"agop_power": 0.25},
        {"normalization": "max"},
        {"normalization": "trace"},
    ],
    ids=str,
)
def test_with_a_kernel_machine_the_steps_are_those_of_rfm(
    kernel: Kernel, settings: dict, split: Split
) -> None:
    learner = KernelRidge(kernel, ridge=1e-3)
    found = recursive_features(learner, split.X_train, split.Y_train, 3, **settings)
    expected = RFM(kernel, 3, 1e-3, **settings).iterate(split.X_train, split.Y_train)
    for one, other in zip(found, expected, strict=True):
        assert one.iteration == other.iteration
        # Gradients come from sums in another order. Where the AGOP is 0 but for that, in the
        # direction that centering takes away, its power is the power of a rounding error.
        rounding = 1e-16 ** settings.get("agop_power", 0.5)
        torch.testing.assert_close(
            one.feature_matrix, other.feature_matrix, rtol=1e-7, atol=rounding
        )
        torch.testing.assert_close(
            one.predict(split.X_test), other.predict(split.X_test), rtol=1e-6, atol=100 * rounding
        )


def test_polynomial_regression_groks_what_it_could_not_learn() -> None:
    split = ModularTask("add", 13).split(0.8)
    accuracies = [
        accuracy(step.predict(split.X_test), split.y_test)
        for step in recursive_features(PolynomialRidge(2), split.X_train, split.Y_train, 12)
    ]
    assert max(accuracies[:4]) < 0.1
    assert accuracies[-1] > 0.8


def test_a_step_keeps_its_learner_and_the_one_that_was_given_stays_unfitted(split: Split) -> None:
    learner = PolynomialRidge(2)
    steps = list(recursive_features(learner, split.X_train, split.Y_train, 2))
    assert not hasattr(learner, "coef_")
    assert len({id(step.learner) for step in steps}) == 3
    before = steps[0].predict(split.X_test)
    assert not torch.equal(before, steps[2].predict(split.X_test))
    torch.testing.assert_close(before, PolynomialRidge(2).fit(split.X_train, split.Y_train).predict(
        split.X_test
    ))  # fmt: skip
    assert repr(steps[0]).startswith("LearnerStep(iteration=0, feature_matrix=float64 (14, 14)")


def test_later_changes_of_the_data_do_not_reach_the_loop(split: Split) -> None:
    X, Y = split.X_train.clone(), split.Y_train.clone()
    changed = recursive_features(PolynomialRidge(2), X, Y, 2)
    undisturbed = recursive_features(PolynomialRidge(2), split.X_train, split.Y_train, 2)
    next(changed), next(undisturbed)
    X.zero_(), Y.zero_()
    for one, other in zip(changed, undisturbed, strict=True):
        assert torch.equal(one.feature_matrix, other.feature_matrix)


@pytest.mark.parametrize("n", [8, 60], ids=["fewer rows than products", "more rows"])
def test_polynomial_regression_is_scikit_learns(n: int) -> None:
    X, Y, new = rows(n, 4), rows(n, 2, 1), rows(5, 4, 2)
    ours = PolynomialRidge(3, ridge=0.1).fit(X, Y).predict(new)
    # scikit-learn has each product once, in another order; the constant is one of them.
    products = PolynomialFeatures(3)
    oracle = Ridge(0.1, fit_intercept=False).fit(products.fit_transform(X.numpy()), Y.numpy())
    expected = oracle.predict(products.transform(new.numpy()))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-8)


def test_many_random_waves_are_a_gaussian_kernel() -> None:
    X, kernel = rows(30, 3), GaussianKernel(1.5)
    features = RandomFourierRidge(200_000, 1.5).features(X)
    # The error of a mean of 200,000 numbers of size about 1.
    torch.testing.assert_close(features @ features.T, kernel(X, X), rtol=0, atol=0.015)


def test_random_waves_are_those_of_the_seed() -> None:
    X = rows(5, 3)
    one, other, another = (RandomFourierRidge(7, 1.0, seed=seed).features(X) for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.allclose(one, another)
    torch.testing.assert_close(
        RandomFourierRidge(7, 1.0, seed=1).features(X.float()).double(), one, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("learner", [RandomFourierRidge(40, 1.5, 1e-4), PolynomialRidge(2, 1e-4)])
@pytest.mark.parametrize("n", [20, 80])
def test_ridge_regression_is_at_its_minimum(learner, n: int) -> None:
    X, Y = rows(n, 5), rows(n, 2, 1)
    fitted = copy.copy(learner).fit(X, Y)
    features, W = fitted.features(X), fitted.coef_
    gradient = features.T @ (features @ W - Y) + fitted.ridge * W
    assert float(gradient.abs().max()) < 1e-8


def _train(module: nn.Module, X: Tensor, Y: Tensor) -> None:
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        (module(X) - Y).square().mean().backward()
        optimiser.step()


def test_the_features_of_a_network_are_the_inputs_that_matter() -> None:
    torch.manual_seed(0)
    X = rows(200, 6)
    Y = (X[:, 1] * X[:, 4])[:, None]
    learner = TrainedModule(
        lambda d, c: nn.Sequential(
            nn.Linear(d, 32), nn.Dropout(0.1), nn.Tanh(), nn.Linear(32, c)
        ).double(),
        _train,
    )
    *_, last = recursive_features(learner, X, Y, 3)
    importance = last.feature_matrix.diagonal()
    assert set(importance.topk(2).indices.tolist()) == {1, 4}
    assert float(importance[[1, 4]].sum() / importance.sum()) > 0.9
    # Dropout is off where predictions and gradients are taken.
    assert torch.equal(last.predict(X), last.predict(X))


class Numpy:
    """A learner whose predictions torch cannot differentiate."""

    def fit(self, X, Y):
        return self

    def predict(self, X):
        return np.zeros((len(X), 1))


class Frozen(PolynomialRidge):
    """Computes where no gradient is recorded."""

    def predict(self, X):
        with torch.no_grad():
            return super().predict(X)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learner": "ridge"}, r"learner must be an object with fit\(X, Y\) and predict\(X\)"),
        ({"learner": PolynomialRidge}, "learner must be an object"),
        ({"X": rows(9, 3)}, "Y"),
        ({"n_iterations": -1}, "n_iterations must be an integer ≥ 0"),
        ({"agop_power": 0}, "agop_power must be"),
        ({"center_gradients": 1}, "center_gradients must be True or False"),
        ({"normalization": "l2"}, "normalization must be one of"),
    ],
)
def test_wrong_arguments_are_answered_before_the_first_step(change: dict, message: str) -> None:
    arguments = {"learner": PolynomialRidge(), "X": rows(8, 3), "Y": rows(8, 1)} | change
    with pytest.raises(ValueError, match=message):
        recursive_features(**arguments)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (Numpy(), "function must return one tensor, got ndarray"),
        (Frozen(), "learner must have gradients to read features from, got none at step 0"),
    ],
)
def test_a_learner_without_gradients_is_answered_in_words(learner, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(recursive_features(learner, rows(8, 3), rows(8, 1), 1))


def test_a_linear_function_has_no_features_after_centering() -> None:
    X = rows(20, 3)
    Y = X @ rows(3, 1, 1)
    learner = TrainedModule(
        lambda d, c: nn.Linear(d, c, bias=False).double(),
        lambda module, X, Y: module.weight.data.copy_(torch.linalg.lstsq(X, Y).solution.T),
    )
    with pytest.raises(ValueError, match="or linear, with center_gradients = True"):
        list(recursive_features(learner, X, Y, 1))
    *_, last = recursive_features(learner, X, Y, 1, center_gradients=False)
    assert isinstance(last, LearnerStep)
    direction = (X.pinverse() @ Y).flatten()
    expected = torch.outer(direction, direction) / direction.norm()
    torch.testing.assert_close(last.feature_matrix, expected)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFourierRidge(0, 1.0), "n_features must be an integer ≥ 1"),
        (lambda: RandomFourierRidge(5, 0.0), "bandwidth must be"),
        (lambda: PolynomialRidge(0), "degree must be an integer ≥ 1"),
        (lambda: PolynomialRidge(2, -1.0), "ridge must be"),
        (lambda: PolynomialRidge(20).fit(rows(9, 60), rows(9, 1)), "products of 60 inputs would"),
        (lambda: PolynomialRidge().predict(rows(2, 2)), "not fitted"),
    ],
)
def test_wrong_learners_are_answered_in_words(make, message: str) -> None:
    with pytest.raises((ValueError, AttributeError), match=message):
        make()
